//! Strided views of the caller's memory: row b of an array, sample s of row b.
//!
//! Lengths are checked once, at the door; afterwards `row` cannot miss, and would yield an empty slice rather than
//! panic if it did.

use crate::error::BadRow;
use crate::kernel::elementwise;
use crate::{Argument, Error, Shape};

/// The elements that B rows of S samples of N elements span: at `row_stride` and `sample_stride`, of which 0 stands for
/// rows without gaps, and for one sample that serves for all. None if a stride is shorter than N, or the span is not
/// addressable. A function of numbers that is called, not copied: compilers know the second of two equal calls.
#[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(never))]
fn span(rows: usize, samples: usize, n: usize, row_stride: usize, sample_stride: usize) -> Option<usize> {
    let samples = if sample_stride == 0 { 1 } else { samples };
    let sample_stride = at_least(n, sample_stride)?;
    let row_stride = if row_stride == 0 { samples.checked_mul(sample_stride)? } else { at_least(n, row_stride)? };
    let last_row = (rows - 1).checked_mul(row_stride)?;
    let last_sample = (samples - 1).checked_mul(sample_stride)?;
    last_row.checked_add(last_sample)?.checked_add(n)
}

/// `stride`, of which 0 stands for the least that it can be.
fn at_least(least: usize, stride: usize) -> Option<usize> {
    if stride == 0 { Some(least) } else { Some(stride).filter(|&stride| stride >= least) }
}

/// How many elements B rows of N span at `stride` (0 = contiguous). None if the stride is shorter than a row, or the span
/// is not addressable.
#[must_use]
pub fn rows_span(shape: Shape, stride: usize) -> Option<usize> {
    dz_span(shape, stride, 0)
}

/// How many elements [`Dz::strided`] spans. None if a stride is shorter than a row, or the span is not addressable.
#[must_use]
pub fn dz_span(shape: Shape, row_stride: usize, sample_stride: usize) -> Option<usize> {
    span(shape.rows(), shape.samples(), shape.n(), row_stride, sample_stride)
}

/// Refuses a slice shorter than `needed`.
pub(crate) fn check_length<T>(argument: Argument, slice: &[T], needed: usize) -> Result<(), Error> {
    if slice.len() < needed { Err(Error::Length { argument, needed, given: slice.len() }) } else { Ok(()) }
}

/// The row stride, once it is known that a slice holds what the strides span.
#[inline(always)]
fn check_strides(
    argument: Argument,
    slice: &[f32],
    shape: Shape,
    row_stride: usize,
    sample_stride: usize,
) -> Result<usize, Error> {
    let needed = dz_span(shape, row_stride, sample_stride).ok_or(Error::Stride { argument })?;
    check_length(argument, slice, needed)?;
    Ok(match (row_stride, sample_stride) {
        (0, 0) => shape.n(),
        (0, _) => sample_stride * shape.samples(),
        _ => row_stride,
    })
}

/// Calls `run` for one row after another, up to the first bad one.
#[inline(always)]
pub(crate) fn for_rows(rows: usize, mut run: impl FnMut(usize) -> Result<(), BadRow>) -> Result<(), Error> {
    for b in 0..rows {
        run(b).map_err(|bad| bad.at(b))?;
    }
    Ok(())
}

/// θ or another `[B][N]` input: row b starts at `b * stride`.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    data: &'a [f32],
    stride: usize,
}

impl<'a> Rows<'a> {
    /// Rows one after another.
    #[must_use]
    pub const fn contiguous(data: &'a [f32]) -> Self {
        Rows { data, stride: 0 }
    }

    /// Rows `stride` elements apart; 0 means contiguous.
    #[must_use]
    pub const fn strided(data: &'a [f32], stride: usize) -> Self {
        Rows { data, stride }
    }

    /// The view with its stride resolved, once it is known to hold every row.
    pub(crate) fn check(self, argument: Argument, shape: Shape) -> Result<Self, Error> {
        let stride = check_strides(argument, self.data, shape, self.stride, 0)?;
        Ok(Rows { data: self.data, stride })
    }

    pub(crate) fn row(self, b: usize, n: usize) -> &'a [f32] {
        block(self.data, b * self.stride, n)
    }
}

/// `grad_theta` or another `[B][N]` output: row b starts at `b * stride`; what lies between rows is not touched.
#[derive(Debug)]
pub struct RowsMut<'a> {
    data: &'a mut [f32],
    stride: usize,
}

impl<'a> RowsMut<'a> {
    /// Rows one after another.
    #[must_use]
    pub const fn contiguous(data: &'a mut [f32]) -> Self {
        RowsMut { data, stride: 0 }
    }

    /// Rows `stride` elements apart; 0 means contiguous.
    #[must_use]
    pub const fn strided(data: &'a mut [f32], stride: usize) -> Self {
        RowsMut { data, stride }
    }

    pub(crate) fn check(self, argument: Argument, shape: Shape) -> Result<Self, Error> {
        let stride = check_strides(argument, self.data, shape, self.stride, 0)?;
        Ok(RowsMut { data: self.data, stride })
    }

    pub(crate) fn row(&mut self, b: usize, n: usize) -> &mut [f32] {
        block_mut(self.data, b * self.stride, n)
    }
}

/// dz = ∇_z ℓ: the gradient of row b's own loss with respect to z_{b,s}, finite everywhere. The mean over a batch, if
/// the loss has one, stays with the caller: λ multiplies dz.
#[derive(Clone, Copy, Debug)]
pub struct Dz<'a> {
    data: &'a [f32],
    layout: Layout,
}

#[derive(Clone, Copy, Debug)]
enum Layout {
    PerSample,
    Shared,
    /// 0 keeps its meaning from [`Dz::strided`].
    Strided {
        row: usize,
        sample: usize,
    },
}

impl<'a> Dz<'a> {
    /// One gradient per sample, `[B][S][N]`.
    #[must_use]
    pub const fn per_sample(data: &'a [f32]) -> Self {
        Dz { data, layout: Layout::PerSample }
    }

    /// One gradient per row, shared by its samples, `[B][N]`.
    #[must_use]
    pub const fn shared(data: &'a [f32]) -> Self {
        Dz { data, layout: Layout::Shared }
    }

    /// Element (b, s, i) is `data[b * row_stride + s * sample_stride + i]`. A `row_stride` of 0 means that rows follow
    /// one another, a `sample_stride` of 0 that a row's samples share one gradient.
    #[must_use]
    pub const fn strided(data: &'a [f32], row_stride: usize, sample_stride: usize) -> Self {
        Dz { data, layout: Layout::Strided { row: row_stride, sample: sample_stride } }
    }

    /// The view with its strides resolved, once it is known to hold every gradient.
    #[inline(always)]
    pub(crate) fn check(self, shape: Shape) -> Result<DzView<'a>, Error> {
        let (row, sample) = match self.layout {
            Layout::PerSample => (0, shape.n()),
            Layout::Shared => (0, 0),
            Layout::Strided { row, sample } => (row, sample),
        };
        let row_stride = check_strides(Argument::Dz, self.data, shape, row, sample)?;
        Ok(DzView { data: self.data, row_stride, sample_stride: sample, n: shape.n() })
    }
}

/// A [`Dz`] that was checked against its shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DzView<'a> {
    data: &'a [f32],
    row_stride: usize,
    sample_stride: usize,
    n: usize,
}

impl<'a> DzView<'a> {
    /// The gradients of the samples of one row, one after another.
    pub(crate) const fn of_row(data: &'a [f32], n: usize) -> Self {
        DzView { data, row_stride: 0, sample_stride: n, n }
    }

    pub(crate) fn get(self, b: usize, s: usize) -> &'a [f32] {
        block(self.data, b * self.row_stride + s * self.sample_stride, self.n)
    }

    /// The different gradients of row b.
    pub(crate) fn row(self, b: usize, samples: usize) -> impl Iterator<Item = &'a [f32]> {
        let different = if self.sample_stride == 0 { 1 } else { samples };
        (0..different).map(move |s| self.get(b, s))
    }
}

/// `len` elements from `start` of an array that was checked to have them. For floats alone: of a function for every type
/// small machines would have as many copies.
#[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(never))]
pub(crate) fn block(data: &[f32], start: usize, len: usize) -> &[f32] {
    data.get(start..).and_then(|rest| rest.get(..len)).unwrap_or_default()
}

/// `len` elements from `start` of an array that was checked to have them.
#[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(never))]
pub(crate) fn block_mut(data: &mut [f32], start: usize, len: usize) -> &mut [f32] {
    data.get_mut(start..).and_then(|rest| rest.get_mut(..len)).unwrap_or_default()
}

/// Whether a row has at least k θ that are not masked, of θ that are finite or masks.
pub(crate) fn has_unmasked(theta: &[f32], k: usize) -> Result<bool, BadRow> {
    elementwise::unmasked(theta, k).ok_or(BadRow::NonFinite(Argument::Theta))
}

/// A row's θ is finite or −inf.
pub(crate) fn check_theta_row(theta: &[f32]) -> Result<(), BadRow> {
    check_scores(Argument::Theta, theta)
}

/// A row's scores are finite or −inf.
pub(crate) fn check_scores(argument: Argument, scores: &[f32]) -> Result<(), BadRow> {
    elementwise::unmasked(scores, 0).map(|_| ()).ok_or(BadRow::NonFinite(argument))
}

/// Every gradient of row b is finite.
pub(crate) fn check_dz_row(dz: DzView<'_>, b: usize, samples: usize) -> Result<(), BadRow> {
    for dz in dz.row(b, samples) {
        check_finite(Argument::Dz, dz)?;
    }
    Ok(())
}

/// Every value of a row is finite.
pub(crate) fn check_finite(argument: Argument, values: &[f32]) -> Result<(), BadRow> {
    if elementwise::finite(values) { Ok(()) } else { Err(BadRow::NonFinite(argument)) }
}
