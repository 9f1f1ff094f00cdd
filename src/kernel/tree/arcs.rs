//! A row of scores, and values and lines of a matrix.

use crate::kernel::corner::Corner;

/// A row of scores, of which the solvers read the upper left corner.
#[derive(Clone, Copy)]
pub(crate) struct Arcs<'a> {
    /// The words n.
    pub words: usize,
    /// The length of a line, at least n.
    pub stride: usize,
    pub scores: &'a [f32],
}

impl<'a> Arcs<'a> {
    /// The lines of the corner: line h has the arcs from head h.
    #[inline(always)]
    pub(crate) fn lines(self) -> impl Iterator<Item = &'a [f32]> {
        Corner { side: self.words, stride: self.stride }.lines(self.scores)
    }

    /// The score of an arc, −inf if there is none.
    #[inline(always)]
    pub(crate) fn score(self, head: usize, word: usize) -> f32 {
        self.scores.get(head * self.stride + word).copied().unwrap_or(f32::NEG_INFINITY)
    }
}

#[inline(always)]
pub(super) fn value(values: &[f32], i: usize) -> f32 {
    values.get(i).copied().unwrap_or(f32::NEG_INFINITY)
}

#[inline(always)]
pub(super) fn set(values: &mut [f32], i: usize, value: f32) {
    if let Some(slot) = values.get_mut(i) {
        *slot = value;
    }
}

/// Line i of a square matrix of n.
#[inline(always)]
pub(super) fn line(matrix: &[f32], n: usize, i: usize) -> &[f32] {
    matrix.get(i * n..(i + 1) * n).unwrap_or_default()
}

#[inline(always)]
pub(super) fn line_mut(matrix: &mut [f32], n: usize, i: usize) -> &mut [f32] {
    matrix.get_mut(i * n..(i + 1) * n).unwrap_or_default()
}
