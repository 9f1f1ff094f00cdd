//! The one room that the test programs share. Each program declares all of it and uses a part.
#![allow(dead_code, reason = "no program uses all of it")]

pub mod arrays;
pub mod bad_calls;
pub mod cases;
pub mod exact_answers;
pub mod exact_laws;
pub mod exact_trees;
pub mod hard_rows;
pub mod laws;
pub mod layers;
pub mod noise_laws;
pub mod reference;
pub mod tree_cases;

pub use reference::{best_tree, trees};
