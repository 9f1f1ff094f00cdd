//! A step of [`elimination`](super::elimination) where every number is one float: no exponents, nothing carried. It does
//! the same operations in the same order as the general steps, so it gives the same bits; but a row that is added to
//! many others is masked only once, and a row that is the sum of many others stays in registers.

use core::ops::Range;

use crate::arch::EIGHT;
use crate::kernel::exact::scaled::{Block, Matrix, blocks};

/// The lanes of the blocks of `columns`, with a number for each that is in the range.
#[inline(always)]
fn masked(columns: &Range<usize>, b: usize, inside: &Block, outside: &Block) -> Block {
    let mut out = *outside;
    // Signed numbers compare in vectors.
    let start = columns.start as i32 - (EIGHT * b) as i32;
    let end = columns.end as i32 - (EIGHT * b) as i32;
    for ((out, inside), l) in out.iter_mut().zip(inside).zip(0_i32..) {
        *out = if (l >= start) & (l < end) { *inside } else { *out };
    }
    out
}

/// Eliminates word k of a graph of `size` words, of which the words `left` and the root are left. `counted` of these
/// heads count in s_k, which it returns.
#[inline(always)]
pub(super) fn eliminate_word(w: &mut Matrix<'_>, k: usize, left: Range<usize>, size: usize, counted: usize) -> f32 {
    let used = blocks(&left);
    // The plane of exponents is free: it takes row k, with zeros beside the words that are left.
    let (stride, rows, pivot) = w.floats();
    let pivot = pivot.get_mut(..used.len()).unwrap_or_default();
    let row = rows.get(k * stride + used.start..).unwrap_or_default();
    for ((b, pivot), row) in used.clone().zip(&mut *pivot).zip(row) {
        *pivot = masked(&left, b, row, &[0.0; EIGHT]);
    }
    let heads = || left.clone().chain([size]);
    let column = rows.as_flattened();
    let s = heads().take(counted).fold(0.0, |s, h| s + column.get(h * stride * EIGHT + k).copied().unwrap_or_default());
    for h in heads() {
        let Some(row) = rows.get_mut(h * stride..).and_then(|rest| rest.get_mut(..stride)) else { continue };
        let weight = row.as_flattened().get(k).copied().unwrap_or_default();
        if weight > 0.0 {
            let share = weight / s;
            for (to, pivot) in row.get_mut(used.clone()).unwrap_or_default().iter_mut().zip(&*pivot) {
                for (to, pivot) in to.iter_mut().zip(pivot) {
                    *to += share * pivot;
                }
            }
            if let Some(weight) = row.as_flattened_mut().get_mut(k) {
                *weight = share;
            }
        }
    }
    s
}

/// Row first + k of q, in `columns`: w_rk + Σ_h w_hk q_h over the words `left`, where w_rk is of the root's row `size`.
#[inline(always)]
pub(super) fn substitute_word(
    q: &mut Matrix<'_>,
    w: &mut Matrix<'_>,
    (first, k): (usize, usize),
    left: Range<usize>,
    size: usize,
    columns: &Range<usize>,
) {
    let (w_stride, w, _) = w.floats();
    let (stride, q, _) = q.floats();
    let shares = w.as_flattened().get(k..).unwrap_or_default();
    let share = |h: usize| shares.get(h * w_stride * EIGHT).copied().unwrap_or_default();
    let mut sum = Sum { q, stride, first, k, left, columns, root: share(size) };
    let (mut b, end) = (blocks(columns).start, blocks(columns).end);
    while b + 4 <= end {
        sum.write::<4>(b, share);
        b += 4;
    }
    while b < end {
        if b + 2 <= end {
            sum.write::<2>(b, share);
            b += 2;
        } else {
            sum.write::<1>(b, share);
            b += 1;
        }
    }
}

struct Sum<'a> {
    q: &'a mut [Block],
    stride: usize,
    first: usize,
    k: usize,
    left: Range<usize>,
    columns: &'a Range<usize>,
    root: f32,
}

impl Sum<'_> {
    /// COUNT blocks of the row, from block b on.
    #[inline(always)]
    fn write<const COUNT: usize>(&mut self, b: usize, share: impl Fn(usize) -> f32) {
        let mut sums = [[self.root; EIGHT]; COUNT];
        for h in self.left.clone() {
            let row = self.q.get((self.first + h) * self.stride + b..).and_then(|rest| rest.first_chunk::<COUNT>());
            let (share, Some(row)) = (share(h), row) else { continue };
            for (sum, row) in sums.as_flattened_mut().iter_mut().zip(row.as_flattened()) {
                *sum += share * row;
            }
        }
        let row = self.q.get_mut((self.first + self.k) * self.stride + b..);
        let Some(row) = row.and_then(|rest| rest.first_chunk_mut::<COUNT>()) else { return };
        for ((b, old), sum) in (b..).zip(row).zip(&sums) {
            *old = masked(self.columns, b, sum, old);
        }
    }
}
