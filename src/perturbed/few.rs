//! Rows of at most 64 scores: all of them are computed, a state is a word, and several samples of a row are found in one
//! call.

use super::scores::Formula;
use crate::arch::{self, Dispatch, EIGHT, Isa};
use crate::kernel::lanes::copy;
use crate::kernel::select::{FEW, best_of_few};
use crate::mask::unmasked_bits;
use crate::noise::{RowWords, SampleWords, Sampler};
use crate::views::lists::Lists;
use crate::views::rows::DzView;

/// True if k of n are chosen here, on machines whose loops go by lanes.
#[inline(always)]
pub(crate) const fn are_few(n: usize, k: usize) -> bool {
    n <= FEW && 1 <= k && k < n
}

/// A row from which the k largest scores are chosen, 1 ≤ k < n ≤ 64. At least k coordinates are not masked. Bit i of a
/// state is z_i.
#[derive(Clone, Copy)]
pub(crate) struct Few<'a> {
    pub theta: &'a [f32],
    pub k: usize,
}

impl Few<'_> {
    /// The states of the samples from `from` on, one for each element of `states`. The base of the scores is θ.
    pub(crate) fn sample(&self, scores: &Formula<'_>, words: &RowWords, from: usize, states: &mut [u64]) {
        arch::run(Sample { row: *self, scores, words, from, states });
    }

    /// z and z' of the samples from `from` on, one pair for each element of `states`. False
    /// if a dz is not finite or a list is not a state of the row.
    pub(crate) fn pairs(&self, pair: &Pair<'_>, words: &RowWords, from: usize, states: &mut [[u64; 2]]) -> bool {
        arch::run(Pairs { row: *self, pair, words, from, states })
    }
}

/// How z and z' of a sample are found.
pub(crate) struct Pair<'a> {
    pub z: First<'a>,
    /// The scores of z'. The noise is that of z.
    pub target: Formula<'a>,
    pub dz: DzView<'a>,
    /// The number of the row in `dz`.
    pub b: usize,
}

/// How z is found.
pub(crate) enum First<'a> {
    /// It is the choice of these scores.
    Chosen(Formula<'a>),
    /// A list says it.
    Listed(Lists<'a>),
}

struct Sample<'a> {
    row: Few<'a>,
    scores: &'a Formula<'a>,
    words: &'a RowWords,
    from: usize,
    states: &'a mut [u64],
}

impl Dispatch for Sample<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut row = Padded::new(self.row, self.scores.noise);
        for (s, z) in (self.from..).zip(self.states) {
            row.draw_words(self.words.sample(s));
            row.make_noise(isa);
            *z = row.choose(isa, self.scores);
        }
    }
}

struct Pairs<'a> {
    row: Few<'a>,
    pair: &'a Pair<'a>,
    words: &'a RowWords,
    from: usize,
    states: &'a mut [[u64; 2]],
}

impl Dispatch for Pairs<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> bool {
        let Pairs { row, pair: Pair { z: first, target, dz, b }, words, from, states } = self;
        let k = row.k;
        let mut row = Padded::new(row, target.noise);
        let unmasked = unmasked_bits(isa, row.theta.as_chunks().0);
        for (s, [z, z_target]) in (from..).zip(states) {
            if !row.set_dz(dz.get(*b, s)) {
                return false;
            }
            row.draw_words(words.sample(s));
            match first {
                First::Chosen(scores) => {
                    row.make_noise(isa);
                    *z = row.choose(isa, scores);
                }
                First::Listed(lists) => {
                    let Some(listed) = lists.checked_bits(s, k, unmasked) else { return false };
                    *z = listed;
                    row.make_noise(isa);
                }
            }
            *z_target = row.choose(isa, target);
        }
        true
    }
}

/// A row of n, padded to 64, so that loops over it go by whole blocks.
struct Padded<'a> {
    n: usize,
    k: usize,
    noise: Sampler<'a>,
    /// θ, then masks.
    theta: [f32; FEW],
    /// dz, then zeros.
    dz: [f32; FEW],
    /// The sample's words after `draw_words`, its noise after `make_noise`.
    epsilon: [f32; FEW],
    scores: [f32; FEW],
}

impl<'a> Padded<'a> {
    #[inline(always)]
    fn new(row: Few<'_>, noise: Sampler<'a>) -> Self {
        debug_assert!(are_few(row.theta.len(), row.k), "{} of {}", row.k, row.theta.len());
        let mut theta = [f32::NEG_INFINITY; FEW];
        copy(row.theta, &mut theta);
        let zeros = [0.0; FEW];
        Padded { n: row.theta.len(), k: row.k, noise, theta, dz: zeros, epsilon: zeros, scores: zeros }
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

    /// Draws the words of a sample.
    #[inline(always)]
    fn draw_words(&mut self, words: SampleWords<'_>) {
        self.noise.draw_few_words(words, self.n, &mut self.epsilon);
    }

    /// Replaces the words of the sample by its noise.
    #[inline(always)]
    fn make_noise<I: Isa>(&mut self, isa: I) {
        let eights = self.n.next_multiple_of(EIGHT);
        self.noise.replace_words(isa, self.epsilon.get_mut(..eights).unwrap_or_default());
    }

    /// The k largest scores.
    #[inline(always)]
    fn choose<I: Isa>(&mut self, isa: I, formula: &Formula<'_>) -> u64 {
        let Padded { n, k, theta, dz, epsilon, scores, .. } = self;
        let inputs = theta.as_chunks().0.iter().zip(dz.as_chunks().0).zip(epsilon.as_chunks().0);
        for (scores, ((theta, dz), epsilon)) in scores.as_chunks_mut().0.iter_mut().zip(inputs).take(n.div_ceil(EIGHT))
        {
            *scores = formula.eight_scores(*theta, *dz, *epsilon);
        }
        best_of_few(isa, scores, *n, *k).set
    }
}
