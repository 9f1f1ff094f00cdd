//! The arrays of floats that have strides, and the workspace.

use imle::{Dz, Rows, RowsMut, Shape, dz_span, rows_span};

use crate::args::{Array, Input, Output};
use crate::status::Refused;

impl Array<f32> {
    /// `[B][N]`.
    #[inline(always)]
    pub(crate) fn rows(shape: Shape, start: *const f32, ld: usize) -> Result<Self, Refused> {
        Ok(Self::required(start, rows_span(shape, ld).ok_or(Refused::Stride)?))
    }

    /// `[B][S][N]`, or one gradient for all samples of a row.
    #[inline(always)]
    pub(crate) fn dz(
        shape: Shape,
        start: *const f32,
        row_stride: usize,
        sample_stride: usize,
    ) -> Result<Self, Refused> {
        Ok(Self::required(start, dz_span(shape, row_stride, sample_stride).ok_or(Refused::Stride)?))
    }

    /// The part of the workspace that is used.
    pub(crate) fn workspace(needed: usize, work: *mut f32, work_len: usize) -> Result<Self, Refused> {
        if work_len < needed && !work.is_null() { Err(Refused::Workspace) } else { Ok(Self::required(work, needed)) }
    }
}

impl<'a> Input<'a, f32> {
    pub(crate) fn rows(self, ld: usize) -> Rows<'a> {
        Rows::strided(self.slice(), ld)
    }

    pub(crate) fn dz(self, row_stride: usize, sample_stride: usize) -> Dz<'a> {
        Dz::strided(self.slice(), row_stride, sample_stride)
    }
}

impl<'a> Output<'a, f32> {
    pub(crate) fn rows(self, ld: usize) -> RowsMut<'a> {
        RowsMut::strided(self.slice(), ld)
    }
}
