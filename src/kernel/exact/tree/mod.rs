//! Sums over all dependency trees, and draws from them.

pub(crate) mod elimination;
mod floats;
pub(crate) mod lift;
pub(crate) mod mean;
pub(crate) mod projective;
pub(crate) mod weights;
