//! Two solvers of one's own inside the layer: a knapsack and an assignment.
//!
//!     cargo run --profile example -p own_solver
//!
//! The solvers are in `knapsack` and `assignment`, the training loop that both jobs share in `learning`, and the jobs in
//! `packing` and `tracking`.

mod assignment;
mod knapsack;
mod learning;
mod packing;
mod tracking;

use imle::{Key, Noise, Options, Shape};

fn main() -> Result<(), imle::Error> {
    print!("{}", run()?);
    Ok(())
}

/// Runs both jobs. The answer is the text that the program prints.
fn run() -> Result<String, imle::Error> {
    Ok(format!("{}\n{}", packing::run()?, tracking::run()?))
}

/// Rows of n numbers drawn from N(0, 1): imle's own noise, whose bits are the same on every machine.
fn normal(seed: u64, step: u64, rows: usize, n: usize) -> Vec<Vec<f32>> {
    let shape = Shape { rows: rows as u32, n: n as u32, k: 0, samples: 1 };
    let options = Options { noise: Noise::Normal, ..Options::default() };
    let mut numbers = vec![0.0; rows * n];
    imle::noise(shape, &options, Key { seed, step, ..Key::default() }, &mut numbers).expect("good sizes");
    numbers.chunks(n).map(<[f32]>::to_vec).collect()
}

/// The bits of the results do not depend on the machine, so the README can show them.
#[test]
fn the_readme_shows_what_the_program_prints() {
    let shown = include_str!("README.md").split("```").nth(1).and_then(|block| block.strip_prefix("text\n"));
    assert_eq!(shown, Some(run().unwrap().as_str()));
}
