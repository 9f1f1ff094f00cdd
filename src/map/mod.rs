//! MAP(θ) = argmax_{z ∈ C} ⟨z, θ⟩: the interface of a constraint set C, and one set a file.

mod argmax;
mod solver;
mod top_k;
mod tree;

pub use argmax::Argmax;
pub use solver::{MapSolver, Unsolved};
pub use top_k::TopK;
pub use tree::Tree;
