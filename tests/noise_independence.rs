//! The noise is independent along every axis and between keys. common/noise_laws.rs says how a check fails.

mod common;

use common::noise_laws::{GUMBEL, assert_plausible, two_sided};
use imle::Key;
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// u − ½ and (u − ½)², centred and scaled to variance 1. Their correlations show dependence of location and of spread.
fn standardised(epsilon: &[f32]) -> [Vec<f64>; 2] {
    let centred: Vec<f64> = epsilon.iter().map(|x| GUMBEL.uniform(x) - 0.5).collect();
    let spread = centred.iter().map(|u| (u * u - 1.0 / 12.0) * 180_f64.sqrt()).collect();
    [centred.iter().map(|u| u * 12_f64.sqrt()).collect(), spread]
}

/// The p-value of a correlation: times √n it is standard normal if x and y are independent.
fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let product: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
    two_sided(product / (x.len().min(y.len()) as f64).sqrt())
}

/// Consecutive blocks of noise along an axis are uncorrelated with the blocks `lag` steps later.
fn assert_independent(epsilon: &[f32], block: usize, lags: std::ops::RangeInclusive<usize>, what: &str) {
    for lag in lags {
        for x in standardised(epsilon) {
            assert_plausible(correlation(&x, &x[lag * block..]), &format!("{what}, lag {lag}"));
        }
    }
}

/// Pairs of neighbours along an axis are uniform on the square: chi-square over 16 × 16 cells. A block of the noise is paired
/// with the next one and with no other, so that the pairs are independent.
fn assert_pairs_are_uniform(epsilon: &[f32], block: usize, what: &str) {
    const CELLS: usize = 16;
    let cell = |x: &f32| ((GUMBEL.uniform(x) * CELLS as f64) as usize).min(CELLS - 1);
    let mut counts = [0_u32; CELLS * CELLS];
    for neighbours in epsilon.chunks_exact(2 * block) {
        let (these, those) = neighbours.split_at(block);
        these.iter().zip(those).for_each(|(x, y)| counts[cell(x) * CELLS + cell(y)] += 1);
    }
    let expected = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
    assert!(expected > 500.0, "too few pairs: {expected} a cell");
    let chi_square = counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
    let law = ChiSquared::new((counts.len() - 1) as f64).expect("a number of degrees of freedom");
    assert_plausible(law.sf(chi_square), &format!("{what}: {chi_square}"));
    assert_plausible(law.cdf(chi_square), &format!("{what}, too even: {chi_square}"));
}

/// A sequence of keys.
type Keys = fn(u64) -> Key<'static>;

#[test]
fn noise_is_independent_along_every_axis() {
    let key = Key { seed: 31, step: 0, ..Key::default() };
    let join = |key: Keys| -> Vec<f32> { (0..1 << 13).flat_map(|i| GUMBEL.draw(1, 1, 32, key(i))).collect() };
    assert_independent(&GUMBEL.draw(1, 1, 1 << 18, key), 1, 1..=64, "coordinates");
    assert_independent(&GUMBEL.draw(1, 1 << 13, 32, key), 32, 1..=8, "samples");
    assert_independent(&GUMBEL.draw(1 << 13, 1, 32, key), 32, 1..=8, "rows");
    assert_independent(&join(|step| Key { seed: 32, step, ..Key::default() }), 32, 1..=8, "steps");
    assert_independent(&join(|seed| Key { seed, step: 32, ..Key::default() }), 32, 1..=8, "seeds");
    // Changes of two words of the key must not cancel each other.
    let together: [(Keys, &str); 6] = [
        (|i| Key { seed: i, step: i, ..Key::default() }, "seeds and steps"),
        (|i| Key { seed: i, step: !i, ..Key::default() }, "seeds and steps, opposite"),
        (|i| Key { seed: i, step: 0, row0: i, ..Key::default() }, "seeds and rows"),
        (|i| Key { seed: i, step: 0, row0: !i, ..Key::default() }, "seeds and rows, opposite"),
        (|i| Key { seed: 0, step: i, row0: i, ..Key::default() }, "steps and rows"),
        (|i| Key { seed: 0, step: i, row0: !i, ..Key::default() }, "steps and rows, opposite"),
    ];
    for (key, what) in together {
        assert_independent(&join(key), 32, 1..=2, what);
    }
}

#[test]
fn neighbours_along_every_axis_are_uniform_pairs() {
    let key = Key { seed: 33, ..Key::default() };
    let join = |key: Keys| -> Vec<f32> { (0..1 << 14).flat_map(|i| GUMBEL.draw(1, 1, 32, key(i))).collect() };
    assert_pairs_are_uniform(&GUMBEL.draw(1, 1, 1 << 19, key), 1, "lanes");
    assert_pairs_are_uniform(&GUMBEL.draw(1, 1, 1 << 19, key), 16, "words of a lane");
    assert_pairs_are_uniform(&GUMBEL.draw(1, 1 << 14, 32, key), 32, "samples");
    assert_pairs_are_uniform(&GUMBEL.draw(1 << 14, 1, 32, key), 32, "rows");
    assert_pairs_are_uniform(&join(|step| Key { seed: 34, step, ..Key::default() }), 32, "steps");
    assert_pairs_are_uniform(&join(|seed| Key { seed, step: 34, ..Key::default() }), 32, "seeds");
    // Sample i of a row and sample i + 1 of the row before.
    let against = |i: u64| Key { seed: 34, row0: (1 << 20) - i, sample0: i as u32, ..Key::default() };
    assert_pairs_are_uniform(&join(against), 32, "rows against samples");
}

/// Neighbouring keys differ in one bit.
#[test]
fn noise_is_independent_of_that_of_every_neighbouring_key() {
    let draws = |flip: Key<'_>| -> [Vec<f64>; 2] {
        let none = Key::default();
        let key = |i: u64| Key { seed: i ^ flip.seed, step: (i >> 2) ^ flip.step, row0: (i << 1) ^ flip.row0, ..none };
        standardised(&(0..1 << 8).flat_map(|i| GUMBEL.draw(1, 1, 64, key(i))).collect::<Vec<f32>>())
    };
    let base = draws(Key::default());
    for bit in 0..64 {
        let none = Key::default();
        let flips = [Key { seed: 1 << bit, ..none }, Key { step: 1 << bit, ..none }, Key { row0: 1 << bit, ..none }];
        for flip in flips {
            for (x, y) in base.iter().zip(&draws(flip)) {
                assert_plausible(correlation(x, y), &format!("{flip:?}"));
            }
        }
    }
}
