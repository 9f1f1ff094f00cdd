//! C = { z : Σ z_i = k }: k of n.

use super::solver::{MapSolver, Unsolved};
use crate::kernel::select;
use crate::views::rows::check_length;
use crate::{Argument, Error, Rule, Shape};

/// k-subsets: z = 1 at the k largest scores, equal scores by lower index (−0 equal to +0), exactly k ones. O(n),
/// whatever the scores; on 32-bit Arm and RISC-V, whose loops go by coordinates, O(n log k) at worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopK<'a> {
    k: u32,
    k_row: Option<&'a [u32]>,
}

impl<'a> TopK<'a> {
    /// k for every row.
    #[must_use]
    pub const fn new(k: u32) -> Self {
        TopK { k, k_row: None }
    }

    /// Row b selects `k_row[b]`. A layer checks that every row has a k, and that none is above the shape's k.
    #[must_use]
    pub const fn per_row(k_row: &'a [u32]) -> Self {
        TopK { k: 0, k_row: Some(k_row) }
    }

    /// The k of a row; 0 if `k_row` does not reach it, which a layer refuses.
    #[cfg_attr(imle_small, inline(never))]
    pub(crate) fn k(&self, row: usize) -> usize {
        self.k_row.map_or(self.k, |k_row| k_row.get(row).copied().unwrap_or_default()) as usize
    }
}

impl MapSolver for TopK<'_> {
    fn map(&self, row: usize, scores: &[f32], z: &mut [f32], _work: &mut [f32]) -> Result<(), Unsolved> {
        select::map(scores, self.k(row), z);
        Ok(())
    }

    fn ones(&self, row: usize) -> Option<usize> {
        Some(self.k(row))
    }

    fn check(&self, shape: Shape) -> Result<(), Error> {
        let Some(k_row) = self.k_row else {
            return if self.k <= shape.k { Ok(()) } else { Err(Error::Shape { rule: Rule::SolverAtMostK }) };
        };
        check_length(Argument::KRow, k_row, shape.rows())?;
        match (0..shape.rows).zip(k_row).find(|&(_, &k)| k > shape.k) {
            None => Ok(()),
            Some((row, _)) => Err(Error::RowK { row }),
        }
    }

    fn selects(&self, row: usize) -> Option<usize> {
        Some(self.k(row))
    }
}
