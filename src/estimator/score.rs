//! Score functions: ∇_θ E[ℓ(z)] = E[ℓ(z) ∇_θ ln p], from the losses alone, without ∇_z ℓ. They are unbiased for any loss.
//!
//! The baseline of a sample is the mean loss of the *other* samples of its row. It does not depend on the sample, so it
//! adds no bias. Let g_s be the score function of sample s. Because
//! (1/S) Σ_s (ℓ_s − mean_{r≠s} ℓ_r) g_s = (1/(S−1)) Σ_s (ℓ_s − ℓ̄) g_s and Σ_s (ℓ_s − ℓ̄) = 0, any part that all g_s share
//! drops out.

use super::batch::noise_words;
use crate::door::{check_finite, check_listed_row, check_theta_row};
use crate::error::BadRow;
use crate::float::CompensatedSum;
use crate::kernel::elementwise::divide;
use crate::mask::zero_masked;
use crate::views::lists::Lists;
use crate::views::rows::{block, check_length, for_rows};
use crate::{Argument, Coupling, Distribution, Error, Exact, Key, Options, Rows, RowsMut, Rule, Shape};

impl<D: Distribution> Exact<D> {
    /// grad_theta = (1/S) Σ_s (ℓ_s − mean_{r≠s} ℓ_r) (1/T) (z_s − μ), S ≥ 2: the score function with a leave-one-out
    /// baseline (Kool, van Hoof, Welling 2019), an unbiased estimate of `∇_θ E_p[ℓ(z)]`.
    ///
    /// `indices` are the lists `[B][S][K]` that [`sample`](Exact::sample) drew, and `losses` their losses `[B][S]`, which
    /// may be any function of z. Samples of any other law give a bias, perturb-and-MAP samples of k-subsets and stratified
    /// ones too. μ drops out, so this needs no workspace. It takes O(B·(N + S·K)) time. The gradient is
    /// exactly 0 where θ is masked.
    ///
    /// # Errors
    /// [`Error::Shape`] for S = 1, which has no baseline; otherwise as [`marginals`](Exact::marginals), for the losses
    /// too, and [`Error::NotAState`].
    pub fn score_function(
        &self,
        theta: Rows<'_>,
        indices: &[u32],
        losses: &[f32],
        grad_theta: RowsMut<'_>,
    ) -> Result<(), Error> {
        let (shape, states) = (self.shape, self.shape.samples() * self.shape.k());
        let theta = theta.check(Argument::Theta, shape)?;
        check_length(Argument::Indices, indices, shape.rows() * states)?;
        check_losses(shape, losses)?;
        let mut grad_theta = grad_theta.check(Argument::GradTheta, shape)?;
        for_rows(shape.rows(), |b| {
            let theta = theta.row(b, shape.n());
            let lists = Lists::of_row(indices, b, shape.samples(), shape.k());
            check_listed_row(&self.distribution, b, theta, lists, shape.samples())?;
            let losses = row_losses(shape, b, losses)?;
            let grad = grad_theta.row(b, shape.n());
            grad.fill(0.0);
            for (s, loss) in centred(losses).enumerate() {
                lists.add(s, loss, grad);
            }
            divide(grad, (shape.samples() - 1) as f32);
            divide(grad, self.temperature);
            Ok(())
        })
    }
}

/// grad_theta = (1/S) Σ_s (ℓ_s − mean_{r≠s} ℓ_r) (1/τ) ν'(ε_s), S ≥ 2, with ν = −ln ρ: an unbiased estimate of
/// ∇_θ `E[ℓ(MAP(θ + τε))]` for perturb-and-MAP samples of any constraint set (Berthet, Blondel, Teboul, Cuturi, Vert,
/// Bach 2020). ℓ_s = ⟨z_s, v⟩ gives the vector–Jacobian product of the perturbed optimiser, the gradient of `⟨v, E[z]⟩`.
///
/// `losses`, `[B][S]`, may be any function of the samples that [`Imle::sample`](crate::Imle::sample), or a solver outside
/// with [`perturb`](crate::perturb()), found for the same key; the noise is made again from the key. ν'(ε) is ε for normal
/// noise, 1 − e^(−ε) for Gumbel and tanh(ε/2) for logistic noise. The paper has no baseline; it is allowed because
/// `E[ν'(ε)]` = 0. The variance is of order Var(ℓ)/(S τ²) in every coordinate. The gradient is exactly 0 where θ is
/// masked. O(B·S·N).
///
/// # Errors
/// Argument errors before anything is written, among them [`Error::Shape`] for S = 1, and [`Error::Option`] for τ = 0
/// and for noise without a smooth density; [`Error::NonFinite`] with the first bad row.
pub fn perturbed_gradient(
    shape: Shape,
    options: &Options,
    key: Key<'_>,
    theta: Rows<'_>,
    losses: &[f32],
    grad_theta: RowsMut<'_>,
) -> Result<(), Error> {
    shape.check()?;
    options.check()?;
    let Some(noise) = options.noise.sampler().filter(|noise| noise.has_density_score()) else {
        return Err(Error::Option { rule: Rule::NoiseWithDensity });
    };
    if !(1.0 / options.temperature).is_finite() {
        return Err(Error::Option { rule: Rule::TemperatureAboveZero });
    }
    let theta = theta.check(Argument::Theta, shape)?;
    check_losses(shape, losses)?;
    let mut grad_theta = grad_theta.check(Argument::GradTheta, shape)?;
    if options.coupling != Coupling::Independent {
        return Err(Error::Option { rule: Rule::NoiseIndependent });
    }
    let words = noise_words(shape, options, &key)?;
    for_rows(shape.rows(), |b| {
        let theta = theta.row(b, shape.n());
        check_theta_row(theta)?;
        let losses = row_losses(shape, b, losses)?;
        let grad = grad_theta.row(b, shape.n());
        grad.fill(0.0);
        let words = words.row(b);
        for (s, loss) in centred(losses).enumerate() {
            noise.add_density_score(words.sample(s), loss, grad);
        }
        divide(grad, (shape.samples() - 1) as f32);
        divide(grad, options.temperature);
        zero_masked(theta, grad);
        Ok(())
    })
}

pub(super) fn check_losses(shape: Shape, losses: &[f32]) -> Result<(), Error> {
    if shape.samples() < 2 {
        return Err(Error::Shape { rule: Rule::BaselineOfOthers });
    }
    check_length(Argument::Losses, losses, shape.rows() * shape.samples())
}

pub(super) fn row_losses(shape: Shape, b: usize, losses: &[f32]) -> Result<&[f32], BadRow> {
    let losses = block(losses, b * shape.samples(), shape.samples());
    check_finite(Argument::Losses, losses)?;
    Ok(losses)
}

/// ℓ_s − ℓ̄. The first loss is subtracted from all, so that a large common offset costs no digits.
pub(super) fn centred(losses: &[f32]) -> impl Iterator<Item = f32> {
    let first = losses.first().copied().unwrap_or_default();
    let mean = CompensatedSum::of(losses.iter().map(|loss| loss - first)).value() / losses.len() as f32;
    losses.iter().map(move |loss| (loss - first) - mean)
}
