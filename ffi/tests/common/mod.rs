//! The room that the test programs of the C ABI share: the parts of tests/common that they use, and calls through C.
#![allow(dead_code, reason = "no program uses all of it")]

pub mod calls;
pub mod functions;
pub mod in_c;

#[path = "../../../tests/common/arrays.rs"]
pub mod arrays;
#[path = "../../../tests/common/bad_calls/options.rs"]
pub mod bad_options;
#[path = "../../../tests/common/reference/best_tree.rs"]
pub mod best_tree;
#[path = "../../../tests/common/cases.rs"]
pub mod cases;
#[path = "../../../tests/common/exact_laws.rs"]
pub mod exact_laws;
#[path = "../../../tests/common/exact_trees.rs"]
pub mod exact_trees;
#[path = "../../../tests/common/laws.rs"]
pub mod laws;
#[path = "../../../tests/common/reference/definitions.rs"]
pub mod reference;
#[path = "../../../tests/common/tree_cases.rs"]
pub mod tree_cases;
#[path = "../../../tests/common/reference/trees.rs"]
pub mod trees;
