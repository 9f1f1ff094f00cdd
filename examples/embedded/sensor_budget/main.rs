//! The Rust twin of the firmware `sensor_budget.c`, which explains the problem and the method. It prints the same text,
//! bit for bit, except for the line about RAM.
//!
//! `cargo run --release -p sensor_budget -- cross-validate` compares ridges and λ on the training spectra alone.

mod choice;
mod cross_validation;
mod regression;
mod tecator;

use std::process::ExitCode;

use clap::Command;
use imle::Error;

use crate::regression::{Covariances, Predictor};
use crate::tecator::{CHANNELS, Spectrum, spectra};

/// This ridge and this λ were the best for both k in cross-validation.
const RIDGE: f32 = 1e-5;
const LAMBDA: f32 = 10.0;
const SEEDS: u64 = 5;
const DRAWS: u64 = 100;

struct Report {
    training: Vec<Spectrum>,
    test: Vec<Spectrum>,
    covariances: Covariances,
    hash: u32,
}

impl Report {
    fn compare<const K: usize>(&mut self) -> Result<(), Error> {
        println!("k = {K}");
        let mut learnt = Vec::new();
        for seed in 1..=SEEDS {
            let show = |step, predictor: &Predictor| {
                if seed == 1 {
                    let error = 1.0 - predictor.r_squared(&self.training);
                    println!("step {step:4}: training error {}{}", decimal(error), listed(predictor));
                }
            };
            let (theta, predictor) = choice::learn::<K>(&self.covariances, LAMBDA, seed, show)?;
            println!("seed {seed}: test R2 {}{}", decimal(predictor.r_squared(&self.test)), listed(&predictor));
            self.add_to_hash(&theta);
            self.add_to_hash(&predictor.weights);
            learnt.push(predictor);
        }
        self.row(K, "I-MLE, 5 seeds", &learnt);
        let random: Result<Vec<_>, _> = (0..DRAWS).map(|draw| choice::random::<K>(&self.covariances, draw)).collect();
        self.row(K, "random, 100 draws", &random?);
        let even = (0..CHANNELS / K).map(|offset| choice::evenly_spaced::<K>(&self.covariances, offset));
        self.row(K, "evenly spaced, every offset", &even.collect::<Vec<_>>());
        self.row(K, "forward selection", &[choice::forward::<K>(&self.covariances)]);
        Ok(())
    }

    /// Prints a row of the table in the README.
    fn row(&self, k: usize, method: &str, predictors: &[Predictor]) {
        let mean = |spectra: &[Spectrum]| mean(predictors.iter().map(|p| p.r_squared(spectra)).collect());
        println!("| {k} | {method} | {} | {} |", mean(&self.training), mean(&self.test));
    }

    /// FNV-1a over the bits.
    fn add_to_hash(&mut self, values: &[f32]) {
        for byte in values.iter().flat_map(|value| value.to_bits().to_le_bytes()) {
            self.hash = (self.hash ^ u32::from(byte)).wrapping_mul(16_777_619);
        }
    }
}

/// Four decimals. A half is rounded away from zero.
fn decimal(value: f32) -> String {
    let scaled = (value.abs() * 10000.0 + 0.5) as u32;
    format!("{}{}.{:04}", if value < 0.0 { "-" } else { "" }, scaled / 10000, scaled % 10000)
}

fn listed(predictor: &Predictor) -> String {
    let channels: String = predictor.channels.iter().map(|channel| format!(" {channel}")).collect();
    format!(", channels{channels}")
}

/// Mean and standard deviation.
fn mean(values: Vec<f32>) -> String {
    let count = values.len() as f32;
    let mean = values.iter().fold(0.0, |mean, value| mean + value / count);
    let square = values.iter().fold(0.0, |sum, value| sum + (value - mean) * (value - mean));
    match values.len() {
        1 => decimal(mean),
        _ => format!("{} ± {}", decimal(mean), decimal((square / (count - 1.0)).sqrt())),
    }
}

fn main() -> ExitCode {
    let cross_validate = Command::new("cross-validate").about("Compares ridges and lambda on the training spectra");
    let command = Command::new("sensor_budget")
        .about("Learns which 4 and which 8 channels of a spectrometer predict fat best, and prints what the firmware prints")
        .subcommand(cross_validate);
    let result = match command.get_matches().subcommand_name() {
        Some(_) => cross_validation::print(&spectra().0),
        None => compare(),
    };
    report::exit(result.map_err(|error| error.to_string()))
}

fn compare() -> Result<(), Error> {
    let (training, test) = spectra();
    let covariances = Covariances::new(&training, RIDGE);
    let mut report = Report { training, test, covariances, hash: 2_166_136_261 };
    report.compare::<4>()?;
    report.compare::<8>()?;
    report.row(CHANNELS, "all", &[Predictor::on_all(&report.covariances)]);
    println!("hash of theta and weights: {:08x}", report.hash);
    Ok(())
}
