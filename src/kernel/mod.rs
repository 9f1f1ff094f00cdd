//! Loops over slices: no options, no errors.

pub(crate) mod argmax;
pub(crate) mod elementwise;
pub(crate) mod level;
pub(crate) mod perturbed_select;
pub(crate) mod select;

/// Words a block, and the lanes that loops are written over.
pub(crate) const LANES: usize = 16;
