//! Learns what things are worth from how somebody packs: items with known weights and features, of hidden worth.

use std::fmt::Write;

use imle::{Error, Options, Shape};

use crate::knapsack::Knapsack;
use crate::learning::Data;
use crate::normal;

/// Packs to learn from, and new ones.
const ROWS: [usize; 2] = [40, 200];
const ITEMS: usize = 60;
const CAPACITY: usize = 150;
const STEPS: u64 = 40;
/// The worth of an item for each unit of its features. The learner does not know it.
const WORTH: [f32; 5] = [2.0, -1.0, 0.5, 0.0, 1.0];

/// The weights `[B][N]` of some rows, and their items with the packs of the largest worth.
fn make(seed: u64, rows: usize) -> Result<(Vec<u32>, Data), Error> {
    let weight = |x: f32| (10.0 + 4.0 * x).clamp(1.0, 30.0) as u32;
    let weights: Vec<u32> = normal(seed, 0, rows, ITEMS).concat().into_iter().map(weight).collect();
    let k = Knapsack::new(&weights, ITEMS, CAPACITY).most() as u32;
    let shape = Shape { rows: rows as u32, n: ITEMS as u32, k, samples: 1 };
    let features = normal(seed, 1, rows, ITEMS * WORTH.len()).concat();
    let mut data = Data { shape, features, observed: vec![0.0; rows * ITEMS] };
    data.observed = data.choose(Knapsack::new(&weights, ITEMS, CAPACITY), &WORTH)?;
    Ok((weights, data))
}

/// The worth of the packs that w chooses, as a share of the largest worth, and the share of all items on which the packs
/// agree with the observed ones.
fn quality(weights: &[u32], data: &Data, w: &[f32]) -> Result<(f32, f32), Error> {
    let z = data.choose(Knapsack::new(weights, ITEMS, CAPACITY), w)?;
    let worth = |z: &[f32]| -> f32 { data.scores(&WORTH).iter().zip(z).map(|(worth, z)| worth * z).sum() };
    let same = z.iter().zip(&data.observed).filter(|(z, y)| z == y).count();
    Ok((worth(&z) / worth(&data.observed), same as f32 / z.len() as f32))
}

pub fn run() -> Result<String, Error> {
    let [(weights, training), (new_weights, new)] = [make(1, ROWS[0])?, make(2, ROWS[1])?];
    let solver = Knapsack::new(&weights, ITEMS, CAPACITY);
    let options = Options { lambda: 2.0, ..Options::default() };
    let mut w = [0.1; WORTH.len()];
    let mut out = format!(
        "packing: {} of {ITEMS} items at most, capacity {CAPACITY}; learnt from {} packs\nstep   worth of {} new packs   items as packed\n",
        solver.most(),
        ROWS[0],
        ROWS[1],
    );
    for step in 0..=STEPS {
        if step % 10 == 0 {
            let (worth, same) = quality(&new_weights, &new, &w)?;
            writeln!(out, "{step:4} {:16.1} % {:18.1} %", 100.0 * worth, 100.0 * same).expect("a string");
        }
        training.step(solver, options, step, 0.005, &mut w)?;
    }
    Ok(out)
}
