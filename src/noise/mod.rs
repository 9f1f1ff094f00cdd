//! ε ~ ρ: noise laws as functions of the row's words.

mod gumbel;
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
}

impl Noise {
    /// One sample's ε from the row's next words.
    pub(crate) fn fill(self, stream: &mut Stream, epsilon: &mut [f32]) {
        match self {
            Noise::None => epsilon.fill(0.0),
            Noise::Gumbel => stream.fill(epsilon, gumbel::gumbel),
        }
    }
}

/// Uniform in [0, 1), in steps of 2⁻²⁴.
#[inline(always)]
pub(crate) fn uniform(word: u32) -> f32 {
    (word >> 8) as i32 as f32 * (1.0 / 16_777_216.0)
}
