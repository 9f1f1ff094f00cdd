//! The closed forms over the rows of a batch.

use super::distribution::{Distribution, RowDistribution};
use crate::door::{
    check_coupling, check_feasible, check_finite_of, check_key, check_lists, check_row, check_scores_of, check_states,
};
use crate::error::BadRow;
use crate::float::{exponent, power_of_two};
use crate::kernel::elementwise::scale;
use crate::kernel::lanes::copy;
use crate::kernel::reduce::all_finite;
use crate::mask::zero_masked;
use crate::noise::BatchWords;
use crate::views::lists::Lists;
use crate::views::rows::{block_mut, check_length, for_rows};
use crate::views::state::State;
use crate::{Argument, Coupling, Error, Key, Rows, RowsMut, Rule, Shape, States};

/// The exact distribution of every row of a batch, for a temperature T > 0 (β = 1/T).
///
/// Every call needs [`workspace_len`](Exact::workspace_len) floats of workspace, whatever B and S.
#[derive(Clone, Copy, Debug)]
pub struct Exact<D> {
    pub(crate) shape: Shape,
    pub(crate) distribution: D,
    pub(crate) temperature: f32,
}

/// The outputs of [`Exact::marginals`]. None leaves an output out.
#[derive(Debug, Default)]
pub struct ExactOutputs<'a> {
    /// The marginals μ = `E_p[z]`, `[B][N]`.
    pub marginals: Option<&'a mut [f32]>,
    /// A = ln Σ_{z ∈ C} exp(⟨z, θ⟩/T), `[B]`.
    pub log_partition: Option<&'a mut [f32]>,
    /// H = A − ⟨μ, θ⟩/T ≥ 0, in nats, `[B]`.
    pub entropy: Option<&'a mut [f32]>,
}

impl<D: Distribution> Exact<D> {
    /// Checks the sizes, the temperature, and that the constraint set serves the shape.
    ///
    /// # Errors
    /// [`Error::Option`] unless T is finite, greater than 0, and 1/T finite; [`Error::Shape`] if the constraint set was
    /// made for another shape or the workspace is not addressable.
    pub fn new(shape: Shape, distribution: D, temperature: f32) -> Result<Self, Error> {
        shape.check()?;
        if !(temperature > 0.0 && temperature.is_finite() && (1.0 / temperature).is_finite()) {
            return Err(Error::Option { rule: Rule::TemperatureAboveZero });
        }
        distribution.check(shape)?;
        if distribution.exact_workspace_len(shape).is_none_or(|len| len > isize::MAX as usize / size_of::<f32>()) {
            return Err(Error::Shape { rule: Rule::WorkspaceAddressable });
        }
        Ok(Exact { shape, distribution, temperature })
    }

    /// The floats of workspace that every call needs: (n + 12)(k + 1) + 3n + 136 for k-subsets, n for one-hot
    /// states, 10n + 100k + 48 for trees over k words, 15n + 120k + 144 for projective ones.
    #[must_use]
    pub fn workspace_len(&self) -> usize {
        self.distribution.exact_workspace_len(self.shape).unwrap_or(usize::MAX)
    }

    /// Marginals, log-partition and entropy. Σμ = k to rounding; μ is exactly 0 where θ is masked. A is infinite only if
    /// its exact value exceeds `f32::MAX`. Nothing is accurate if two scores of a row differ by more than `f32::MAX`.
    ///
    /// # Errors
    /// Argument errors before anything is written; [`Error::NonFinite`] and [`Error::Infeasible`] with the first bad
    /// row. The same holds for every method below.
    pub fn marginals(&self, theta: Rows<'_>, mut out: ExactOutputs<'_>, work: &mut [f32]) -> Result<(), Error> {
        let (shape, theta) = (self.shape, theta.check(Argument::Theta, self.shape)?);
        let no_output = out.marginals.is_none() && out.log_partition.is_none() && out.entropy.is_none();
        if no_output && shape.rows > 0 {
            return Err(Error::NoOutput);
        }
        check_optional(Argument::Marginals, &out.marginals, shape.rows() * shape.n())?;
        check_optional(Argument::LogPartition, &out.log_partition, shape.rows())?;
        check_optional(Argument::Entropy, &out.entropy, shape.rows())?;
        self.check_work(work)?;
        for_rows(shape.rows(), |b| {
            let mut row = self.row(b, theta.row(b, shape.n()), work)?;
            set(&mut out.log_partition, b, || row.log_partition());
            if out.marginals.is_none() && out.entropy.is_none() {
                return Ok(()); // A needs no μ
            }
            let mu = row.marginals();
            if let Some(marginals) = &mut out.marginals {
                copy(mu, block_mut(marginals, b * shape.n(), shape.n()));
            }
            set(&mut out.entropy, b, || row.cross_entropy());
            Ok(())
        })
    }

    /// out = (1/T) Cov_p(z) v, `[B][N]`: the exact gradient of ⟨v, μ(θ)⟩. It is exactly 0 where θ is masked, and infinite
    /// only where its exact value exceeds `f32::MAX`, or its error does because far larger terms cancel.
    ///
    /// # Errors
    /// As [`marginals`](Exact::marginals).
    pub fn marginals_vjp(&self, theta: Rows<'_>, v: Rows<'_>, out: RowsMut<'_>, work: &mut [f32]) -> Result<(), Error> {
        let (shape, theta, v) =
            (self.shape, theta.check(Argument::Theta, self.shape)?, v.check(Argument::V, self.shape)?);
        let mut out = out.check(Argument::Out, shape)?;
        self.check_work(work)?;
        for_rows(shape.rows(), |b| {
            let v = v.row(b, shape.n());
            check_finite_of(&self.distribution, b, Argument::V, v)?;
            let theta = theta.row(b, shape.n());
            let mut row = self.row(b, theta, work)?;
            self.covariance(b, theta, &mut row, self.temperature, out.row(b, shape.n()), |out| copy(v, out));
            Ok(())
        })
    }

    /// z_s ~ p(·; θ), s = 1..S. These samples are exact, while perturb-and-MAP only comes close to p for k-subsets. A
    /// sample is a pure function of seed, step, the numbers of its row and sample ([`Key`]), θ, T and k. −inf behind the
    /// scores of a row changes no bit; masks between them keep the law, but not the bits. Its words are hashed with
    /// constants of their own, so it is independent of the noise of any key. It is never stratified.
    ///
    /// # Errors
    /// As [`marginals`](Exact::marginals).
    pub fn sample(&self, key: Key<'_>, theta: Rows<'_>, mut states: States<'_>, work: &mut [f32]) -> Result<(), Error> {
        let (shape, theta) = (self.shape, theta.check(Argument::Theta, self.shape)?);
        check_states(&states, shape, &self.distribution)?;
        self.check_work(work)?;
        check_key(&key, shape)?;
        check_coupling(Coupling::Independent, &key, shape)?;
        let words = BatchWords::exact(&key);
        for_rows(shape.rows(), |b| {
            let mut row = self.row(b, theta.row(b, shape.n()), work)?;
            let words = words.row(b);
            for s in 0..shape.samples() {
                states.put(shape, b, s, State::Dense(row.draw(words.sample(s))));
            }
            Ok(())
        })
    }

    /// ln p(z_s; θ) ≤ 0, `[B][S]`, of states given as index lists `[B][S][K]`.
    ///
    /// # Errors
    /// As [`marginals`](Exact::marginals), and [`Error::NotAState`].
    pub fn log_prob(
        &self,
        theta: Rows<'_>,
        indices: &[u32],
        log_prob: &mut [f32],
        work: &mut [f32],
    ) -> Result<(), Error> {
        let (shape, theta) = (self.shape, theta.check(Argument::Theta, self.shape)?);
        let states = shape.samples() * shape.k();
        check_length(Argument::Indices, indices, shape.rows() * states)?;
        check_length(Argument::LogProb, log_prob, shape.rows() * shape.samples())?;
        self.check_work(work)?;
        for_rows(shape.rows(), |b| {
            let theta = theta.row(b, shape.n());
            let lists = Lists::of_row(indices, b, shape.samples(), shape.k());
            check_row(&self.distribution, b, theta, work)?;
            check_lists(&self.distribution, b, lists, shape.samples(), theta)?;
            let mut row = self.distribution.row(b, theta, self.temperature, work);
            let out = block_mut(log_prob, b * shape.samples(), shape.samples());
            for (s, out) in out.iter_mut().enumerate() {
                row.hold(|z| lists.write_z(s, z));
                *out = -row.cross_entropy();
            }
            Ok(())
        })
    }

    /// KL(p_θ ‖ p_other) ≥ 0 in nats, `[B]`; +inf where θ allows states that `other` masks.
    ///
    /// # Errors
    /// As [`marginals`](Exact::marginals), for either set of scores.
    pub fn kl(&self, theta: Rows<'_>, other: Rows<'_>, kl: &mut [f32], work: &mut [f32]) -> Result<(), Error> {
        let (shape, theta) = (self.shape, theta.check(Argument::Theta, self.shape)?);
        let other = other.check(Argument::ThetaOther, shape)?;
        check_length(Argument::Kl, kl, shape.rows())?;
        self.check_work(work)?;
        for_rows(shape.rows(), |b| {
            let (theta, other) = (theta.row(b, shape.n()), other.row(b, shape.n()));
            check_scores_of(&self.distribution, b, Argument::ThetaOther, other)?;
            check_feasible(&self.distribution, b, other, work)?;
            let mut row = self.row(b, theta, work)?;
            row.marginals();
            let entropy = row.cross_entropy();
            row.replace(other);
            kl.get_mut(b).into_iter().for_each(|kl| *kl = (row.cross_entropy() - entropy).max(0.0));
            Ok(())
        })
    }

    pub(crate) fn row<'a>(&self, b: usize, theta: &'a [f32], work: &'a mut [f32]) -> Result<D::Row<'a>, BadRow> {
        check_row(&self.distribution, b, theta, work)?;
        Ok(self.distribution.row(b, theta, self.temperature, work))
    }

    /// `out` ← `Cov_p(z)` v/`divisor` for row b, whose v `write_v` writes. An infinite v counts as the largest float.
    ///
    /// The product overflows only where its exact value or its error does. A row with a result that is not finite is
    /// computed once more, from a v that was divided by a power of two: differences of numbers near the largest float
    /// overflow, and the 0 of a mask times an infinite difference is NaN.
    pub(crate) fn covariance<'a>(
        &self,
        b: usize,
        theta: &[f32],
        row: &mut impl RowDistribution<'a>,
        divisor: f32,
        out: &mut [f32],
        write_v: impl Fn(&mut [f32]),
    ) {
        write_v(out);
        row.covariance(divisor, out);
        if all_finite(out) {
            return;
        }
        write_v(out);
        zero_masked(theta, out);
        if let Some(corner) = self.distribution.corner(b) {
            corner.clear_outside(out);
        }
        let largest = out.iter().fold(0.0, |largest, v| if v.abs() > largest { v.abs() } else { largest });
        let e = exponent(largest).max(0);
        for v in &mut *out {
            *v = v.clamp(f32::MIN, f32::MAX) * power_of_two(-e);
        }
        row.covariance(divisor, out);
        scale(out, power_of_two(e));
    }

    pub(crate) fn check_work(&self, work: &[f32]) -> Result<(), Error> {
        let needed = if self.shape.rows == 0 { 0 } else { self.workspace_len() };
        if work.len() < needed { Err(Error::Workspace { needed, given: work.len() }) } else { Ok(()) }
    }
}

fn check_optional(argument: Argument, out: &Option<&mut [f32]>, needed: usize) -> Result<(), Error> {
    out.as_deref().map_or(Ok(()), |out| check_length(argument, out, needed))
}

fn set(out: &mut Option<&mut [f32]>, b: usize, value: impl FnOnce() -> f32) {
    if let Some(out) = out.as_deref_mut().and_then(|out| out.get_mut(b)) {
        *out = value();
    }
}
