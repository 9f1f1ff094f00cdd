//! The C ABI of `imle`: `include/imle.h` is generated from this crate and is its manual.
//!
//! [`abi`] has the types and defaults, [`status`] what a call returns, [`topk`] and [`argmax`] a family of functions
//! each, [`topk_exact`] and [`argmax_exact`] the closed forms of each, [`estimator`] what is common to both, [`solver`]
//! the three steps for a solver that lives in the caller, [`adaptive`] a lambda that finds itself. Every function turns
//! its arguments into checked views (`args`, the only file that dereferences a pointer), calls the core and returns a
//! status.
//!
//! This is an rlib; the libraries for C are made from it:
//!
//! ```text
//! cargo rustc -p imle-ffi --release --crate-type staticlib --features panic-handler
//! cargo rustc -p imle-ffi --release --crate-type cdylib --features panic-handler
//! ```
//!
//! A Rust staticlib or cdylib of your own that depends on this crate exports the functions too; leave the feature off
//! there.
//!
//! # Safety
//! All functions that take pointers ask the same of their caller: a pointer is NULL or points to an array of the shape
//! that the manual gives at the argument, readable, and writable if it is an output or the workspace; no other thread
//! writes it during the call, nor reads it if it is an output or the workspace. What can be checked is: NULL,
//! alignment, sizes, strides, overlap.

#![cfg_attr(not(test), no_std)]
#![deny(missing_docs, unsafe_op_in_unsafe_fn)]
// No panic can be reached from the exported functions: nothing here may index, unwrap.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![deny(clippy::undocumented_unsafe_blocks)]
// C decides the names and the number of arguments; the contract of every function is the one above.
#![allow(non_camel_case_types, clippy::too_many_arguments, clippy::missing_safety_doc)]
// The comments are the C manual, where [B][N] is the shape of an array.
#![allow(rustdoc::broken_intra_doc_links)]

mod args;
mod arrays;
mod panic;
mod spans;

// In the order of the header.
pub mod status;

pub mod abi;

pub mod topk;

pub mod topk_exact;

pub mod argmax;

pub mod argmax_exact;

pub mod estimator;

pub mod solver;

pub mod adaptive;

pub use abi::*;
pub use adaptive::*;
pub use argmax::*;
pub use argmax_exact::*;
pub use estimator::*;
pub use solver::*;
pub use status::*;
pub use topk::*;
pub use topk_exact::*;
