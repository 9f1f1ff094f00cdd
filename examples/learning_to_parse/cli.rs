//! The command line.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Arg, ArgAction, Command, value_parser};

pub struct Cli {
    pub data: Option<PathBuf>,
    pub lists: u32,
    pub epochs: u32,
    pub review_epochs: u32,
    pub seed: u64,
    pub search: bool,
    pub out: PathBuf,
}

const ABOUT: &str = "Learns dependency trees from what a model must answer with them.";

const MORE: &str = "\
A scorer gives every arc between two words a score, the best tree is chosen, and a predictor, which sees a sentence
through the chosen arcs only, answers. Nobody shows the model a tree: Implicit MLE, SIMPLE and the exact marginals carry
the gradient of the answer through the choice. There are two jobs. Nested lists, [MAX 2 9 [MIN 4 7 ] 0 ], have a known
tree. Movie reviews have none; there the trees must help to predict the score that people gave. The results are measured
on sentences that no training saw. They are printed and written as one HTML page with the arcs drawn over the words.";

const INPUT: &str = "\
Input that cannot be used:
  It refuses, as `file:line: message` with exit code 2:
    a missing file, a line without a score or with one that is not a finite number or is beyond 1e15, a file that
    is not UTF-8, fewer than 100 texts, scores that are all equal, or equal in the training part.
  It skips and counts:
    a line whose text has no word, an empty line, a text of more than 40 words.";

impl Cli {
    /// Reads the arguments of the program. Bad ones end it with a message and exit code 2.
    pub fn parse() -> Cli {
        let mut matches = command().get_matches();
        let number = |name| *matches.get_one::<u32>(name).expect("it has a default");
        let [lists, epochs, review_epochs] = ["lists", "epochs", "review-epochs"].map(number);
        Cli {
            lists,
            epochs,
            review_epochs,
            search: matches.get_flag("search"),
            data: matches.remove_one("data"),
            seed: matches.remove_one("seed").expect("it has a default"),
            out: matches.remove_one("out").expect("it has a default"),
        }
    }
}

fn command() -> Command {
    let option = |name: &'static str, help: &'static str| Arg::new(name).long(name).help(help);
    let number = |name, default, range: std::ops::RangeFrom<u64>, help| {
        option(name, help).default_value(default).value_parser(RangedU64ValueParser::<u32>::new().range(range))
    };
    Command::new("learning_to_parse").about(ABOUT).long_about(format!("{ABOUT}\n\n{MORE}")).after_long_help(INPUT).args(
        [
            option(
                "data",
                "Scored texts, one a line: id TAB score TAB text [default: the movie reviews of examples/data]",
            )
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf)),
            number("lists", "5000", 100.., "Nested lists to learn from; the test has 1000 others"),
            number("epochs", "6", 1.., "Passes over the training lists"),
            number("review-epochs", "6", 1.., "Passes over the training reviews"),
            option(
                "seed",
                "It decides the lists, the split of the reviews, the initial weights, the order and the noise",
            )
            .default_value("1")
            .value_parser(value_parser!(u64)),
            option("search", "Instead, print the validation loss of every method at several learning rates")
                .action(ArgAction::SetTrue),
            option("out", "The page to write")
                .value_name("FILE.html")
                .default_value("learning_to_parse.html")
                .value_parser(value_parser!(PathBuf)),
        ],
    )
}
