//! A row of scores, and numbers and lines in a workspace.

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
        let lines = self.scores.chunks(self.stride.max(1)).take(self.words);
        lines.map(move |line| line.get(..self.words).unwrap_or_default())
    }

    /// The score of an arc, −inf if there is none.
    #[inline(always)]
    pub(crate) fn score(self, head: usize, word: usize) -> f32 {
        self.scores.get(head * self.stride + word).copied().unwrap_or(f32::NEG_INFINITY)
    }
}

/// Numbers are kept as the bits of floats in the caller's workspace. 0 if there is none.
#[inline(always)]
pub(super) fn number(numbers: &[f32], i: usize) -> usize {
    numbers.get(i).map_or(0, |x| x.to_bits() as usize)
}

#[inline(always)]
pub(super) fn set_number(numbers: &mut [f32], i: usize, number: usize) {
    set(numbers, i, f32::from_bits(number as u32));
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

/// Takes the first `len` floats of a workspace; None if it is too short.
#[inline(always)]
pub(super) fn take<'w>(work: &mut &'w mut [f32], len: usize) -> Option<&'w mut [f32]> {
    let (taken, rest) = core::mem::take(work).split_at_mut_checked(len)?;
    *work = rest;
    Some(taken)
}
