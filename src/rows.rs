//! Strided views of the caller's memory: row b of an array, sample s of row b.
//!
//! Lengths are checked once, at the door; afterwards `row` cannot miss, and would yield an empty slice rather than
//! panic if it did.

use crate::kernel::elementwise;
use crate::{Error, Shape};

/// The elements that `count` blocks of `block` elements, `stride` apart, span.
fn span(count: usize, block: usize, stride: usize) -> Option<usize> {
    count.checked_sub(1)?.checked_mul(stride)?.checked_add(block)
}

/// Refuses a slice shorter than `needed`.
pub(crate) fn check_length<T>(argument: &'static str, slice: &[T], needed: usize) -> Result<(), Error> {
    if slice.len() < needed { Err(Error::Length { argument, needed, given: slice.len() }) } else { Ok(()) }
}

/// The stride of rows of `n`: 0 stands for contiguous.
fn resolve(argument: &'static str, n: usize, stride: usize) -> Result<usize, Error> {
    match stride {
        0 => Ok(n),
        _ if stride < n => Err(Error::Stride { argument }),
        _ => Ok(stride),
    }
}

/// How many elements B rows of N span at `stride` (0 = contiguous).
///
/// # Errors
/// [`Error::Stride`] if the stride is shorter than a row, or the span is not addressable.
pub fn rows_span(argument: &'static str, shape: Shape, stride: usize) -> Result<usize, Error> {
    let stride = resolve(argument, shape.n(), stride)?;
    span(shape.rows(), shape.n(), stride).ok_or(Error::Stride { argument })
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
    pub(crate) fn check(self, argument: &'static str, shape: Shape) -> Result<Self, Error> {
        check_length(argument, self.data, rows_span(argument, shape, self.stride)?)?;
        Ok(Rows { data: self.data, stride: resolve(argument, shape.n(), self.stride)? })
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

    pub(crate) fn check(self, argument: &'static str, shape: Shape) -> Result<Self, Error> {
        check_length(argument, self.data, rows_span(argument, shape, self.stride)?)?;
        Ok(RowsMut { stride: resolve(argument, shape.n(), self.stride)?, data: self.data })
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
    pub(crate) fn check(self, shape: Shape) -> Result<DzView<'a>, Error> {
        let (row, sample) = match self.layout {
            Layout::PerSample => (0, shape.n()),
            Layout::Shared => (0, 0),
            Layout::Strided { row, sample } => (row, sample),
        };
        check_length("dz", self.data, dz_span(shape, row, sample)?)?;
        let row_stride = resolve_dz_row(shape, row, sample)?;
        Ok(DzView { data: self.data, row_stride, sample_stride: sample, n: shape.n() })
    }
}

fn resolve_dz_row(shape: Shape, row_stride: usize, sample_stride: usize) -> Result<usize, Error> {
    match (row_stride, sample_stride) {
        (_, 1..) if sample_stride < shape.n() => Err(Error::Stride { argument: "dz" }),
        (0, 1..) => sample_stride.checked_mul(shape.samples()).ok_or(Error::Stride { argument: "dz" }),
        _ => resolve("dz", shape.n(), row_stride),
    }
}

/// How many elements [`Dz::strided`] spans.
///
/// # Errors
/// [`Error::Stride`] if a stride is shorter than a row, or the span is not addressable.
pub fn dz_span(shape: Shape, row_stride: usize, sample_stride: usize) -> Result<usize, Error> {
    let row_stride = resolve_dz_row(shape, row_stride, sample_stride)?;
    let samples = if sample_stride == 0 { 1 } else { shape.samples() };
    span(samples, shape.n(), sample_stride)
        .and_then(|row| span(shape.rows(), row, row_stride))
        .ok_or(Error::Stride { argument: "dz" })
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

/// `len` elements from `start` of an array that was checked to have them.
#[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(never))]
pub(crate) fn block<T>(data: &[T], start: usize, len: usize) -> &[T] {
    data.get(start..).and_then(|rest| rest.get(..len)).unwrap_or_default()
}

/// `len` elements from `start` of an array that was checked to have them.
#[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(never))]
pub(crate) fn block_mut<T>(data: &mut [T], start: usize, len: usize) -> &mut [T] {
    data.get_mut(start..).and_then(|rest| rest.get_mut(..len)).unwrap_or_default()
}

/// Whether row b has at least k θ that are not masked, of θ that are finite or masks.
pub(crate) fn has_unmasked(b: usize, theta: &[f32], k: usize) -> Result<bool, Error> {
    elementwise::unmasked(theta, k).ok_or(Error::NonFinite { argument: "theta", row: b as u32 })
}

/// θ of row b is finite or −inf.
pub(crate) fn check_theta_row(b: usize, theta: &[f32]) -> Result<(), Error> {
    check_scores("theta", b, theta)
}

/// Scores of row b are finite or −inf.
pub(crate) fn check_scores(argument: &'static str, b: usize, scores: &[f32]) -> Result<(), Error> {
    good_if(elementwise::unmasked(scores, 0).is_some(), argument, b)
}

/// Every gradient of row b is finite.
pub(crate) fn check_dz_row(dz: DzView<'_>, b: usize, samples: usize) -> Result<(), Error> {
    for dz in dz.row(b, samples) {
        check_finite("dz", b, dz)?;
    }
    Ok(())
}

/// Every value of row b is finite.
pub(crate) fn check_finite(argument: &'static str, b: usize, values: &[f32]) -> Result<(), Error> {
    good_if(elementwise::finite(values), argument, b)
}

fn good_if(good: bool, argument: &'static str, b: usize) -> Result<(), Error> {
    if good { Ok(()) } else { Err(Error::NonFinite { argument, row: b as u32 }) }
}
