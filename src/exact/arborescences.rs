//! Trees with or without crossing arcs in closed form, O(n³): `kernel::exact::tree::elimination` has the derivation.

use super::polynomials::take;
use crate::arch::{self, Dispatch, Isa};
use crate::float::ln;
use crate::kernel::exact::scaled::{Carry, Entropy, Matrix, Nothing, Scaled, Slope};
use crate::kernel::exact::tree::elimination::{Eliminated, each_last, eliminate, levels_len};
use crate::kernel::exact::tree::lift::Draw;
use crate::kernel::exact::tree::mean::{Corner, centre_columns, covariances};

/// The floats that a row of `words` needs: three arrays for the parts, and three for the q.
pub(super) const fn workspace_len(words: usize) -> usize {
    3 * (levels_len(words) + Matrix::len(words + 1, words))
}

/// The logarithm of a product of numbers.
#[derive(Clone, Copy, Default)]
pub(super) struct LnProduct {
    e: i64,
    ln: f64,
}

impl LnProduct {
    #[inline(always)]
    pub(super) fn multiply(&mut self, x: Scaled) {
        let x = x.normalised();
        self.e += i64::from(x.e);
        self.ln += f64::from(ln(x.m));
    }

    /// With the factor 2^e.
    pub(super) fn value(self, e: i32) -> f64 {
        (self.e + i64::from(e)) as f64 * core::f64::consts::LN_2 + self.ln
    }
}

/// Eliminates all words: what is left of the weights, and the entropy.
pub(super) struct Eliminate<'a, C> {
    pub carry: C,
    pub words: usize,
    pub weights: &'a Matrix<'a>,
    pub work: &'a mut [f32],
}

impl<C: Carry> Dispatch for Eliminate<'_, C> {
    /// ln Z, without the factor for fewer roots, and what Z carries.
    type Output = (LnProduct, f32);
    // The numbers come by eights.
    const WIDE: bool = false;

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) -> (LnProduct, f32) {
        let Eliminate { words, weights, mut work, .. } = self;
        let len = Matrix::len(words + 1, words);
        let mut w = Matrix::new([(); 3].map(|()| take(&mut work, len)), words);
        w.copy_rows(weights);
        if C::ANYTHING {
            (0..=words).for_each(|h| w.carried_mut(h).fill(0.0));
        }
        let (mut product, mut carried) = (LnProduct::default(), 0.0);
        eliminate::<C>(&mut w, words, Eliminated::Last(words), |s| {
            product.multiply(s);
            carried += s.carried;
        });
        (product, carried)
    }
}

/// μ in the corner of rows of `stride`.
pub(super) struct Marginals<'a> {
    pub words: usize,
    pub stride: usize,
    pub weights: &'a Matrix<'a>,
    pub work: &'a mut [f32],
    pub mu: &'a mut [f32],
}

impl Dispatch for Marginals<'_> {
    type Output = ();
    const WIDE: bool = false;

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) {
        let Marginals { words, stride, weights, mut work, mu } = self;
        let len = Matrix::len(words + 1, words);
        let mut q = Matrix::new([take(&mut work, len), take(&mut work, len), &mut []], words);
        let parts = levels_len(words);
        let memory = [take(&mut work, parts), take(&mut work, parts), &mut []];
        each_last::<Nothing>(words, |w| w.copy_rows(weights), memory, &mut q);
        write_marginals(words, stride, weights, &q, mu);
    }
}

/// μ_hd = w_hd q_hd/t_d, and with the root in the place of h μ_dd = r_d/t_d.
#[inline(always)]
fn write_marginals(words: usize, stride: usize, weights: &Matrix<'_>, q: &Matrix<'_>, mu: &mut [f32]) {
    for (h, mu) in mu.chunks_mut(stride.max(1)).take(words).enumerate() {
        weights.quotients(h, (q, h), (q, words), mu.get_mut(..words).unwrap_or_default());
        if let Some(mu) = mu.get_mut(h) {
            let root = weights.get::<Nothing>(words, h);
            *mu = if root.m > 0.0 { root.over(q.get::<Nothing>(words, h)).value() } else { 0.0 };
        }
    }
}

/// v ← Cov v/`divisor` in the corner of rows of `stride`. `mu` is scratch that is left with μ.
pub(super) struct Covariance<'a> {
    pub words: usize,
    pub stride: usize,
    pub weights: &'a Matrix<'a>,
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
        let Covariance { words, stride, weights, work, mu, divisor, v } = self;
        Marginals { words, stride, weights, work, mu }.run(isa);
        centre_columns(Corner { words, stride }, mu, v);
        let (len, parts, mut work) = (Matrix::len(words + 1, words), levels_len(words), &mut *work);
        let mut q = Matrix::new([(); 3].map(|()| take(&mut work, len)), words);
        let memory = [(); 3].map(|()| take(&mut work, parts));
        let load = |w: &mut Matrix<'_>| {
            w.copy_rows(weights);
            for (h, v) in v.chunks(stride.max(1)).take(words).enumerate() {
                crate::kernel::lanes::copy(v.get(..words).unwrap_or_default(), w.carried_mut(h));
                if let (Some(root), Some(&v)) = (w.carried_mut(words).get_mut(h), v.get(h)) {
                    *root = v;
                }
            }
        };
        each_last::<Slope>(words, load, memory, &mut q);
        // q_dd is not a number of the elimination: the root's slope stands for it.
        for d in 0..words {
            q.set::<Slope>(d, d, Scaled::ONE);
        }
        let slopes = |h: usize| (q.carried(h), q.carried(words));
        covariances(Corner { words, stride }, mu, slopes, divisor, v);
    }
}

/// Draws a tree: its heads.
pub(super) struct DrawTree<'a> {
    pub words: usize,
    pub weights: &'a Matrix<'a>,
    pub eliminated: &'a Matrix<'a>,
    pub draw: Draw<'a>,
}

impl Dispatch for DrawTree<'_> {
    type Output = ();
    const WIDE: bool = false;

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) {
        let DrawTree { words, weights, eliminated, mut draw } = self;
        draw.run(words, weights, eliminated);
    }
}
