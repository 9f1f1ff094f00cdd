//! ε ~ ρ: noise laws as functions of the row's words.

mod gumbel;
mod logistic;
mod normal;
mod stream;
mod sum_of_gamma;

pub(crate) use stream::Source;
pub use stream::Stream;
pub(crate) use sum_of_gamma::MAX_KAPPA;

use crate::Error;
use crate::error::BadRow;
use crate::kernel::{EIGHT, LANES, SCALAR};
use crate::rows::for_rows;
pub(crate) use gumbel::Gumbel;
pub(crate) use logistic::Logistic;
pub(crate) use normal::{Normal, TANGENT as NORMAL_TANGENT};
use sum_of_gamma::SumOfGamma;

/// Whether the library has the Sum-of-Gamma noise.
pub(crate) const SUM_OF_GAMMA: bool = cfg!(not(feature = "no-sum-of-gamma"));

/// The law ρ of the noise ε, independent for every coordinate, sample and row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Noise {
    /// ε = 0: every sample is MAP(θ).
    None,
    /// Gumbel(0, 1), ε = −ln(−ln U): mean 0.5772, variance π²/6. With one-hot states this samples p(z; θ) ∝ exp⟨z, θ⟩/τ
    /// exactly; with k-subsets it draws the first k of a Plackett–Luce order, which is close to p but not p.
    ///
    /// From one 32-bit word w with U = (w + ½)·2⁻³²: finite, between −3.13 and 22.88, within 3.2e-7·max(1, |ε|) of the
    /// exact value.
    #[default]
    Gumbel,
    /// Logistic(0, 1), ε = ln U − ln(1 − U): mean 0, variance π²/3. For k near n/2 its perturb-and-MAP marginals come
    /// closest to those of p.
    ///
    /// From one word as above: between −22.88 and 22.88, within 2.4e-7·max(1, |ε|).
    Logistic,
    /// Normal(0, 1), ε = Φ⁻¹(U): for perturbed optimisers (Berthet et al. 2020).
    ///
    /// From one word as above: between −6.34 and 6.34, within 6e-7·max(1, |ε|).
    Normal,
    /// Sum-of-Gamma (Niepert, Minervini, Franceschi 2021, section 3.2), ε = Σ_{i≤s} Gamma(shape 1/κ, scale 1)/i − ln(s)/κ:
    /// mean (H_s − ln s)/κ with H_s = Σ 1/i, variance (1/κ) Σ 1/i². In the limit of all terms it is the noise of which
    /// the sum of κ independent copies is Gumbel(0, 1), so that a k-subset's ε, with κ = k, sums to a Gumbel variable.
    /// Its spread is 1/√κ of Gumbel's: at equal τ its marginals are farther from those of p, not nearer.
    ///
    /// From one word as above, not below −ln(s)/κ and within 1e-4·max(1, |ε|), by a table that is made for every run of
    /// rows with the same κ, in about 10 µs on x86-64 and 7 KiB of stack. The feature `no-sum-of-gamma` leaves it out,
    /// for small devices: [`Error::Option`].
    SumOfGamma {
        /// κ, from 1 to 65,536; 0 is the row's k, brought into that range. Where rows have no k, the shape's.
        kappa: f32,
        /// s, at least 1; customary are 10. [`Noise::ALL_TERMS`]: the limit s = ∞.
        terms: u32,
    },
}

impl Noise {
    /// s = ∞ in [`Noise::SumOfGamma`].
    pub const ALL_TERMS: u32 = u32::MAX;

    /// Calls `run` for every row with the law of its noise, k being the row's.
    #[inline(always)]
    pub(crate) fn for_rows(
        self,
        rows: usize,
        k: impl Fn(usize) -> usize,
        mut run: impl FnMut(Law<'_>, usize) -> Result<(), BadRow>,
    ) -> Result<(), Error> {
        let law = match self {
            Noise::None => Law::None,
            Noise::Gumbel => Law::Gumbel,
            Noise::Logistic => Law::Logistic,
            Noise::Normal => Law::Normal,
            // Options with it are refused.
            Noise::SumOfGamma { .. } if !SUM_OF_GAMMA => Law::None,
            Noise::SumOfGamma { kappa, terms } => {
                let kappa = |b| if kappa == 0.0 { (k(b) as f32).clamp(1.0, MAX_KAPPA) } else { kappa };
                return for_rows_of_table(rows, kappa, terms, run);
            }
        };
        for_rows(rows, |b| run(law, b))
    }

    /// Whether the density ρ is known, and smooth.
    pub(crate) fn has_score(self) -> bool {
        matches!(self, Noise::Gumbel | Noise::Logistic | Noise::Normal)
    }

    /// sum += factor · ν'(ε), ν = −ln ρ, for the ε that `fill` makes from the same words, if the law has a score.
    pub(crate) fn add_score(self, stream: &mut Stream, factor: f32, sum: &mut [f32]) {
        match self {
            Noise::Gumbel => stream.add(factor, sum, &gumbel::DensityScore),
            Noise::Logistic => stream.add(factor, sum, &logistic::DensityScore),
            Noise::Normal => stream.add(factor, sum, &Normal),
            _ => (),
        }
    }
}

/// One table serves the rows that follow one another with the same κ. Not inlined: its stack is for this law only.
#[inline(never)]
fn for_rows_of_table(
    rows: usize,
    kappa: impl Fn(usize) -> f32,
    terms: u32,
    mut run: impl FnMut(Law<'_>, usize) -> Result<(), BadRow>,
) -> Result<(), Error> {
    let mut first = 0;
    while first < rows {
        let shared = kappa(first);
        let end = (first + 1..rows).find(|&b| kappa(b) != shared).unwrap_or(rows);
        let table = SumOfGamma::new(shared, terms);
        for b in first..end {
            run(Law::SumOfGamma(&table), b).map_err(|bad| bad.at(b))?;
        }
        first = end;
    }
    Ok(())
}

/// A law that is ready to be drawn from.
#[derive(Clone, Copy, Debug)]
pub enum Law<'a> {
    None,
    Gumbel,
    Logistic,
    Normal,
    SumOfGamma(&'a SumOfGamma),
}

/// ε as a function of one uniform word: monotone, never ±inf or NaN.
pub(crate) trait Quantile {
    /// F⁻¹(u), u = (w + ½)·2⁻³²
    fn quantile(&self, word: u32) -> f32;
}

/// A quantile with a cheap bound.
pub(crate) trait UpperBound: Quantile {
    /// What ε of a large score mostly falls short of its bound by.
    const TYPICAL_GAP: f32;

    /// A bound that ε never exceeds, for a fraction of its cost.
    fn upper_bound(&self, word: u32) -> f32;
}

impl Law<'_> {
    /// One sample's ε from the row's next words.
    #[cfg_attr(target_arch = "x86_64", inline(always))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(never))]
    pub(crate) fn fill(self, stream: &mut Stream, epsilon: &mut [f32]) {
        if SCALAR {
            self.fill_words(stream, epsilon);
            return epsilon.iter_mut().for_each(|word| *word = self.of(word.to_bits()));
        }
        match self {
            Law::None => epsilon.fill(0.0),
            Law::Gumbel => stream.fill(epsilon, &Gumbel),
            Law::Logistic => stream.fill(epsilon, &Logistic),
            Law::Normal => stream.fill(epsilon, &Normal),
            Law::SumOfGamma(table) => {
                // Two plain loops are faster than one.
                stream.fill(epsilon, &sum_of_gamma::OddsBelow);
                table.fill(epsilon);
            }
        }
    }

    /// The row's next words, as they are.
    #[cfg_attr(target_arch = "x86_64", inline(always))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(never))]
    pub(crate) fn fill_words(self, stream: &mut Stream, words: &mut [f32]) {
        match self {
            Law::None => {}
            _ => stream.fill(words, &Words),
        }
    }

    /// Words → ε, in place.
    #[cfg_attr(target_arch = "x86_64", inline(always))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(never))]
    pub(crate) fn exact(self, words: &mut [f32]) {
        match self {
            Law::None => words.fill(0.0),
            Law::Gumbel => quantiles(words, &Gumbel),
            Law::Logistic => quantiles(words, &Logistic),
            Law::Normal => quantiles(words, &Normal),
            Law::SumOfGamma(table) => {
                quantiles(words, &sum_of_gamma::OddsBelow);
                table.fill(words);
            }
        }
    }

    /// A bound that ε never exceeds, rising with the word, for the laws that have a cheap one.
    #[inline(always)]
    pub(crate) fn upper_bound(self, word: u32) -> Option<f32> {
        match self {
            Law::None => None,
            Law::SumOfGamma(table) => Some(table.upper_bound(word)),
            Law::Gumbel => Some(Gumbel.upper_bound(word)),
            Law::Logistic => Some(Logistic.upper_bound(word)),
            Law::Normal => Some(Normal.upper_bound(word)),
        }
    }

    /// ε of one word.
    pub(crate) fn of(self, word: u32) -> f32 {
        match self {
            Law::None => 0.0,
            Law::Gumbel => Gumbel.quantile(word),
            Law::Logistic => Logistic.quantile(word),
            Law::Normal => Normal.quantile(word),
            Law::SumOfGamma(_) if !SUM_OF_GAMMA => 0.0,
            Law::SumOfGamma(table) => table.quantile(word),
        }
    }

    /// What ε of a large score mostly falls short of its bound by.
    pub(crate) const fn typical_gap(self) -> f32 {
        match self {
            Law::None => 0.0,
            Law::SumOfGamma(_) => SumOfGamma::TYPICAL_GAP,
            Law::Gumbel => Gumbel::TYPICAL_GAP,
            Law::Logistic => Logistic::TYPICAL_GAP,
            Law::Normal => Normal::TYPICAL_GAP,
        }
    }
}

/// Words as they are.
struct Words;

impl Quantile for Words {
    #[inline(always)]
    fn quantile(&self, word: u32) -> f32 {
        f32::from_bits(word)
    }
}

#[inline(always)]
fn quantiles(words: &mut [f32], law: &impl Quantile) {
    let (blocks, rest) = words.as_chunks_mut::<LANES>();
    for block in blocks {
        for word in block {
            *word = law.quantile(word.to_bits());
        }
    }
    let (halves, rest) = rest.as_chunks_mut::<EIGHT>();
    for word in halves.as_flattened_mut() {
        *word = law.quantile(word.to_bits());
    }
    for word in rest {
        *word = law.quantile(word.to_bits());
    }
}

/// (1 − u)/u, from 2⁻³³ to 2³³: an event of probability p happens where p/(1 − p) times this exceeds 1, and both rare
/// events and near-certain ones have their probability.
pub(crate) struct Odds;

impl Quantile for Odds {
    #[inline(always)]
    fn quantile(&self, word: u32) -> f32 {
        gumbel::unit(!word) / gumbel::unit(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// u = (w + ½)·2⁻³², exact in f64.
    pub(super) fn probability(word: u32) -> f64 {
        (f64::from(word) + 0.5) / 2f64.powi(32)
    }

    /// |ε − exact| ≤ bound·max(1, |exact|) at both ends word by word, where the tails are, and at every 977th word
    /// between.
    pub(super) fn assert_error(law: impl Fn(u32) -> f32, exact: impl Fn(u32) -> f64, bound: f64) {
        let ends = (0..1 << 16).flat_map(|w: u32| [w, !w]);
        let worst = ends
            .chain((0..u32::MAX).step_by(977))
            .map(|w| (f64::from(law(w)) - exact(w)).abs() / exact(w).abs().max(1.0))
            .fold(0.0, f64::max);
        assert!(worst <= bound, "{worst:e}");
    }

    /// The bound is above ε, and not far above it in the upper quarter, where it is to tell scores apart (but for the last
    /// words, whose p loses its digits).
    #[test]
    fn bounds_are_bounds() {
        fn check(law: &impl UpperBound, gap: f32) {
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
        for (kappa, terms) in
            [(1.0, 1), (1.0, 10), (1.0, u32::MAX), (2.5, 10), (10.0, 10), (10.0, u32::MAX), (65_536.0, 3)]
        {
            check(&SumOfGamma::new(kappa, terms), 0.5);
        }
    }
}
