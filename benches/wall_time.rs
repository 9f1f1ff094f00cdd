//! Measures the wall time of every call with Criterion: cargo bench -p imle-benches --bench wall_time [-- FILTER]

mod case;

use std::hint::black_box;

use case::{Call, Case};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use imle::{Noise, Shape};

/// Rows, n, k, samples.
const SHAPES: [(u32, u32, u32, u32); 4] = [(40, 350, 10, 1), (100, 20, 10, 10), (1, 1 << 20, 10, 1), (1, 10, 5, 1)];

fn shapes(criterion: &mut Criterion) {
    for (rows, n, k, samples) in SHAPES {
        let shape = Shape { rows, n, k, samples };
        calls(criterion, &format!("{rows}x{n} k={k} S={samples}"), Case::new(shape, Noise::Gumbel), &Call::ALL);
    }
}

fn laws(criterion: &mut Criterion) {
    let shape = Shape { rows: 40, n: 350, k: 10, samples: 1 };
    for noise in [Noise::None, Noise::Logistic, Noise::Normal] {
        calls(criterion, &format!("40x350 k=10 {noise:?}"), Case::new(shape, noise), &[Call::Sample, Call::Gradient]);
    }
}

fn calls(criterion: &mut Criterion, name: &str, mut case: Case, calls: &[Call]) {
    let mut group = criterion.benchmark_group(name);
    for &call in calls {
        group.throughput(Throughput::Elements(case.coordinates(call) as u64));
        group.bench_function(call.name(), |bencher| bencher.iter(|| black_box(&mut case).run(call)));
    }
    group.finish();
}

criterion_group!(benches, shapes, laws);
criterion_main!(benches);
