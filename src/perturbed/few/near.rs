//! Near noise, and the proof that near scores may decide.
//!
//! Most choices are certain before the scores are exact. ε takes two long polynomials, and a number near ε, at most δ away
//! ([`Law::NEAR_ERROR`](crate::noise::Law::NEAR_ERROR)), takes a third of that. Near scores are those of near noise, by
//! the same formula. If exactly k of them reach a number somewhat below the k-th largest near score, these k are the k
//! largest scores ([`Margin`] has the proof). Otherwise the exact scores decide.

use crate::arch::{self, Dispatch, Isa};
use crate::noise::Sampler;

/// Replaces words by their ε, or by numbers near it; none is farther from it than the number returned.
#[inline(never)]
pub(super) fn make_noise(noise: Sampler<'_>, exact: bool, words: &mut [f32]) -> f32 {
    arch::run(MakeNoise { noise, exact, words })
}

struct MakeNoise<'a> {
    noise: Sampler<'a>,
    exact: bool,
    words: &'a mut [f32],
}

impl Dispatch for MakeNoise<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> f32 {
        let MakeNoise { noise, exact, words } = self;
        if exact {
            noise.replace_words(isa, words);
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
pub(super) struct Margin(f32);

impl Margin {
    /// The margin of scores whose noise is within `error` of ε.
    #[inline(always)]
    pub(super) fn new(tau: f32, error: f32) -> Self {
        const LARGE: f32 = 1e30;
        Margin(if tau < LARGE { 2.0 * tau * error + f32::MIN_POSITIVE } else { f32::INFINITY })
    }

    /// T for a t.
    #[inline(always)]
    pub(super) fn below(self, t: f32) -> f32 {
        t - (self.0 + 1e-6 * if t < 0.0 { -t } else { t })
    }
}
