//! Implicit MLE: ∇_θ L ≈ c · (1/S) Σ_s (z_s − z'_s), z'_s = MAP(θ' + τ' ε_s) with the forward pass's ε and c = 1/λ (Niepert,
//! Minervini, Franceschi 2021, Algorithm 1; central difference: Minervini, Franceschi, Niepert 2023).
//!
//! z and z' of a sample read the same words: rows of few scores draw them once for both (`perturbed::few`), and others draw
//! them twice.

use super::batch::noise_words;
use super::layer::{BATCH, Imle, Row};
use super::target::Side;
use crate::door::{check_dz_of, check_finite, check_has_lists, check_lists, check_row, check_z};
use crate::error::BadRow;
use crate::kernel::elementwise;
use crate::kernel::select::FEW;
use crate::noise::{BatchWords, RowWords};
use crate::perturbed::few::{Few, First, Pair};
use crate::perturbed::scores::Formula;
use crate::views::lists::Lists;
use crate::views::rows::{DzView, block, check_length, for_rows};
use crate::views::state::State;
use crate::{Argument, Difference, Dz, Error, Forward, Key, MapSolver, Options, Rows, RowsMut, Shape};

/// The states that a gradient was made of, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// States compared: B·S.
    pub states: u64,
    /// States with z' = z, whose gradient is zero. If this is close to `states`, λ is too small to move the choice.
    pub unchanged: u64,
    /// The non-zeros of z − z', summed over all states.
    pub nonzeros: u64,
}

impl Diagnostics {
    /// The diagnostics of B·S states before any difference is counted.
    pub(crate) fn of(rows: usize, samples: usize) -> Self {
        Diagnostics { states: rows as u64 * samples as u64, unchanged: 0, nonzeros: 0 }
    }

    #[cfg_attr(imle_small, inline(never))]
    fn count(&mut self, nonzeros: u64) {
        self.unchanged += u64::from(nonzeros == 0);
        self.nonzeros += nonzeros;
    }
}

impl<M: MapSolver> Imle<M> {
    /// grad_theta = c · (1/S) Σ_s (z_s − z'_s), an estimate of ∇_θ L from dz = ∇_z ℓ.
    ///
    /// The noise of the forward pass is made again from `key`. `forward`, if it has the states that
    /// [`sample`](Imle::sample) returned for the same key, saves the forward solver calls; any other state
    /// of the row takes the place of z_s in the formula. (The central difference checks the states and does not use them.)
    ///
    /// # Errors
    /// Argument errors before anything is written; [`Error::NonFinite`], [`Error::Infeasible`], [`Error::NotAState`] and
    /// [`Error::Unsolved`] with the first bad row.
    #[cfg_attr(imle_small, inline(always))]
    pub fn gradient(
        &self,
        key: Key<'_>,
        theta: Rows<'_>,
        dz: Dz<'_>,
        forward: Forward<'_>,
        grad_theta: RowsMut<'_>,
        work: &mut [f32],
    ) -> Result<Diagnostics, Error> {
        let shape = &self.shape; // a copy would go through memory, because closures refer to it
        // One error for all arguments: the compiler takes a call behind many `?` for a rare one and does not inline it, which
        // would cost microcontrollers 300 bytes of flash and of stack.
        let arguments = || {
            let (theta, dz) = (theta.check(Argument::Theta, *shape)?, dz.check(*shape)?);
            self.check_forward(forward)?;
            let grad_theta = grad_theta.check(Argument::GradTheta, *shape)?;
            let work = self.workspace(work)?;
            Ok((theta, dz, grad_theta, work, noise_words(*shape, &self.options, &key)?))
        };
        let (theta, dz, grad_theta, work, words) = arguments()?;
        // z has a loop of its own, so that the C library, which is given none, does not link the code for it.
        let lists = match forward {
            Forward::Z(z) => {
                let states = shape.samples() * shape.n();
                return self.gradients(theta, grad_theta, work, |row, work, grad, diagnostics| {
                    row.gradient_from_z(&words, dz, block(z, row.b * states, states), work, grad, diagnostics)
                });
            }
            Forward::Indices(lists) => Some(lists),
            Forward::Replay => None,
        };
        self.gradients(theta, grad_theta, work, |row, work, grad, diagnostics| {
            let lists = lists.map(|lists| Lists::of_row(lists, row.b, shape.samples(), shape.k()));
            row.gradient(&words, dz, lists, work, grad, diagnostics)
        })
    }

    /// Refuses given states that are too short for the batch, and lists of a solver that has none.
    #[cfg_attr(imle_small, inline(always))]
    fn check_forward(&self, forward: Forward<'_>) -> Result<(), Error> {
        let states = self.shape.rows() * self.shape.samples();
        match forward {
            Forward::Replay => Ok(()),
            Forward::Indices(indices) => {
                check_length(Argument::Indices, indices, states * self.shape.k())?;
                check_has_lists(self.shape, &self.solver)
            }
            Forward::Z(z) => check_length(Argument::Z, z, states * self.shape.n()),
        }
    }

    /// Calls `gradient` for every row, with its part of grad_theta and the factor of the sum.
    #[cfg_attr(imle_small, inline(always))]
    fn gradients(
        &self,
        theta: Rows<'_>,
        mut grad_theta: RowsMut<'_>,
        work: &mut [f32],
        gradient: impl Fn(Row<'_, M>, &mut [f32], (&mut [f32], f32), &mut Diagnostics) -> Result<(), BadRow>,
    ) -> Result<Diagnostics, Error> {
        let shape = &self.shape;
        let factor = self.options.gradient_factor(shape.samples());
        let mut diagnostics = Diagnostics::of(shape.rows(), shape.samples());
        self.for_rows(|noise, b| {
            let theta = theta.row(b, shape.n());
            check_row(&self.solver, b, theta, work)?;
            let grad = (grad_theta.row(b, shape.n()), factor);
            gradient(self.row(noise, b, theta), work, grad, &mut diagnostics)
        })?;
        Ok(diagnostics)
    }
}

/// The forward states of a row, as the caller gives them.
#[derive(Clone, Copy)]
enum Given<'a> {
    Nothing,
    Lists(Lists<'a>),
    /// z, `[S][N]`.
    Z(&'a [f32]),
}

impl<M: MapSolver> Row<'_, M> {
    /// The row's gradient, a sum that is scaled by `factor`; nothing is written if dz or a list is bad.
    #[cfg_attr(imle_small, inline(always))]
    #[cfg_attr(not(imle_small), inline(never))]
    pub(crate) fn gradient(
        &self,
        batch: &BatchWords<'_>,
        dz: DzView<'_>,
        lists: Option<Lists<'_>>,
        work: &mut [f32],
        (grad, factor): (&mut [f32], f32),
        diagnostics: &mut Diagnostics,
    ) -> Result<(), BadRow> {
        let check_dz = || check_dz_of(self.solver, self.b, dz, self.samples);
        let check_lists = |lists| check_lists(self.solver, self.b, lists, self.samples, self.theta);
        let words = self.words(batch);
        if let Some(few) = self.few() {
            let lists = match (lists, self.options.difference) {
                (Some(lists), Difference::Central) => {
                    // The central difference has no use for the forward state, so it only checks the lists.
                    check_dz()?;
                    check_lists(lists)?;
                    None
                }
                _ => lists,
            };
            let (mut sum, mut counts) = ([0.0; FEW], *diagnostics);
            if !self.sum_of_few(few, dz, lists, &words, &mut sum, &mut counts) {
                check_dz()?;
                lists.map_or(Ok(()), check_lists)?;
                debug_assert!(false, "a row of few scores was refused although its dz and its lists are good");
                return Err(BadRow::NotAState);
            }
            *diagnostics = counts;
            for (grad, sum) in grad.iter_mut().zip(&sum) {
                *grad = sum * factor;
            }
            return Ok(());
        }
        check_dz()?;
        if let Some(lists) = lists {
            check_lists(lists)?;
        }
        let given = lists.map_or(Given::Nothing, Given::Lists);
        self.gradient_by_sample(dz, given, &words, work, (grad, factor), diagnostics)
    }

    /// The same from z, `[S][N]`. It need not be the choice of the scores, and few scores are no special case.
    fn gradient_from_z(
        &self,
        batch: &BatchWords<'_>,
        dz: DzView<'_>,
        z: &[f32],
        work: &mut [f32],
        grad: (&mut [f32], f32),
        diagnostics: &mut Diagnostics,
    ) -> Result<(), BadRow> {
        let n = self.theta.len();
        check_dz_of(self.solver, self.b, dz, self.samples)?;
        for s in 0..self.samples {
            check_z(self.solver, self.b, block(z, s * n, n), self.theta)?;
        }
        self.gradient_by_sample(dz, Given::Z(z), &self.words(batch), work, grad, diagnostics)
    }

    /// The scores of z.
    #[inline(always)]
    fn first_scores(&self) -> Formula<'_> {
        match self.options.difference {
            Difference::Forward => self.forward_scores(),
            Difference::Central => self.options.target_scores(Side::Plus, self.noise),
        }
    }

    /// True if a step that lowers no chosen score and raises no other one leaves z' = z. That is so for k-subsets, because
    /// rounding is monotone.
    #[inline(always)]
    fn descends(&self) -> bool {
        self.solver.selects(self.b).is_some() && self.options.only_descends()
    }

    /// Adds Σ_s (z_s − z'_s) of a row of few scores to `sum`, and counts; false if a dz is not finite or a list is not a state.
    fn sum_of_few(
        &self,
        few: Few<'_>,
        dz: DzView<'_>,
        lists: Option<Lists<'_>>,
        words: &RowWords,
        sum: &mut [f32; FEW],
        counts: &mut Diagnostics,
    ) -> bool {
        let z = match lists {
            Some(lists) => First::Listed(lists),
            None => First::Chosen(self.first_scores()),
        };
        let pair = Pair { z, target: self.options.target_scores(Side::Minus, self.noise), dz, b: self.b };
        // Whole fours: words are added four coordinates at a time.
        let sum = sum.get_mut(..self.theta.len().next_multiple_of(4)).unwrap_or_default();
        let mut states = [[0; 2]; BATCH];
        for from in (0..self.samples).step_by(BATCH) {
            let states = states.get_mut(..BATCH.min(self.samples - from)).unwrap_or_default();
            if !few.pairs(&pair, words, from, states) {
                return false;
            }
            for &mut [z, z_target] in states {
                counts.count(State::Bits(z).accumulate_difference(State::Bits(z_target), 1.0, sum));
            }
        }
        true
    }

    /// The gradient of a row whose dz and given states are good, sample by sample.
    // Inlined, so that each caller knows what is given.
    #[inline(always)]
    fn gradient_by_sample(
        &self,
        dz: DzView<'_>,
        given: Given<'_>,
        words: &RowWords,
        work: &mut [f32],
        (grad, factor): (&mut [f32], f32),
        diagnostics: &mut Diagnostics,
    ) -> Result<(), BadRow> {
        let (first, target) = (self.first_scores(), self.options.target_scores(Side::Minus, self.noise));
        let given = if self.options.difference == Difference::Forward { given } else { Given::Nothing };
        // A state that is given need not be the choice of the scores, and then a step against dz may leave it.
        let descends = self.descends() && matches!(given, Given::Nothing);
        // With S = 1 the difference is multiplied by the factor at once. With S > 1 the differences are added first: they are
        // whole numbers, so that only the final product rounds.
        let step = if self.samples == 1 { factor } else { 1.0 };
        elementwise::clear(grad);
        for s in 0..self.samples {
            let (dz, words) = (dz.get(self.b, s), words.sample(s));
            let (z, rest) = match given {
                Given::Nothing => self.choose(first, dz, words, None, work)?,
                Given::Lists(lists) => {
                    let ones = self.solver.ones(self.b).unwrap_or_else(|| lists.ones(s));
                    let (ones, rest) = lists.copy_ones(s, ones, work);
                    (State::Ones(ones), rest)
                }
                Given::Z(z) => (State::Dense(block(z, s * self.theta.len(), self.theta.len())), &mut *work),
            };
            if descends && z.unchanged_by_step(dz) {
                diagnostics.count(0);
                continue;
            }
            let (z_target, _) = self.choose(target, dz, words, Some(z), rest)?;
            diagnostics.count(z.accumulate_difference(z_target, step, grad));
        }
        if self.samples > 1 {
            elementwise::scale(grad, factor);
        }
        Ok(())
    }
}

/// grad_theta = c · (1/S) Σ_s (z_s − z'_s) for states `[B][S][N]` that a solver outside found: the last of the three
/// steps. For the central difference `z` is the state of [`Side::Plus`], and `z_target` the state of [`Side::Minus`].
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
    shape.check()?;
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
