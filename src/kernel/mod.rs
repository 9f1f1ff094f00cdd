//! Loops over slices: no options, no errors.

pub(crate) mod argmax;
pub(crate) mod elementwise;
pub(crate) mod select;
