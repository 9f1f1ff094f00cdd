//! The part of a row that is read.

use super::rows::{block, block_mut};

/// The upper left corner of a row that is a square matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corner {
    side: usize,
    stride: usize,
}

impl Corner {
    /// The first `side` values of the first `side` lines, out of `stride` lines of `stride`.
    pub(crate) const fn new(side: usize, stride: usize) -> Self {
        Corner { side, stride }
    }

    /// The lines of the corner.
    pub(crate) fn lines(self, values: &[f32]) -> impl Iterator<Item = &[f32]> {
        (0..self.side).map(move |i| block(values, i * self.stride, self.side))
    }

    /// Sets the values outside the corner to 0.
    pub(crate) fn clear_outside(self, values: &mut [f32]) {
        for i in 0..self.stride {
            let inside = if i < self.side { self.side } else { 0 };
            block_mut(values, i * self.stride + inside, self.stride - inside).fill(0.0);
        }
    }
}
