//! Eight samples of a row of few scores side by side: the lanes of a register are samples. No loop waits for the one
//! before it, and no lane is padding.

use super::near::{Margin, make_noise};
use super::row::Few;
use crate::arch::{self, Dispatch, EIGHT, Isa};
use crate::kernel::columns::{exactly_k_reach, k_largest, kth_largest};
use crate::kernel::lanes::copy;
use crate::noise::{RowWords, Sampler};
use crate::perturbed::scores::Formula;
use crate::views::rows::DzView;

/// A number of each sample.
type Eight = [f32; EIGHT];

/// The memory for eight samples of a row of at most N.
pub(super) struct Memory<const N: usize> {
    theta: [Eight; N],
    epsilon: [Eight; N],
    dz: [Eight; N],
    scores: [Eight; N],
}

impl<const N: usize> Memory<N> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        // Ones, because a slower call would clear the memory to zero.
        let ones = [[1.0; EIGHT]; N];
        Memory { theta: ones, epsilon: ones, dz: ones, scores: ones }
    }
}

/// Eight samples of a row. Every slice has n elements.
pub(super) struct Abreast<'a> {
    k: usize,
    noise: Sampler<'a>,
    words: &'a RowWords,
    /// The first of the samples.
    sample: usize,
    theta: &'a [Eight],
    /// The noise, within `error`.
    epsilon: &'a mut [Eight],
    error: f32,
    dz: &'a mut [Eight],
    scores: &'a mut [Eight],
}

impl<'a> Abreast<'a> {
    #[inline(always)]
    pub(super) fn new<const N: usize>(
        row: Few<'a>,
        words: &'a RowWords,
        noise: Sampler<'a>,
        memory: &'a mut Memory<N>,
    ) -> Self {
        let n = row.theta.len();
        debug_assert!(n <= N, "no room for {n} scores");
        let Memory { theta, epsilon, dz, scores } = memory;
        for (eight, &theta) in theta.iter_mut().zip(row.theta) {
            *eight = [theta; EIGHT];
        }
        Abreast {
            k: row.k,
            noise,
            words,
            sample: 0,
            theta: theta.get(..n).unwrap_or_default(),
            epsilon: epsilon.get_mut(..n).unwrap_or_default(),
            error: 0.0,
            dz: dz.get_mut(..n).unwrap_or_default(),
            scores: scores.get_mut(..n).unwrap_or_default(),
        }
    }

    /// Draws the samples from s on: makes noise that is near theirs.
    pub(super) fn draw(&mut self, s: usize) {
        self.sample = s;
        self.make_noise(false);
    }

    #[inline(never)]
    fn make_noise(&mut self, exact: bool) {
        let Abreast { noise, words, sample, epsilon, error, .. } = self;
        arch::run(DrawWords { noise: *noise, words, s: *sample, out: epsilon });
        *error = make_noise(*noise, exact, epsilon.as_flattened_mut());
    }

    /// Takes dz of the `samples` ≤ 8 samples from s on, in row b of a batch; true if every element is finite.
    pub(super) fn set_dz(&mut self, dz: DzView<'_>, b: usize, s: usize, samples: usize) -> bool {
        arch::run(SetDz { row: self, dz, b, s, samples })
    }

    /// The k largest scores of each sample.
    #[inline(never)]
    pub(super) fn choose(&mut self, formula: &Formula<'_>) -> [u64; EIGHT] {
        loop {
            if let Some(states) = arch::run(Choose { row: self, formula }) {
                return states;
            }
            self.make_noise(true);
        }
    }
}

struct DrawWords<'a> {
    noise: Sampler<'a>,
    words: &'a RowWords,
    s: usize,
    out: &'a mut [Eight],
}

impl Dispatch for DrawWords<'_> {
    type Output = ();
    const WIDE: bool = false;

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) {
        let DrawWords { noise, words, s, out } = self;
        noise.draw_eight_samples(words, s, out);
    }
}

struct SetDz<'r, 'a> {
    row: &'r mut Abreast<'a>,
    dz: DzView<'r>,
    b: usize,
    s: usize,
    samples: usize,
}

impl Dispatch for SetDz<'_, '_> {
    type Output = bool;
    const WIDE: bool = false;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> bool {
        let SetDz { row, dz, b, s, samples } = self;
        let mut rows: [&[f32]; EIGHT] = [&[]; EIGHT];
        for (row, s) in rows.iter_mut().zip(s..).take(samples) {
            *row = dz.get(b, s);
        }
        let n = row.dz.len();
        // Samples that there are not have zeros, and so has what a row shorter than eight lacks.
        let mut short = [[0.0; EIGHT]; EIGHT];
        if n < EIGHT {
            for (short, row) in short.iter_mut().zip(rows) {
                copy(row, short);
            }
        }
        for from in (0..n).step_by(EIGHT) {
            // The last eight may overlap those before.
            let from = if from + EIGHT <= n { from } else { n.saturating_sub(EIGHT) };
            let mut eights = short.each_ref();
            for (eight, row) in eights.iter_mut().zip(rows) {
                if let Some(whole) = row.get(from..from + EIGHT)
                    && let ([whole], _) = whole.as_chunks()
                {
                    *eight = whole;
                }
            }
            for (to, column) in row.dz.iter_mut().skip(from).zip(isa.transpose(eights)) {
                *to = column;
            }
        }
        // 0 · x is 0 for a finite x, else NaN.
        let mut zeros = [0.0; EIGHT];
        for eight in row.dz.iter() {
            for (zero, x) in zeros.iter_mut().zip(eight) {
                *zero += 0.0 * x;
            }
        }
        zeros.iter().fold(true, |all, &zero| all & (zero == 0.0))
    }
}

/// None if near scores do not tell for certain.
struct Choose<'r, 'a> {
    row: &'r mut Abreast<'a>,
    formula: &'r Formula<'r>,
}

impl Dispatch for Choose<'_, '_> {
    type Output = Option<[u64; EIGHT]>;
    const WIDE: bool = false;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Option<[u64; EIGHT]> {
        let Choose { row: Abreast { k, theta, epsilon, error, dz, scores, .. }, formula } = self;
        // A copy, because the compiler knows that no store changes it.
        let formula = *formula;
        for (((scores, theta), dz), epsilon) in scores.iter_mut().zip(*theta).zip(dz.iter()).zip(epsilon.iter()) {
            *scores = formula.eight_scores(*theta, *dz, *epsilon);
        }
        let kth = kth_largest(isa, scores, *k);
        let exact = *error == 0.0;
        let mut t = kth;
        if !exact {
            let margin = Margin::new(formula.tau, *error);
            for t in &mut t {
                *t = margin.below(*t);
            }
        }
        match exactly_k_reach(scores, *k, &t) {
            None if exact => Some(k_largest(scores, *k, &kth)),
            states => states,
        }
    }
}
