//! The references that tests compare with: the definitions, bit for bit, and exact distributions in f64.
//!
//! The f64 references take exp, ln and their like from `libm`, because those of the host differ between platforms.
//! (`sqrt` is correctly rounded everywhere. The complex functions of `sum_of_gamma` are the host's; it is asked for 1e-4.)

pub mod best_tree;
mod definitions;
pub mod enumeration;
pub mod log_space;
pub mod plackett_luce;
pub mod sum_of_gamma;
pub mod trees;

pub use definitions::*;
