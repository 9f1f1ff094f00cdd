//! The definitions, slow and obvious. Every implementation must give their bits.
//!
//! This file uses nothing of the crate. Scores come in as slices, noise included, so it judges the Rust core, the C ABI
//! and any later implementation alike. Rust neither reorders nor contracts f32 arithmetic: each operation below rounds
//! once.

/// Positions by score: larger first, equal scores by lower index, −0 equal to +0.
pub fn order(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&i, &j| scores[j].partial_cmp(&scores[i]).expect("scores are never NaN").then(i.cmp(&j)));
    order
}

/// MAP over k-subsets: the first k of the order.
pub fn map(scores: &[f32], k: usize) -> Vec<f32> {
    let mut z = vec![0.0; scores.len()];
    for &i in &order(scores)[..k] {
        z[i] = 1.0;
    }
    z
}

/// The positions of the ones, ascending, then `u32::MAX` up to `len` entries.
pub fn index_list(z: &[f32], len: usize) -> Vec<u32> {
    let mut list: Vec<u32> = (0..).zip(z).filter(|&(_, &z)| z == 1.0).map(|(i, _)| i).collect();
    list.resize(len, u32::MAX);
    list
}

/// θ + (τ·ε)
pub fn scores(theta: &[f32], tau: f32, epsilon: &[f32]) -> Vec<f32> {
    (0..theta.len()).map(|i| masked(theta[i], theta[i] + (tau * epsilon[i]))).collect()
}

/// θ' + (τ'·ε) with θ' = (α·θ) − (λ·dz); with −λ the other side of the central difference.
pub fn linear_target(theta: &[f32], dz: &[f32], alpha: f32, lambda: f32, tau: f32, epsilon: &[f32]) -> Vec<f32> {
    let target = |i: usize| (alpha * theta[i]) - (lambda * dz[i]);
    (0..theta.len()).map(|i| masked(theta[i], target(i) + (tau * epsilon[i]))).collect()
}

/// θ' + (τ'·ε) with θ' = θ where dz = 0, else −dz.
pub fn combinatorial_target(theta: &[f32], dz: &[f32], tau: f32, epsilon: &[f32]) -> Vec<f32> {
    let target = |i: usize| if dz[i] == 0.0 { theta[i] } else { -dz[i] };
    (0..theta.len()).map(|i| masked(theta[i], target(i) + (tau * epsilon[i]))).collect()
}

/// A masked entry stays masked. Any other score stays above the masks, even if the arithmetic overflowed to −inf or
/// added two opposite infinities.
fn masked(theta: f32, score: f32) -> f32 {
    match (theta == f32::NEG_INFINITY, score.is_nan() || score == f32::NEG_INFINITY) {
        (true, _) => f32::NEG_INFINITY,
        (false, true) => f32::MIN,
        (false, false) => score,
    }
}

/// (1/S) Σ_s z_s: a count, exact in f32, over S.
pub fn mean(states: &[Vec<f32>]) -> Vec<f32> {
    let count = |i: usize| states.iter().filter(|z| z[i] == 1.0).count();
    (0..states[0].len()).map(|i| count(i) as f32 / states.len() as f32).collect()
}

/// factor · Σ_s (z_s − z'_s): the sum is a whole number and exact, the product rounds once.
pub fn difference(pairs: &[(Vec<f32>, Vec<f32>)], factor: f32) -> Vec<f32> {
    let sum = |i: usize| pairs.iter().map(|(z, target)| z[i] as i32 - target[i] as i32).sum::<i32>();
    (0..pairs[0].0.len()).map(|i| sum(i) as f32 * factor).collect()
}

/// Every k-subset of n, as a bit set.
pub fn k_subsets(n: usize, k: usize) -> impl Iterator<Item = u32> {
    (0..1 << n).filter(move |z: &u32| z.count_ones() as usize == k)
}

/// ⟨z, θ⟩
pub fn inner_product(z: u32, theta: &[f32]) -> f64 {
    (0..theta.len()).filter(|i| z >> i & 1 == 1).map(|i| f64::from(theta[i])).sum()
}
