//! The log-partitions of all sizes, A_0 to A_K, in one pass, and their gradient. `kernel::exact::by_size` has the sums.
//!
//! The gradient walks back through the coordinates. It starts with the weight v_k at size k. The coordinate that came
//! last is in a share h_k of the subsets of size k. So it gets Σ_k v_k h_k, and of v_k the part v_k h_k moves to k − 1.

use super::layer::Exact;
use crate::arch::{self, Dispatch, EIGHT, Isa};
use crate::door::{check_finite, check_theta_row};
use crate::float::{CompensatedSum, factor_of_sum, rank, split, unrank};
use crate::kernel::elementwise::divide;
use crate::kernel::exact::by_size::{STEPS_BEFORE_OVERFLOW, Sums, walk_back};
use crate::kernel::heap;
use crate::kernel::lanes::copy;
use crate::kernel::ties::Choice;
use crate::kernel::workspace::take;
use crate::mask::is_masked;
use crate::views::rows::{block_mut, check_length, for_rows};
use crate::{Argument, Error, Rows, RowsMut, Shape, TopK};

impl Exact<TopK<'_>> {
    /// A_k = ln Σ e^{⟨z, θ⟩/T} over the states with k ones, for every k = 0..=K, `[B][K+1]`. A_0 = 0, and A_k is −inf
    /// where fewer than k entries are not masked, so no row is infeasible. K is the shape's; the k of the rows do not
    /// matter.
    ///
    /// Each is within 2e-6 · max(1, |A_k|) of the exact value, whatever θ/T is, also where large terms cancel (tested to
    /// N = K = 1000), if no two scores of a row differ by more than `f32::MAX`. O(B·N·K), with an exponential for every
    /// coordinate and size.
    ///
    /// A model needs them whose k is itself chosen. Draw k with probability ∝ e^{A_k}, or ∝ e^{A_k} times a prior of k, and
    /// then a k-subset from p(z; θ). Without a prior this is the law of N independent coins with odds e^{θ_i/T}, given that
    /// at most K of them show heads: k follows a Poisson–binomial law, conditioned on at most K.
    ///
    /// ```
    /// use imle::{Exact, Rows, Shape, TopK};
    /// let shape = Shape { rows: 1, n: 4, k: 2, samples: 1 };
    /// let exact = Exact::new(shape, TopK::new(2), 1.0)?;
    /// let (mut a, mut work) = ([0.0; 3], vec![0.0; exact.workspace_len()]);
    /// exact.log_partitions(Rows::contiguous(&[0.0; 4]), &mut a, &mut work)?;
    /// assert_eq!(a[0], 0.0); // one state without ones, four with one, six with two
    /// assert!((a[1] - 4_f32.ln()).abs() < 2e-6 && (a[2] - 6_f32.ln()).abs() < 4e-6);
    /// # Ok::<(), imle::Error>(())
    /// ```
    ///
    /// # Errors
    /// Argument errors before anything is written; [`Error::NonFinite`] with the first bad row.
    pub fn log_partitions(&self, theta: Rows<'_>, log_partitions: &mut [f32], work: &mut [f32]) -> Result<(), Error> {
        let (shape, theta) = (self.shape, theta.check(Argument::Theta, self.shape)?);
        let sizes = shape.k() + 1;
        check_length(Argument::LogPartitions, log_partitions, shape.rows() * sizes)?;
        self.check_work(work)?;
        for_rows(shape.rows(), |b| {
            let theta = theta.row(b, shape.n());
            check_theta_row(theta)?;
            let row = Row::new(theta, shape.k(), self.temperature, work);
            row.log_partitions(block_mut(log_partitions, b * sizes, sizes));
            Ok(())
        })
    }

    /// out_i = Σ_k v_k ∂A_k/∂θ_i, `[B][N]`, the gradient of Σ_k v_k A_k: ∂A_k/∂θ_i = μ_i/T with the marginal μ_i of the
    /// states with k ones. v is `[B][K+1]`; v_k is ignored where A_k = −inf, which has no gradient, but must be finite
    /// there too. out is exactly 0 where θ is masked.
    ///
    /// The error of out is some 1e-6 · Σ|v_k|/T. O(B·N·K).
    ///
    /// # Errors
    /// As [`log_partitions`](Exact::log_partitions), for v too.
    pub fn log_partitions_vjp(
        &self,
        theta: Rows<'_>,
        v: Rows<'_>,
        out: RowsMut<'_>,
        work: &mut [f32],
    ) -> Result<(), Error> {
        let (shape, theta) = (self.shape, theta.check(Argument::Theta, self.shape)?);
        let sizes = shape.k() + 1;
        let v = v.check(Argument::V, Shape { n: shape.k.saturating_add(1), k: 0, samples: 1, ..shape })?;
        let mut out = out.check(Argument::Out, shape)?;
        self.check_work(work)?;
        for_rows(shape.rows(), |b| {
            let (theta, v) = (theta.row(b, shape.n()), v.row(b, sizes));
            check_theta_row(theta)?;
            check_finite(Argument::V, v)?;
            let out = out.row(b, shape.n());
            Row::new(theta, shape.k(), self.temperature, work).gradient(v, out);
            divide(out, self.temperature);
            Ok(())
        })
    }
}

/// One row.
struct Row<'a> {
    theta: &'a [f32],
    /// How many scores are not masked.
    unmasked: usize,
    /// The most ones that a state has: K, or fewer if masks leave fewer.
    most: usize,
    sums: Sums<'a>,
    rest: &'a mut [f32],
}

impl<'a> Row<'a> {
    /// `work` has [`Exact::workspace_len`] floats. The sums take 9K + 63 at most, and the gradient N·K + N + K + 1
    /// more.
    fn new(theta: &'a [f32], k: usize, temperature: f32, work: &'a mut [f32]) -> Self {
        let unmasked = theta.iter().filter(|&&t| !is_masked(t)).count();
        let most = k.min(unmasked);
        let (mut rest, len) = (work, most.next_multiple_of(EIGHT));
        let ranked = take(&mut rest, len);
        ranked.fill(f32::INFINITY);
        let heap = ranked.get_mut(..most).unwrap_or_default();
        heap.fill(0.0);
        theta.iter().for_each(|&theta| heap::offer(heap, rank(theta)));
        heap::sort(heap);
        heap.iter_mut().for_each(|score| *score = unrank(score.to_bits()));
        let [high, low, exponents, factors] = [(); 4].map(|()| take(&mut rest, len));
        let [terms, terms_low, below, below_low] = [(); 4].map(|()| take(&mut rest, len));
        let sums = Sums { ranked, temperature, high, low, exponents, factors, terms, terms_low, below, below_low };
        Row { theta, unmasked, most, sums, rest }
    }

    fn log_partitions(mut self, out: &mut [f32]) {
        arch::run(Expand { theta: self.theta, most: self.most, sums: &mut self.sums, shares: None });
        let Sums { ranked, temperature, high, low, exponents, .. } = self.sums;
        out.fill(f32::NEG_INFINITY);
        let mut out = out.iter_mut();
        out.next().into_iter().for_each(|a_0| *a_0 = 0.0);
        let factor = factor_of_sum(temperature);
        let mut scores = CompensatedSum::default();
        let sums = high.iter().zip(low.iter()).zip(exponents.iter()).take(self.most);
        for ((out, score), ((high, low), exponent)) in out.zip(ranked).zip(sums) {
            scores.add(*score * factor);
            let (e, f) = split(high + low);
            let mut a = CompensatedSum::default();
            a.add_quotient(scores, temperature * factor);
            a.add_ln(exponent + e, f);
            *out = a.value();
        }
    }

    /// `out` ← the gradient times T.
    fn gradient(mut self, v: &[f32], out: &mut [f32]) {
        let shares = take(&mut self.rest, self.unmasked * self.most);
        let [gradients, mixture] = [self.unmasked, self.most + 1].map(|len| take(&mut self.rest, len));
        copy(v, mixture);
        arch::run(Expand { theta: self.theta, most: self.most, sums: &mut self.sums, shares: Some(&mut *shares) });
        arch::run(WalkBack { mixture, shares, stride: self.most, gradients });

        let ranked = self.sums.ranked.get(..self.most).unwrap_or_default();
        let (of_ranked, of_others) = gradients.split_at_mut_checked(self.most).unwrap_or_default();
        let (mut choice, mut others) = (choice(ranked), of_others.iter());
        for (out, &theta) in out.iter_mut().zip(self.theta) {
            let gradient = if is_masked(theta) {
                None
            } else if choice.takes(theta) {
                of_ranked.get(ranked.partition_point(|&other| other > theta))
            } else {
                others.next()
            };
            *out = gradient.copied().unwrap_or_default();
        }
    }
}

/// Tells of one score after another whether it is among the K largest.
fn choice(ranked: &[f32]) -> Choice<f32> {
    let least = ranked.last().copied().unwrap_or(f32::INFINITY);
    Choice::new(least, ranked.iter().filter(|&&score| score == least).count())
}

/// Adds all coordinates to the sums, the K largest first.
struct Expand<'a, 'b> {
    theta: &'a [f32],
    most: usize,
    sums: &'a mut Sums<'b>,
    /// The shares of every step, `most` floats each, if they are wanted.
    shares: Option<&'a mut [f32]>,
}

impl Dispatch for Expand<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) {
        let Expand { theta, most, sums, mut shares } = self;
        sums.clear();
        let ranked = sums.ranked.get(..most).unwrap_or_default();
        let mut choice = choice(ranked);
        let others = theta.iter().filter(|&&theta| !is_masked(theta) && !choice.takes(theta));
        for (step, &theta) in ranked.iter().chain(others).enumerate() {
            let top = most.min(step + 1);
            sums.add(theta, top);
            if let Some(shares) = &mut shares {
                sums.write_shares(block_mut(shares, step * most, top));
            }
            if (step + 1) % STEPS_BEFORE_OVERFLOW == 0 {
                sums.normalise(top);
            }
        }
    }
}

/// Takes all coordinates away again, the last one first.
struct WalkBack<'a> {
    /// v_k.
    mixture: &'a mut [f32],
    shares: &'a mut [f32],
    stride: usize,
    /// Of each step.
    gradients: &'a mut [f32],
}

impl Dispatch for WalkBack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) {
        let WalkBack { mixture, shares, stride, gradients } = self;
        for (step, gradient) in gradients.iter_mut().enumerate().rev() {
            *gradient = walk_back(mixture, block_mut(shares, step * stride, stride.min(step + 1)));
        }
    }
}
