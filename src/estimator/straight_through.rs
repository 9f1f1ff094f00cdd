//! The straight-through estimator (Bengio, Léonard, Courville 2013): the backward pass treats z as if it were θ.

use crate::door::{check_dz_row, check_theta_row};
use crate::kernel::elementwise::{accumulate, divide};
use crate::kernel::lanes::copy;
use crate::mask::zero_masked;
use crate::views::rows::{DzView, for_rows};
use crate::{Argument, Dz, Error, Rows, RowsMut, Shape};

/// grad_theta = (1/S) Σ_s dz_s, exactly 0 where θ is masked: the crudest estimate of ∇_θ L, in O(B·S·N). It serves samples
/// of any kind. Its units are not those of ∇_θ L, so compare its direction and not its length.
///
/// The sum is taken in the order of the samples and divided once. A shared dz is its own mean. The sum may overflow if
/// entries of dz are beyond f32::MAX/S.
///
/// # Errors
/// Argument errors before anything is written; [`Error::NonFinite`] with the first bad row.
pub fn straight_through(shape: Shape, theta: Rows<'_>, dz: Dz<'_>, grad_theta: RowsMut<'_>) -> Result<(), Error> {
    shape.check()?;
    let (theta, dz) = (theta.check(Argument::Theta, shape)?, dz.check(shape)?);
    let mut grad_theta = grad_theta.check(Argument::GradTheta, shape)?;
    for_rows(shape.rows(), |b| {
        let theta = theta.row(b, shape.n());
        check_theta_row(theta)?;
        check_dz_row(dz, b, shape.samples())?;
        mean(theta, dz, b, shape.samples(), grad_theta.row(b, shape.n()));
        Ok(())
    })
}

/// The mean of row b's gradients, 0 where θ is masked.
pub(super) fn mean(theta: &[f32], dz: DzView<'_>, b: usize, samples: usize, mean: &mut [f32]) {
    let mut different = dz.row(b, samples);
    copy(different.next().unwrap_or_default(), mean);
    let mut count = 1.0;
    for dz in different {
        accumulate(dz, 1.0, mean);
        count += 1.0;
    }
    divide(mean, count);
    zero_masked(theta, mean);
}
