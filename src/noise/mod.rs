//! ε ~ ρ: noise laws as functions of the words of a sample.
//!
//! `hash` and `stream` make the words of a sample, and `strata` moves them into strata. `uniform` has numbers as functions
//! of one word and `law` the trait of a law, which each law implements in a file of its own. [`Noise`] is a law as the
//! caller names it, [`Sampler`] one that is ready to draw from. A new law takes its file, and its lines in the two enums, in
//! [`Noise::sampler`] and in `with_law!` below. `rng` is a generator for the caller's own numbers.

mod gumbel;
mod hash;
mod law;
mod logistic;
mod normal;
#[cfg(feature = "rand_core")]
mod rng;
mod strata;
mod stream;
mod sum_of_gamma;
mod uniform;

use crate::arch::{self, Dispatch, EIGHT, Isa, SCALAR};
use crate::kernel::select::FEW;
pub(crate) use gumbel::Gumbel;
pub(crate) use law::{Law, LinearBounds, NoNoise};
pub(crate) use logistic::Logistic;
pub(crate) use normal::Normal;
pub(crate) use strata::STRATIFIED;
pub use stream::SampleWords;
pub(crate) use stream::{BatchWords, Lanes, RowWords};
pub(crate) use sum_of_gamma::{MAX_KAPPA, SUM_OF_GAMMA, SumOfGamma};
pub(crate) use uniform::{Odds, Uniform};

/// The law ρ of the noise ε, independent for every coordinate, sample and row (samples may be
/// [stratified](crate::Coupling)).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Noise {
    /// ε = 0: every sample is MAP(θ).
    None,
    /// Gumbel(0, 1), ε = −ln(−ln U): mean 0.5772, variance π²/6. With one-hot states it samples p(z; θ) ∝ exp(⟨z, θ⟩/τ)
    /// exactly. With k-subsets it draws the first k of a Plackett–Luce order, whose distribution is close to p.
    ///
    /// Each ε comes from one 32-bit word w, with U = (w + ½)·2⁻³². It is finite, from −3.13 to 22.88, and within
    /// 3.2e-7·max(1, |ε|) of the exact value.
    #[default]
    Gumbel,
    /// Logistic(0, 1), ε = ln U − ln(1 − U): mean 0, variance π²/3. For k near n/2 its perturb-and-MAP marginals are the
    /// closest to those of p.
    ///
    /// Each ε comes from one word, from −22.88 to 22.88, within 2.4e-7·max(1, |ε|).
    Logistic,
    /// Normal(0, 1), ε = Φ⁻¹(U): for perturbed optimisers (Berthet et al. 2020).
    ///
    /// Each ε comes from one word, from −6.34 to 6.34, within 6e-7·max(1, |ε|).
    Normal,
    /// Sum-of-Gamma (Niepert, Minervini, Franceschi 2021, section 3.2), ε = Σ_{i≤s} Gamma(shape 1/κ, scale 1)/i − ln(s)/κ:
    /// mean (H_s − ln s)/κ with H_s = Σ 1/i, variance (1/κ) Σ 1/i². In the limit of all terms, κ independent copies add up
    /// to Gumbel(0, 1), so for κ = k the ε of a k-subset add up to a Gumbel variable. Its spread is 1/√κ of Gumbel's: at
    /// equal τ its marginals are farther from those of p, not nearer.
    ///
    /// Each ε comes from one word, is at least −ln(s)/κ, and is within 1e-4·max(1, |ε|). A table is made for every run of
    /// rows with the same κ, in about 10 µs on x86-64 and with 7 KiB of stack. Without the default feature
    /// `sum-of-gamma`, for small devices, options that ask for this noise are an [`Error::Option`](crate::Error::Option).
    SumOfGamma {
        /// κ, from 1 to 65,536. 0 means the row's k, or the shape's k if rows have none, limited to that range.
        kappa: f32,
        /// s, at least 1; 10 is customary. [`Noise::ALL_TERMS`] is the limit s = ∞.
        terms: u32,
    },
}

impl Noise {
    /// s = ∞ in [`Noise::SumOfGamma`].
    pub const ALL_TERMS: u32 = u32::MAX;

    /// The law, ready to draw from. None for Sum-of-Gamma noise, which needs a table made for its κ.
    pub(crate) fn sampler(self) -> Option<Sampler<'static>> {
        match self {
            Noise::None => Some(Sampler::None),
            Noise::Gumbel => Some(Sampler::Gumbel),
            Noise::Logistic => Some(Sampler::Logistic),
            Noise::Normal => Some(Sampler::Normal),
            Noise::SumOfGamma { .. } => None,
        }
    }
}

/// A law that is ready to draw from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sampler<'a> {
    None,
    Gumbel,
    Logistic,
    Normal,
    SumOfGamma(&'a SumOfGamma),
}

/// Evaluates an expression with `$law` bound to the [`Law`] of a sampler: a copy of the expression for each law.
macro_rules! with_law {
    ($sampler:expr, $law:ident => $value:expr) => {
        $crate::noise::with_law!($sampler, $law => $value,
            None NoNoise, Gumbel Gumbel, Logistic Logistic, Normal Normal)
    };
    ($sampler:expr, $law:ident => $value:expr, $($variant:ident $type:ident),*) => {{
        #[allow(unused_imports, reason = "not every expression calls a method of the law")]
        use $crate::noise::Law as _;
        match $sampler {
            $($crate::noise::Sampler::$variant => {
                let $law = &$crate::noise::$type;
                $value
            })*
            $crate::noise::Sampler::SumOfGamma($law) => $value,
        }
    }};
}
pub(crate) use with_law;

impl Sampler<'_> {
    /// The ε of a sample.
    #[cfg_attr(imle_small, inline(never))]
    pub(crate) fn draw(self, words: SampleWords<'_>, epsilon: &mut [f32]) {
        if SCALAR {
            self.draw_words(words, epsilon);
            return epsilon.iter_mut().for_each(|word| *word = self.of_word(word.to_bits()));
        }
        arch::run(Draw { law: self, words, epsilon });
    }

    /// The words of a sample, as the bits of floats. A law that reads none leaves `out` as it is.
    #[cfg_attr(imle_small, inline(never))]
    #[cfg_attr(not(imle_small), inline(always))]
    pub(crate) fn draw_words(self, words: SampleWords<'_>, out: &mut [f32]) {
        if self.reads_words() {
            words.lanes_here().fill(out, &uniform::Words);
            words.stratify(0, out);
        }
    }

    /// The complements of these words.
    #[cfg_attr(imle_small, inline(never))]
    pub(crate) fn draw_complements(self, words: SampleWords<'_>, out: &mut [f32]) {
        if words.are_stratified() {
            self.draw_words(words, out);
            out.iter_mut().for_each(|word| *word = f32::from_bits(!word.to_bits()));
        } else if self.reads_words() {
            words.lanes().fill(out, &uniform::Complements);
        }
    }

    /// The first n ≤ 64 words of a sample, in whole eights.
    #[inline(always)]
    pub(crate) fn draw_few_words(self, words: SampleWords<'_>, n: usize, out: &mut [f32; FEW]) {
        if self.reads_words() {
            words.few(n, out);
            words.stratify(0, out.get_mut(..n).unwrap_or_default());
        }
    }

    /// The first words, at most 64, of eight independent samples, from sample s of the call on, side by side.
    #[inline(always)]
    pub(crate) fn draw_eight_samples(self, words: &RowWords, s: usize, out: &mut [[f32; EIGHT]]) {
        if self.reads_words() {
            words.eight_samples(s, out);
        }
    }

    /// Makes `lanes` the generator of a sample's words, for `next_words`.
    #[inline(always)]
    pub(crate) fn seed(self, words: SampleWords<'_>, lanes: &mut Lanes) {
        if self.reads_words() {
            *lanes = words.lanes_here();
        }
    }

    /// The next words of a sample, from coordinate `from` on, which is a whole number of blocks.
    #[inline(always)]
    pub(crate) fn next_words(self, words: SampleWords<'_>, lanes: &mut Lanes, from: usize, out: &mut [f32]) {
        if self.reads_words() {
            lanes.fill(out, &uniform::Words);
            words.stratify(from, out);
        }
    }

    /// False without noise.
    #[inline(always)]
    pub(crate) fn reads_words(self) -> bool {
        !matches!(self, Sampler::None)
    }

    /// Replaces words by their ε.
    #[inline(always)]
    pub(crate) fn replace_words<I: Isa>(self, isa: I, words: &mut [f32]) {
        isa.apart(ReplaceWords { law: self, words });
    }

    /// Replaces words by numbers near their ε; none is farther from it than the number returned. It is 0 for a law that has
    /// only ε itself.
    #[inline(always)]
    pub(crate) fn replace_words_by_near(self, words: &mut [f32]) -> f32 {
        with_law!(self, law => law.replace_words_by_near(words));
        self.near_error()
    }

    #[inline(always)]
    fn near_error(self) -> f32 {
        fn of<L: Law>(_: &L) -> f32 {
            L::NEAR_ERROR
        }
        with_law!(self, law => of(law))
    }

    /// ε of one word.
    pub(crate) fn of_word(self, word: u32) -> f32 {
        with_law!(self, law => law.quantile(word))
    }

    /// A number that ε never exceeds, rising with the word; None without noise, which reads no words.
    #[inline(always)]
    pub(crate) fn upper_bound(self, word: u32) -> Option<f32> {
        let bound = with_law!(self, law => law.upper_bound(word));
        if self.reads_words() { Some(bound) } else { None }
    }

    /// The typical gap between the upper bound and ε, for large ε.
    #[inline(always)]
    pub(crate) fn typical_gap(self) -> f32 {
        with_law!(self, law => law.typical_gap())
    }

    /// The linear bounds of the law, if it has them.
    #[inline(always)]
    pub(crate) fn linear_bounds(self) -> Option<LinearBounds> {
        with_law!(self, law => law.linear_bounds())
    }

    /// True if the law has a smooth density ρ.
    pub(crate) fn has_density_score(self) -> bool {
        with_law!(self, law => law.density_score(0).is_some())
    }

    /// sum += factor · ν'(ε), ν = −ln ρ, for the ε that [`draw`](Sampler::draw) makes of the same words. The words are
    /// independent.
    pub(crate) fn add_density_score(self, words: SampleWords<'_>, factor: f32, sum: &mut [f32]) {
        let mut lanes = words.lanes();
        with_law!(self, law => lanes.add(factor, sum, &law::DensityScore(law)));
    }
}

struct Draw<'a> {
    law: Sampler<'a>,
    words: SampleWords<'a>,
    epsilon: &'a mut [f32],
}

impl Dispatch for Draw<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Draw { law, words, epsilon } = self;
        law.draw_words(words, epsilon);
        law.replace_words(isa, epsilon);
    }
}

struct ReplaceWords<'a> {
    law: Sampler<'a>,
    words: &'a mut [f32],
}

impl Dispatch for ReplaceWords<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) {
        with_law!(self.law, law => law.replace_words(self.words));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// u = (w + ½)·2⁻³², exact in f64.
    pub(super) fn probability(word: u32) -> f64 {
        (f64::from(word) + 0.5) / 2f64.powi(32)
    }

    /// |ε − exact| ≤ bound·max(1, |exact|) for every word of the tails at both ends, and for every 977th word between.
    pub(super) fn assert_error(law: impl Fn(u32) -> f32, exact: impl Fn(u32) -> f64, bound: f64) {
        let ends = (0..1 << 16).flat_map(|w: u32| [w, !w]);
        let worst = ends
            .chain((0..u32::MAX).step_by(977))
            .map(|w| (f64::from(law(w)) - exact(w)).abs() / exact(w).abs().max(1.0))
            .fold(0.0, f64::max);
        assert!(worst <= bound, "{worst:e}");
    }

    /// Near numbers are near ε, for every word of the tails and every 977th between. The bound has room for the rounding of
    /// τ·ε and of τ·near, 2⁻²³·23 each at most, that `perturbed::few` adds to it.
    #[test]
    fn near_numbers_are_near() {
        fn check<L: Law>(law: &L, exact: impl Fn(u32) -> f64) {
            const ROUNDING: f64 = 6e-6;
            let ends = (0..1 << 16).flat_map(|w: u32| [w, !w]);
            let worst = ends
                .chain((1 << 31) - (1 << 16)..(1 << 31) + (1 << 16))
                .chain((0..u32::MAX).step_by(977))
                .map(|w| {
                    (f64::from(law.near(w)) - exact(w))
                        .abs()
                        .max((f64::from(law.near(w)) - f64::from(law.quantile(w))).abs())
                })
                .fold(0.0, f64::max);
            assert!(worst + ROUNDING <= f64::from(L::NEAR_ERROR), "{worst:e}");
        }
        let minus_ln = |w: u32| if w < !w { -libm::log(probability(w)) } else { -libm::log1p(-probability(!w)) };
        check(&Gumbel, |w| -libm::log(minus_ln(w)));
        check(&Logistic, |w| minus_ln(!w) - minus_ln(w));
        check(&Normal, |w| f64::from(Normal.quantile(w)));
    }

    /// The bound is above ε. In the upper quarter of the words, where it must tell scores apart, it is close to ε, except
    /// for the last words, whose p has few digits.
    #[test]
    fn bounds_are_bounds() {
        fn check(law: &impl Law, gap: f32) {
            let ends = (0..1 << 16).flat_map(|w: u32| [w, !w]);
            for word in ends.chain((0..u32::MAX).step_by(101)) {
                let (epsilon, above) = (law.quantile(word), law.upper_bound(word));
                assert!(epsilon <= above, "{word:#x}: {epsilon} > {above}");
                assert!(
                    !(3 << 30..=!64).contains(&word) || above - epsilon <= gap,
                    "{word:#x}: {above} is far above {epsilon}"
                );
            }
        }
        check(&Gumbel, 0.25);
        check(&Logistic, 0.35);
        check(&Normal, 0.2);
        let sums = [(1.0, 1), (1.0, 10), (1.0, u32::MAX), (2.5, 10), (10.0, 10), (10.0, u32::MAX), (65_536.0, 3)];
        for (kappa, terms) in sums.into_iter().filter(|_| SUM_OF_GAMMA) {
            check(&SumOfGamma::new(kappa, terms), 0.5);
        }
    }
}
