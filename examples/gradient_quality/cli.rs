//! The command line.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Arg, Command, value_parser};

pub struct Cli {
    pub repeats: u32,
    pub draws: u32,
    pub seed: u64,
    pub out: PathBuf,
}

const ABOUT: &str = "\
How good are the gradients? Reruns the synthetic experiments of the I-MLE and SIMPLE papers with every estimator of the
library.";

const MORE: &str = "\
Prints the results beside the published figures and writes them, with curves, as one HTML page. It then repeats them at
equal cost, on other sizes and losses, and with combinations that go beyond the papers.";

impl Cli {
    /// Reads the arguments of the program. Bad ones end it with a message and exit code 2.
    pub fn parse() -> Cli {
        let mut matches = command().get_matches();
        Cli {
            repeats: matches.remove_one("repeats").expect("it has a default"),
            draws: matches.remove_one("draws").expect("it has a default"),
            seed: matches.remove_one("seed").expect("it has a default"),
            out: matches.remove_one("out").expect("it has a default"),
        }
    }
}

fn command() -> Command {
    let option = |name: &'static str, default: &'static str, help: &'static str| {
        Arg::new(name).long(name).default_value(default).help(help)
    };
    let at_least = |least: u64| RangedU64ValueParser::<u32>::new().range(least..);
    Command::new("gradient_quality").about(ABOUT).long_about(format!("{ABOUT}\n\n{MORE}")).args([
        option("repeats", "100", "Runs of a descent").value_parser(at_least(2)),
        option("draws", "10000", "Gradients drawn per estimator and problem").value_parser(at_least(1000)),
        option("seed", "1", "Seed of the noise; the problems have the seeds of the papers")
            .value_parser(value_parser!(u64)),
        option("out", "gradient_quality.html", "The page to write")
            .value_name("FILE.html")
            .value_parser(value_parser!(PathBuf)),
    ])
}
