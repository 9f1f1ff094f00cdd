//! The Sum-of-Gamma noise against its exact distribution. common/noise_laws.rs says how a check fails.
#![cfg(feature = "sum-of-gamma")]

mod common;

use common::noise_laws::{
    GUMBEL, Law, SUM_OF_GAMMA, assert_plausible, assert_tails, kolmogorov_smirnov, normal_theta, two_sided,
};
use common::reference::sum_of_gamma::SumOfGamma;
use imle::{Imle, Key, Noise, Options, Rows, Shape, States, TopK};

#[test]
fn sum_of_gamma_tails_have_the_right_weight() {
    assert_tails(&SUM_OF_GAMMA);
}

fn sum_of_gamma(kappa: f32, terms: u32, n: u32, seed: u64) -> Vec<f32> {
    let law = Law { noise: Noise::SumOfGamma { kappa, terms }, ..SUM_OF_GAMMA };
    law.draw(1, 1, n, Key { seed, step: 0, ..Key::default() })
}

/// Kolmogorov–Smirnov at 256 of 2²⁰ draws. Each draw may be off by the error that the documentation states: a small 1/κ
/// piles the draws up at the lower bound, where that error moves them across much probability.
#[test]
fn sum_of_gamma_has_its_distribution_for_every_kappa_and_s() {
    const N: u32 = 1 << 20;
    const ERROR: f64 = 1e-4;
    for kappa in [1.0_f32, 2.0, 5.0, 10.0, 100.0, 1e4] {
        for terms in [1, 10, 50, Noise::ALL_TERMS] {
            let exact = SumOfGamma { kappa: f64::from(kappa), terms: (terms != Noise::ALL_TERMS).then_some(terms) };
            let mut epsilon = sum_of_gamma(kappa, terms, N, 81);
            epsilon.sort_unstable_by(f32::total_cmp);
            let mut largest = 0.0_f64;
            for i in (0..N as usize).step_by(4096) {
                let x = f64::from(epsilon[i]);
                let error = ERROR * x.abs().max(1.0);
                let too_few = exact.below(x - error) - (i + 1) as f64 / f64::from(N);
                let too_many = i as f64 / f64::from(N) - exact.below(x + error);
                largest = largest.max(too_few).max(too_many);
            }
            let p_value = 2.0 * (-2.0 * f64::from(N) * largest * largest).exp();
            assert_plausible(p_value, &format!("kappa = {kappa}, {terms} terms: {largest}"));
        }
    }
}

/// The mean is (H_s − ln s)/κ, the variance (1/κ) Σ 1/i², the fourth cumulant (6/κ) Σ 1/i⁴.
#[test]
fn sum_of_gamma_has_its_mean_and_variance() {
    const N: u32 = 1 << 22;
    for kappa in [1.0, 2.5, 10.0, 100.0] {
        for terms in [1, 10, 50, 1_000_000] {
            let sum = |r: i32| (1..=terms).rev().map(|i| f64::from(i).powi(-r)).sum::<f64>();
            let exact_mean = (sum(1) - f64::from(terms).ln()) / kappa;
            let exact_variance = sum(2) / kappa;
            let fourth = 6.0 * sum(4) / kappa;
            let epsilon = sum_of_gamma(kappa as f32, terms, N, 82);
            let n = f64::from(N);
            let mean = epsilon.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
            let variance = epsilon.iter().map(|&x| (f64::from(x) - exact_mean).powi(2)).sum::<f64>() / n;
            let what = format!("kappa = {kappa}, {terms} terms: mean {mean}, variance {variance}");
            assert_plausible(two_sided((mean - exact_mean) / (exact_variance / n).sqrt()), &what);
            let deviation = ((fourth + 2.0 * exact_variance * exact_variance) / n).sqrt();
            assert_plausible(two_sided((variance - exact_variance) / deviation), &what);
        }
    }
}

/// The purpose of this noise: with all terms, κ independent copies add up to Gumbel(0, 1).
#[test]
fn kappa_sums_of_gamma_make_gumbel() {
    for kappa in [1_u32, 2, 5, 10] {
        let copies = sum_of_gamma(kappa as f32, Noise::ALL_TERMS, kappa << 18, 83);
        let sums: Vec<f32> = copies.chunks(kappa as usize).map(|copies| copies.iter().sum()).collect();
        assert_plausible(kolmogorov_smirnov(&GUMBEL, &sums), &format!("{kappa} copies"));
    }
}

/// κ = 0 stands for the row's k, or for 1 if that is 0.
#[test]
fn kappa_is_the_rows_k_unless_set() {
    let draw = |k, kappa| {
        let shape = Shape { rows: 1, n: 33, k, samples: 1 };
        let options = Options { noise: Noise::SumOfGamma { kappa, terms: 10 }, ..Options::default() };
        let mut epsilon = vec![f32::NAN; 33];
        imle::noise(shape, &options, Key::default(), &mut epsilon).expect("good arguments");
        epsilon
    };
    assert_eq!(draw(7, 0.0), draw(0, 7.0));
    assert_eq!(draw(0, 0.0), draw(7, 1.0));
    assert_ne!(draw(7, 0.0), draw(7, 1.0));

    let k_row = [2, 9, 9, 0];
    let sample = |kappa, rows: u32, row0: u64| {
        let shape = Shape { rows, n: 33, k: 9, samples: 1 };
        let options = Options { noise: Noise::SumOfGamma { kappa, terms: 10 }, ..Options::default() };
        let rows = &k_row[row0 as usize..][..rows as usize];
        let layer = Imle::new(shape, TopK::per_row(rows), options).expect("good options");
        let (mut z, mut work) = (vec![f32::NAN; rows.len() * 33], vec![f32::NAN; layer.workspace_len()]);
        let theta: Vec<f32> = normal_theta(4 * 33, 84)[row0 as usize * 33..][..z.len()].to_vec();
        let key = Key { row0, ..Key::default() };
        layer.sample(key, Rows::contiguous(&theta), States::z(&mut z), &mut work).expect("good θ");
        z
    };
    let alone = (0..4).flat_map(|b| sample(k_row[b as usize].max(1) as f32, 1, b));
    assert_eq!(sample(0.0, 4, 0), alone.collect::<Vec<_>>());
}
