//! Strided views of the caller's memory: row b of an array, sample s of row b.
//!
//! Lengths are checked once, when a call begins. After that a row or block cannot be missing: if one were, debug builds
//! stop with an assertion, and release builds, which must not panic, go on with an empty slice.

use crate::error::BadRow;
use crate::{Argument, Error, Shape};

/// The number of elements that B rows of S samples of N elements span. A `row_stride` of 0 means rows without gaps, a
/// `sample_stride` of 0 one sample that serves for all. None if a stride is shorter than N, or if the span is not
/// addressable.
///
/// On small machines it is not inlined, and it is pure: the compiler can reuse the result when it is called twice with equal
/// arguments.
#[cfg_attr(imle_small, inline(never))]
fn span(rows: usize, samples: usize, n: usize, row_stride: usize, sample_stride: usize) -> Option<usize> {
    let samples = if sample_stride == 0 { 1 } else { samples };
    let sample_stride = at_least(n, sample_stride)?;
    let row_stride = if row_stride == 0 { samples.checked_mul(sample_stride)? } else { at_least(n, row_stride)? };
    let Some(last_row) = rows.checked_sub(1) else { return Some(0) };
    let last_sample = samples.checked_sub(1)?.checked_mul(sample_stride)?;
    last_row.checked_mul(row_stride)?.checked_add(last_sample)?.checked_add(n)
}

/// The stride, 0 meaning `least`; None if it is shorter than `least`.
fn at_least(least: usize, stride: usize) -> Option<usize> {
    if stride == 0 { Some(least) } else { Some(stride).filter(|&stride| stride >= least) }
}

/// The number of elements that B rows of N span at `stride` (0 = contiguous). None if the stride is shorter than a row, or
/// if the span is not addressable.
#[must_use]
pub fn rows_span(shape: Shape, stride: usize) -> Option<usize> {
    dz_span(shape, stride, 0)
}

/// The number of elements that [`Dz::strided`] spans. None if a stride is shorter than a row, or if the span is not
/// addressable.
#[must_use]
pub fn dz_span(shape: Shape, row_stride: usize, sample_stride: usize) -> Option<usize> {
    span(shape.rows(), shape.samples(), shape.n(), row_stride, sample_stride)
}

/// Refuses a slice shorter than `needed`.
pub(crate) fn check_length<T>(argument: Argument, slice: &[T], needed: usize) -> Result<(), Error> {
    if slice.len() < needed { Err(Error::Length { argument, needed, given: slice.len() }) } else { Ok(()) }
}

/// The row stride, resolved, if the slice holds all elements that the strides span.
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

    /// The view with its stride resolved, if it holds every row.
    pub(crate) fn check(self, argument: Argument, shape: Shape) -> Result<Self, Error> {
        let stride = check_strides(argument, self.data, shape, self.stride, 0)?;
        Ok(Rows { data: self.data, stride })
    }

    pub(crate) fn row(self, b: usize, n: usize) -> &'a [f32] {
        block(self.data, b * self.stride, n)
    }
}

/// Rows one after another.
impl<'a> From<&'a [f32]> for Rows<'a> {
    fn from(data: &'a [f32]) -> Self {
        Rows::contiguous(data)
    }
}

/// Rows one after another.
impl<'a, const LEN: usize> From<&'a [f32; LEN]> for Rows<'a> {
    fn from(data: &'a [f32; LEN]) -> Self {
        Rows::contiguous(data)
    }
}

/// `grad_theta` or another `[B][N]` output: row b starts at `b * stride`. The elements between rows are not touched.
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

/// Rows one after another.
impl<'a> From<&'a mut [f32]> for RowsMut<'a> {
    fn from(data: &'a mut [f32]) -> Self {
        RowsMut::contiguous(data)
    }
}

/// Rows one after another.
impl<'a, const LEN: usize> From<&'a mut [f32; LEN]> for RowsMut<'a> {
    fn from(data: &'a mut [f32; LEN]) -> Self {
        RowsMut::contiguous(data)
    }
}

/// dz = ∇_z ℓ: the gradient of row b's own loss with respect to z_{b,s}, finite everywhere. If the loss is a mean over a
/// batch, the factor of the mean stays with the caller, because λ multiplies dz.
///
/// A slice alone does not say whether it has a gradient for every sample or one for each row, so name it:
/// [`Dz::per_sample`] or [`Dz::shared`].
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

    /// The view with its strides resolved, if it holds every gradient.
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

    /// The gradients of row b, a shared one once.
    pub(crate) fn row(self, b: usize, samples: usize) -> impl Iterator<Item = &'a [f32]> {
        let different = if self.sample_stride == 0 { 1 } else { samples };
        (0..different).map(move |s| self.get(b, s))
    }
}

/// `len` elements from `start` of an array that was checked to have them. (This is for floats alone, because a generic
/// function would have a copy for every type on small machines.)
#[cfg_attr(imle_small, inline(never))]
pub(crate) fn block(data: &[f32], start: usize, len: usize) -> &[f32] {
    let block = data.get(start..).and_then(|rest| rest.get(..len));
    debug_assert!(block.is_some(), "{len} elements from {start} of {}", data.len());
    block.unwrap_or_default()
}

/// `len` elements from `start` of an array that was checked to have them.
#[cfg_attr(imle_small, inline(never))]
pub(crate) fn block_mut(data: &mut [f32], start: usize, len: usize) -> &mut [f32] {
    let has = data.len();
    let block = data.get_mut(start..).and_then(|rest| rest.get_mut(..len));
    debug_assert!(block.is_some(), "{len} elements from {start} of {has}");
    block.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "4 elements from 2 of 5")]
    fn a_block_that_is_missing_stops_debug_builds() {
        block(&[0.0; 5], 2, 4);
    }
}
