//! Loops of the closed form of k-subsets: over the coins of a row, and over the coefficients of polynomials.
//!
//! `crate::exact` has the derivation. The order of all sums is fixed, so vectors of any width give the same bits.

pub(crate) mod by_size;
mod eights;
pub(crate) mod horner;
pub(crate) mod odds;
pub(crate) mod polynomial;
