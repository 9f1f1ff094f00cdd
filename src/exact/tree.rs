//! Dependency trees in closed form, O(n³) time and O(n²) memory.
//!
//! Scores become weights w_hd = e^((θ_hd − c_d)/T), where c_d is the largest score of an arc to d. With Z, the sum over
//! all trees of the products of their weights,
//!
//! ```text
//! A = Σ_d c_d/T + ln Z        −ln p(z) = A − ⟨z, θ⟩/T
//! ```
//!
//! These few sums of large numbers are in f64.
//!
//! For a single root, arcs from the root weigh 2^−2²⁸ times as much. Then trees with more of them do not count at all.

use core::marker::PhantomData;

use super::distribution::{Distribution, RowDistribution};
use super::tree_sums::{Covariance, DrawTree, Marginals, Row, Sum};
use crate::arch;
use crate::kernel::exact::scaled::{Carry, Entropy, Matrix, Nothing};
use crate::kernel::exact::tree::weights::{Write, largest_of_columns};
use crate::kernel::tree::Arcs;
use crate::kernel::workspace::take;
use crate::noise::{SampleWords, Uniform};
use crate::views::rows::block_mut;
use crate::{Shape, Tree};

/// The exponent of the factor that makes arcs from the root rare.
const FEWER_ROOTS: i32 = 1 << 28;

/// Weights from e^−30 to 1 need no exponents: the numbers that marginals come from, and their shares in sums, are at
/// least w³/(4 words²) for the smallest weight w. So sentences are limited, too.
const PLAIN_GAP: f32 = -30.0;
const PLAIN_WORDS: usize = 1024;

/// The memory of one row.
struct Work<'a> {
    /// The marginals of a distribution over states, or a state.
    values: &'a mut [f32],
    /// c_d.
    largest: &'a mut [f32],
    /// The m and e of the weights.
    weights: [&'a mut [f32]; 2],
    /// Room for the sums over trees.
    rest: &'a mut [f32],
}

impl<'a> Work<'a> {
    /// 10 N + 100 words + 48, and for projective trees 15 N + 120 words + 144 (see the test).
    fn len(words: usize, projective: bool) -> Option<usize> {
        let [squares, lines, more] = if projective { [15, 120, 144] } else { [10, 100, 48] };
        let squares = words.checked_mul(words)?.checked_mul(squares)?;
        squares.checked_add(words.checked_mul(lines)?)?.checked_add(more)
    }

    fn new(work: &'a mut [f32], n: usize, Arcs { words, stride, .. }: Arcs<'_>, projective: bool) -> Self {
        let used = Self::len(stride, projective).unwrap_or(usize::MAX).min(work.len());
        let mut work = block_mut(work, 0, used);
        let values = take(&mut work, n);
        let largest = take(&mut work, words);
        // Matrices have whole blocks of columns. The last columns are not used, but the sums go over them, and numbers that
        // lie there by chance, such as subnormals, would be slow.
        work.fill(0.0);
        let weights = [(); 2].map(|()| take(&mut work, Matrix::len(words + 1, words)));
        Work { values, largest, weights, rest: work }
    }
}

/// A distribution with other scores.
#[derive(Clone, Copy)]
struct Previous<'a> {
    scores: &'a [f32],
    log_partition: f64,
    entropy: f32,
}

/// The distribution over the trees of one row.
pub struct Trees<'a> {
    arcs: Arcs<'a>,
    projective: bool,
    temperature: f32,
    /// The exponent of the factor that arcs from the root are divided by.
    fewer_roots: i32,
    /// True if no arc is masked and no score is far below the largest of its word.
    is_plain: bool,
    /// A, if it is known.
    log_partition: Option<f64>,
    /// H, if it is known.
    entropy: Option<f32>,
    /// The distribution whose marginals are `values`, if it is the one before [`replace`](RowDistribution::replace).
    previous: Option<Previous<'a>>,
    /// True if `values` are the marginals of this very distribution.
    are_own: bool,
    /// True if `rest` has what draws need.
    can_draw: bool,
    work: Work<'a>,
}

impl<'a> Trees<'a> {
    fn new(tree: &Tree<'_>, arcs: Arcs<'a>, temperature: f32, work: Work<'a>) -> Self {
        let mut row = Trees {
            arcs,
            projective: tree.is_projective(),
            temperature,
            is_plain: false,
            fewer_roots: if tree.has_single_root() && arcs.words > 0 { FEWER_ROOTS } else { 0 },
            log_partition: None,
            entropy: None,
            previous: None,
            are_own: false,
            can_draw: false,
            work,
        };
        row.weigh();
        row
    }

    /// Forms the weights.
    fn weigh(&mut self) {
        let (Work { largest, weights: [m, e], .. }, arcs) = (&mut self.work, self.arcs);
        largest_of_columns(arcs.lines(), largest);
        let least = PLAIN_GAP * self.temperature;
        let near = |line: &[f32]| line.iter().zip(&**largest).all(|(theta, largest)| theta - largest > least);
        self.is_plain = arcs.words <= PLAIN_WORDS && arcs.lines().all(near);
        let mut weights = Matrix::new([m, e, &mut []], arcs.words);
        let (temperature, fewer_roots) = (self.temperature, self.fewer_roots);
        arch::run(Write { arcs, largest, temperature, fewer_roots, weights: &mut weights });
        (self.log_partition, self.can_draw) = (None, false);
    }

    /// Calls `run` with the row, and with the memory for values and for sums.
    fn with<R>(&mut self, run: impl FnOnce(Row<'_>, &mut [f32], &mut [f32]) -> R) -> R {
        let (fewer_roots, is_plain) = (self.fewer_roots, self.is_plain);
        let Work { values, weights: [m, e], rest, .. } = &mut self.work;
        let Arcs { words, stride, .. } = self.arcs;
        let weights = &Matrix::new([m, e, &mut []], words);
        run(Row { words, stride, projective: self.projective, fewer_roots, is_plain, weights }, values, rest)
    }

    /// ln Z, and what Z carries.
    fn sum<C: Carry>(&mut self) -> (f64, f32) {
        // With what is carried the memory has another order.
        self.can_draw = !C::ANYTHING;
        self.with(|row, _, work| arch::run(Sum { row, carry: PhantomData::<C>, work }))
    }

    /// A. Marginals and covariances do without.
    fn exact_log_partition(&mut self) -> f64 {
        if let Some(known) = self.log_partition {
            return known;
        }
        let largest: f64 = self.work.largest.iter().map(|&largest| f64::from(largest)).sum();
        let log_partition = largest / f64::from(self.temperature) + self.sum::<Nothing>().0;
        self.log_partition = Some(log_partition);
        log_partition
    }

    /// H.
    fn entropy(&mut self) -> f32 {
        let entropy = self.entropy.unwrap_or_else(|| self.sum::<Entropy>().1.max(0.0));
        self.entropy = Some(entropy);
        entropy
    }
}

impl<'a> RowDistribution<'a> for Trees<'a> {
    fn log_partition(&mut self) -> f32 {
        self.exact_log_partition() as f32
    }

    fn marginals(&mut self) -> &[f32] {
        (self.can_draw, self.are_own, self.previous) = (false, true, None);
        self.with(|row, mu, work| {
            mu.fill(0.0);
            arch::run(Marginals { row, work, mu });
        });
        self.work.values
    }

    fn hold(&mut self, write_state: impl FnOnce(&mut [f32])) {
        (self.are_own, self.previous) = (false, None);
        write_state(self.work.values);
    }

    fn replace(&mut self, theta: &'a [f32]) {
        self.previous = self.are_own.then(|| Previous {
            entropy: self.entropy(),
            scores: self.arcs.scores,
            log_partition: self.exact_log_partition(),
        });
        (self.are_own, self.entropy) = (false, None);
        self.arcs.scores = theta;
        self.weigh();
    }

    /// −Σ r ln p = A − ⟨r, θ⟩/T. For the r = q of other scores, KL(q ‖ p) = A − A_q − ⟨r, θ − θ_q⟩/T is added to the
    /// entropy of q, because scores that nearly agree leave small numbers. In every column the score of the likeliest
    /// arc stands for what the shares miss of 1.
    fn cross_entropy(&mut self) -> f32 {
        if self.are_own {
            return self.entropy();
        }
        let Arcs { words, stride, scores } = self.arcs;
        let log_partition = self.exact_log_partition();
        let (before, mut sum) = match self.previous {
            None => (&[][..], log_partition),
            Some(q) => (q.scores, f64::from(q.entropy) + (log_partition - q.log_partition)),
        };
        let temperature = f64::from(self.temperature);
        for d in 0..words {
            let arc = |h: usize| {
                let at = h * stride + d;
                let [r, theta] = [&*self.work.values, scores].map(|values| values.get(at).copied().unwrap_or_default());
                let before = before.get(at).copied().unwrap_or_default();
                (r, (f64::from(theta) - f64::from(before)) / temperature)
            };
            let arcs = || (0..words).map(arc).filter(|&(r, _)| r > 0.0);
            if arcs().any(|(_, score)| score.is_infinite()) {
                return f32::INFINITY;
            }
            let (_, likeliest) = arcs().fold((0.0, 0.0), |best, arc| if arc.0 > best.0 { arc } else { best });
            sum -= likeliest;
            for (r, score) in arcs() {
                sum -= f64::from(r) * (score - likeliest);
            }
        }
        (sum as f32).max(0.0)
    }

    fn covariance(&mut self, divisor: f32, v: &mut [f32]) {
        (self.can_draw, self.are_own) = (false, false);
        self.with(|row, mu, work| arch::run(Covariance { row, work, mu, divisor, v }));
    }

    fn scratch(&mut self) -> &mut [f32] {
        self.are_own = false;
        self.work.values
    }

    fn draw(&mut self, words: SampleWords<'_>) -> &[f32] {
        if !self.can_draw {
            self.sum::<Nothing>();
        }
        self.are_own = false;
        let fill = |uniform: &mut [f32]| words.lanes().fill(uniform, &Uniform);
        self.with(|row, z, work| arch::run(DrawTree { row, work, fill, z }));
        self.work.values
    }
}

impl Distribution for Tree<'_> {
    type Row<'a> = Trees<'a>;

    fn exact_workspace_len(&self, shape: Shape) -> Option<usize> {
        Work::len(shape.k(), self.is_projective())
    }

    fn row<'a>(&self, b: usize, theta: &'a [f32], temperature: f32, work: &'a mut [f32]) -> Trees<'a> {
        let arcs = self.arcs(b, theta);
        let work = Work::new(work, theta.len(), arcs, self.is_projective());
        Trees::new(self, arcs, temperature, work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exact::tree_sums::workspace_len;

    /// Without exponents every bit is the same. The scores reach as far down as they may, in every pattern of high and
    /// low ones that an integer's bits make.
    #[test]
    fn exponents_may_be_left_out() {
        for words in [1_u32, 2, 3, 5, 9, 16, 23, 40] {
            let n = (words * words) as usize;
            for (case, temperature) in [(1_u64, 1.0), (2, 0.01), (3, 1.0), (4, 100.0), (5, 1.0), (6, 3.0)] {
                let mut bits = case;
                let mut next = || {
                    bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (bits >> 40) as f32 / (1 << 24) as f32
                };
                let lowest = -29.99 * temperature;
                let score = |u: f32| {
                    if case % 2 == 0 {
                        u * lowest
                    } else if u < 0.5 {
                        0.0
                    } else {
                        lowest
                    }
                };
                let theta: Vec<f32> = (0..n).map(|_| score(next())).collect();
                let v: Vec<f32> = (0..n).map(|_| next() - 0.5).collect();
                for tree in [Tree::new(words), Tree::new(words).single_root()] {
                    let shape = Shape { rows: 1, n: n as u32, k: words, samples: 1 };
                    let results = [true, false].map(|is_plain| {
                        let mut work = vec![f32::NAN; tree.exact_workspace_len(shape).unwrap()];
                        let mut row = tree.row(0, &theta, temperature, &mut work);
                        assert!(row.is_plain);
                        row.is_plain = is_plain;
                        let mut v = v.clone();
                        let mut results = row.marginals().to_vec();
                        row.covariance(temperature, &mut v);
                        results.extend(v);
                        results.into_iter().map(f32::to_bits).collect::<Vec<_>>()
                    });
                    assert_eq!(results[0], results[1], "{tree:?}, case {case}");
                }
            }
        }
    }

    #[test]
    fn every_sum_has_room() {
        for projective in [false, true] {
            for words in 1..=3000 {
                let own = words * words + words + 2 * Matrix::len(words + 1, words);
                let len = Work::len(words, projective).unwrap();
                assert!(own + workspace_len(words, projective) <= len, "{words} words, projective: {projective}");
            }
        }
    }
}
