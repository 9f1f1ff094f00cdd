//! C = { z : Σ z_i = k }: k of n.

use super::solver::{MapSolver, first_row_above};
use crate::kernel::select;
use crate::views::rows::check_length;
use crate::{Argument, Error, Shape};

/// k-subsets: z = 1 at the k largest scores, equal scores by lower index (−0 equal to +0), exactly k ones. O(n),
/// whatever the scores; on 32-bit Arm and RISC-V, whose loops go by coordinates, O(n log k) at worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopK<'a> {
    k: usize,
    k_row: Option<&'a [u32]>,
}

impl<'a> TopK<'a> {
    /// The shape's k for every row.
    #[must_use]
    pub const fn new(shape: Shape) -> Self {
        TopK { k: shape.k(), k_row: None }
    }

    /// Row b selects `k_row[b]`, at most the shape's k.
    ///
    /// # Errors
    /// [`Error::Length`] if `k_row` has fewer than B elements, [`Error::RowK`] if one exceeds k.
    pub fn with_k_row(shape: Shape, k_row: &'a [u32]) -> Result<Self, Error> {
        check_length(Argument::KRow, k_row, shape.rows())?;
        let solver = TopK { k: shape.k(), k_row: k_row.get(..shape.rows()) };
        match first_row_above(&solver, shape.rows(), shape.k()) {
            Some(row) => Err(Error::RowK { row: row as u32 }),
            None => Ok(solver),
        }
    }

    /// The k of a row. A row that `k_row` does not reach has none, and a layer for such a shape is refused.
    #[cfg_attr(imle_small, inline(never))]
    pub(crate) fn k(&self, row: usize) -> usize {
        self.k_row.map_or(self.k, |k_row| k_row.get(row).map_or(usize::MAX, |&k| k as usize))
    }
}

impl MapSolver for TopK<'_> {
    fn map(&self, row: usize, scores: &[f32], z: &mut [f32]) {
        select::map(scores, self.k(row), z);
    }

    fn ones(&self, row: usize) -> Option<usize> {
        Some(self.k(row))
    }

    fn selects(&self, row: usize) -> Option<usize> {
        Some(self.k(row))
    }
}
