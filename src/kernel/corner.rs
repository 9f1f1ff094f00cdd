//! The part of a row that is read.

/// The upper left corner of a row that is a square matrix: the first `side` values of the first `side` lines, out of
/// `stride` lines of `stride`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corner {
    pub(crate) side: usize,
    pub(crate) stride: usize,
}

impl Corner {
    /// The lines of the corner.
    #[inline(always)]
    pub(crate) fn lines(self, values: &[f32]) -> impl Iterator<Item = &[f32]> {
        let lines = values.chunks(self.stride.max(1)).take(self.side);
        lines.map(move |line| line.get(..self.side).unwrap_or_default())
    }

    /// The value in line i and column j, 0 if there is none.
    #[inline(always)]
    pub(crate) fn at(self, values: &[f32], i: usize, j: usize) -> f32 {
        values.get(i * self.stride + j).copied().unwrap_or_default()
    }

    /// Sets the values outside the corner to 0.
    pub(crate) fn clear_outside(self, values: &mut [f32]) {
        for (i, line) in values.chunks_mut(self.stride.max(1)).enumerate() {
            let inside = if i < self.side { self.side } else { 0 };
            line.get_mut(inside..).unwrap_or_default().fill(0.0);
        }
    }
}
