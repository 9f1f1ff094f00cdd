//! Learning to explain: which k words of a review carry its score?
//!
//!     cargo run --profile example -p learning_to_explain -- --help
//!
//! The training loop with the layer in it is in `training`, the two networks and their sizes are in `networks`.

mod cli;
mod evaluation;
mod lexicon;
mod networks;
mod page;
mod results;
mod training;

use std::path::Path;
use std::process::ExitCode;

use imle::{Coupling, Difference, Options};
use learning::{Corpus, Data, DataError};
use report::{ProgressBar, check_writable, in_parallel, progress_bar};

use cli::{Cli, Lambda};
use evaluation::{Evaluation, evaluate};
use lexicon::Lexicon;
use training::{Epoch, Method, Run, Settings, train};

fn main() -> ExitCode {
    report::exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<(), String> {
    let settings = settings(cli)?;
    let reviews = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/movie_reviews.tsv");
    let file = cli.data.clone().unwrap_or_else(reviews);
    let data = read(&file, cli.k)?;
    check_writable(&cli.out)?;

    let seeds: Vec<u64> = (0..u64::from(cli.seeds)).map(|i| cli.seed.wrapping_add(i)).collect();
    let corpora: Vec<Corpus> = seeds.iter().map(|&seed| Corpus::new(&data.texts, seed)).collect();
    for (seed, corpus) in seeds.iter().zip(&corpora) {
        if let Some(line) = corpus.line_beyond_measure() {
            let message = format!("the training scores of seed {seed} are too much alike to measure this one by them");
            return Err(DataError::new(&file, Some(line), message).to_string());
        }
    }
    let jobs: Vec<_> = seeds.iter().zip(&corpora).flat_map(|job| Method::ALL.map(|method| (job, method))).collect();

    let lexicon = Lexicon::new();
    let bar = progress_bar(jobs.len() as u64 * u64::from(cli.epochs), "epochs");
    let outcome = in_parallel(jobs.len(), |job| -> Result<(Run, Evaluation), imle::Error> {
        let ((&seed, corpus), method) = jobs[job];
        let run = train(method, settings, corpus, seed, |epoch| show(&bar, method, seed, cli.k, epoch))?;
        let evaluation = evaluate(&run.model, corpus, &lexicon)?;
        Ok((run, evaluation))
    });
    bar.finish_and_clear();
    let outcome: Result<Vec<_>, _> = outcome.into_iter().collect();
    let (runs, evaluations): (Vec<Run>, Vec<Evaluation>) =
        outcome.map_err(|error| error.to_string())?.into_iter().unzip();

    let results = results::summarise(&evaluations, cli.k);
    let context = page::Context { cli, data: &data, file: &file, corpus: &corpora[0], results: &results };
    let page = page::render(&context, &runs[..Method::ALL.len()]).map_err(|error| error.to_string())?;
    let text = format!("{}curves and explained texts: {}\n", results.text(), cli.out.display());
    report::publish(&cli.out, &page, &text)
}

fn settings(cli: &Cli) -> Result<Settings, String> {
    let mut options = Options {
        noise: cli.noise.law(),
        difference: Difference::Central,
        coupling: Coupling::Stratified,
        ..Options::default()
    };
    if let Lambda::Fixed(lambda) = cli.lambda {
        options.lambda = lambda;
    }
    options.check().map_err(|error| error.to_string())?;
    let adaptive = matches!(cli.lambda, Lambda::Adaptive);
    Ok(Settings { k: cli.k, samples: cli.samples, epochs: cli.epochs, options, adaptive })
}

fn read(file: &Path, k: u32) -> Result<Data, String> {
    let data = learning::read(file).map_err(|error| error.to_string())?;
    data.check_k(file, k).map_err(|error| error.to_string())?;
    if data.skipped > 0 {
        eprintln!("{}: skipped {} lines without a word", file.display(), data.skipped);
    }
    Ok(data)
}

fn show(bar: &ProgressBar, method: Method, seed: u64, k: u32, epoch: Epoch) {
    let Epoch { training, validation } = epoch;
    bar.set_message(format!("loss {training:.2}, validation {validation:.2} ({}, seed {seed})", method.name(k)));
    bar.inc(1);
}
