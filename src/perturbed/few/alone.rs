//! One sample of a row of few scores after another, its coordinates in the lanes.

use super::near::{Margin, make_noise};
use super::row::{Few, First, Pair, are_few};
use crate::arch::{self, Dispatch, EIGHT, Isa, LANES};
use crate::kernel::lanes::copy;
use crate::kernel::select::{FEW, best_of_padded};
use crate::kernel::ties::drop_last_equals;
use crate::mask::unmasked_bits;
use crate::noise::{RowWords, SampleWords, Sampler};
use crate::perturbed::scores::Formula;

/// The states of samples.
pub(super) struct Sample<'a> {
    pub row: Few<'a>,
    pub scores: &'a Formula<'a>,
    pub words: &'a RowWords,
    pub from: usize,
    pub states: &'a mut [u64],
}

impl Dispatch for Sample<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut row = Alone::new(self.row, self.scores.noise);
        for (s, z) in (self.from..).zip(self.states) {
            let words = self.words.sample(s);
            row.draw(words, false);
            *z = row.choose(isa, words, self.scores);
        }
    }
}

/// z and z' of samples. False if a dz is not finite or a list is not a state of the row.
pub(super) struct Pairs<'a> {
    pub row: Few<'a>,
    pub pair: &'a Pair<'a>,
    pub words: &'a RowWords,
    pub from: usize,
    pub states: &'a mut [[u64; 2]],
}

impl Dispatch for Pairs<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> bool {
        let Pairs { row, pair: Pair { z: first, target, dz, b }, words, from, states } = self;
        let k = row.k;
        let mut row = Alone::new(row, target.noise);
        let unmasked = unmasked_bits(isa, row.theta.as_chunks().0);
        for (s, [z, z_target]) in (from..).zip(states) {
            if !row.set_dz(dz.get(*b, s)) {
                return false;
            }
            let words = words.sample(s);
            row.draw(words, false);
            let chosen = match first {
                First::Chosen(scores) => Some((scores, z)),
                First::Listed(lists) => {
                    let Some(listed) = lists.checked_bits(s, k, unmasked) else { return false };
                    *z = listed;
                    None
                }
            };
            // One loop, so that there is one copy of what it calls.
            for (scores, z) in chosen.into_iter().chain([(target, z_target)]) {
                *z = row.choose(isa, words, scores);
            }
        }
        true
    }
}

/// A row of n, padded to 64, so that loops over it go by whole blocks.
struct Alone<'a> {
    n: usize,
    k: usize,
    noise: Sampler<'a>,
    /// θ, then masks.
    theta: [f32; FEW],
    /// dz, then zeros.
    dz: [f32; FEW],
    /// The noise of the sample, within `error`.
    epsilon: [f32; FEW],
    error: f32,
    /// The scores, then masks.
    scores: [f32; FEW],
}

impl<'a> Alone<'a> {
    #[inline(always)]
    fn new(row: Few<'_>, noise: Sampler<'a>) -> Self {
        debug_assert!(are_few(row.theta.len(), row.k), "{} of {}", row.k, row.theta.len());
        let masks = [f32::NEG_INFINITY; FEW];
        let mut theta = masks;
        copy(row.theta, &mut theta);
        let zeros = [0.0; FEW];
        Alone { n: row.theta.len(), k: row.k, noise, theta, dz: zeros, epsilon: zeros, error: 0.0, scores: masks }
    }

    /// Takes the dz of a sample; true if every element is finite.
    #[inline(always)]
    fn set_dz(&mut self, dz: &[f32]) -> bool {
        copy(dz, &mut self.dz);
        // 0 · x is 0 for a finite x, else NaN.
        let mut zeros = [0.0; EIGHT];
        for eight in self.dz.as_chunks::<EIGHT>().0.iter().take(self.n.div_ceil(EIGHT)) {
            for (zero, x) in zeros.iter_mut().zip(eight) {
                *zero += 0.0 * x;
            }
        }
        zeros.iter().fold(true, |all, &zero| all & (zero == 0.0))
    }

    /// Draws a sample: makes its noise, or noise that is near it.
    #[inline(never)]
    fn draw(&mut self, words: SampleWords<'_>, exact: bool) {
        let Alone { n, noise, epsilon, .. } = self;
        arch::run(DrawWords { noise: *noise, words, n: *n, out: epsilon });
        let eights = epsilon.get_mut(..n.next_multiple_of(EIGHT)).unwrap_or_default();
        self.error = make_noise(*noise, exact, eights);
    }

    /// The k largest scores of the sample with these words.
    #[inline(always)]
    fn choose<I: Isa>(&mut self, isa: I, words: SampleWords<'_>, formula: &Formula<'_>) -> u64 {
        loop {
            self.score(formula);
            let best = best_of_padded(isa, &self.scores, self.n, self.k);
            match best {
                Ok(best) if self.error == 0.0 => return best.set,
                Err(set) if self.error == 0.0 => return drop_last_equals(&self.scores, set, self.k).0,
                Ok(best) if self.reached(isa, Margin::new(formula.tau, self.error).below(best.least)) == best.set => {
                    return best.set;
                }
                _ => self.draw(words, true),
            }
        }
    }

    #[inline(always)]
    fn score(&mut self, formula: &Formula<'_>) {
        let Alone { n, theta, dz, epsilon, scores, .. } = self;
        // A copy, because the compiler knows that no store changes it.
        let formula = *formula;
        let inputs = theta.as_chunks().0.iter().zip(dz.as_chunks().0).zip(epsilon.as_chunks().0);
        for (scores, ((theta, dz), epsilon)) in scores.as_chunks_mut().0.iter_mut().zip(inputs).take(n.div_ceil(EIGHT))
        {
            *scores = formula.eight_scores(*theta, *dz, *epsilon);
        }
    }

    /// The scores that reach t.
    #[inline(always)]
    fn reached<I: Isa>(&self, isa: I, t: f32) -> u64 {
        let mut reached = 0;
        for (block, shift) in self.scores.as_chunks().0.iter().take(self.n.div_ceil(LANES)).zip((0..).step_by(LANES)) {
            reached |= u64::from(isa.at_least(block, t)) << shift;
        }
        reached
    }
}

struct DrawWords<'a> {
    noise: Sampler<'a>,
    words: SampleWords<'a>,
    n: usize,
    out: &'a mut [f32; FEW],
}

impl Dispatch for DrawWords<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) {
        let DrawWords { noise, words, n, out } = self;
        noise.draw_few_words(words, n, out);
    }
}
