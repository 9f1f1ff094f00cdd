//! Perturb-and-MAP: z_s = MAP(θ + τ ε_s), s = 1..S (Papandreou, Yuille 2011; Niepert, Minervini, Franceschi 2021,
//! section 3.2).

use super::batch::{noise_words, write_samples};
use super::layer::{BATCH, Imle, Row};
use crate::arch::SCALAR;
use crate::door::{check_row, check_states, check_theta_row};
use crate::error::BadRow;
use crate::noise::{BatchWords, RowWords, Sampler};
use crate::perturbed::few::Few;
use crate::perturbed::scores::{Base, Formula, Perturbed};
use crate::perturbed::{map_row, map_unchecked_row};
use crate::views::rows::{check_length, for_rows};
use crate::views::state::State;
use crate::{Argument, Error, Key, MapSolver, Options, Rows, Shape, States};

impl<M: MapSolver> Imle<M> {
    /// z = MAP(θ): the states at test time. The shape's S is ignored, and the marginals are z.
    ///
    /// # Errors
    /// Argument errors before anything is written; [`Error::NonFinite`], [`Error::Infeasible`] and [`Error::Unsolved`]
    /// with the first bad row.
    pub fn map(&self, theta: Rows<'_>, mut states: States<'_>, work: &mut [f32]) -> Result<(), Error> {
        let shape = self.shape.one_sample();
        let theta = theta.check(Argument::Theta, shape)?;
        check_states(&states, shape, &self.solver)?;
        let work = self.workspace(work)?;
        for_rows(shape.rows(), |b| {
            let theta = theta.row(b, shape.n());
            let row = self.row(Sampler::None, b, theta);
            states.put(shape, b, 0, row.check_and_map(work)?);
            Ok(())
        })
    }

    /// z_s = MAP(θ + τ ε_s) for s = 1..S. The marginals (1/S) Σ_s z_s are an estimate of μ(θ).
    ///
    /// # Errors
    /// Argument errors before anything is written; [`Error::NonFinite`], [`Error::Infeasible`] and [`Error::Unsolved`]
    /// with the first bad row.
    #[cfg_attr(imle_small, inline(always))]
    pub fn sample(&self, key: Key<'_>, theta: Rows<'_>, mut states: States<'_>, work: &mut [f32]) -> Result<(), Error> {
        let shape = &self.shape; // a copy would go through memory, because closures refer to it
        let theta = theta.check(Argument::Theta, *shape)?;
        check_states(&states, *shape, &self.solver)?;
        let work = self.workspace(work)?;

        let words = noise_words(*shape, &self.options, &key)?;
        self.for_rows(|noise, b| {
            let theta = theta.row(b, shape.n());
            check_row(&self.solver, b, theta, work)?;
            let row = self.row(noise, b, theta);
            match row.few() {
                Some(few) => {
                    row.sample_few(&few, &words, |s, found| states.put_few(*shape, b, s, few.k, found));
                    Ok(())
                }
                None => row.sample(&words, work, |s, z| states.put(*shape, b, s, z)),
            }
        })
    }
}

impl<M: MapSolver> Row<'_, M> {
    /// Draws the row's samples one after another and shows each to `sink`.
    pub(crate) fn sample(
        &self,
        batch: &BatchWords<'_>,
        work: &mut [f32],
        mut sink: impl FnMut(usize, State<'_>),
    ) -> Result<(), BadRow> {
        if let Some(few) = self.few() {
            self.sample_few(&few, batch, |from, states| {
                (from..).zip(states).for_each(|(s, &bits)| sink(s, State::Bits(bits)));
            });
            return Ok(());
        }
        let (scores, words) = (self.forward_scores(), self.words(batch));
        for s in 0..self.samples {
            sink(s, self.choose(scores, &[], words.sample(s), None, work)?.0);
        }
        Ok(())
    }

    /// The same for a row of few scores; `sink` gets several states and the number of the first.
    #[inline(always)]
    fn sample_few(&self, few: &Few<'_>, batch: &BatchWords<'_>, mut sink: impl FnMut(usize, &[u64])) {
        let (scores, words, mut states) = (self.forward_scores(), self.words(batch), [0; BATCH]);
        for from in (0..self.samples).step_by(BATCH) {
            let states = states.get_mut(..BATCH.min(self.samples - from)).unwrap_or_default();
            few.sample(&scores, &words, from, states);
            sink(from, states);
        }
    }

    /// MAP(θ) of a row that is not yet known to be good, at the front of `work` (3·N floats and the solver's own).
    fn check_and_map<'w>(&self, work: &'w mut [f32]) -> Result<State<'w>, BadRow> {
        let selects = self.solver.selects(self.b);
        if let Some(k) = selects
            && map_unchecked_row(self.theta, k, work)
        {
            debug_assert!(work.len() >= k, "no room for {k} positions");
            return Ok(State::Ones(work.get(..k).unwrap_or_default()));
        }
        check_row(self.solver, self.b, self.theta, work)?;
        if let Some(k) = selects {
            // On small machines the one pass answers every good row, so the rest need not be linked.
            return Ok(if SCALAR { State::Ones(&[]) } else { map_row(self.theta, k, work) });
        }
        Ok(self.choose(Formula::THETA, &[], RowWords::UNUSED.sample(0), None, work)?.0)
    }
}

/// The perturbed scores θ + τ ε_s, `[B][S][N]`, for a solver that lives outside: the first of the three steps
/// perturb, [`target`](crate::target()), [`difference`](crate::difference). A masked score is −inf.
///
/// # Errors
/// Argument errors before anything is written; [`Error::NonFinite`] with the first bad row.
pub fn perturb(
    shape: Shape,
    options: &Options,
    key: Key<'_>,
    theta: Rows<'_>,
    scores: &mut [f32],
) -> Result<(), Error> {
    shape.check()?;
    options.check()?;
    let theta = theta.check(Argument::Theta, shape)?;
    check_length(Argument::Scores, scores, shape.rows() * shape.samples() * shape.n())?;
    let row = |b| theta.row(b, shape.n());
    write_samples(
        shape,
        options,
        key,
        scores,
        |b| check_theta_row(row(b)),
        |noise, (b, _), words, scores| {
            let formula = Formula { base: Base::Theta, noise, tau: options.temperature };
            Perturbed { theta: row(b), dz: &[], formula }.draw(words, scores);
        },
    )
}

/// The noise ε_s itself, before τ, `[B][S][N]`: the noise of every call with the same key and noise options.
///
/// # Errors
/// [`Error::Option`], [`Error::Length`].
pub fn noise(shape: Shape, options: &Options, key: Key<'_>, epsilon: &mut [f32]) -> Result<(), Error> {
    shape.check()?;
    options.check()?;
    check_length(Argument::Epsilon, epsilon, shape.rows() * shape.samples() * shape.n())?;
    write_samples(shape, options, key, epsilon, |_| Ok(()), |noise, _, words, epsilon| noise.draw(words, epsilon))
}
