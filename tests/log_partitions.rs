//! The log-partitions of all sizes and their gradient, against enumeration, against an f64 programme in logarithms, and
//! against central differences of that programme.

mod common;

use common::arrays::JUNK;
use common::hard_rows::{hard_rows, scores, unmasked};
use common::reference::enumeration::Enumeration;
use common::reference::log_space::{self, LogSpace};
use imle::{Exact, ExactOutputs, Rows, RowsMut, Shape, TopK};
use libm::exp;

const TEMPERATURES: [f32; 6] = [0.01, 0.3, 1.0, 1.7, 7.0, 100.0];

fn exact(theta: &[f32], k: usize, temperature: f32) -> (Exact<TopK<'static>>, Vec<f32>) {
    let shape = Shape { rows: 1, n: theta.len() as u32, k: k as u32, samples: 1 };
    let exact = Exact::new(shape, TopK::new(0), temperature).unwrap();
    let work = vec![JUNK; exact.workspace_len()];
    (exact, work)
}

fn log_partitions(theta: &[f32], k: usize, temperature: f32) -> Vec<f32> {
    let (exact, mut work) = exact(theta, k, temperature);
    let mut out = vec![JUNK; k + 1];
    exact.log_partitions(Rows::contiguous(theta), &mut out, &mut work).unwrap();
    out
}

fn gradient(theta: &[f32], temperature: f32, v: &[f32]) -> Vec<f32> {
    let (exact, mut work) = exact(theta, v.len() - 1, temperature);
    let mut out = vec![JUNK; theta.len()];
    exact
        .log_partitions_vjp(Rows::contiguous(theta), Rows::contiguous(v), RowsMut::contiguous(&mut out), &mut work)
        .unwrap();
    out
}

/// Each within 2e-6 · max(1, |A_k|), and −inf exactly where there is no state.
fn check(theta: &[f32], k: usize, temperature: f32, expected: impl Fn(usize) -> f64, what: &str) {
    let all = log_partitions(theta, k, temperature);
    for (j, &got) in all.iter().enumerate() {
        let (got, expected) = (f64::from(got), expected(j));
        let good = if j > unmasked(theta) {
            got == f64::NEG_INFINITY
        } else {
            (got - expected).abs() <= 2e-6 * expected.abs().max(1.0)
        };
        assert!(
            good,
            "{what}, n {}, T {temperature}: A_{j} = {got}, not {expected}: {:e}",
            theta.len(),
            got - expected
        );
    }
    assert_eq!(all[0], 0.0);
}

#[test]
fn they_agree_with_enumeration() {
    for n in 1..=10 {
        for (name, theta) in hard_rows(n) {
            for temperature in TEMPERATURES {
                let expected = |k| Enumeration::new(&theta, k, 1.0 / f64::from(temperature)).log_partition;
                for k in [0, n / 2, n] {
                    check(&theta, k, temperature, expected, name);
                }
            }
        }
    }
}

/// Scores whose sum overflows, at temperatures of their size.
#[test]
fn they_overflow_only_where_their_exact_values_do() {
    let scale = 2_f32.powi(120);
    for n in [1, 2, 6, 10] {
        for (name, theta) in hard_rows(n) {
            let theta: Vec<f32> = theta.iter().map(|t| t * scale).collect();
            for temperature in TEMPERATURES.map(|t| t * scale) {
                let expected = |k| Enumeration::new(&theta, k, 1.0 / f64::from(temperature)).log_partition;
                check(&theta, n, temperature, expected, name);
            }
        }
    }
}

/// Also with all scores moved so that the A of some size is near 0: large terms must cancel without a loss.
#[test]
fn they_agree_with_the_log_space_programme() {
    for n in [33, 200, 350] {
        for (name, theta) in hard_rows(n) {
            for temperature in TEMPERATURES {
                for near_0 in [None, Some(1), Some(n / 10), Some(n / 2), Some(n)] {
                    let mut theta = theta.clone();
                    if let Some(k) = near_0.map(|k| k.min(unmasked(&theta))) {
                        let shift =
                            log_space::log_partitions(&theta, temperature)[k] * f64::from(temperature) / k as f64;
                        theta.iter_mut().for_each(|t| *t -= shift as f32);
                    }
                    let expected = log_space::log_partitions(&theta, temperature);
                    check(&theta, n, temperature, |k| expected[k], &format!("{name}, {near_0:?} near 0"));
                }
            }
        }
    }
}

#[test]
fn large_rows_agree_with_the_log_space_programme() {
    for (n, k) in [(4096, 3), (1000, 1000)] {
        for (name, theta) in hard_rows(n) {
            let near_0 = log_space::log_partitions(&theta, 1.0)[1] as f32;
            let theta: Vec<f32> = theta.iter().map(|t| t - near_0).collect();
            let expected = log_space::log_partitions(&theta, 1.0);
            check(&theta, k, 1.0, |k| expected[k], name);
        }
    }
}

/// A_k is the log-partition of [`Exact::marginals`] at k.
#[test]
fn one_of_them_is_the_log_partition_of_its_size() {
    for (name, theta) in hard_rows(60) {
        let all = log_partitions(&theta, 60, 0.7);
        for (k, expected) in all.into_iter().enumerate().take(unmasked(&theta) + 1) {
            let shape = Shape { rows: 1, n: 60, k: k as u32, samples: 1 };
            let exact = Exact::new(shape, TopK::new(k as u32), 0.7).unwrap();
            let (mut a, mut work) = ([JUNK], vec![JUNK; exact.workspace_len()]);
            let out = ExactOutputs { log_partition: Some(&mut a), ..ExactOutputs::default() };
            exact.marginals(Rows::contiguous(&theta), out, &mut work).unwrap();
            assert!((a[0] - expected).abs() <= 4e-6 * a[0].abs().max(1.0), "{name}, k {k}: {} and {expected}", a[0]);
        }
    }
}

/// Σ_k v_k μ^(k)/T, with the marginals of every size by enumeration or in logarithms.
#[test]
fn the_gradient_is_a_sum_of_marginals() {
    for n in [1, 2, 7, 10, 45] {
        for (name, theta) in hard_rows(n) {
            for temperature in TEMPERATURES {
                let marginals = |k| match n {
                    45 => LogSpace::new(&theta, k, temperature).marginals,
                    _ => Enumeration::new(&theta, k, 1.0 / f64::from(temperature)).marginals(),
                };
                let marginals: Vec<Vec<f64>> = (0..=unmasked(&theta)).map(marginals).collect();
                for k in [0, 1, n / 2, n] {
                    let v: Vec<f32> = scores(8, k + 1, 1.0);
                    let got = gradient(&theta, temperature, &v);
                    for i in 0..n {
                        let terms = v.iter().zip(&marginals).map(|(&v, mu)| f64::from(v) * mu[i]);
                        let expected = terms.sum::<f64>() / f64::from(temperature);
                        let size = v.iter().map(|v| f64::from(v.abs())).sum::<f64>() / f64::from(temperature);
                        let error = (f64::from(got[i]) - expected).abs();
                        assert!(
                            error <= 1e-6 * size,
                            "{name}, n {n}, K {k}, T {temperature}: error {error:e} of {size}"
                        );
                        assert!(theta[i].is_finite() || got[i] == 0.0, "{name}: a masked entry has a gradient");
                    }
                }
            }
        }
    }
}

#[test]
fn the_gradient_is_the_derivative_of_the_log_partitions() {
    const STEP: f32 = 1.0 / 256.0;
    for (n, k, scale) in [(200, 200, 2.0), (200, 20, 2.0), (120, 60, 30.0)] {
        let (theta, v) = (scores(4, n, scale), scores(5, k + 1, 1.0));
        let value = |theta: &[f32]| -> f64 {
            let all = log_space::log_partitions(theta, 0.8);
            v.iter().zip(&all).map(|(&v, a)| f64::from(v) * a).sum()
        };
        let got = gradient(&theta, 0.8, &v);
        for i in (0..n).step_by(17) {
            let moved =
                |by: f32| theta.iter().enumerate().map(|(j, t)| if i == j { t + by } else { *t }).collect::<Vec<_>>();
            let (up, down) = (moved(STEP), moved(-STEP));
            let slope = (value(&up) - value(&down)) / (f64::from(up[i]) - f64::from(down[i]));
            // The differences are off by a sixth of the third derivative of every A_k, times the square of the step.
            let bound = 1e-5 * v.iter().map(|v| f64::from(v.abs())).sum::<f64>();
            assert!((f64::from(got[i]) - slope).abs() <= bound, "{i}: {} and {slope}", got[i]);
        }
    }
}

/// Sizes without a state have no gradient, whatever their v.
#[test]
fn a_size_without_states_is_ignored() {
    let theta = [0.5, f32::NEG_INFINITY, -1.0, f32::NEG_INFINITY];
    let [few, all] = [[0.5, -1.5, 2.0, 0.0, 0.0], [0.5, -1.5, 2.0, 1e30, -7.0]].map(|v| gradient(&theta, 1.0, &v));
    assert_eq!(few, all);
    assert_eq!(gradient(&[f32::NEG_INFINITY; 3], 1.0, &[1.0, 2.0, 3.0]), [0.0; 3]);
    assert_eq!(log_partitions(&[f32::NEG_INFINITY; 3], 2, 1.0), [0.0, f32::NEG_INFINITY, f32::NEG_INFINITY]);
}

/// The use that the documentation names: k with probability ∝ e^{A_k}, and a k-subset of that size, are n coins given
/// that at most K show heads.
#[test]
fn sizes_weighted_by_their_sums_are_coins_with_at_most_k_heads() {
    let (theta, k) = ([0.3, -0.7, 1.2, 0.0, -2.0, 0.9], 3);
    let all = log_partitions(&theta, k, 1.0);
    let p = theta.map(|t: f32| 1.0 / (1.0 + exp(-f64::from(t))));
    let probability = |z: u32| (0..6).map(|i| if z >> i & 1 == 1 { p[i] } else { 1.0 - p[i] }).product::<f64>();
    let heads = |k: u32| (0..1 << 6).filter(move |z: &u32| z.count_ones() == k);
    let coins: Vec<f64> = (0..=k as u32).map(|k| heads(k).map(probability).sum()).collect();
    let sum = |weights: &[f64]| weights.iter().sum::<f64>();
    let sizes: Vec<f64> = all.iter().map(|&a| exp(a.into())).collect();
    for (coins_k, size) in coins.iter().zip(&sizes) {
        assert!((coins_k / sum(&coins) - size / sum(&sizes)).abs() < 1e-6);
    }
}

/// The largest scores at every temperature: no answer is NaN.
#[test]
fn no_answer_is_nan() {
    for (scale, temperature) in [(1e30, 1e30), (1e30, 1.0), (1e-8, 3e-39), (80.0, 1e-3), (1e30, f32::MAX)] {
        for (_, theta) in hard_rows(20) {
            let theta: Vec<f32> = theta.iter().map(|t| t / 80.0 * scale).collect();
            assert!(
                log_partitions(&theta, 20, temperature).iter().all(|a| !a.is_nan()),
                "{scale:e}, T {temperature:e}"
            );
            assert!(
                gradient(&theta, temperature, &[1e30; 21]).iter().all(|g| !g.is_nan()),
                "{scale:e}, T {temperature:e}"
            );
        }
    }
}
