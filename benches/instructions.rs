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

/// Shapes of slow rows that are not among the ones above.
const MORE_SHAPES: [(u32, u32, u32, u32); 4] =
    [(40, 350, 175, 1), (100, 128, 3, 1), (4, 4096, 10, 1), (4, 4096, 2048, 1)];

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

const NORMAL: f32 = 1.0;
const TINY: f32 = 1e-30;

/// The slowest rows that a search found, among masks and low scores in every period, ties, ramps by lane, huge spreads and
/// extreme temperatures: rows and n, k, the temperature, and what is done to the scores.
const SLOW: [(u32, u32, u32, f32, &str, Turn); 20] = [
    (40, 350, 10, NORMAL, "every second masked", |theta, _| lower(theta, |i| i % 2 == 1, f32::NEG_INFINITY)),
    (40, 350, 10, NORMAL, "every second 40 lower", |theta, _| lower(theta, |i| i % 2 == 1, -40.0)),
    (40, 350, 10, TINY, "every second a million lower", |theta, _| lower(theta, |i| i % 2 == 1, -1e6)),
    (40, 350, 10, NORMAL, "seven of sixteen masked", |theta, _| lower(theta, |i| i % 16 > 8, f32::NEG_INFINITY)),
    (40, 350, 10, NORMAL, "falling, seven of sixteen low", |theta, _| {
        set(theta, |i, _| -(i as f32));
        lower(theta, |i| i % 16 > 8, -1e6);
    }),
    (40, 350, 10, NORMAL, "saw of sixteen", |theta, _| set(theta, |i, _| (i % 16) as f32)),
    (40, 350, 10, NORMAL, "noise that rounding swallows", |theta, _| set(theta, |_, t| 1e9 + t)),
    (40, 350, 10, TINY, "all equal", |theta, _| theta.fill(0.5)),
    (40, 350, 10, TINY, "two values", |theta, _| set(theta, |_, t| f32::from(u8::from(t > -0.5)))),
    (40, 350, 10, NORMAL, "0 and 3e38", |theta, _| set(theta, |_, t| if t > 0.0 { 3e38 } else { 0.0 })),
    (40, 350, 175, NORMAL, "two values", |theta, _| set(theta, |_, t| f32::from(u8::from(t > 0.0)))),
    (40, 350, 175, NORMAL, "four values", |theta, _| set(theta, |_, t| t.clamp(-1.0, 2.0).floor())),
    (40, 350, 175, NORMAL, "a third above 0", |theta, _| set(theta, |_, t| (t - 0.5).max(0.0))),
    (40, 350, 175, NORMAL, "0 and 3e38", |theta, _| set(theta, |_, t| if t > 0.0 { 3e38 } else { 0.0 })),
    (100, 128, 3, TINY, "falling, fifteen of sixteen low", |theta, _| {
        set(theta, |i, _| -(i as f32));
        lower(theta, |i| i % 16 > 0, -40.0);
    }),
    (4, 4096, 10, NORMAL, "ramp, seven of sixteen low", |theta, _| {
        set(theta, |i, _| i as f32);
        lower(theta, |i| i % 16 > 8, -1e6);
    }),
    (4, 4096, 2048, NORMAL, "two values", |theta, _| set(theta, |_, t| f32::from(u8::from(t > 0.0)))),
    (4, 4096, 2048, NORMAL, "four values", |theta, _| set(theta, |_, t| t.clamp(-1.0, 2.0).floor())),
    (1, 1 << 17, 10, NORMAL, "ramp, seven of sixteen low", |theta, _| {
        set(theta, |i, _| i as f32);
        lower(theta, |i| i % 16 > 8, -1e6);
    }),
    (1, 1 << 17, 10, NORMAL, "ramp, eight of sixteen low", |theta, _| {
        set(theta, |i, _| i as f32);
        lower(theta, |i| i % 16 > 7, -40.0);
    }),
];

fn set(theta: &mut [f32], value: fn(usize, f32) -> f32) {
    theta.iter_mut().enumerate().for_each(|(i, t)| *t = value(i, *t));
}

/// Sets the scores of a row that are to be low.
fn lower(theta: &mut [f32], low: fn(usize) -> bool, value: f32) {
    theta.iter_mut().enumerate().filter(|(i, _)| low(*i)).for_each(|(_, t)| *t = value);
}

/// The calls that are counted for unusual rows.
const CALLS: [Call; 3] = [Call::Map, Call::Sample, Call::Gradient];

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
            calls(&format!("{rows}x{n} k={k} S={samples} {scores}"), case, &CALLS);
        }
    }
    for (rows, n, k, samples) in MORE_SHAPES {
        let shape = Shape { rows, n, k, samples };
        calls(&format!("{rows}x{n} k={k} S={samples}"), Case::new(shape, Noise::Gumbel), &CALLS);
    }
    for (rows, n, k, temperature, scores, turn) in SLOW {
        let mut case = Case::new(Shape { rows, n, k, samples: 1 }, Noise::Gumbel);
        (case.options.temperature, case.options.target_temperature) = (temperature, temperature);
        case.theta.chunks_mut(n as usize).for_each(|theta| turn(theta, k as usize));
        calls(&format!("{rows}x{n} k={k} S=1 {scores}, tau={temperature:e}"), case, &CALLS);
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
