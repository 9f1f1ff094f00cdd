//! Loops of the closed forms. `crate::exact` has the derivations. The order of all sums is fixed, so vectors of any width
//! give the same bits.
//!
//! Of k-subsets: over the coins of a row, and over the coefficients of polynomials. Of trees: `scaled` has their numbers,
//! and `tree` the sums over all trees.

pub(crate) mod by_size;
mod eights;
pub(crate) mod horner;
pub(crate) mod odds;
pub(crate) mod polynomial;
pub(crate) mod scaled;
pub(crate) mod tree;
