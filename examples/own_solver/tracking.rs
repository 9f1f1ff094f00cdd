//! Learns which measurements to trust: things are seen twice, and the sightings are to be paired one to one.

use std::fmt::Write;

use imle::{Error, Options, Shape};

use crate::assignment::Assignment;
use crate::learning::Data;
use crate::normal;

/// Scenes to learn from, and new ones.
const ROWS: [usize; 2] = [40, 200];
const THINGS: usize = 12;
const STEPS: u64 = 40;
/// The standard error of each measurement; the things themselves have a standard deviation of 1. The learner does not
/// know it.
const ERRORS: [f32; 6] = [0.2, 0.3, 0.5, 2.0, 2.0, 2.0];

/// Scenes with their true pairs. The features of a pair of sightings are minus their squared differences.
fn make(seed: u64, rows: usize) -> Data {
    let m = ERRORS.len();
    let things = normal(seed, 0, rows, THINGS * m);
    let sight = |step| -> Vec<Vec<f32>> {
        let errors = normal(seed, step, rows, THINGS * m);
        let add = |(thing, error): (&Vec<f32>, &Vec<f32>)| {
            thing.iter().zip(error).zip(ERRORS.iter().cycle()).map(|((x, error), size)| x + size * error).collect()
        };
        things.iter().zip(&errors).map(add).collect()
    };
    let (first, second, order) = (sight(1), sight(2), normal(seed, 3, rows, THINGS));
    let (mut features, mut observed) = (Vec::new(), Vec::new());
    for ((first, second), order) in first.iter().zip(&second).zip(&order) {
        // The second sighting comes in the order of random numbers.
        let mut shuffled: Vec<usize> = (0..THINGS).collect();
        shuffled.sort_by(|&a, &b| order[a].total_cmp(&order[b]));
        for (i, x) in first.chunks(m).enumerate() {
            for &j in &shuffled {
                features.extend(x.iter().zip(&second[j * m..]).map(|(x, y)| -(x - y) * (x - y)));
                observed.push(if i == j { 1.0 } else { 0.0 });
            }
        }
    }
    let shape = Shape { rows: rows as u32, n: (THINGS * THINGS) as u32, k: THINGS as u32, samples: 1 };
    Data { shape, features, observed }
}

/// The share of pairs that are right.
fn right(data: &Data, w: &[f32]) -> Result<f32, Error> {
    let z = data.choose(Assignment { n: THINGS }, w)?;
    Ok(z.iter().zip(&data.observed).map(|(z, y)| z * y).sum::<f32>() / data.observed.iter().sum::<f32>())
}

pub fn run() -> Result<String, Error> {
    let [training, new] = [make(3, ROWS[0]), make(4, ROWS[1])];
    let options = Options { lambda: 30.0, ..Options::default() };
    let mut w = [0.5; ERRORS.len()];
    let mut out = format!(
        "tracking: {THINGS} things seen twice, {} measurements; learnt from {} scenes\nstep   right pairs in {} new scenes\n",
        ERRORS.len(),
        ROWS[0],
        ROWS[1],
    );
    for step in 0..=STEPS {
        if step % 10 == 0 {
            writeln!(out, "{step:4} {:24.1} %", 100.0 * right(&new, &w)?).expect("a string");
        }
        training.step(Assignment { n: THINGS }, options, step, 0.1, &mut w)?;
    }
    // A squared difference counts by the inverse of its variance if the errors are known.
    let known = right(&new, &ERRORS.map(|error| 1.0 / (error * error)))?;
    writeln!(out, "with known errors {:11.1} %", 100.0 * known).expect("a string");
    Ok(out)
}
