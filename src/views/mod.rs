//! Views of the caller's memory: strided rows, gradients of samples, states and their lists. They know sizes and strides;
//! whether values are good is for `door` to say.

pub(crate) mod lists;
pub(crate) mod rows;
pub(crate) mod state;
pub(crate) mod states;
