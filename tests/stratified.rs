//! Stratified noise. common/noise_laws.rs says how a statistical check fails.
#![cfg(feature = "stratified")]

mod common;

use common::arrays::bits;
use common::noise_laws::{GUMBEL, LAWS, LOGISTIC, Law, assert_plausible, kolmogorov_smirnov, two_sided};
use imle::{Coupling, Error, Key, Options, Rows, RowsMut, Shape};

fn options(law: &Law) -> Options {
    Options { noise: law.noise, coupling: Coupling::Stratified, ..Options::default() }
}

/// ε, `[S][N]`, of one row.
fn draw(law: &Law, n: u32, samples: u32, key: Key<'_>) -> Vec<f32> {
    let mut epsilon = vec![f32::NAN; (n * samples) as usize];
    imle::noise(Shape { rows: 1, n, k: 0, samples }, &options(law), key, &mut epsilon).expect("good arguments");
    epsilon
}

/// In order, the uniforms behind a coordinate's samples lie one in each part, for any law, S and length of the row.
#[test]
fn every_coordinate_has_one_sample_in_every_part() {
    /// ε and the reference's distribution function are rounded.
    const ROUNDING: f64 = 2e-5;
    for law in LAWS {
        for (samples, n) in [2, 3, 4, 7, 10, 33].into_iter().flat_map(|samples| [1, 17, 65, 700].map(|n| (samples, n)))
        {
            let epsilon = draw(law, n, samples, Key { seed: 5, ..Key::default() });
            for i in 0..n as usize {
                let samples_of_i = epsilon.iter().skip(i).step_by(n as usize);
                let mut uniforms: Vec<f64> = samples_of_i.map(|x| law.uniform(x)).collect();
                uniforms.sort_by(f64::total_cmp);
                for (j, u) in (0..).zip(uniforms) {
                    let part = f64::from(j) / f64::from(samples)..f64::from(j + 1) / f64::from(samples);
                    assert!(part.start - ROUNDING < u && u < part.end + ROUNDING, "{:?}: {u} in part {j}", law.noise);
                }
            }
        }
    }
}

/// One sample alone has the law, and its coordinates are independent.
#[test]
fn each_sample_alone_is_independent_noise_of_the_law() {
    const N: u32 = 1 << 18;
    for law in LAWS {
        for (samples, s) in [(2, 1), (4, 0), (4, 3), (10, 9)] {
            let key = Key { seed: 6, sample0: s, strata: samples, ..Key::default() };
            let epsilon = draw(law, N, 1, key);
            let what = format!("{:?}, sample {s} of {samples}", law.noise);
            assert_plausible(kolmogorov_smirnov(law, &epsilon), &what);
            for lag in [1, 2, 16, 17] {
                let centred: Vec<f64> = epsilon.iter().map(|x| law.uniform(x) - 0.5).collect();
                let sum: f64 = centred.iter().zip(&centred[lag..]).map(|(x, y)| x * y).sum();
                // The product of two centred uniforms has the variance 1/144.
                assert_plausible(two_sided(sum * 12.0 / f64::from(N).sqrt()), &format!("{what}, lag {lag}"));
            }
        }
    }
}

#[test]
fn one_stratum_is_independent_noise() {
    for law in LAWS {
        let key = Key { seed: 7, strata: 1, ..Key::default() };
        let independent = law.draw(1, 1, 100, Key { strata: 0, ..key });
        assert_eq!(bits(&draw(law, 100, 1, key)), bits(&independent));
    }
}

/// The mean of S = 8 samples of a coordinate is that of the quantiles at (j + v)/S with one uniform v. For logistic noise its
/// variance is a third of what independent samples have.
#[test]
fn means_over_samples_vary_less() {
    const N: u32 = 1 << 14;
    const S: u32 = 8;
    let epsilon = draw(&LOGISTIC, N, S, Key { seed: 8, ..Key::default() });
    let mean = |i: usize| epsilon.iter().skip(i).step_by(N as usize).map(|&x| f64::from(x)).sum::<f64>() / f64::from(S);
    let mean_of_squares = |means: &mut dyn Iterator<Item = f64>| means.map(|m| m * m).sum::<f64>() / f64::from(N);
    let variance = mean_of_squares(&mut (0..N as usize).map(mean));
    let exact = mean_of_squares(&mut (0..N).map(|i| {
        let v = (f64::from(i) + 0.5) / f64::from(N);
        let quantile = |j: u32| ((f64::from(j) + v) / (f64::from(S - j) - v)).ln();
        (0..S).map(quantile).sum::<f64>() / f64::from(S)
    }));
    assert!(exact < 0.34 * LOGISTIC.variance / f64::from(S), "{exact}");
    // 15 % is more than six standard errors of the variance of 16,384 means.
    assert!((variance / exact - 1.0).abs() < 0.15, "{variance} instead of {exact}");
}

#[test]
fn strata_must_fit_the_coupling_and_the_samples() {
    let shape = Shape { rows: 1, n: 3, k: 1, samples: 4 };
    let noise = |options: &Options, key| imle::noise(shape, options, key, &mut [0.0; 12]);
    let (stratified, independent) = (options(&GUMBEL), Options::default());
    let key = |sample0, strata| Key { sample0, strata, ..Key::default() };
    for (sample0, strata) in [(0, 0), (0, 4), (0, 5), (6, 10), ((1 << 28) - 4, 1 << 28)] {
        assert_eq!(noise(&stratified, key(sample0, strata)), Ok(()), "{sample0} {strata}");
    }
    for (sample0, strata) in [(1, 0), (0, 3), (7, 10), ((1 << 28) - 3, u32::MAX), (u32::MAX, u32::MAX)] {
        let answer = noise(&stratified, key(sample0, strata));
        assert!(matches!(answer, Err(Error::Shape { .. })), "{sample0} {strata}: {answer:?}");
    }
    assert!(matches!(noise(&independent, key(0, 4)), Err(Error::Option { .. })));
    let (mut grad, theta) = ([7.0; 3], Rows::contiguous(&[0.0; 3]));
    let out = RowsMut::contiguous(&mut grad);
    let refused = imle::perturbed_gradient(shape, &stratified, Key::default(), theta, &[0.0; 4], out);
    assert!(matches!(refused, Err(Error::Option { rule }) if rule.text().contains("independent")), "{refused:?}");
    assert_eq!(grad, [7.0; 3]);
}
