//! The part of a row that is read.

/// The upper left corner of a row that is a square matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corner {
    side: usize,
    stride: usize,
}

impl Corner {
    /// The first `side` values of the first `side` lines, which are `stride` long.
    pub(crate) const fn new(side: usize, stride: usize) -> Self {
        Corner { side, stride }
    }

    /// The lines of the corner.
    pub(crate) fn lines(self, values: &[f32]) -> impl Iterator<Item = &[f32]> {
        let lines = values.chunks(self.stride.max(1)).take(self.side);
        lines.map(move |line| line.get(..self.side).unwrap_or_default())
    }

    /// Sets the values outside the corner to 0.
    pub(crate) fn clear_outside(self, values: &mut [f32]) {
        for (line, number) in values.chunks_mut(self.stride.max(1)).zip(0..) {
            let inside = if number < self.side { self.side } else { 0 };
            line.get_mut(inside..).unwrap_or_default().fill(0.0);
        }
    }
}
