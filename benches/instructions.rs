//! The cases whose instructions benches/instructions.sh counts with valgrind. Prints the name and the number of
//! coordinates of each case, in order.

mod case;

use std::hint::black_box;

use case::{Call, Case, Solver};
use imle::{Argmax, Noise, Shape};

/// Rows, n, k, samples.
const SHAPES: [(u32, u32, u32, u32); 6] = [
    (40, 350, 10, 1),
    (100, 20, 10, 10),
    (100, 64, 8, 1), // the longest row that is ranked in registers
    (100, 65, 8, 1), // the shortest row that is not
    (1, 1 << 17, 10, 1),
    (1, 10, 5, 1),
];

/// Makes a row of normal scores unusual. The second argument is k.
type Turn = fn(&mut [f32], usize);

/// Scores that could be slow.
const UNUSUAL: [(&str, Turn); 7] = [
    ("ascending", |theta, _| theta.sort_by(f32::total_cmp)),
    ("descending", |theta, _| theta.sort_by(|a, b| b.total_cmp(a))),
    ("all equal", |theta, _| theta.fill(0.5)),
    ("two values", |theta, _| theta.iter_mut().for_each(|t| *t = f32::from(u8::from(*t > 0.0)))),
    ("four values", |theta, _| theta.iter_mut().for_each(|t| *t = t.clamp(-1.0, 2.0).floor())),
    ("one huge", |theta, _| theta[theta.len() / 2] = 1e30),
    ("all masked but k", |theta, k| {
        let every = theta.len() / k;
        theta.iter_mut().enumerate().filter(|(i, _)| i % every != 0).for_each(|(_, t)| *t = f32::NEG_INFINITY);
    }),
];

fn main() {
    for (rows, n, k, samples) in SHAPES {
        let shape = Shape { rows, n, k, samples };
        calls(&format!("{rows}x{n} k={k} S={samples}"), Case::new(shape, Noise::Gumbel), &Call::ALL);
    }
    let shape = Shape { rows: 40, n: 350, k: 10, samples: 1 };
    for (name, noise) in [
        ("None", Noise::None),
        ("Logistic", Noise::Logistic),
        ("Normal", Noise::Normal),
        ("Sum-of-Gamma", Noise::SumOfGamma { kappa: 10.0, terms: 10 }),
    ] {
        calls(&format!("40x350 k=10 {name}"), Case::new(shape, noise), &[Call::Sample, Call::Gradient]);
    }
    let shape = Shape { rows: 40, n: 350, k: 1, samples: 1 };
    calls("40x350 Argmax", Case::<Argmax>::of(shape, Noise::Gumbel), &[Call::Map, Call::Sample, Call::Gradient]);
    for (rows, n, k, samples) in SHAPES {
        let shape = Shape { rows, n, k, samples };
        for (scores, turn) in UNUSUAL {
            let mut case = Case::new(shape, Noise::Gumbel);
            case.theta.chunks_mut(n as usize).for_each(|theta| turn(theta, k as usize));
            let name = format!("{rows}x{n} k={k} S={samples} {scores}");
            calls(&name, case, &[Call::Map, Call::Sample, Call::Gradient]);
        }
    }
}

fn calls<D: Solver>(name: &str, mut case: Case<D>, calls: &[Call]) {
    for &call in calls {
        counted(&mut case, call);
        report(&format!("{name} {}", call.name()), case.coordinates(call));
    }
}

/// Valgrind counts the instructions of this function.
#[inline(never)]
fn counted<D: Solver>(case: &mut Case<D>, call: Call) {
    black_box(case).run(call);
}

/// Valgrind writes and clears its counter when this function begins.
#[inline(never)]
fn report(name: &str, coordinates: usize) {
    println!("{name}\t{coordinates}");
}
