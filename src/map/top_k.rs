//! C = { z : Σ z_i = k }: k of n.

use super::{MapSolver, row_above};
use crate::kernel::elementwise::Perturbed;
use crate::kernel::{perturbed_select, select};
use crate::noise::Stream;
use crate::rows::check_length;
use crate::states::State;
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
        match row_above(&solver, shape.rows(), shape.k()) {
            Some(row) => Err(Error::RowK { row: row as u32 }),
            None => Ok(solver),
        }
    }

    #[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(never))]
    pub(crate) fn k(&self, row: usize) -> usize {
        // A row that k_row does not reach has no k: a layer for such a shape is refused.
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

    #[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(always))]
    fn choose<'w>(
        &self,
        row: usize,
        scores: &Perturbed<'_>,
        stream: &mut Stream,
        work: &'w mut [f32],
    ) -> (State<'w>, &'w mut [f32]) {
        perturbed_select::choose(scores, self.k(row), stream, work)
    }

    fn ranks(&self) -> bool {
        true
    }

    fn largest(&self, row: usize, theta: &[f32], work: &mut [f32]) -> Option<usize> {
        let k = self.k(row);
        perturbed_select::largest(theta, k, work).then_some(k)
    }
}
