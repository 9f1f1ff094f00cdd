//! Loops over slices: no policy, no errors.

pub(crate) mod argmax;
pub(crate) mod elementwise;
pub(crate) mod select;
