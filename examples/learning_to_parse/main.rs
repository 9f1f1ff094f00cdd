//! Learning to parse: which tree over the words does an answer need?
//!
//!     cargo run --profile example -p learning_to_parse -- --help
//!
//! The choice of a tree and its gradient are in `choice`, the training loop is in `training`.

mod arc_scores;
mod choice;
mod cli;
mod jobs;
mod list_model;
mod lists;
mod model;
mod page;
mod review_model;
mod training;

use std::path::Path;
use std::process::ExitCode;

use learning::{Corpus, DataError};
use report::{ProgressBar, Table, check_writable, in_parallel, progress_bar};

use cli::Cli;
use jobs::{LISTS, Parts, REVIEWS, measure_lists, measure_reviews};
use list_model::ListModel;
use model::Model;
use review_model::ReviewModel;
use training::{Run, Settings, train};

fn main() -> ExitCode {
    report::exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<(), String> {
    let reviews = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/movie_reviews.tsv");
    let file = cli.data.clone().unwrap_or_else(reviews);
    let data = learning::read(&file).map_err(|error| error.to_string())?;
    let corpus = Corpus::new(&data.texts, cli.seed);
    if let Some(line) = corpus.line_beyond_measure() {
        let message = "the training scores are too much alike to measure this one by them";
        return Err(DataError::new(&file, Some(line), message).to_string());
    }
    if data.skipped > 0 {
        eprintln!("{}: skipped {} lines without a word", file.display(), data.skipped);
    }
    if jobs::longer(&data) > 0 {
        eprintln!("{}: skipped {} texts of more than {} words", file.display(), jobs::longer(&data), jobs::LONGEST);
    }
    let (lists, reviews) = (jobs::lists(cli.lists as usize, cli.seed), jobs::reviews(&corpus));
    if reviews.training.is_empty() || reviews.validation.is_empty() || reviews.test.is_empty() {
        return Err(format!("{}: too few texts of at most {} words", file.display(), jobs::LONGEST));
    }
    if !cli.search {
        check_writable(&cli.out)?;
    }

    let of_lists = jobs::settings(&LISTS, cli.epochs, cli.seed, cli.search);
    let of_reviews = jobs::settings(&REVIEWS, cli.review_epochs, cli.seed, cli.search);
    let epochs = of_lists.iter().chain(&of_reviews).map(|settings| u64::from(settings.epochs)).sum();
    let bar = progress_bar(epochs, "epochs");
    let list_runs = train_all(&ListModel::new(cli.seed), &of_lists, &lists, "lists", &bar)?;
    let review_model = ReviewModel::new(corpus.vocabulary, cli.seed);
    let review_runs = train_all(&review_model, &of_reviews, &reviews, "reviews", &bar)?;
    bar.finish_and_clear();

    if cli.search {
        print!("{}", searched("nested lists, validation loss", &list_runs).text());
        print!("{}", searched("reviews, validation loss", &review_runs).text());
        return Ok(());
    }
    let list_table = list_table(&list_runs, &lists)?;
    let review_table = review_table(&review_runs, &reviews)?;
    let context = page::Context { cli, list_table: &list_table, review_table: &review_table };
    let page = page::render(&context, &list_runs, &lists.test, &review_runs, &reviews.test)?;
    let text = format!("{}{}trees: {}\n", list_table.text(), review_table.text(), cli.out.display());
    report::publish(&cli.out, &page, &text)
}

fn train_all<M: Model>(
    model: &M,
    settings: &[Settings],
    parts: &Parts<M::Sentence>,
    job: &str,
    bar: &ProgressBar,
) -> Result<Vec<Run<M>>, String> {
    let runs = in_parallel(settings.len(), |number| {
        let settings = settings[number];
        train(model.clone(), settings, &parts.training, &parts.validation, |loss| {
            bar.set_message(format!("validation loss {loss:.3} ({job}, {})", settings.method.name()));
            bar.inc(1);
        })
    });
    runs.into_iter().collect::<Result<_, _>>().map_err(|error: imle::Error| error.to_string())
}

fn list_table(runs: &[Run<ListModel>], lists: &Parts<lists::Sentence>) -> Result<Table, String> {
    let line = |run: &Run<ListModel>| {
        let result = measure_lists(run, &lists.test).map_err(|error| error.to_string())?;
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        Ok(vec![run.settings.method.name().into(), percent(result.right_arcs), percent(result.right_answers)])
    };
    let lines: Result<_, String> = runs.iter().map(line).collect();
    Ok(Table::new(&["nested lists: the predictor sees", "right arcs", "right answers"], lines?))
}

fn review_table(runs: &[Run<ReviewModel>], reviews: &Parts<review_model::Review>) -> Result<Table, String> {
    let line = |run: &Run<ReviewModel>| {
        let r2 = measure_reviews(run, &reviews.test).map_err(|error| error.to_string())?;
        Ok(vec![run.settings.method.name().into(), format!("{r2:.3}")])
    };
    let lines: Result<_, String> = runs.iter().map(line).collect();
    Ok(Table::new(&["reviews: the predictor sees", "test R²"], lines?))
}

/// The least validation loss of each method at each rate.
fn searched<M>(title: &str, runs: &[Run<M>]) -> Table {
    let rates = jobs::RATES.map(|rate| format!("{rate}"));
    let header: Vec<&str> = [title].into_iter().chain(rates.iter().map(String::as_str)).collect();
    let line = |runs: &[Run<M>]| {
        let losses = runs.iter().map(|run| format!("{:.4}", run.validation[run.best]));
        [runs[0].settings.method.name().into()].into_iter().chain(losses).collect()
    };
    Table::new(&header, runs.chunks(jobs::RATES.len()).map(line).collect())
}
