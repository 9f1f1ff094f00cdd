//! Implicit MLE: ∇_θ L ≈ c · (1/S) Σ_s (z_s − z'_s), z'_s = MAP(θ' + τ' ε_s) with the forward pass's ε (Niepert,
//! Minervini, Franceschi 2021, Algorithm 1; central difference: Minervini, Franceschi, Niepert 2023).

use super::{Imle, Row, Side, workspace};
use crate::error::BadRow;
use crate::kernel::elementwise::{self, Base, Perturbed};
use crate::kernel::few::{FEW, Few};
use crate::map::check_row;
use crate::noise::Source;
use crate::rows::{DzView, block, block_mut, check_dz_row, check_finite, check_length, for_rows};
use crate::states::{Lists, State, check_lists};
use crate::{Argument, Difference, Dz, Error, Key, MapSolver, Options, Rows, RowsMut, Shape};

/// What a gradient was made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// States compared: B·S.
    pub states: u64,
    /// States with z' = z, whose gradient is zero. Near `states`: λ or τ' is too small to move the choice.
    pub unchanged: u64,
    /// Σ over states of the non-zeros of z − z'.
    pub nonzeros: u64,
}

impl Diagnostics {
    /// Of so many states, none of which is counted yet.
    pub(crate) fn of(rows: usize, samples: usize) -> Self {
        Diagnostics { states: rows as u64 * samples as u64, unchanged: 0, nonzeros: 0 }
    }

    #[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(never))]
    fn count(&mut self, nonzeros: u64) {
        self.unchanged += u64::from(nonzeros == 0);
        self.nonzeros += nonzeros;
    }
}

impl<M: MapSolver> Imle<M> {
    /// grad_theta = c · (1/S) Σ_s (z_s − z'_s), an estimate of ∇_θ L from dz = ∇_z ℓ.
    ///
    /// The noise of the forward pass is made again from `key`. `indices`, if given, are the lists that
    /// [`sample`](Imle::sample) returned for the same key; they spare the forward selection. (The central difference
    /// has no use for them.) Where dz ≤ 0 at every one of z and dz ≥ 0 at every zero, z' is z for any λ and is not looked
    /// for, if both sides have the same α and τ.
    ///
    /// # Errors
    /// Argument errors before anything is written; [`Error::NonFinite`], [`Error::Infeasible`] and
    /// [`Error::NotAState`] with the first bad row.
    #[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(always))]
    pub fn gradient(
        &self,
        key: Key,
        theta: Rows<'_>,
        dz: Dz<'_>,
        indices: Option<&[u32]>,
        grad_theta: RowsMut<'_>,
        work: &mut [f32],
    ) -> Result<Diagnostics, Error> {
        let shape = self.shape;
        let (n, states) = (shape.n(), shape.samples() * shape.k());
        let theta = theta.check(Argument::Theta, shape)?;
        let dz = dz.check(shape)?;
        if let Some(indices) = indices {
            check_length(Argument::Indices, indices, shape.rows() * states)?;
            check_lists(shape, &self.solver)?;
        }
        let mut grad_theta = grad_theta.check(Argument::GradTheta, shape)?;
        let work = workspace(work, n)?;

        let source = Source::noise(key);
        let factor = self.options.gradient_factor(shape.samples());
        let mut diagnostics = Diagnostics::of(shape.rows(), shape.samples());
        self.for_rows(|law, b| {
            let theta = theta.row(b, n);
            let lists = indices.map(|lists| Lists { lists, first: b * shape.samples(), k: shape.k() });
            check_row(&self.solver, b, theta)?;
            let grad = (grad_theta.row(b, n), factor);
            self.row(law, b, theta).gradient(&source, dz, lists, work, grad, &mut diagnostics)
        })?;
        Ok(diagnostics)
    }
}

impl<M: MapSolver> Row<'_, M> {
    /// The row's gradient, a sum that is scaled by `factor`; nothing if dz or a list is bad.
    #[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(always))]
    pub(crate) fn gradient(
        &self,
        source: &Source,
        dz: DzView<'_>,
        lists: Option<Lists<'_>>,
        work: &mut [f32],
        (grad, factor): (&mut [f32], f32),
        diagnostics: &mut Diagnostics,
    ) -> Result<(), BadRow> {
        let Row { solver, options, b, theta, samples, .. } = *self;
        let mut stream = self.stream(source);
        // Rounding is monotone: where no chosen score falls and no other rises, the same are chosen.
        let descends = solver.ranks() && options.only_descends();
        let first = |dz| match options.difference {
            Difference::Forward => (Base::Theta, options.temperature),
            Difference::Central => options.target(Side::Plus, dz),
        };
        let target = |dz| options.target(Side::Minus, dz);
        let listed = lists.filter(|_| options.difference == Difference::Forward);
        let mut scores = self.perturbed();
        if let Some(k) = self.k_of_few() {
            let scores = |(base, tau)| Perturbed { base, tau, ..scores };
            let first = if listed.is_none() { Some(scores(first(&[]))) } else { None };
            let target = scores(target(&[]));
            let (mut sum, mut counts) = ([0.0; FEW], *diagnostics);
            let good = self.for_few(
                &Few { k, first, lists, target, dz: Some(dz), b, descends },
                &mut stream,
                |_, [z, z_target]| {
                    counts.count(State::Bits(z).accumulate_difference(State::Bits(z_target), 1.0, &mut sum));
                },
            );
            if good {
                *diagnostics = counts;
                grad.iter_mut().zip(sum).for_each(|(grad, sum)| *grad = sum * factor);
                return Ok(());
            }
        }
        check_dz_row(dz, b, samples)?;
        let ones = match lists {
            Some(lists) => lists.check(samples, theta, solver.ones(b))?,
            None => 0,
        };
        // Of one sample, the factor goes where the state changes; sums are scaled as a whole, lest they round.
        let step = if samples == 1 { factor } else { 1.0 };
        grad.fill(0.0);
        for s in 0..samples {
            let dz = dz.get(b, s);
            let (z, rest) = match listed {
                Some(lists) => lists.state(s, ones, work),
                None => {
                    (scores.base, scores.tau) = first(dz);
                    // Both sides read the same words.
                    stream.ahead(|stream| solver.choose(b, &scores, stream, work))
                }
            };
            if descends && z.has_descended(dz) {
                // The next sample's words come after this one's.
                if s + 1 < samples {
                    self.law.fill_words(&mut stream, block_mut(rest, 0, theta.len()));
                }
                diagnostics.count(0);
                continue;
            }
            (scores.base, scores.tau) = target(dz);
            let (z_target, _) = solver.choose(b, &scores, &mut stream, rest);
            diagnostics.count(z.accumulate_difference(z_target, step, grad));
        }
        if samples > 1 {
            elementwise::scale(grad, factor);
        }
        Ok(())
    }
}

/// grad_theta = c · (1/S) Σ_s (z_s − z'_s) for states `[B][S][N]` that a solver outside found: the last of the three
/// steps. For the central difference `z` is the state of [`Side::Plus`] and `z_target` that of [`Side::Minus`].
///
/// # Errors
/// Argument errors before anything is written; [`Error::NonFinite`] with the first bad row.
pub fn difference(
    shape: Shape,
    options: &Options,
    z: &[f32],
    z_target: &[f32],
    grad_theta: RowsMut<'_>,
) -> Result<Diagnostics, Error> {
    options.check()?;
    let states = shape.samples() * shape.n();
    check_length(Argument::Z, z, shape.rows() * states)?;
    check_length(Argument::ZTarget, z_target, shape.rows() * states)?;
    let mut grad_theta = grad_theta.check(Argument::GradTheta, shape)?;

    let mut diagnostics = Diagnostics::of(shape.rows(), shape.samples());
    for_rows(shape.rows(), |b| {
        let (z, z_target) = (block(z, b * states, states), block(z_target, b * states, states));
        check_finite(Argument::Z, z)?;
        check_finite(Argument::ZTarget, z_target)?;
        let grad = grad_theta.row(b, shape.n());
        grad.fill(0.0);
        for s in 0..shape.samples() {
            let state = |z| block(z, s * shape.n(), shape.n());
            diagnostics.count(elementwise::accumulate_difference(state(z), state(z_target), 1.0, grad));
        }
        elementwise::scale(grad, options.gradient_factor(shape.samples()));
        Ok(())
    })?;
    Ok(diagnostics)
}
