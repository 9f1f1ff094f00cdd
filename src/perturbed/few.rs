//! Rows of at most 64 scores: all of them are computed, a state is a word, and several samples of a row are found in one
//! call: eight of them side by side (`abreast`), or a few one after another (`alone`).
//!
//! Most choices are certain before the scores are exact. ε takes two long polynomials, and a number near ε, at most δ away
//! ([`Law::NEAR_ERROR`](crate::noise::Law::NEAR_ERROR)), takes a third of that. Near scores are those of near noise, by
//! the same formula. If exactly k of them reach a number somewhat below the k-th largest near score, these k are the k
//! largest scores ([`Margin`] has the proof). Otherwise the exact scores decide.

mod abreast;
mod alone;

use super::scores::Formula;
use crate::arch::{self, Dispatch, EIGHT, Isa};
use crate::kernel::columns;
use crate::kernel::lanes::copy;
use crate::kernel::select::FEW;
use crate::mask::unmasked_bits;
use crate::noise::{RowWords, Sampler};
use crate::views::lists::Lists;
use crate::views::rows::DzView;
use abreast::{Abreast, Memory};

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

/// Fewer samples than this are found one after another: eight side by side cost as much as four.
const WORTH_EIGHT: usize = 5;

/// Half of the longest row.
const HALF: usize = FEW / 2;

impl Few<'_> {
    /// The states of the samples from `from` on, one for each element of `states`. The base of the scores is θ.
    pub(crate) fn sample(&self, scores: &Formula<'_>, words: &RowWords, from: usize, states: &mut [u64]) {
        let (eights, rest) = states.split_at_mut_checked(self.abreast(words, states.len())).unwrap_or_default();
        let last = from + eights.len();
        if !eights.is_empty() {
            // Short rows get less memory, because clearing it takes time.
            if self.theta.len() <= HALF {
                self.sample_abreast(scores, words, from, eights, &mut Memory::<HALF>::new());
            } else {
                self.sample_abreast(scores, words, from, eights, &mut Memory::<FEW>::new());
            }
        }
        if !rest.is_empty() {
            arch::run(alone::Sample { row: *self, scores, words, from: last, states: rest });
        }
    }

    #[inline(always)]
    fn sample_abreast<const N: usize>(
        &self,
        scores: &Formula<'_>,
        words: &RowWords,
        from: usize,
        states: &mut [u64],
        memory: &mut Memory<N>,
    ) {
        let mut row = Abreast::new(*self, words, scores.noise, memory);
        for (s, states) in (from..).step_by(EIGHT).zip(states.chunks_mut(EIGHT)) {
            row.draw(s);
            for (state, z) in states.iter_mut().zip(row.choose(scores)) {
                *state = z;
            }
        }
    }

    /// z and z' of the samples from `from` on, one pair for each element of `states`. False
    /// if a dz is not finite or a list is not a state of the row.
    pub(crate) fn pairs(&self, pair: &Pair<'_>, words: &RowWords, from: usize, states: &mut [[u64; 2]]) -> bool {
        let (eights, rest) = states.split_at_mut_checked(self.abreast(words, states.len())).unwrap_or_default();
        let last = from + eights.len();
        let are_good = if eights.is_empty() {
            true
        } else if self.theta.len() <= HALF {
            self.pairs_abreast(pair, words, from, eights, &mut Memory::<HALF>::new())
        } else {
            self.pairs_abreast(pair, words, from, eights, &mut Memory::<FEW>::new())
        };
        are_good && (rest.is_empty() || arch::run(alone::Pairs { row: *self, pair, words, from: last, states: rest }))
    }

    #[inline(always)]
    fn pairs_abreast<const N: usize>(
        &self,
        pair: &Pair<'_>,
        words: &RowWords,
        from: usize,
        states: &mut [[u64; 2]],
        memory: &mut Memory<N>,
    ) -> bool {
        let mut row = Abreast::new(*self, words, pair.target.noise, memory);
        for (s, states) in (from..).step_by(EIGHT).zip(states.chunks_mut(EIGHT)) {
            if !row.set_dz(pair.dz, pair.b, s, states.len()) {
                return false;
            }
            row.draw(s);
            let z = match pair.z {
                First::Chosen(scores) => row.choose(&scores),
                First::Listed(lists) => {
                    let Some(listed) = arch::run(Listed { row: *self, lists, s, samples: states.len() }) else {
                        return false;
                    };
                    listed
                }
            };
            let z_target = row.choose(&pair.target);
            for ((state, z), z_target) in states.iter_mut().zip(z).zip(z_target) {
                *state = [z, z_target];
            }
        }
        true
    }

    /// So many samples of a number of them are found eight at a time.
    fn abreast(&self, words: &RowWords, samples: usize) -> usize {
        if !words.are_independent() || !columns::are_served(self.theta.len(), self.k) {
            return 0;
        }
        let rest = samples % EIGHT;
        if rest < WORTH_EIGHT { samples - rest } else { samples }
    }
}

/// The states that lists say, of the `samples` ≤ 8 samples from s on; None if one is not a state of the row.
struct Listed<'a> {
    row: Few<'a>,
    lists: Lists<'a>,
    s: usize,
    samples: usize,
}

impl Dispatch for Listed<'_> {
    type Output = Option<[u64; EIGHT]>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Option<[u64; EIGHT]> {
        let Listed { row, lists, s, samples } = self;
        let mut theta = [f32::NEG_INFINITY; FEW];
        copy(row.theta, &mut theta);
        let unmasked = unmasked_bits(isa, theta.as_chunks().0);
        let mut states = [0; EIGHT];
        for (state, s) in states.iter_mut().zip(s..).take(samples) {
            *state = lists.checked_bits(s, row.k, unmasked)?;
        }
        Some(states)
    }
}

/// Replaces words by their ε, or by numbers near it, and tells how near.
struct MakeNoise<'a> {
    noise: Sampler<'a>,
    exact: bool,
    words: &'a mut [f32],
}

impl Dispatch for MakeNoise<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) -> f32 {
        let MakeNoise { noise, exact, words } = self;
        if exact {
            noise.replace_words(words);
            return 0.0;
        }
        noise.replace_words_by_near(words)
    }
}

/// How far below the k-th largest near score all others must be, so that the choice is certain.
///
/// Let t be the k-th largest near score, s_i the exact scores and a_i the near ones. Let S_i and A_i be the sums base +
/// (τ·ε) and base + (τ·near) before their rounding, raised by the rule for masks. Base and masks are the same in both. One
/// rounding changes a number x by u·|x| at most, u = 2⁻²⁴, or by 2⁻¹⁵⁰ if it is tiny. The products differ by D = τδ at most,
/// because δ has room for their roundings (its test says so), and tiny ones by 2⁻¹⁴⁸ more.
///
/// If a_i ≥ t, then S_i ≥ A_i − D ≥ t − u|t| − D. If a_j < T = t − M, then S_j ≤ T + u|T| + D, because x + u|x| rises with x.
/// s_i > s_j follows if S_i − S_j is more than the distance of neighbouring floats there, 2u·max(|S_i|, |S_j|): rounding
/// keeps the order, so it is enough to look at the least S_i and the largest S_j. With |T| ≤ |t| + M all this asks for
/// M(1 − 4u) > 2D + 5u|t|, and the roundings of M and T ask for 5u(M + |t|) more. M = 2τδ + 10⁻⁶|t| + 2⁻¹²⁶ has that
/// and more: 10⁻⁶ is 16u, and δ is larger than the error that was found by over 10⁻³ of itself.
///
/// If t is +inf, M is too, and T is NaN, which no score reaches. If a τ is so large that τ·ε may overflow, M is +inf and
/// T is −inf, which also padding reaches, so that more than k do. Then nothing is certain. An infinite base is the same in both
/// scores. If A_i overflows, it is above t in any case.
#[derive(Clone, Copy)]
struct Margin(f32);

impl Margin {
    /// The margin of scores whose noise is within `error` of ε.
    #[inline(always)]
    fn new(tau: f32, error: f32) -> Self {
        const LARGE: f32 = 1e30;
        Margin(if tau < LARGE { 2.0 * tau * error + f32::MIN_POSITIVE } else { f32::INFINITY })
    }

    /// T for a t.
    #[inline(always)]
    fn below(self, t: f32) -> f32 {
        t - (self.0 + 1e-6 * if t < 0.0 { -t } else { t })
    }
}
