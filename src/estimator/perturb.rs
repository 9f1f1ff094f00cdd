//! Perturb-and-MAP: z_s = MAP(θ + τ ε_s), s = 1..S (Papandreou, Yuille 2011; Niepert, Minervini, Franceschi 2021,
//! section 3.2).

use super::{Imle, Row, workspace};
use crate::kernel::elementwise::{self, Base, Perturbed};
use crate::kernel::few::Few;
use crate::map::{check_and_map, check_row};
use crate::noise::Source;
use crate::rows::{block_mut, check_length, check_theta_row, for_rows};
use crate::states::State;
use crate::{Argument, Error, Key, MapSolver, Options, Rows, Shape, States};

impl<M: MapSolver> Imle<M> {
    /// z = MAP(θ): the states at test time. The shape's S is ignored.
    ///
    /// # Errors
    /// Argument errors before anything is written; [`Error::NonFinite`] and [`Error::Infeasible`] with the first bad
    /// row.
    pub fn map(&self, theta: Rows<'_>, mut states: States<'_>, work: &mut [f32]) -> Result<(), Error> {
        let shape = self.shape.one_sample();
        let theta = theta.check(Argument::Theta, shape)?;
        states.check(shape, &self.solver)?;
        let work = workspace(work, shape.n())?;
        if states.is_none() {
            return Err(Error::NoOutput);
        }
        for_rows(shape.rows(), |b| {
            let theta = theta.row(b, shape.n());
            states.put(shape, b, check_and_map(&self.solver, b, theta, work)?);
            Ok(())
        })
    }

    /// z_s = MAP(θ + τ ε_s) for s = 1..S, and the marginals (1/S) Σ_s z_s, `[B][N]`, an estimate of μ(θ).
    ///
    /// # Errors
    /// Argument errors before anything is written; [`Error::NonFinite`] and [`Error::Infeasible`] with the first bad
    /// row.
    #[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(always))]
    pub fn sample(
        &self,
        key: Key,
        theta: Rows<'_>,
        mut states: States<'_>,
        mut marginals: Option<&mut [f32]>,
        work: &mut [f32],
    ) -> Result<(), Error> {
        let shape = self.shape;
        let theta = theta.check(Argument::Theta, shape)?;
        states.check(shape, &self.solver)?;
        if let Some(marginals) = &marginals {
            check_length(Argument::Marginals, marginals, shape.rows() * shape.n())?;
        } else if states.is_none() {
            return Err(Error::NoOutput);
        }
        let work = workspace(work, shape.n())?;

        let source = Source::noise(key);
        self.for_rows(|law, b| {
            let theta = theta.row(b, shape.n());
            check_row(&self.solver, b, theta)?;
            // Empty where none is asked for.
            let mean = block_mut(marginals.as_deref_mut().unwrap_or_default(), b * shape.n(), shape.n());
            mean.fill(0.0);
            self.row(law, b, theta).sample(&source, work, |s, z| {
                states.put(shape, b * shape.samples() + s, z);
                if !mean.is_empty() {
                    z.accumulate(1.0, mean);
                }
            });
            elementwise::divide(mean, shape.samples() as f32);
            Ok(())
        })
    }
}

impl<M: MapSolver> Row<'_, M> {
    /// Draws the row's samples one after another and shows each to `sink`.
    pub(crate) fn sample(&self, source: &Source, work: &mut [f32], mut sink: impl FnMut(usize, State<'_>)) {
        let scores = self.perturbed();
        let mut stream = self.stream(source);
        if let Some(k) = self.k_of_few() {
            self.for_few(&Few::of(&scores, k), &mut stream, |s, [_, z]| sink(s, State::Bits(z)));
            return;
        }
        for s in 0..self.samples {
            sink(s, self.solver.choose(self.b, &scores, &mut stream, work).0);
        }
    }

    /// θ + τ ε
    pub(crate) fn perturbed(&self) -> Perturbed<'_> {
        Perturbed { theta: self.theta, base: Base::Theta, law: self.law, tau: self.options.temperature }
    }
}

/// The perturbed scores θ + τ ε_s, `[B][S][N]`, for a solver that lives outside: the first of the three steps
/// perturb, [`target`](crate::target()), [`difference`](crate::difference). A masked score is −inf.
///
/// # Errors
/// Argument errors before anything is written; [`Error::NonFinite`] with the first bad row.
pub fn perturb(shape: Shape, options: &Options, key: Key, theta: Rows<'_>, scores: &mut [f32]) -> Result<(), Error> {
    options.check()?;
    let theta = theta.check(Argument::Theta, shape)?;
    check_length(Argument::Scores, scores, shape.rows() * shape.samples() * shape.n())?;
    let source = Source::noise(key);
    options.noise.for_rows(
        shape.rows(),
        |_| shape.k(),
        |law, b| {
            let theta = theta.row(b, shape.n());
            check_theta_row(theta)?;
            let mut stream = source.row(b, shape.samples());
            for s in 0..shape.samples() {
                let scores = block_mut(scores, (b * shape.samples() + s) * shape.n(), shape.n());
                let perturbed = Perturbed { theta, base: Base::Theta, law, tau: options.temperature };
                perturbed.fill(&mut stream, scores);
            }
            Ok(())
        },
    )
}

/// The noise ε_s itself, before τ, `[B][S][N]`: what every call with the same key and noise options uses.
///
/// # Errors
/// [`Error::Option`], [`Error::Length`].
pub fn noise(shape: Shape, options: &Options, key: Key, epsilon: &mut [f32]) -> Result<(), Error> {
    options.check()?;
    check_length(Argument::Epsilon, epsilon, shape.rows() * shape.samples() * shape.n())?;
    let source = Source::noise(key);
    options.noise.for_rows(
        shape.rows(),
        |_| shape.k(),
        |law, b| {
            let mut stream = source.row(b, shape.samples());
            for s in 0..shape.samples() {
                law.fill(&mut stream, block_mut(epsilon, (b * shape.samples() + s) * shape.n(), shape.n()));
            }
            Ok(())
        },
    )
}
