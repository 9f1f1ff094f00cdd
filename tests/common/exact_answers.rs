//! The marginals, log-partition and entropy of one row, and the bounds that they must keep.

use imle::{Distribution, Exact, ExactOutputs, Rows};

use super::arrays::JUNK;

pub struct Answer {
    pub mu: Vec<f32>,
    pub log_partition: f32,
    pub entropy: f32,
}

pub fn ask<D: Distribution>(exact: &Exact<D>, theta: &[f32], mut work: Vec<f32>) -> Answer {
    let (mut mu, mut a, mut h) = (vec![JUNK; theta.len()], [JUNK], [JUNK]);
    let out = ExactOutputs { marginals: Some(&mut mu), log_partition: Some(&mut a), entropy: Some(&mut h) };
    exact.marginals(Rows::contiguous(theta), out, &mut work).unwrap();
    let mut alone = [JUNK];
    let out = ExactOutputs { log_partition: Some(&mut alone), ..ExactOutputs::default() };
    exact.marginals(Rows::contiguous(theta), out, &mut work).unwrap();
    assert_eq!(alone, a, "A asked for alone");
    Answer { mu, log_partition: a[0], entropy: h[0] }
}

pub const TEMPERATURES: [f32; 5] = [0.01, 0.3, 1.0, 7.0, 100.0];

/// A must be within 2e-6 · max(1, |A|).
pub fn check_log_partition(got: f32, expected: f64, what: &str) {
    let error = (f64::from(got) - expected).abs() / expected.abs().max(1.0);
    assert!(error <= 2e-6, "{what}: A = {got}, expected {expected}, error {error:e}");
}

pub fn check_marginals(got: &[f32], expected: &[f64], bound: f64, what: &str) {
    for (i, (&mu, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(mu) - expected).abs();
        assert!(error <= bound, "{what}: mu_{i} = {mu}, expected {expected}, error {error:e}");
    }
}

/// The product of a covariance and v, whose entries are near the largest float: results that exceed the largest float are
/// infinite, all others are as near as for a small v, and masks have 0.
pub fn check_largest_product(got: &[f32], expected: impl Iterator<Item = f64>, theta: &[f32], what: &str) {
    for ((&got, expected), theta) in got.iter().zip(expected).zip(theta) {
        let near = (f64::from(got) - expected).abs() <= 1e-5 * f64::from(f32::MAX);
        let overflows = expected.abs() > f64::from(f32::MAX) && f64::from(got) == expected.signum() * f64::INFINITY;
        assert!(near || overflows, "{what}: {got:e}, not {expected:e}");
        assert!(theta.is_finite() || got == 0.0, "{what}: {got:e} at a mask");
    }
}
