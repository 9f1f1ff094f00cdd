//! Loops over plain slices. Nothing here knows θ, λ, τ, noise, options or errors.

pub(crate) mod bits;
pub(crate) mod columns;
pub(crate) mod corner;
pub(crate) mod elementwise;
pub(crate) mod exact;
pub(crate) mod heap;
pub(crate) mod lanes;
pub(crate) mod lists;
pub(crate) mod reduce;
pub(crate) mod select;
pub(crate) mod ties;
pub(crate) mod tree;
pub(crate) mod workspace;
