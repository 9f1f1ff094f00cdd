//! SIMPLE as the control variate of the score function: low variance where the loss is nearly linear in z, and no bias
//! where it is not.
//!
//! Let v_s be the mean of the dz of the *other* samples. It is independent of z_s, so that for any dz
//!
//! ```text
//! ∇_θ E[ℓ(z)] = E[ (ℓ(z_s) − ⟨v_s, z_s⟩) (1/T)(z_s − μ) ] + (1/T) Cov_p(z) E[v_s]
//! ```
//!
//! The first part is a score function of the residuals, with the mean residual of the other samples as its baseline;
//! the second part is SIMPLE. With r_st = ℓ_t − ⟨v_s, z_t⟩ and Z = Σ_t z_t, the factor of z_s − μ is
//!
//! ```text
//! c_s = r_ss − mean_{t≠s} r_st = (S (ℓ_s − ℓ̄) − ⟨v_s, S z_s − Z⟩)/(S − 1)
//! v_s = (S·mean dz − dz_s)/(S − 1)
//! ```
//!
//! So no pair of samples has to meet. ⟨v_s, ·⟩ is split into the part of the mean, which needs the lists alone, and
//! that of dz_s, which needs Z as a vector.

use super::score::{centred, check_losses, row_losses};
use super::straight_through;
use crate::door::{check_dz_of, check_lists, check_row};
use crate::exact::RowDistribution;
use crate::float::CompensatedSum;
use crate::kernel::elementwise::{accumulate, divide};
use crate::kernel::reduce::{all_finite, dot};
use crate::mask::zero_masked;
use crate::views::lists::Lists;
use crate::views::rows::{check_length, for_rows};
use crate::{Argument, Distribution, Dz, Error, Exact, Rows, RowsMut};

impl<D: Distribution> Exact<D> {
    /// grad_theta = (1/T) Cov_p(z) · (1/S) Σ_s dz_s + (1/S) Σ_s (r_ss − mean_{t≠s} r_st) (1/T) (z_s − μ), S ≥ 2, with
    /// r_st = ℓ_t − ⟨v_s, z_t⟩ and v_s the mean of the dz of the other samples: [`simple`](Exact::simple), corrected by
    /// the score function of what dz does not explain. It is an unbiased estimate of `∇_θ E_p[ℓ(z)]`, whatever the loss
    /// and dz are. The nearer the loss is to a linear function of z with the gradient dz, the smaller is the variance.
    ///
    /// `indices` are the lists `[B][S][K]` that [`sample`](Exact::sample) drew, `dz` the gradients of the loss at these
    /// states, and `losses`, `[B][S]`, their losses. With a shared dz, v_s is that dz. A common offset of the losses
    /// costs no digits. The gradient is exactly 0 where θ is masked. O(B·(N·K + S·N)) (one-hot: O(B·S·N)).
    ///
    /// Samples of any other law give a bias, perturb-and-MAP samples of k-subsets and stratified ones too.
    ///
    /// # Errors
    /// [`Error::Shape`] for S = 1, because no other sample is there; otherwise as [`marginals`](Exact::marginals), for
    /// dz and the losses too, and [`Error::NotAState`].
    pub fn unbiased_simple(
        &self,
        theta: Rows<'_>,
        indices: &[u32],
        dz: Dz<'_>,
        losses: &[f32],
        grad_theta: RowsMut<'_>,
        work: &mut [f32],
    ) -> Result<(), Error> {
        let (shape, samples) = (self.shape, self.shape.samples());
        let (theta, dz) = (theta.check(Argument::Theta, shape)?, dz.check(shape)?);
        check_length(Argument::Indices, indices, shape.rows() * samples * shape.k())?;
        check_losses(shape, losses)?;
        let mut grad_theta = grad_theta.check(Argument::GradTheta, shape)?;
        self.check_work(work)?;
        let (count, others) = (samples as f32, (samples - 1) as f32);
        for_rows(shape.rows(), |b| {
            let theta = theta.row(b, shape.n());
            let lists = Lists::of_row(indices, b, samples, shape.k());
            check_row(&self.distribution, b, theta, work)?;
            check_lists(&self.distribution, b, lists, samples, theta)?;
            check_dz_of(&self.distribution, b, dz, samples)?;
            let losses = row_losses(shape, b, losses)?;

            let mut row = self.distribution.row(b, theta, self.temperature, work);
            let grad = grad_theta.row(b, shape.n());
            self.covariance(b, theta, &mut row, 1.0, grad, |grad| straight_through::mean(theta, dz, b, samples, grad));

            let mut sum = CompensatedSum::default();
            let mut add = |s: usize, c: f32| {
                lists.add(s, c / count, grad);
                sum.add(c / count);
            };
            let vector = row.scratch();
            vector.fill(0.0);
            (0..samples).for_each(|t| lists.add(t, 1.0, vector));
            for (s, loss) in centred(losses).enumerate() {
                let dz = dz.get(b, s);
                let all: f32 = match self.distribution.corner(b) {
                    None => dot(dz, vector),
                    Some(corner) => {
                        corner.lines(dz).zip(corner.lines(vector)).map(|(dz, vector)| dot(dz, vector)).sum()
                    }
                };
                let own = count * lists.dot(s, dz) - all;
                add(s, (count * loss + own / others) / others);
            }
            straight_through::mean(theta, dz, b, samples, vector);
            let total = CompensatedSum::of((0..samples).map(|t| lists.dot(t, vector))).value();
            for s in 0..samples {
                let mean = count * lists.dot(s, vector) - total;
                add(s, -(count * (mean / others)) / others);
            }
            accumulate(row.marginals(), -sum.value(), grad);
            divide(grad, self.temperature);
            if !all_finite(grad) {
                zero_masked(theta, grad); // an infinite factor times the μ of a mask is NaN
            }
            Ok(())
        })
    }
}
