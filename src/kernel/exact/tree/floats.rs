//! A step of [`elimination`](super::elimination) where every number is one float: no exponents, nothing carried. It does
//! the same operations in the same order as the general steps, so it gives the same bits; but part of the row that is
//! added to many others, or that many others are added to, stays in registers.

use core::ops::Range;

use crate::arch::EIGHT;
use crate::kernel::exact::scaled::{Block, Matrix, blocks};

/// Block b of a row: `inside` for the columns of the range, `outside` for all others.
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

/// sum + factor · x
#[inline(always)]
fn plus_product(mut sum: Block, factor: f32, x: &Block) -> Block {
    for (sum, x) in sum.iter_mut().zip(x) {
        *sum += factor * x;
    }
    sum
}

/// Divides a range of blocks into groups of four, two and one, and calls `run::<SIZE>` with the first block of each group.
macro_rules! for_groups {
    ($used:expr, $run:ident($($argument:expr),*)) => {{
        let (mut b, end) = ($used.start, $used.end);
        while b + 4 <= end {
            $run::<4>(b, $($argument),*);
            b += 4;
        }
        if b + 2 <= end {
            $run::<2>(b, $($argument),*);
            b += 2;
        }
        if b < end {
            $run::<1>(b, $($argument),*);
        }
    }};
}

/// COUNT blocks of a row from block `at` of the matrix on.
#[inline(always)]
fn group<const COUNT: usize>(blocks: &[Block], at: usize) -> Option<&[Block; COUNT]> {
    blocks.get(at..).and_then(|rest| rest.first_chunk())
}

#[inline(always)]
fn group_mut<const COUNT: usize>(blocks: &mut [Block], at: usize) -> Option<&mut [Block; COUNT]> {
    blocks.get_mut(at..).and_then(|rest| rest.first_chunk_mut())
}

/// Eliminates word k of a graph of `size` words, of which the words `left` and the root are left. `counted` of these
/// heads count in s_k, which it returns.
#[inline(always)]
pub(super) fn eliminate_word(w: &mut Matrix<'_>, k: usize, left: &Range<usize>, size: usize, counted: usize) -> f32 {
    let (stride, w) = w.floats();
    let heads = || left.clone().chain([size]);
    let column = w.as_flattened_mut().get_mut(k..).unwrap_or_default();
    let weight = |column: &[f32], h: usize| column.get(h * stride * EIGHT).copied().unwrap_or_default();
    let s = heads().take(counted).fold(0.0, |s, h| s + weight(column, h));
    for h in heads() {
        if let Some(weight) = column.get_mut(h * stride * EIGHT)
            && *weight > 0.0
        {
            *weight /= s;
        }
    }
    for_groups!(blocks(left), add_to_rows(w, stride, k, left, size));
    s
}

/// w_hd += share of h · w_kd for the heads h that are left, in COUNT blocks from block b on.
#[inline(always)]
fn add_to_rows<const COUNT: usize>(
    b: usize,
    w: &mut [Block],
    stride: usize,
    k: usize,
    left: &Range<usize>,
    size: usize,
) {
    let Some(&(mut pivot)) = group::<COUNT>(w, k * stride + b) else { return };
    // Beside the words that are left, 0 is added, which changes no number there.
    for (b, block) in (b..).zip(&mut pivot) {
        *block = masked(left, b, block, &[0.0; EIGHT]);
    }
    for h in left.clone().chain([size]) {
        let share = w.as_flattened().get(h * stride * EIGHT + k).copied().unwrap_or_default();
        if let Some(row) = group_mut::<COUNT>(w, h * stride + b) {
            let mut sums = *row;
            for (sum, pivot) in sums.iter_mut().zip(&pivot) {
                *sum = plus_product(*sum, share, pivot);
            }
            *row = sums;
        }
    }
}

/// Row first + k of q, in `columns`: w_rk + Σ_h w_hk q_h over the words `left`, where w_rk is of the root's row `size`.
#[inline(always)]
pub(super) fn substitute_word(
    q: &mut Matrix<'_>,
    w: &mut Matrix<'_>,
    (first, k): (usize, usize),
    left: &Range<usize>,
    size: usize,
    columns: &Range<usize>,
) {
    let (w_stride, w) = w.floats();
    let (stride, q) = q.floats();
    let shares = w.as_flattened().get(k..).unwrap_or_default();
    let share = |h: usize| shares.get(h * w_stride * EIGHT).copied().unwrap_or_default();
    for_groups!(blocks(columns), sum_of_rows(q, stride, (first, k), left, share(size), columns, share));
}

/// Writes COUNT blocks of the row of [`substitute_word`], from block b on.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the parts of one step")]
fn sum_of_rows<const COUNT: usize>(
    b: usize,
    q: &mut [Block],
    stride: usize,
    (first, k): (usize, usize),
    left: &Range<usize>,
    root: f32,
    columns: &Range<usize>,
    share: impl Fn(usize) -> f32,
) {
    let mut sums = [[root; EIGHT]; COUNT];
    for h in left.clone() {
        let (share, Some(row)) = (share(h), group::<COUNT>(q, (first + h) * stride + b)) else { continue };
        for (sum, row) in sums.iter_mut().zip(row) {
            *sum = plus_product(*sum, share, row);
        }
    }
    let Some(row) = group_mut::<COUNT>(q, (first + k) * stride + b) else { return };
    for ((b, old), sum) in (b..).zip(row).zip(&sums) {
        *old = masked(columns, b, sum, old);
    }
}
