//! Dependency trees over n words. The arc from head h to word d stands at h·stride + d of a row, and the arc from the
//! root to d on the diagonal, at d·stride + d.
//!
//! `arcs` reads a row, `gaps` forms what both solvers work on, and `largest` is the loop that they spend their time in.
//! `arborescence` finds the best tree, and `projective` the best tree without crossing arcs. `reach` says if any tree avoids
//! the masks, and `check` if given arcs are a tree.

pub(crate) mod arborescence;
mod arcs;
pub(crate) mod check;
mod gaps;
mod largest;
pub(crate) mod projective;
pub(crate) mod reach;

pub(crate) use arcs::Arcs;
