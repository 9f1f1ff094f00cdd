//! The command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValue, RangedU64ValueParser};
use clap::{Arg, Command, ValueEnum, value_parser};

pub struct Cli {
    pub data: Option<PathBuf>,
    pub k: u32,
    pub lambda: Lambda,
    pub samples: u32,
    pub epochs: u32,
    pub noise: Noise,
    pub seed: u64,
    pub seeds: u32,
    pub out: PathBuf,
}

const ABOUT: &str = "Learns which k words of a text carry its score, and shows them.";

const MORE: &str = "\
A scorer gives every word a score, the k best words are chosen, and a predictor, which sees only those words, predicts
the score that people gave the text. Implicit MLE carries the gradient through the choice, so both learn together. For
comparison, the same predictor learns from all words, from k random words, and with straight-through gradients. The
results are measured on texts that no training saw. They are printed and written as one HTML page.";

const INPUT: &str = "\
Input that cannot be used:
  It refuses, as `file:line: message` with exit code 2:
    a missing file, a line without a score or with one that is not a finite number or is beyond 1e15, a file that
    is not UTF-8, fewer than 100 texts, scores that are all equal, or equal in the training part of a seed, a k larger
    than the longest text.
  It skips and counts:
    a line whose text has no word (nothing can be chosen from it), an empty line.
  It uses as it is:
    a text shorter than k, which gives all its words.";

impl Cli {
    /// Reads the arguments of the program. Bad ones end it with a message and exit code 2.
    pub fn parse() -> Cli {
        let mut matches = command().get_matches();
        let number = |name| *matches.get_one::<u32>(name).expect("it has a default");
        let [k, samples, epochs, seeds] = ["k", "samples", "epochs", "seeds"].map(number);
        Cli {
            k,
            samples,
            epochs,
            seeds,
            data: matches.remove_one("data"),
            lambda: matches.remove_one("lambda").expect("it has a default"),
            noise: matches.remove_one("noise").expect("it has a default"),
            seed: matches.remove_one("seed").expect("it has a default"),
            out: matches.remove_one("out").expect("it has a default"),
        }
    }
}

fn command() -> Command {
    let option = |name: &'static str, help: &'static str| Arg::new(name).long(name).help(help);
    let number = |name, default, help| {
        option(name, help).default_value(default).value_parser(RangedU64ValueParser::<u32>::new().range(1..))
    };
    Command::new("learning_to_explain")
        .about(ABOUT)
        .long_about(format!("{ABOUT}\n\n{MORE}"))
        .after_long_help(INPUT)
        .args([
            option(
                "data",
                "Scored texts, one a line: id TAB score TAB text [default: the movie reviews of examples/data]",
            )
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf)),
            number("k", "5", "Words to choose per text"),
            option(
                "lambda",
                "The step from theta towards its target: \"adaptive\", found while training, or a number above 0",
            )
            .default_value("adaptive")
            .value_parser(str::parse::<Lambda>),
            number("samples", "4", "Choices drawn per text and training step"),
            number(
                "epochs",
                "12",
                "Passes over the training texts; the weights with the least validation error are kept",
            ),
            option("noise", "Noise that the layer adds to theta while training")
                .default_value("logistic")
                .value_parser(value_parser!(Noise)),
            option(
                "seed",
                "First seed: it decides the split, the initial weights, the order of the texts and the noise",
            )
            .default_value("1")
            .value_parser(value_parser!(u64)),
            number(
                "seeds",
                "1",
                "Number of seeds; the table gives mean ± standard deviation, the page shows the first",
            ),
            option("out", "The page to write")
                .value_name("FILE.html")
                .default_value("learning_to_explain.html")
                .value_parser(value_parser!(PathBuf)),
        ])
}

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

#[derive(Clone, Copy)]
pub enum Noise {
    Gumbel,
    Logistic,
    Normal,
    SumOfGamma,
    None,
}

impl ValueEnum for Noise {
    fn value_variants<'a>() -> &'a [Self] {
        &[Noise::Gumbel, Noise::Logistic, Noise::Normal, Noise::SumOfGamma, Noise::None]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Noise::Gumbel => PossibleValue::new("gumbel"),
            Noise::Logistic => PossibleValue::new("logistic"),
            Noise::Normal => PossibleValue::new("normal"),
            Noise::SumOfGamma => PossibleValue::new("sum-of-gamma").help("Ten terms, kappa = k"),
            Noise::None => PossibleValue::new("none"),
        })
    }
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
