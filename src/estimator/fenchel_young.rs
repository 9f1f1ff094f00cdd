//! The Fenchel–Young loss of a perturbed optimiser (Berthet, Blondel, Teboul, Cuturi, Vert, Bach 2020).

use super::batch::noise_words;
use super::layer::Imle;
use crate::door::{check_finite_of, check_row, solve};
use crate::float::CompensatedSum;
use crate::kernel::elementwise::{accumulate, divide};
use crate::mask::zero_masked;
use crate::perturbed::scores::Perturbed;
use crate::views::rows::check_length;
use crate::{Argument, Error, Key, MapSolver, Rows, RowsMut};

impl<M: MapSolver> Imle<M> {
    /// Learns from observed states: loss = F(θ) − ⟨θ, y⟩ with F(θ) = (1/S) Σ_s max_{z ∈ C} ⟨z, θ + τε_s⟩, `[B]`, and its
    /// exact gradient grad_theta = (1/S) Σ_s z_s − y, `[B][N]`. y is a state or a mean of states.
    ///
    /// The loss is convex in θ, and piecewise linear for a given key. In expectation it is the Fenchel–Young loss minus
    /// Ω(y), a constant that is not known, so it may be negative. It is least where `E[z]` = y. Where θ is masked,
    /// grad_theta is exactly 0, and a y above 0 makes the loss +inf. O(B·S·N).
    ///
    /// # Errors
    /// Argument errors before anything is written; [`Error::NonFinite`], [`Error::Infeasible`] and [`Error::Unsolved`]
    /// with the first bad row.
    pub fn fenchel_young(
        &self,
        key: Key<'_>,
        theta: Rows<'_>,
        y: Rows<'_>,
        loss: &mut [f32],
        grad_theta: RowsMut<'_>,
        work: &mut [f32],
    ) -> Result<(), Error> {
        let shape = self.shape;
        let (theta, y) = (theta.check(Argument::Theta, shape)?, y.check(Argument::Y, shape)?);
        check_length(Argument::Loss, loss, shape.rows())?;
        let mut grad_theta = grad_theta.check(Argument::GradTheta, shape)?;
        let work = self.workspace(work)?;
        let words = noise_words(shape, &self.options, &key)?;
        self.for_rows(|noise, b| {
            let (theta, y) = (theta.row(b, shape.n()), y.row(b, shape.n()));
            check_row(&self.solver, b, theta, work)?;
            let corner = self.solver.corner(b);
            check_finite_of(&self.solver, b, Argument::Y, y)?;
            let grad = grad_theta.row(b, shape.n());
            grad.fill(0.0);
            let (words, mut best) = (words.row(b), CompensatedSum::default());
            let perturbed = Perturbed { theta, dz: &[], formula: self.row(noise, b, theta).forward_scores() };
            for s in 0..shape.samples() {
                let Some((scores, rest)) = work.split_at_mut_checked(shape.n()) else { break };
                let (z, solver_work) = rest.split_at_mut_checked(shape.n()).unwrap_or_default();
                perturbed.draw(words.sample(s), scores);
                solve(&self.solver, b, scores, z, solver_work)?;
                chosen(scores, z).for_each(|score| best.add(score));
                accumulate(z, 1.0, grad);
            }
            let samples = shape.samples() as f32;
            let mut given = CompensatedSum::default();
            match corner {
                None => chosen(theta, y).for_each(|score| given.add(score)),
                Some(corner) => {
                    let lines = corner.lines(theta).zip(corner.lines(y));
                    lines.for_each(|(theta, y)| chosen(theta, y).for_each(|score| given.add(score)));
                }
            }
            if let Some(loss) = loss.get_mut(b) {
                *loss = best.value() / samples - given.value();
            }
            divide(grad, samples);
            for (grad, y) in grad.iter_mut().zip(y) {
                *grad -= y;
            }
            zero_masked(theta, grad);
            if let Some(corner) = corner {
                corner.clear_outside(grad);
            }
            Ok(())
        })
    }
}

/// The terms of ⟨z, scores⟩. A score of −inf is left out unless it is chosen, because 0 · −inf is NaN.
fn chosen<'a>(scores: &'a [f32], z: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
    scores.iter().zip(z).filter(|&(_, &z)| z != 0.0).map(|(score, z)| score * z)
}
