//! The noise laws as textbooks have them, and how their tests turn a statistic into a verdict.
//!
//! Every check turns its statistic into a p-value and fails if it is below [`FALSE_ALARM`]. tests/noise_stats.rs,
//! noise_independence.rs, sum_of_gamma_stats.rs and stratified.rs make some 1,400 checks. With new seeds, all of them
//! together would fail a correct implementation with probability 1.4e-4. The seeds are fixed, so a check that passes once
//! passes always.

use imle::{Key, Noise, Options, Shape};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use statrs::distribution::{ContinuousCDF, DiscreteCDF, Normal, Poisson};

pub const FALSE_ALARM: f64 = 1e-7;

#[track_caller]
pub fn assert_plausible(p_value: f64, what: &str) {
    assert!(p_value >= FALSE_ALARM, "p = {p_value:e}: {what}");
}

/// P(|Z| ≥ |z|) for a standard normal Z.
pub fn two_sided(z: f64) -> f64 {
    2.0 * Normal::standard().sf(z.abs())
}

/// A noise law.
pub struct Law {
    pub noise: Noise,
    pub cdf: fn(f64) -> f64,
    /// The points with probability p below them, and above them.
    pub tails: fn(f64) -> (f64, f64),
    pub mean: f64,
    pub variance: f64,
    /// The fourth central moment divided by the squared variance.
    pub kurtosis: f64,
}

const PI_SQUARED: f64 = std::f64::consts::PI * std::f64::consts::PI;

pub const GUMBEL: Law = Law {
    noise: Noise::Gumbel,
    cdf: |x| (-(-x).exp()).exp(),
    tails: |p| (-(-p.ln()).ln(), -(-(-p).ln_1p()).ln()),
    mean: 0.577_215_664_901_532_9,
    variance: PI_SQUARED / 6.0,
    kurtosis: 5.4,
};

pub const LOGISTIC: Law = Law {
    noise: Noise::Logistic,
    cdf: |x| 1.0 / (1.0 + (-x).exp()),
    tails: |p| (p.ln() - (-p).ln_1p(), (-p).ln_1p() - p.ln()),
    mean: 0.0,
    variance: PI_SQUARED / 3.0,
    kurtosis: 4.2,
};

pub const NORMAL: Law = Law {
    noise: Noise::Normal,
    cdf: |x| Normal::standard().cdf(x),
    tails: |p| (Normal::standard().inverse_cdf(p), -Normal::standard().inverse_cdf(p)),
    mean: 0.0,
    variance: 1.0,
    kurtosis: 3.0,
};

/// For κ = 1 it is the largest of ten Exponential(1) variables, minus ln 10.
pub const SUM_OF_GAMMA: Law = Law {
    noise: Noise::SumOfGamma { kappa: 1.0, terms: 10 },
    cdf: |x| if x > -10_f64.ln() { (1.0 - (-x).exp() / 10.0).powi(10) } else { 0.0 },
    tails: |p| {
        let quantile = |ln_u: f64| -(-(ln_u / 10.0).exp_m1()).ln() - 10_f64.ln();
        (quantile(p.ln()), quantile((-p).ln_1p()))
    },
    mean: 0.626_383_160_974_2,       // H_10 − ln 10
    variance: 1.549_767_731_166_541, // Σ 1/i²
    kurtosis: 5.703_086_646_309_54,  // 3 + 6 Σ 1/i⁴ / (Σ 1/i²)²
};

pub const LAWS: &[Law] = &[
    GUMBEL,
    LOGISTIC,
    NORMAL,
    #[cfg(feature = "sum-of-gamma")]
    SUM_OF_GAMMA,
];

impl Law {
    pub fn draw(&self, rows: u32, samples: u32, n: u32, key: Key) -> Vec<f32> {
        let shape = Shape { rows, n, k: 0, samples };
        let mut epsilon = vec![f32::NAN; shape.rows() * shape.samples() * shape.n()];
        let options = Options { noise: self.noise, ..Options::default() };
        imle::noise(shape, &options, key, &mut epsilon).expect("good arguments");
        epsilon
    }

    /// The CDF at ε, which is uniform.
    pub fn uniform(&self, epsilon: &f32) -> f64 {
        (self.cdf)(f64::from(*epsilon))
    }
}

/// The p-value of Kolmogorov–Smirnov: P(sup |F_n − F|·√n ≥ x) → 2 Σ (−1)^(j−1) exp(−2j²x²), which is at most its first
/// term.
pub fn kolmogorov_smirnov(law: &Law, epsilon: &[f32]) -> f64 {
    let mut u: Vec<f64> = epsilon.iter().map(|x| law.uniform(x)).collect();
    u.sort_unstable_by(f64::total_cmp);
    let n = u.len() as f64;
    let distance = |(i, u): (usize, &f64)| (u - i as f64 / n).max((i + 1) as f64 / n - u);
    let largest = u.iter().enumerate().map(distance).fold(0.0, f64::max);
    2.0 * (-2.0 * n * largest * largest).exp()
}

/// Both tails have their weight, down to probability 1e-7. Counts are binomial, which is Poisson up to a relative error
/// of p. In the upper tail of 1e-6 lie 4295 of the 2³² words, and no two of them have the same ε.
pub fn assert_tails(law: &Law) {
    // 24 draws are expected beyond 1e-7. Builds with debug assertions draw less and hardly reach the last tails.
    const CALLS: u64 = if cfg!(debug_assertions) { 16 } else { 960 };
    const PER_CALL: u32 = 1 << 18;
    const P: [f64; 6] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7];
    let lower = P.map(|p| (law.tails)(p).0 as f32);
    let upper = P.map(|p| (law.tails)(p).1 as f32);
    let (mut below, mut above, mut largest) = ([0_u32; 6], [0_u32; 6], Vec::new());
    for step in 0..CALLS {
        for x in law.draw(64, 1, PER_CALL / 64, Key { seed: 11, step, ..Key::default() }) {
            if x <= lower[0] {
                below.iter_mut().zip(lower).for_each(|(count, bound)| *count += u32::from(x <= bound));
            } else if x > upper[0] {
                above.iter_mut().zip(upper).for_each(|(count, bound)| *count += u32::from(x > bound));
                largest.extend((x > upper[4]).then_some(x.to_bits()));
            }
        }
    }
    for (i, p) in P.into_iter().enumerate() {
        let expected = p * (CALLS * u64::from(PER_CALL)) as f64;
        let poisson = Poisson::new(expected).expect("positive");
        for (count, tail) in [(below[i], "lower"), (above[i], "upper")] {
            let at_most = poisson.cdf(u64::from(count));
            let at_least = if count == 0 { 1.0 } else { poisson.sf(u64::from(count) - 1) };
            let what = format!("{:?}, {tail} tail {p:e}: {count} for {expected}", law.noise);
            assert_plausible(2.0 * at_most.min(at_least), &what);
        }
    }
    let draws = largest.len();
    largest.sort_unstable();
    largest.dedup();
    let (ties, pairs) = (draws - largest.len(), (draws * draws) as f64 / 2.0);
    let poisson = Poisson::new(pairs / (P[4] * 2_f64.powi(32))).expect("positive");
    assert_plausible(
        if ties == 0 { 1.0 } else { poisson.sf(ties as u64 - 1) },
        &format!("{ties} ties of {draws} draws"),
    );
}

/// θ ~ N(0, 1) from rand_xoshiro, which shares nothing with the library.
pub fn normal_theta(n: usize, seed: u64) -> Vec<f32> {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut uniform = || ((generator.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    (0..n).map(|_| Normal::standard().inverse_cdf(uniform()) as f32).collect()
}
