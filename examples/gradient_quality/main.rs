//! Gradient quality: how far does a descent come with each estimator, and how far off is one gradient?
//!
//!     cargo run --release -p gradient_quality -- --help
//!
//! `methods` lists the estimators with their settings and the published figures; `estimator` runs them through the
//! library.

mod cli;
mod conditional;
mod descent;
mod estimator;
mod experiments;
mod methods;
mod numpy;
mod page;
mod problem;
mod quality;
mod results;
mod truth;

use std::process::ExitCode;

use report::{ProgressBar, check_writable, progress_bar};

use cli::Cli;
use descent::Start;
use experiments::{Experiments, seconds};
use methods::{descents, equal_cost, general, quality, regression};
use problem::Loss;
use truth::Distribution;

fn main() -> ExitCode {
    report::exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<(), String> {
    check_writable(&cli.out)?;
    let start = Start::published();
    let bar = progress_bar(0, "jobs");
    let outcome = measure(cli, &start, &bar).map_err(|error| error.to_string());
    bar.finish_and_clear();
    let (page, tables) = outcome?;
    report::publish(&cli.out, &page, &format!("{}{tables}curves: {}\n", check_values(&start), cli.out.display()))
}

/// Runs all experiments. Returns the page and the tables.
fn measure(cli: &Cli, start: &Start, bar: &ProgressBar) -> Result<(String, String), Box<dyn std::error::Error>> {
    let experiments = Experiments { repeats: cli.repeats, draws: cli.draws, seed: cli.seed, bar };
    let [published, equal_cost, regression] = [descents(), equal_cost(), regression()];
    let (quality, general) = (quality(), general());
    bar.set_message("descents");
    let gaps = experiments.descents(start, &published)?;
    let equal_cost_gaps = experiments.descents(start, &equal_cost)?;
    let regression_gaps = experiments.descents(&Start::regression(), &regression)?;
    bar.set_message("one gradient");
    let qualities = experiments.qualities(&quality)?;
    let over_lambda = experiments.over_lambda()?;
    bar.set_message("other sizes and losses");
    let generals = experiments.generals(&general)?;
    let over_samples = experiments.over_samples()?;
    let tables = [
        results::descents("Descent, 5 of 10: gap to the least loss, one sample an update", &published, &gaps),
        results::descents("The same at about equal cost", &equal_cost, &equal_cost_gaps),
        results::descents(
            "Descent of a regression, 10 of 100, at about equal cost: the loss",
            &regression,
            &regression_gaps,
        ),
        results::qualities("One gradient, 5 of 10", &quality, &qualities),
        results::generals("One gradient at about equal cost: error (bias)", &general, &generals),
        results::costs("Microseconds for one gradient", &general, &seconds(&general)?),
    ];
    let page = page::render(&page::Content {
        cli,
        tables: &tables,
        published: (&published, &gaps),
        equal_cost: (&equal_cost, &equal_cost_gaps),
        regression: (&regression, &regression_gaps),
        over_lambda: &over_lambda,
        over_samples: &over_samples,
    })?;
    Ok((page, tables.iter().map(results::Table::text).collect()))
}

/// The problem that all descents start from, in numbers that another program can compare.
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
