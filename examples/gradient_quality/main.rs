//! Gradient quality: how far does a descent come with each estimator, and how far off is one gradient?
//!
//!     cargo run --release --example gradient_quality -- --help
//!
//! `methods` has the estimators, their settings and the published figures; `estimator` runs them through the library.

mod cli;
mod corrected;
mod curves;
mod descent;
mod estimator;
mod experiments;
mod methods;
mod numpy;
mod page;
#[path = "../learning_to_explain/parallel.rs"]
mod parallel;
mod problem;
mod quality;
mod results;
mod stratified;
mod truth;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use cli::Cli;
use descent::Start;
use experiments::{Experiments, seconds};
use methods::{DESCENTS, EQUAL_COST, GENERAL, QUALITY, REGRESSION};
use problem::Loss;
use truth::Distribution;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: &Cli) -> Result<(), String> {
    // Finds out before the work, not after it.
    std::fs::write(&cli.out, "").map_err(|error| format!("{}: {error}", cli.out.display()))?;
    let start = Start::published();
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{elapsed:>4} {spinner} {pos} jobs  {msg}").expect("a valid template"),
    );
    let report = report(cli, &start, &bar).map_err(|error| error.to_string());
    bar.finish_and_clear();
    let (page, tables) = report?;
    std::fs::write(&cli.out, page).map_err(|error| format!("{}: {error}", cli.out.display()))?;
    let report = format!("{}{tables}curves: {}\n", check_values(&start), cli.out.display());
    std::io::stdout().write_all(report.as_bytes()).map_err(|error| format!("standard output: {error}"))
}

/// The page and the tables.
fn report(cli: &Cli, start: &Start, bar: &ProgressBar) -> Result<(String, String), Box<dyn std::error::Error>> {
    let experiments = Experiments { repeats: cli.repeats, draws: cli.draws, seed: cli.seed, bar };
    bar.set_message("descents");
    let descents = experiments.descents(start, &DESCENTS)?;
    let equal_cost = experiments.descents(start, &EQUAL_COST)?;
    let regression = experiments.descents(&Start::regression(), &REGRESSION)?;
    bar.set_message("one gradient");
    let qualities = experiments.qualities(&QUALITY)?;
    let over_lambda = experiments.over_lambda()?;
    bar.set_message("other sizes and losses");
    let generals = experiments.generals(&GENERAL)?;
    let over_samples = experiments.over_samples()?;
    let tables = [
        results::descents("Descent, 5 of 10: gap to the least loss, one sample an update", &DESCENTS, &descents),
        results::descents("The same at about equal cost", &EQUAL_COST, &equal_cost),
        results::descents(
            "Descent of a regression, 10 of 100, at about equal cost: the loss",
            &REGRESSION,
            &regression,
        ),
        results::qualities("One gradient, 5 of 10", &QUALITY, &qualities),
        results::generals("One gradient at about equal cost: error (bias)", &GENERAL, &generals),
        results::costs("Microseconds for one gradient", &GENERAL, &seconds(&GENERAL)?),
    ];
    let gaps = [&descents[..], &equal_cost[..], &regression[..]];
    let (over_lambda, over_samples) = (&over_lambda[..], &over_samples[..]);
    let page = page::render(&page::Content { cli, tables: &tables, gaps, over_lambda, over_samples })?;
    Ok((page, tables.iter().map(results::Table::text).collect()))
}

/// What another program can compare: the problem that all descents start from.
fn check_values(start: &Start) -> String {
    let list = |values: &[f64]| values.iter().map(|value| format!("{value:.6}")).collect::<Vec<_>>().join(" ");
    let Loss::Distance { b } = &start.loss else { unreachable!("the published problem") };
    let distribution = Distribution::new(&start.theta, start.k);
    let (mu, log_partition) = (distribution.marginals(), distribution.log_partition());
    let score: f64 = mu.iter().zip(&start.theta).map(|(mu, theta)| mu * theta).sum();
    let slope = start.loss.slope_on_states().expect("linear on C");
    let [_, gradient, _] = truth::derivatives(&start.theta, start.k, &slope);
    format!(
        "theta    {}\nb        {}\nmu       {}\ngradient {}\nA {log_partition:.6}  H {:.6}  E {:.6}  least {:.6}\n\n",
        list(&start.theta),
        list(b),
        list(&mu),
        list(&gradient),
        log_partition - score,
        start.least + start.gap(&start.theta),
        start.least,
    )
}
