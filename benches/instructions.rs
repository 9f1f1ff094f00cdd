//! The cases that benches/instructions.sh counts instructions of, under valgrind. Prints a line for each, in order: its
//! name and its coordinates.

mod case;

use std::hint::black_box;

use case::{Call, Case};
use imle::{Noise, Shape};

/// Rows, n, k, samples.
const SHAPES: [(u32, u32, u32, u32); 4] = [(40, 350, 10, 1), (100, 20, 10, 10), (1, 1 << 17, 10, 1), (1, 10, 5, 1)];

fn main() {
    for (rows, n, k, samples) in SHAPES {
        let shape = Shape::new(rows, n, k, samples).unwrap();
        calls(&format!("{rows}x{n} k={k} S={samples}"), Case::new(shape, Noise::Gumbel), &Call::ALL);
    }
    let shape = Shape::new(40, 350, 10, 1).unwrap();
    for noise in [Noise::None, Noise::Logistic, Noise::Normal] {
        calls(&format!("40x350 k=10 {noise:?}"), Case::new(shape, noise), &[Call::Sample, Call::Gradient]);
    }
}

fn calls(name: &str, mut case: Case, calls: &[Call]) {
    for &call in calls {
        counted(&mut case, call);
        report(&format!("{name} {}", call.name()), case.coordinates(call));
    }
}

/// Valgrind counts in this function,
#[inline(never)]
fn counted(case: &mut Case, call: Call) {
    black_box(case).run(call);
}

/// and writes and clears its counter when this one begins.
#[inline(never)]
fn report(name: &str, coordinates: usize) {
    println!("{name}\t{coordinates}");
}
