//! Dependency trees by enumeration, in f64, for up to five words; and in logarithms, for any number.

use libm::{exp, log, log1p};

/// The kinds of trees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind {
    pub projective: bool,
    pub single_root: bool,
}

pub const KINDS: [Kind; 4] = [
    Kind { projective: false, single_root: false },
    Kind { projective: false, single_root: true },
    Kind { projective: true, single_root: false },
    Kind { projective: true, single_root: true },
];

/// All trees over `words` words, as lists of heads. The head of a word that hangs from the root is the word itself.
pub fn all_trees(words: usize, kind: Kind) -> Vec<Vec<usize>> {
    let heads = |number: usize| (0..words).map(|d| number / words.pow(d as u32) % words).collect::<Vec<_>>();
    (0..words.pow(words as u32)).map(heads).filter(|heads| is_tree(heads, kind)).collect()
}

pub fn is_tree(heads: &[usize], kind: Kind) -> bool {
    let words = heads.len();
    // The words above d, itself included; None in a cycle.
    let ancestors = |d: usize| {
        let mut all = vec![d];
        while heads[all[all.len() - 1]] != all[all.len() - 1] {
            all.push(heads[all[all.len() - 1]]);
            if all.len() > words {
                return None;
            }
        }
        Some(all)
    };
    let Some(above) = (0..words).map(ancestors).collect::<Option<Vec<_>>>() else { return false };
    let roots = (0..words).filter(|&d| heads[d] == d).count();
    let crosses = |d: usize| {
        let (first, last) = (d.min(heads[d]), d.max(heads[d]));
        (first + 1..last).any(|between| !above[between].contains(&heads[d]))
    };
    !(kind.single_root && words > 0 && roots != 1) && !(kind.projective && (0..words).any(crosses))
}

/// z of a list of heads.
pub fn arcs(heads: &[usize]) -> impl Iterator<Item = usize> + '_ {
    heads.iter().enumerate().map(|(d, h)| h * heads.len() + d)
}

/// p of every tree.
pub struct Trees {
    pub trees: Vec<Vec<usize>>,
    pub p: Vec<f64>,
    pub log_partition: f64,
}

impl Trees {
    pub fn new(theta: &[f32], words: usize, kind: Kind, temperature: f32) -> Self {
        let trees = all_trees(words, kind);
        let score = |heads: &Vec<usize>| arcs(heads).map(|i| f64::from(theta[i])).sum::<f64>() / f64::from(temperature);
        let scores: Vec<f64> = trees.iter().map(score).collect();
        let log_partition = scores.iter().copied().fold(f64::NEG_INFINITY, log_add);
        let p = scores.iter().map(|score| exp(score - log_partition)).collect();
        Trees { trees, p, log_partition }
    }

    pub fn marginals(&self) -> Vec<f64> {
        let words = self.trees.first().map_or(0, Vec::len);
        let mut mu = vec![0.0; words * words];
        for (heads, p) in self.trees.iter().zip(&self.p) {
            arcs(heads).for_each(|i| mu[i] += p);
        }
        mu
    }

    pub fn entropy(&self) -> f64 {
        self.p.iter().filter(|&&p| p > 0.0).map(|&p| -p * log(p)).sum()
    }

    /// Cov(z) v, with a small relative error: ⟨v, z⟩ counts from its value at the likeliest tree.
    pub fn covariance(&self, v: &[f32]) -> Vec<f64> {
        let best = (0..self.p.len()).fold(0, |best, i| if self.p[i] > self.p[best] { i } else { best });
        let value = |heads: &Vec<usize>| {
            let differences = arcs(heads).zip(arcs(&self.trees[best])).map(|(i, j)| f64::from(v[i]) - f64::from(v[j]));
            differences.sum::<f64>()
        };
        let mean: f64 = self.trees.iter().zip(&self.p).map(|(heads, p)| p * value(heads)).sum();
        let mut covariance = vec![0.0; v.len()];
        for (heads, p) in self.trees.iter().zip(&self.p) {
            arcs(heads).for_each(|i| covariance[i] += p * (value(heads) - mean));
        }
        covariance
    }
}

/// ln(eᵃ + eᵇ)
pub fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + log1p(exp(low - high)) }
}
