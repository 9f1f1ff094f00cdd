//! The SIMPLE estimator (Ahmed, Zeng, Niepert, Van den Broeck 2023): exact samples in the forward pass, the derivative of
//! the exact marginals in the backward pass.

use super::straight_through;
use crate::door::check_dz_of;
use crate::views::rows::for_rows;
use crate::{Argument, Distribution, Dz, Error, Exact, Rows, RowsMut};

impl<D: Distribution> Exact<D> {
    /// grad_theta = (1/T) Cov_p(z) · (1/S) Σ_s dz_s with dz_s = ∇_z ℓ at the samples that
    /// [`sample`](Exact::sample) drew: z is differentiated as if it were μ(θ). Cov_p is symmetric and the same for all
    /// samples, so one product serves them all. The product costs as much as
    /// [`marginals_vjp`](Exact::marginals_vjp), O(B·N·K) (one-hot: O(B·N)). The mean costs O(B·S·N); it is the gradient of
    /// [`straight_through`](crate::straight_through()). A mean that overflows counts as ±`f32::MAX`.
    ///
    /// # Errors
    /// As [`marginals`](Exact::marginals), for dz too.
    pub fn simple(&self, theta: Rows<'_>, dz: Dz<'_>, grad_theta: RowsMut<'_>, work: &mut [f32]) -> Result<(), Error> {
        let shape = self.shape;
        let (theta, dz) = (theta.check(Argument::Theta, shape)?, dz.check(shape)?);
        let mut grad_theta = grad_theta.check(Argument::GradTheta, shape)?;
        self.check_work(work)?;
        for_rows(shape.rows(), |b| {
            let theta = theta.row(b, shape.n());
            let mut row = self.row(b, theta, work)?;
            check_dz_of(&self.distribution, b, dz, shape.samples())?;
            let mean = |grad: &mut [f32]| straight_through::mean(theta, dz, b, shape.samples(), grad);
            self.covariance(b, theta, &mut row, self.temperature, grad_theta.row(b, shape.n()), mean);
            Ok(())
        })
    }
}
