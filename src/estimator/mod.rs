//! Perturb-and-MAP samples and gradients: Implicit MLE for any constraint set that has a MAP solver, and the other
//! estimators of ∇_θ L on the same views. One estimator a file; `layer` has what they share, `batch` the loops over rows.

mod adaptive;
mod batch;
mod fenchel_young;
mod implicit;
mod layer;
mod perturb;
mod score;
mod simple;
mod straight_through;
mod target;
mod unbiased_simple;

pub use adaptive::{Adaptive, AdaptiveParts, AdaptiveRule};
pub(crate) use batch::{for_rows_with_noise, noise_words};
pub use implicit::{Diagnostics, difference};
pub(crate) use layer::Row;
pub use layer::{Imle, workspace_len};
pub use perturb::{noise, perturb};
pub use score::perturbed_gradient;
pub use straight_through::straight_through;
pub use target::{Side, target};
