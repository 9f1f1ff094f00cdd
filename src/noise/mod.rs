//! ε ~ ρ: noise laws as functions of the row's words.

mod gumbel;
mod logistic;
mod normal;
mod stream;

pub use stream::Stream;

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
}

impl Noise {
    /// One sample's ε from the row's next words.
    pub(crate) fn fill(self, stream: &mut Stream, epsilon: &mut [f32]) {
        match self {
            Noise::None => epsilon.fill(0.0),
            Noise::Gumbel => stream.fill(epsilon, gumbel::gumbel),
            Noise::Logistic => stream.fill(epsilon, logistic::logistic),
            Noise::Normal => stream.fill(epsilon, normal::normal),
        }
    }

    /// Whether the density ρ is known, and smooth.
    pub(crate) fn has_score(self) -> bool {
        matches!(self, Noise::Gumbel | Noise::Logistic | Noise::Normal)
    }

    /// sum += factor · ν'(ε), ν = −ln ρ, for the ε that `fill` makes from the same words, if the law has a score.
    pub(crate) fn add_score(self, stream: &mut Stream, factor: f32, sum: &mut [f32]) {
        match self {
            Noise::Gumbel => stream.add(factor, sum, gumbel::score),
            Noise::Logistic => stream.add(factor, sum, logistic::score),
            Noise::Normal => stream.add(factor, sum, normal::normal),
            _ => (),
        }
    }
}

/// (1 − u)/u of a uniform u = (w + ½)·2⁻³², from 2⁻³³ to 2³³: an event of probability p happens where p/(1 − p) times
/// this exceeds 1, and both rare events and near-certain ones have their probability.
#[inline(always)]
pub(crate) fn odds(word: u32) -> f32 {
    gumbel::unit(!word) / gumbel::unit(word)
}

#[cfg(test)]
mod tests {
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
}
