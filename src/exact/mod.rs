//! The distribution p(z; θ) ∝ exp(⟨z, θ⟩/T) itself, in closed form: log-partition, marginals, entropy, log-probability, KL
//! divergence, samples and the product with the covariance (one-hot: softmax; k-subsets: Ahmed, Zeng, Niepert, Van den
//! Broeck 2023), and the log-partitions of all sizes of k-subsets.

mod argmax;
mod distribution;
mod layer;
mod log_partitions;
mod polynomials;
mod tilt;
mod top_k;
mod tree;
mod tree_sums;

pub use distribution::Distribution;
pub(crate) use distribution::RowDistribution;
pub use layer::{Exact, ExactOutputs};
