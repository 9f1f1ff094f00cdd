//! States in the caller's memory: 0/1 floats, lists of the positions of the ones, and their mean.

use super::rows::{block_mut, check_length};
use super::state::State;
use crate::kernel::bits::write_states;
use crate::kernel::elementwise::divide;
use crate::{Argument, Error, Shape};

/// Where states go: 0/1 floats, index lists, their mean over the samples, or several of these. None leaves an output out.
///
/// ```
/// use imle::States;
/// let (mut z, mut marginals) = ([0.0; 5], [0.0; 5]);
/// let states = States { marginals: Some(&mut marginals), ..States::z(&mut z) };
/// # assert!(states.indices.is_none());
/// ```
#[derive(Debug, Default)]
pub struct States<'a> {
    /// z, `[B][S][N]` (`[B][N]` for MAP): exactly 0 or 1.
    pub z: Option<&'a mut [f32]>,
    /// The positions of the ones, ascending, `[B][S][K]` (`[B][K]` for MAP); the unused tail is `u32::MAX`.
    pub indices: Option<&'a mut [u32]>,
    /// The marginals (1/S) Σ_s z_s, `[B][N]`: an estimate of `E[z]`.
    pub marginals: Option<&'a mut [f32]>,
}

/// The forward states that the caller gives to the backward pass, beside the key. They save the forward solver calls.
///
/// A state must be one of its row. If it is not the one that the forward pass chose, the gradient is that of the formula
/// with the given z.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Forward<'a> {
    /// Nothing: the solver is called again for the states.
    #[default]
    Replay,
    /// The index lists of the states, `[B][S][K]`, with `u32::MAX` behind the ones.
    Indices(&'a [u32]),
    /// z itself, `[B][S][N]`, each 0 or 1. It serves any solver.
    Z(&'a [f32]),
}

impl<'a> States<'a> {
    /// States as 0/1 floats.
    #[must_use]
    pub const fn z(z: &'a mut [f32]) -> Self {
        States { z: Some(z), indices: None, marginals: None }
    }

    /// States as index lists.
    #[must_use]
    pub const fn indices(indices: &'a mut [u32]) -> Self {
        States { z: None, indices: Some(indices), marginals: None }
    }

    /// Only the marginals (1/S) Σ_s z_s.
    #[must_use]
    pub const fn marginals(marginals: &'a mut [f32]) -> Self {
        States { z: None, indices: None, marginals: Some(marginals) }
    }

    /// States in both forms.
    #[must_use]
    pub const fn both(z: &'a mut [f32], indices: &'a mut [u32]) -> Self {
        States { z: Some(z), indices: Some(indices), marginals: None }
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
        if let Some(marginals) = &self.marginals {
            check_length(Argument::Marginals, marginals, shape.rows() * shape.n())?;
        }
        Ok(())
    }

    pub(crate) fn is_none(&self) -> bool {
        self.z.is_none() && self.indices.is_none() && self.marginals.is_none()
    }

    /// Writes the states of row b from s on, words with k ones each. The states of a row come in their order, all of them.
    pub(crate) fn put_few(&mut self, shape: Shape, b: usize, s: usize, k: usize, found: &[u64]) {
        let number = b * shape.samples() + s;
        let z = self.z.as_deref_mut().map(|z| block_mut(z, number * shape.n(), found.len() * shape.n()));
        let lists = self.indices.as_deref_mut().and_then(|lists| {
            lists.get_mut(number * shape.k()..).and_then(|rest| rest.get_mut(..found.len() * shape.k()))
        });
        write_states(found, shape.n(), k, z.unwrap_or_default(), lists.unwrap_or_default(), shape.k());
        if self.marginals.is_some() {
            for (s, &bits) in (s..).zip(found) {
                self.add_to_marginals(shape, b, s, State::Bits(bits));
            }
        }
    }

    /// Writes state s of row b. The states of a row come in their order, all of them.
    #[inline(always)]
    pub(crate) fn put(&mut self, shape: Shape, b: usize, s: usize, state: State<'_>) {
        let number = b * shape.samples() + s;
        if let Some(out) = &mut self.z {
            state.write_z(block_mut(out, number * shape.n(), shape.n()));
        }
        if let Some(out) = &mut self.indices {
            let start = number * shape.k();
            let list = out.get_mut(start..).and_then(|rest| rest.get_mut(..shape.k()));
            debug_assert!(list.is_some(), "the lists of the batch are too short for state {number}");
            state.write_list(list.unwrap_or_default());
        }
        self.add_to_marginals(shape, b, s, state);
    }

    #[inline(always)]
    fn add_to_marginals(&mut self, shape: Shape, b: usize, s: usize, state: State<'_>) {
        if let Some(out) = &mut self.marginals {
            let mean = block_mut(out, b * shape.n(), shape.n());
            if s == 0 {
                mean.fill(0.0);
            }
            state.accumulate(1.0, mean);
            if s + 1 == shape.samples() {
                divide(mean, shape.samples() as f32);
            }
        }
    }
}
