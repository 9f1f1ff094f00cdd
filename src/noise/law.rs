//! A law of noise: everything that the library must know of one. Each law has a file of its own.

use super::quantile::{self, Quantile};
use super::stream::Stream;

/// A law ρ of the noise ε. Its [`quantile`](Quantile::quantile) makes ε from one word.
pub(crate) trait Law: Quantile + Sized {
    /// A number that ε never exceeds, rising with the word, at a fraction of the cost of ε.
    fn upper_bound(&self, word: u32) -> f32;

    /// The typical gap between [`upper_bound`](Law::upper_bound) and ε, for large ε.
    fn typical_gap(&self) -> f32;

    /// Bounds of ε from above and below that are linear in −ln(1 − u), if the law has them.
    #[inline(always)]
    fn linear_bounds(&self) -> Option<LinearBounds> {
        None
    }

    /// ε, from code that small machines have only once.
    fn quantile_once(&self, word: u32) -> f32 {
        self.quantile(word)
    }

    /// True if the law has a smooth density ρ, and so a [`density_score`](Law::density_score).
    fn has_density_score(&self) -> bool {
        false
    }

    /// ν'(ε), where ν = −ln ρ, for the ε of this word.
    fn density_score(&self, _word: u32) -> f32 {
        0.0
    }

    /// One sample's ε from the row's next words.
    #[inline(always)]
    fn draw(&self, stream: &mut Stream, epsilon: &mut [f32]) {
        stream.fill(epsilon, self);
    }

    /// Replaces words by their ε.
    #[inline(always)]
    fn replace_words(&self, words: &mut [f32]) {
        quantile::replace(words, self);
    }

    /// The upper bounds of words, each with its place in `bounds`.
    #[inline(always)]
    fn upper_bounds<'b>(&self, words: &'b [f32], bounds: &'b mut [f32]) -> impl Iterator<Item = (f32, &'b mut f32)> {
        words.iter().map(|word| self.upper_bound(word.to_bits())).zip(bounds)
    }
}

/// Bounds of ε that are linear in −ln p, where p = 1 − u.
///
/// For every word ε ≤ height + slope·(−ln p). Let the upper bound be what the shortlist of `perturbed` computes of
/// this. Then ε ≥ upper bound − gap − rise·p while 2³²·p is in `range`.
#[derive(Clone, Copy)]
pub(crate) struct LinearBounds {
    pub slope: f32,
    pub height: f32,
    pub gap: f32,
    pub rise: f32,
    pub range: (u32, u32),
}

/// ν'(ε) of a law, as a function of the word.
pub(super) struct DensityScore<'a, L>(pub &'a L);

impl<L: Law> Quantile for DensityScore<'_, L> {
    #[inline(always)]
    fn quantile(&self, word: u32) -> f32 {
        self.0.density_score(word)
    }
}

/// No noise: ε = 0 for every word.
pub(crate) struct NoNoise;

impl Quantile for NoNoise {
    #[inline(always)]
    fn quantile(&self, _word: u32) -> f32 {
        0.0
    }
}

impl Law for NoNoise {
    #[inline(always)]
    fn upper_bound(&self, _word: u32) -> f32 {
        0.0
    }

    #[inline(always)]
    fn typical_gap(&self) -> f32 {
        0.0
    }

    #[inline(always)]
    fn draw(&self, _stream: &mut Stream, epsilon: &mut [f32]) {
        epsilon.fill(0.0);
    }

    #[inline(always)]
    fn replace_words(&self, words: &mut [f32]) {
        words.fill(0.0);
    }
}
