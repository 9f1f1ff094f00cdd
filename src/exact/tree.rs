//! Dependency trees in closed form, O(n³) time and O(n²) memory.
//!
//! Scores become weights w_hd = e^((θ_hd − c_d)/T), where c_d is the largest score of an arc to d. With Z, the sum over all
//! trees of the products of their weights,
//!
//! ```text
//! A = Σ_d c_d/T + ln Z        −ln p(z) = ln Z − Σ over the arcs of z of (θ_hd − c_d)/T
//! ```
//!
//! For a single root, arcs from the root weigh 2^−2²⁸ times as much. Then trees with more of them do not count at all.

use super::arborescences::{self, Covariance, DrawTree, Eliminate, LnProduct, Marginals};
use super::distribution::{Distribution, RowDistribution};
use super::polynomials::take;
use crate::arch;
use crate::kernel::exact::scaled::{Entropy, Matrix, Nothing};
use crate::kernel::exact::tree::lift::Draw;
use crate::kernel::exact::tree::weights;
use crate::kernel::tree::Arcs;
use crate::noise::{self, SampleWords};
use crate::{MapSolver, Shape, Tree};

/// The exponent of the factor that makes arcs from the root rare.
const FEWER_ROOTS: i32 = 1 << 28;

/// The memory of one row.
struct Work<'a> {
    /// The marginals of a distribution over states, or a state.
    values: &'a mut [f32],
    /// c_d.
    largest: &'a mut [f32],
    /// The m and e of the weights.
    weights: [&'a mut [f32]; 2],
    /// What is computed from them.
    rest: &'a mut [f32],
}

impl<'a> Work<'a> {
    fn len(words: usize) -> Option<usize> {
        let squares = words.checked_mul(words)?.checked_mul(16)?;
        squares.checked_add(words.checked_mul(256)?)?.checked_add(1024)
    }

    fn new(mut work: &'a mut [f32], n: usize, words: usize) -> Self {
        let values = take(&mut work, n);
        let largest = take(&mut work, words);
        let weights = [(); 2].map(|()| take(&mut work, Matrix::len(words + 1, words)));
        Work { values, largest, weights, rest: work }
    }
}

/// The distribution over the trees of one row.
pub struct Trees<'a> {
    arcs: Arcs<'a>,
    temperature: f32,
    fewer_roots: i32,
    ln_z: f64,
    /// True if `values` are the marginals of this very distribution.
    are_own: bool,
    /// True if `rest` has what the elimination left.
    is_eliminated: bool,
    work: Work<'a>,
}

impl<'a> Trees<'a> {
    fn new(arcs: Arcs<'a>, temperature: f32, fewer_roots: i32, work: Work<'a>) -> Self {
        let mut row = Trees { arcs, temperature, fewer_roots, ln_z: 0.0, are_own: false, is_eliminated: false, work };
        row.weigh();
        row
    }

    fn weigh(&mut self) {
        let (words, [m, e]) = (self.arcs.words, &mut self.work.weights);
        weights::largest_of_columns(self.arcs.lines(), self.work.largest);
        let mut weights = Matrix::new([m, e, &mut []], words);
        arch::run(weights::Write {
            arcs: self.arcs,
            largest: self.work.largest,
            temperature: self.temperature,
            fewer_roots: self.fewer_roots,
            weights: &mut weights,
        });
        self.eliminate();
    }

    fn eliminate(&mut self) {
        let (words, Work { weights: [m, e], rest, .. }) = (self.arcs.words, &mut self.work);
        let weights = &Matrix::new([m, e, &mut []], words);
        let (product, _) = arch::run(Eliminate { carry: Nothing, words, weights, work: rest });
        self.ln_z = if words > 0 { product.value(self.fewer_roots) } else { 0.0 };
        self.is_eliminated = true;
    }

    /// (θ_hd − c_d)/T
    fn y(&self, theta: f32, largest: f32) -> f64 {
        (f64::from(theta) - f64::from(largest)) / f64::from(self.temperature)
    }

    fn entropy(&mut self) -> f32 {
        let (words, Work { weights: [m, e], rest, .. }) = (self.arcs.words, &mut self.work);
        let weights = &Matrix::new([m, e, &mut []], words);
        let (_, entropy) = arch::run(Eliminate { carry: Entropy, words, weights, work: rest });
        self.is_eliminated = true;
        if entropy > 0.0 { entropy } else { 0.0 }
    }
}

impl<'a> RowDistribution<'a> for Trees<'a> {
    fn log_partition(&self) -> f32 {
        let sum: f64 = self.work.largest.iter().map(|&largest| f64::from(largest)).sum();
        (sum / f64::from(self.temperature) + self.ln_z) as f32
    }

    fn marginals(&mut self) -> &[f32] {
        let Arcs { words, stride, .. } = self.arcs;
        let Work { values, weights: [m, e], rest, .. } = &mut self.work;
        values.fill(0.0);
        let weights = &Matrix::new([m, e, &mut []], words);
        arch::run(Marginals { words, stride, weights, work: rest, mu: values });
        (self.is_eliminated, self.are_own) = (false, true);
        self.work.values
    }

    fn hold(&mut self, write_state: impl FnOnce(&mut [f32])) {
        self.are_own = false;
        write_state(self.work.values);
    }

    fn replace(&mut self, theta: &'a [f32]) {
        self.are_own = false;
        self.arcs.scores = theta;
        self.weigh();
    }

    /// ln Z − Σ r y. In every column the y of the arc that has the largest share stands for those that the shares do not
    /// add up to.
    fn cross_entropy(&mut self) -> f32 {
        if self.are_own {
            return self.entropy();
        }
        let Arcs { words, stride, scores } = self.arcs;
        let mut sum = self.ln_z;
        for (d, &largest) in self.work.largest.iter().enumerate() {
            let column = || (0..words).map(|h| h * stride + d);
            let pair = |i: usize| Some((*self.work.values.get(i)?, *scores.get(i)?));
            let (most, theta) =
                column().filter_map(pair).fold((0.0, largest), |best, next| if next.0 > best.0 { next } else { best });
            let _ = most;
            let y = self.y(theta, largest);
            if y.is_infinite() {
                return f32::INFINITY;
            }
            sum -= y;
            for (r, theta) in column().filter_map(pair).filter(|&(r, _)| r > 0.0) {
                let difference = self.y(theta, largest) - y;
                if difference.is_infinite() {
                    return f32::INFINITY;
                }
                sum -= f64::from(r) * difference;
            }
        }
        (sum as f32).max(0.0)
    }

    fn covariance(&mut self, divisor: f32, v: &mut [f32]) {
        let Arcs { words, stride, .. } = self.arcs;
        let Work { values: mu, weights: [m, e], rest, .. } = &mut self.work;
        let weights = &Matrix::new([m, e, &mut []], words);
        arch::run(Covariance { words, stride, weights, work: rest, mu, divisor, v });
        (self.is_eliminated, self.are_own) = (false, false);
    }

    fn scratch(&mut self) -> &mut [f32] {
        self.are_own = false;
        self.work.values
    }

    fn draw(&mut self, words_of_sample: SampleWords<'_>) -> &[f32] {
        if !self.is_eliminated {
            self.eliminate();
        }
        self.are_own = false;
        let Arcs { words, stride, scores } = self.arcs;
        let Work { values, weights: [m, e], rest, .. } = &mut self.work;
        let mut rest = &mut **rest;
        let len = Matrix::len(words + 1, words);
        let [own_m, own_e, _] = [(); 3].map(|()| take(&mut rest, len));
        let uniform = take(&mut rest, scores.len());
        words_of_sample.lanes().fill(uniform, &noise::Uniform);
        let [heads, by, below] = [(); 3].map(|()| take(&mut rest, words));
        arch::run(DrawTree {
            words,
            weights: &Matrix::new([m, e, &mut []], words),
            eliminated: &Matrix::new([own_m, own_e, &mut []], words),
            draw: Draw { heads, by, below, uniform, stride },
        });
        values.fill(0.0);
        for (d, head) in heads.iter().enumerate() {
            let head = head.to_bits() as usize;
            let head = if head == words { d } else { head };
            if let Some(z) = values.get_mut(head * stride + d) {
                *z = 1.0;
            }
        }
        self.work.values
    }
}

impl Distribution for Tree<'_> {
    type Row<'a> = Trees<'a>;

    fn exact_workspace_len(shape: Shape) -> Option<usize> {
        Work::len(shape.k())
    }

    fn row<'a>(&self, b: usize, theta: &'a [f32], temperature: f32, work: &'a mut [f32]) -> Trees<'a> {
        let arcs = self.arcs(b, theta);
        let fewer_roots = if self.has_single_root() { FEWER_ROOTS } else { 0 };
        Trees::new(arcs, temperature, fewer_roots, Work::new(work, theta.len(), arcs.words))
    }
}
