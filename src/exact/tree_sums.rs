//! Sums over the trees of one row, and draws from them: with crossing arcs (`kernel::exact::tree::elimination`, `lift`)
//! or without (`projective`), compiled for every instruction set.

use core::marker::PhantomData;

use crate::arch::{Dispatch, Isa, SCALAR};
use crate::float::ln;
use crate::kernel::corner::Corner;
use crate::kernel::exact::scaled::{Carry, Matrix, Nothing, Plain, Scaled, Slope};
use crate::kernel::exact::tree::elimination::{Eliminated, each_last, eliminate, levels_len};
use crate::kernel::exact::tree::lift::Draw;
use crate::kernel::exact::tree::mean::{centre_columns, covariances, normalise_columns};
use crate::kernel::exact::tree::projective::{Inside, inside_len, outside_len};
use crate::kernel::lanes::copy;
use crate::kernel::workspace::take;

/// The row that is summed over.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub words: usize,
    /// The length of a line of μ, v and uniform numbers.
    pub stride: usize,
    pub projective: bool,
    /// The exponent of the factor that arcs from the root are divided by.
    pub fewer_roots: i32,
    /// True if all weights are so near to 1, apart from this factor, that marginals need no exponents. Small machines have
    /// no second copy of the code for it.
    pub is_plain: bool,
    /// A row for each head and one for the root.
    pub weights: &'a Matrix<'a>,
}

impl Row<'_> {
    /// Copies the weights into the matrix in which [`each_last`] works.
    #[inline(always)]
    fn load<C: Carry>(self, w: &mut Matrix<'_>) {
        if C::EXPONENTS {
            w.copy_rows(self.weights);
        } else {
            w.copy_floats(self.weights, self.words, self.fewer_roots);
        }
    }

    /// True if arcs from the root are lighter than all others, and the numbers of this kind cannot show it.
    #[inline(always)]
    fn has_rare_root<C: Carry>(self) -> bool {
        !C::EXPONENTS && self.fewer_roots > 0
    }

    fn corner(self) -> Corner {
        Corner { side: self.words, stride: self.stride }
    }

    /// The floats of one array for the weights or what is like them.
    const fn square_len(words: usize) -> usize {
        Matrix::len(words + 1, words)
    }
}

/// The floats of workspace that the sums over `words` words need, and draws.
#[cfg(test)]
pub(super) const fn workspace_len(words: usize, projective: bool) -> usize {
    let (sums, left) = if projective {
        (inside_len(words) + outside_len(words), inside_len(words))
    } else {
        (levels_len(words) + Row::square_len(words), Row::square_len(words))
    };
    let (sums, draw) = (3 * sums, 2 * left + words * (words + 1) + 5 * words);
    if sums > draw { sums } else { draw }
}

/// Three arrays of `len` floats; the third is empty if nothing is carried.
#[inline(always)]
fn planes<'w, C: Carry>(work: &mut &'w mut [f32], len: usize) -> [&'w mut [f32]; 3] {
    let [m, e] = [(); 2].map(|()| take(work, len));
    [m, e, if C::ANYTHING { take(work, len) } else { &mut [] }]
}

/// A product of numbers.
#[derive(Clone, Copy, Default)]
struct Product {
    e: i64,
    ln: f64,
    carried: f32,
}

impl Product {
    #[inline(always)]
    fn multiply(&mut self, x: Scaled) {
        self.e += i64::from(x.e);
        self.ln += f64::from(ln(x.m));
        self.carried += x.carried;
    }
}

/// Z, as ln(Z · 2^`fewer_roots`) and what Z carries. It leaves in `work` what [`DrawTree`] takes.
pub(super) struct Sum<'a, C> {
    pub row: Row<'a>,
    pub carry: PhantomData<C>,
    pub work: &'a mut [f32],
}

impl<C: Carry> Dispatch for Sum<'_, C> {
    type Output = (f64, f32);
    // The numbers come by eights.
    const WIDE: bool = false;

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) -> (f64, f32) {
        let (Row { words, projective, weights, .. }, mut work) = (self.row, self.work);
        let mut product = Product { e: i64::from(self.row.fewer_roots), ..Product::default() };
        if projective {
            let mut inside = Inside::new(planes::<C>(&mut work, inside_len(words)), words);
            product.multiply(inside.sum::<C>(|h, d| weights.get::<Nothing>(h, d)));
        } else {
            let mut w = Matrix::new(planes::<C>(&mut work, Row::square_len(words)), words);
            w.copy_rows(weights);
            if C::ANYTHING {
                (0..=words).for_each(|h| w.carried_mut(h).fill(0.0));
            }
            eliminate::<C>(&mut w, words, Eliminated::Last(words), false, |s| product.multiply(s));
        }
        (product.e as f64 * core::f64::consts::LN_2 + product.ln, product.carried)
    }
}

/// μ in the corner.
pub(super) struct Marginals<'a> {
    pub row: Row<'a>,
    pub work: &'a mut [f32],
    pub mu: &'a mut [f32],
}

impl Dispatch for Marginals<'_> {
    type Output = ();
    const WIDE: bool = false;

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) {
        let Marginals { row, mut work, mu } = self;
        let Row { words, stride, projective, weights, .. } = row;
        if projective {
            let mut inside = Inside::new(planes::<Nothing>(&mut work, inside_len(words)), words);
            let weight = |h, d| weights.get::<Nothing>(h, d);
            let z = inside.sum::<Nothing>(weight);
            let d_i = inside.differentiate::<Nothing>(weight, planes::<Nothing>(&mut work, outside_len(words)));
            inside.write_marginals(&d_i, z, stride, mu);
        } else if !SCALAR && row.is_plain {
            eliminate_to_marginals::<Plain<Nothing>>(row, work, mu);
        } else {
            eliminate_to_marginals::<Nothing>(row, work, mu);
        }
        normalise_columns(row.corner(), mu);
    }
}

#[inline(always)]
fn eliminate_to_marginals<C: Carry>(row: Row<'_>, mut work: &mut [f32], mu: &mut [f32]) {
    let words = row.words;
    let mut q = Matrix::new(planes::<C>(&mut work, Row::square_len(words)), words);
    let memory = planes::<C>(&mut work, levels_len(words));
    each_last::<C>(words, row.has_rare_root::<C>(), |w| row.load::<C>(w), memory, &mut q);
    write_marginals::<C>(row, &q, mu);
}

/// μ_hd = w_hd q_hd/t_d, and with the root in the place of h μ_dd = r_d/t_d.
#[inline(always)]
fn write_marginals<C: Carry>(row: Row<'_>, q: &Matrix<'_>, mu: &mut [f32]) {
    let Row { words, stride, weights, .. } = row;
    let lifted = if C::EXPONENTS { 0 } else { row.fewer_roots };
    for (h, mu) in mu.chunks_mut(stride.max(1)).take(words).enumerate() {
        weights.quotients::<C>(h, (q, h), (q, words), mu.get_mut(..words).unwrap_or_default());
        if let Some(mu) = mu.get_mut(h) {
            let root = weights.get::<Nothing>(words, h);
            let root = Scaled { e: root.e.wrapping_add(lifted), ..root };
            *mu = if root.m > 0.0 { root.over::<Nothing>(q.get::<C>(words, h)).value() } else { 0.0 };
        }
    }
}

/// v ← Cov v/`divisor`, 0 outside the corner. `mu` is left with μ.
pub(super) struct Covariance<'a> {
    pub row: Row<'a>,
    pub work: &'a mut [f32],
    pub mu: &'a mut [f32],
    pub divisor: f32,
    pub v: &'a mut [f32],
}

impl Dispatch for Covariance<'_> {
    type Output = ();
    const WIDE: bool = false;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Covariance { row, work, mu, divisor, v } = self;
        let Row { words, stride, projective, weights, .. } = row;
        Marginals { row, work, mu }.run(isa);
        centre_columns(row.corner(), mu, v);
        let mut work = work;
        if projective {
            let mut inside = Inside::new(planes::<Slope>(&mut work, inside_len(words)), words);
            let weight = |h: usize, d: usize| {
                let line = if h == words { d } else { h };
                let carried = v.get(line * stride + d).copied().unwrap_or_default();
                Scaled { carried, ..weights.get::<Nothing>(h, d) }
            };
            let z = inside.sum::<Slope>(weight);
            let d_i = inside.differentiate::<Slope>(weight, planes::<Slope>(&mut work, outside_len(words)));
            inside.write_slopes(&d_i, z, stride, v);
        } else if !SCALAR && row.is_plain {
            eliminate_to_slopes::<Plain<Slope>>(row, work, v);
        } else {
            eliminate_to_slopes::<Slope>(row, work, v);
        }
        covariances(row.corner(), mu, divisor, v);
    }
}

/// From the derivatives of ln w to those of ln μ.
#[inline(always)]
fn eliminate_to_slopes<C: Carry>(row: Row<'_>, mut work: &mut [f32], v: &mut [f32]) {
    let Row { words, stride, .. } = row;
    let mut q = Matrix::new(planes::<C>(&mut work, Row::square_len(words)), words);
    let memory = planes::<C>(&mut work, levels_len(words));
    let load = |w: &mut Matrix<'_>| {
        row.load::<C>(w);
        for (h, v) in v.chunks(stride.max(1)).take(words).enumerate() {
            copy(v.get(..words).unwrap_or_default(), w.carried_mut(h));
            if let (Some(root), Some(&v)) = (w.carried_mut(words).get_mut(h), v.get(h)) {
                *root = v;
            }
        }
    };
    each_last::<C>(words, row.has_rare_root::<C>(), load, memory, &mut q);
    add_slopes(row, &q, v);
}

/// From the derivatives of ln w to those of ln μ.
#[inline(always)]
fn add_slopes(Row { words, stride, .. }: Row<'_>, q: &Matrix<'_>, slopes: &mut [f32]) {
    for (h, line) in slopes.chunks_mut(stride.max(1)).take(words).enumerate() {
        let factors = q.carried(h).iter().zip(q.carried(words));
        for ((slope, (q, t)), d) in line.iter_mut().zip(factors).zip(0..words) {
            *slope += if d == h { 0.0 } else { *q } - t;
        }
    }
}

/// Draws a tree from what [`Sum`] left in `work`, with uniform numbers from 0 to 1 in `words` + 1 lines.
pub(super) struct DrawTree<'a, F> {
    pub row: Row<'a>,
    pub work: &'a mut [f32],
    /// Fills the uniform numbers.
    pub fill: F,
    /// z.
    pub z: &'a mut [f32],
}

impl<F: FnOnce(&mut [f32])> Dispatch for DrawTree<'_, F> {
    type Output = ();
    const WIDE: bool = false;

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) {
        let (Row { words, stride, projective, weights, .. }, mut work) = (self.row, self.work);
        let len = if projective { inside_len(words) } else { Row::square_len(words) };
        let sums = planes::<Nothing>(&mut work, len);
        let [heads, by, below] = [(); 3].map(|()| take(&mut work, words));
        let uniform = take(&mut work, stride * (stride + 1));
        (self.fill)(uniform);
        if projective {
            let stack = take(&mut work, 2 * words);
            Inside::new(sums, words).draw(uniform, stride, heads, stack);
        } else {
            let eliminated = Matrix::new(sums, words);
            Draw { heads, by, below, uniform, stride }.run(words, weights, &eliminated);
        }
        self.z.fill(0.0);
        for (d, head) in heads.iter().enumerate() {
            let head = head.to_bits() as usize;
            let line = if head == words { d } else { head };
            if let Some(z) = self.z.get_mut(line * stride + d) {
                *z = 1.0;
            }
        }
    }
}
