//! States in the caller's memory: 0/1 floats or lists of the positions of the ones.

use super::rows::{block_mut, check_length};
use super::state::State;
use crate::{Argument, Error, Shape};

/// Where states go: 0/1 floats, index lists, or both.
#[derive(Debug, Default)]
pub struct States<'a> {
    /// z, `[B][S][N]` (`[B][N]` for MAP): exactly 0 or 1.
    pub z: Option<&'a mut [f32]>,
    /// The positions of the ones, ascending, `[B][S][K]` (`[B][K]` for MAP); the unused tail is `u32::MAX`.
    pub indices: Option<&'a mut [u32]>,
}

impl<'a> States<'a> {
    /// States as 0/1 floats.
    #[must_use]
    pub const fn z(z: &'a mut [f32]) -> Self {
        States { z: Some(z), indices: None }
    }

    /// States as index lists.
    #[must_use]
    pub const fn indices(indices: &'a mut [u32]) -> Self {
        States { z: None, indices: Some(indices) }
    }

    /// States in both forms.
    #[must_use]
    pub const fn both(z: &'a mut [f32], indices: &'a mut [u32]) -> Self {
        States { z: Some(z), indices: Some(indices) }
    }

    /// Refuses slices that are too short for the states of a batch.
    pub(crate) fn check_lengths(&self, shape: Shape) -> Result<(), Error> {
        let states = shape.rows() * shape.samples();
        if let Some(z) = &self.z {
            check_length(Argument::Z, z, states * shape.n())?;
        }
        if let Some(indices) = &self.indices {
            check_length(Argument::Indices, indices, states * shape.k())?;
        }
        Ok(())
    }

    pub(crate) fn is_none(&self) -> bool {
        self.z.is_none() && self.indices.is_none()
    }

    /// Writes state number `number` of the batch.
    #[inline(always)]
    pub(crate) fn put(&mut self, shape: Shape, number: usize, state: State<'_>) {
        if let Some(out) = &mut self.z {
            state.write_z(block_mut(out, number * shape.n(), shape.n()));
        }
        if let Some(out) = &mut self.indices {
            let start = number * shape.k();
            let list = out.get_mut(start..).and_then(|rest| rest.get_mut(..shape.k()));
            debug_assert!(list.is_some(), "the lists of the batch are too short for state {number}");
            state.write_list(list.unwrap_or_default());
        }
    }
}
