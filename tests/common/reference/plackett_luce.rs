//! The exact law of the top-k of θ + τ·Gumbel: the first k of a Plackett–Luce order.

use libm::exp;

/// P(i is among the first k), which is P(fewer than k others have a score above i's):
/// ∫ f_i(x) P(#{ j ≠ i : θ_j + τ G_j > x } < k) dx. The trapezoidal rule's error vanishes faster than any power of the
/// step because the integrand is smooth; here it is below 1e-12.
pub fn inclusion(theta: &[f32], tau: f64, k: usize) -> Vec<f64> {
    const STEP: f64 = 0.05;
    let theta: Vec<f64> = theta.iter().map(|&t| f64::from(t) / tau).collect();
    let low = theta.iter().copied().fold(f64::INFINITY, f64::min) - 5.0;
    let high = theta.iter().copied().fold(f64::NEG_INFINITY, f64::max) + 35.0;
    let mut inclusion = vec![0.0; theta.len()];
    for step in 0..((high - low) / STEP) as usize {
        let x = low + step as f64 * STEP;
        let rates: Vec<f64> = theta.iter().map(|t| exp(t - x)).collect();
        for (i, inclusion) in inclusion.iter_mut().enumerate() {
            let density = rates[i] * exp(-rates[i]);
            *inclusion += STEP * density * fewer_than(k, rates.iter().enumerate().filter(|&(j, _)| j != i));
        }
    }
    inclusion
}

/// P(fewer than k of the others are above x), where each is above with probability 1 − exp(−rate).
fn fewer_than<'a>(k: usize, others: impl Iterator<Item = (usize, &'a f64)>) -> f64 {
    let mut exactly = vec![0.0; k];
    exactly[0] = 1.0;
    for (_, rate) in others {
        let below = exp(-rate);
        for count in (0..k).rev() {
            let from_one_less = if count == 0 { 0.0 } else { exactly[count - 1] };
            exactly[count] = exactly[count] * below + from_one_less * (1.0 - below);
        }
    }
    exactly.iter().sum()
}
