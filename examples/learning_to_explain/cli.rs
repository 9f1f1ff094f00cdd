//! The command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, ValueEnum};

/// Learns which k words of a text carry its score, and shows them.
///
/// A scorer gives every word a score, the k best words are chosen, a predictor sees those words alone and predicts what
/// people scored the text. Implicit MLE carries the gradient through the choice, so both learn together. For comparison
/// the same predictor learns from all words, from k random words, and with straight-through gradients. Results are on
/// texts that no training saw; they are printed and written as one HTML page.
#[derive(Parser)]
#[command(name = "learning_to_explain", after_long_help = INPUT)]
pub struct Cli {
    /// Scored texts, one a line: id TAB score TAB text [default: the movie reviews of examples/data]
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,

    /// Words to choose per text
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub k: u32,

    /// The layer's step from theta towards its target: "adaptive", found while training, or a number above 0
    #[arg(long, default_value_t = Lambda::Adaptive)]
    pub lambda: Lambda,

    /// Choices drawn per text and training step
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub samples: u32,

    /// Passes over the training texts; the weights of the one with the least validation error are kept
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..))]
    pub epochs: u32,

    /// Noise that the layer adds to theta while training
    #[arg(long, value_enum, default_value_t = Noise::Gumbel)]
    pub noise: Noise,

    /// First seed: it decides the split, the initial weights, the order of the texts and the noise
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// How many seeds to run; the table gives mean ± standard deviation, the page shows the first
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub seeds: u32,

    /// The page to write
    #[arg(long, value_name = "FILE.html", default_value = "learning_to_explain.html")]
    pub out: PathBuf,
}

const INPUT: &str = "\
Input that cannot be used:
  refused, as `file:line: message` with exit code 2:
    a missing file, a line without a score or with one that is not a finite number, a file that is not UTF-8,
    fewer than 100 texts, scores that are all equal, a k larger than the longest text;
  skipped and counted:
    a line whose text has no word (nothing can be chosen from it), an empty line;
  used as it is:
    a text shorter than k gives all its words.";

#[derive(Clone, Copy)]
pub enum Lambda {
    Adaptive,
    Fixed(f32),
}

impl FromStr for Lambda {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "adaptive" => Ok(Lambda::Adaptive),
            _ => text.parse().map(Lambda::Fixed).map_err(|_| "expected \"adaptive\" or a number"),
        }
    }
}

impl fmt::Display for Lambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lambda::Adaptive => f.write_str("adaptive"),
            Lambda::Fixed(lambda) => lambda.fmt(f),
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Noise {
    Gumbel,
    Logistic,
    Normal,
    /// Ten terms, kappa = k
    SumOfGamma,
    None,
}

impl Noise {
    pub fn law(self) -> imle::Noise {
        match self {
            Noise::Gumbel => imle::Noise::Gumbel,
            Noise::Logistic => imle::Noise::Logistic,
            Noise::Normal => imle::Noise::Normal,
            Noise::SumOfGamma => imle::Noise::SumOfGamma { kappa: 0.0, terms: 10 },
            Noise::None => imle::Noise::None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Noise::Gumbel => "Gumbel",
            Noise::Logistic => "logistic",
            Noise::Normal => "normal",
            Noise::SumOfGamma => "Sum-of-Gamma",
            Noise::None => "none",
        }
    }
}
