//! k-subsets in f64, by elementary symmetric polynomials in logarithms, for sizes that cannot be enumerated.

use libm::{exp, log1p};

pub struct LogSpace {
    pub log_partition: f64,
    pub marginals: Vec<f64>,
}

impl LogSpace {
    /// w_i = exp(θ_i/T), A = ln e_k(w), μ_i = w_i e_{k−1}(w without i) / e_k(w).
    pub fn new(theta: &[f32], k: usize, temperature: f32) -> Self {
        let n = theta.len();
        let x: Vec<f64> = theta.iter().map(|&t| f64::from(t) / f64::from(temperature)).collect();
        let prefix = tables(x.iter());
        let suffix = tables(x.iter().rev());
        let at = |table: &Vec<Vec<f64>>, i: usize, j: usize| table[i].get(j).copied().unwrap_or(f64::NEG_INFINITY);
        let log_partition = at(&prefix, n, k);
        let marginal = |i: usize| {
            let pairs = (0..k).map(|j| at(&prefix, i, j) + at(&suffix, n - 1 - i, k - 1 - j));
            exp(x[i] + pairs.fold(f64::NEG_INFINITY, log_add) - log_partition)
        };
        let marginals = (0..n).map(|i| if k == 0 || x[i] == f64::NEG_INFINITY { 0.0 } else { marginal(i) }).collect();
        LogSpace { log_partition, marginals }
    }
}

/// A_0, …, A_n.
pub fn log_partitions(theta: &[f32], temperature: f32) -> Vec<f64> {
    let x: Vec<f64> = theta.iter().map(|&t| f64::from(t) / f64::from(temperature)).collect();
    tables(x.iter()).pop().unwrap()
}

/// ln e_j of the first i entries, row i, j = 0..=i
fn tables<'a>(x: impl Iterator<Item = &'a f64>) -> Vec<Vec<f64>> {
    let mut rows = vec![vec![0.0]];
    for &x in x {
        let last = rows.last().unwrap();
        let mut next = last.clone();
        next.push(f64::NEG_INFINITY);
        for j in 1..next.len() {
            next[j] = log_add(next[j], x + last[j - 1]);
        }
        rows.push(next);
    }
    rows
}

fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + log1p(exp(low - high)) }
}
