//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// How good are the gradients? Reruns the synthetic experiments of the I-MLE and SIMPLE papers with every estimator of
/// the library.
///
/// Prints the results beside the published figures and writes them, with curves, as one HTML page. Then the same at
/// equal cost, on other sizes and losses, and with combinations that go beyond the papers.
#[derive(Parser)]
#[command(name = "gradient_quality")]
pub struct Cli {
    /// Runs of a descent
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..))]
    pub repeats: u32,

    /// Gradients drawn per estimator and problem
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1000..))]
    pub draws: u32,

    /// Seed of the noise; the problems have the seeds of the papers
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// The page to write
    #[arg(long, value_name = "FILE.html", default_value = "gradient_quality.html")]
    pub out: PathBuf,
}
