//! The C ABI of `imle`: `include/imle.h` is generated from this crate and is its manual.
//!
//! Every function checks its arguments, turns them into views, calls the core and returns a status. The modules, each
//! of which imports only from those below it (`tests/imports.rs` holds that), are
//!
//! - `adaptive`: the adaptive lambda.
//! - `solver`: the three steps around a MAP solver of the caller's, and the noise.
//! - `estimator`: estimators for states of any kind.
//! - `tree_exact`: the exact distribution of trees.
//! - `exact`: the exact distribution, for all families; the functions of k of n and of one of n.
//! - `tree`: MAP, forward and backward pass of trees.
//! - `layer`: MAP, forward and backward pass, for all families; the functions of k of n and of one of n.
//! - `family`: the families of k of n, of one of n, and of trees.
//! - `abi`: the structs that cross the ABI, their defaults and how they are read.
//! - `arrays`: arrays with strides, and the workspace.
//! - `args`: from C pointers to slices, the only file that dereferences a pointer.
//! - `spans`: the check that arrays do not overlap.
//! - `status`: the result of a call.
//! - `float_mode`: the guard against the caller's floating-point mode.
//! - `panic`: the panic handler of the libraries for C.
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
//! Every function that takes pointers has the same contract. The caller promises of each pointer that is not NULL:
//!
//! - It points to an array of the shape that the manual gives at the argument, or to a struct of that type.
//! - That memory is readable during the call, and writable if it is an output or the workspace.
//! - No other thread writes that memory during the call. No other thread reads it either if it is an output or the
//!   workspace. An array reaches from its first element to its last: the gaps between its rows belong to it.
//!
//! The library itself checks NULL, alignment, sizes, strides and overlap. In the code `// SAFETY: the caller's
//! contract` refers to this promise.

#![cfg_attr(not(test), no_std)]
#![deny(missing_docs, unsafe_op_in_unsafe_fn)]
// No panic can be reached from the exported functions, so nothing here may index or unwrap.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![deny(clippy::undocumented_unsafe_blocks)]
// C decides the names and the number of arguments. The contract of every function is the one above.
#![allow(non_camel_case_types, clippy::too_many_arguments, clippy::missing_safety_doc)]
// The comments are the C manual, where [B][N] is the shape of an array.
#![allow(rustdoc::broken_intra_doc_links)]

mod args;
mod arrays;
mod family;
mod float_mode;
mod panic;
mod spans;

// In the order of the header.
mod status;

mod abi;

mod layer;

mod exact;

mod tree;
mod tree_exact;

mod estimator;

mod solver;

mod adaptive;

pub use abi::*;
pub use adaptive::*;
pub use estimator::*;
pub use exact::*;
pub use layer::*;
pub use solver::*;
pub use status::*;
pub use tree::*;
pub use tree_exact::*;
