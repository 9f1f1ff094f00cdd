//! A law of noise: everything that the library must know of one. Each law has a file of its own.

use super::uniform::{self, OfWord};

/// A law ρ of the noise ε.
pub(crate) trait Law: Sized {
    /// ε = F⁻¹(u) of a word: rising with the word, never ±inf or NaN.
    fn quantile(&self, word: u32) -> f32;

    /// A number that ε never exceeds, rising with the word, at a fraction of the cost of ε.
    fn upper_bound(&self, word: u32) -> f32;

    /// The typical gap between the upper bound and ε, for large ε.
    fn typical_gap(&self) -> f32;

    /// `near` is no farther from ε than this. 0 for a law whose `near` is ε itself.
    const NEAR_ERROR: f32 = 0.0;

    /// A number near ε, at a fraction of its cost.
    #[inline(always)]
    fn near(&self, word: u32) -> f32 {
        self.quantile(word)
    }

    /// Replaces words by numbers near their ε.
    #[inline(always)]
    fn replace_words_by_near(&self, words: &mut [f32]) {
        if Self::NEAR_ERROR == 0.0 {
            self.replace_words(words);
        } else {
            uniform::replace(words, &Near(self));
        }
    }

    /// Bounds of ε from above and below that are linear in −ln(1 − u), if the law has them.
    #[inline(always)]
    fn linear_bounds(&self) -> Option<LinearBounds> {
        None
    }

    /// ν'(ε) at the ε of a word, where ν = −ln ρ, if the density ρ is smooth.
    #[inline(always)]
    fn density_score(&self, _word: u32) -> Option<f32> {
        None
    }

    /// Replaces words by their ε.
    #[inline(always)]
    fn replace_words(&self, words: &mut [f32]) {
        uniform::replace(words, self);
    }

    /// The upper bounds of words, each with its place in `bounds`.
    #[inline(always)]
    fn upper_bounds<'b>(&self, words: &'b [f32], bounds: &'b mut [f32]) -> impl Iterator<Item = (f32, &'b mut f32)> {
        words.iter().map(|word| self.upper_bound(word.to_bits())).zip(bounds)
    }
}

impl<L: Law> OfWord for L {
    #[inline(always)]
    fn of_word(&self, word: u32) -> f32 {
        self.quantile(word)
    }
}

/// Bounds of ε that are linear in −ln p, where p = 1 − u.
///
/// For every word ε ≤ height + slope·(−ln p). From the least of `range` on, ε is at least that bound − gap − rise·p while
/// 2³²·p is in `range`, and that bound − far for larger p.
#[derive(Clone, Copy)]
pub(crate) struct LinearBounds {
    pub slope: f32,
    pub height: f32,
    pub gap: f32,
    pub rise: f32,
    pub far: f32,
    pub range: (u32, u32),
}

/// A number near ε.
struct Near<'a, L>(&'a L);

impl<L: Law> OfWord for Near<'_, L> {
    #[inline(always)]
    fn of_word(&self, word: u32) -> f32 {
        self.0.near(word)
    }
}

/// ν'(ε) of a law that has it.
pub(super) struct DensityScore<'a, L>(pub &'a L);

impl<L: Law> OfWord for DensityScore<'_, L> {
    #[inline(always)]
    fn of_word(&self, word: u32) -> f32 {
        self.0.density_score(word).unwrap_or_default()
    }
}

/// No noise: ε = 0 for every word.
pub(crate) struct NoNoise;

impl Law for NoNoise {
    #[inline(always)]
    fn quantile(&self, _word: u32) -> f32 {
        0.0
    }

    #[inline(always)]
    fn upper_bound(&self, _word: u32) -> f32 {
        0.0
    }

    #[inline(always)]
    fn typical_gap(&self) -> f32 {
        0.0
    }

    #[inline(always)]
    fn replace_words(&self, words: &mut [f32]) {
        words.fill(0.0);
    }
}
