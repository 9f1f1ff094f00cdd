//! Dependency trees in f64: by enumeration, for up to five words, and by sums of logarithms, for any number.

#![allow(clippy::needless_range_loop)] // The formulas have matrices with two indices.

use libm::{exp, log, log1p};

/// The kinds of trees.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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
    let too_many_roots = kind.single_root && words > 0 && roots != 1;
    let crossing = kind.projective && (0..words).any(crosses);
    !too_many_roots && !crossing
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

/// A weight: how many arcs from the root its terms have at least, if that is counted, and the logarithm of the sum of
/// those that have no more. So a single root needs no penalty.
#[derive(Clone, Copy)]
struct Weight {
    roots: u32,
    log: f64,
}

impl Weight {
    const NONE: Weight = Weight { roots: 0, log: f64::NEG_INFINITY };
    const ONE: Weight = Weight { roots: 0, log: 0.0 };

    fn plus(self, other: Weight) -> Weight {
        if self.log == f64::NEG_INFINITY || (other.log > f64::NEG_INFINITY && other.roots < self.roots) {
            other
        } else if other.log == f64::NEG_INFINITY || self.roots < other.roots {
            self
        } else {
            Weight { roots: self.roots, log: log_add(self.log, other.log) }
        }
    }

    fn times(self, other: Weight) -> Weight {
        Weight { roots: self.roots + other.roots, log: self.log + other.log }
    }

    fn over(self, divisor: Weight) -> Weight {
        Weight { roots: self.roots - divisor.roots, log: self.log - divisor.log }
    }
}

/// Scores divided by T, some of them replaced: what the log-partition depends on.
pub struct Scores {
    pub words: usize,
    pub kind: Kind,
    /// θ/T
    pub scores: Vec<f64>,
}

impl Scores {
    pub fn new(theta: &[f32], words: usize, kind: Kind, temperature: f32) -> Self {
        let scores = theta.iter().map(|&theta| f64::from(theta) / f64::from(temperature)).collect();
        Scores { words, kind, scores }
    }

    fn arc(&self, h: usize, d: usize) -> Weight {
        Weight { roots: 0, log: self.scores[h * self.words + d] }
    }

    fn root(&self, d: usize) -> Weight {
        Weight { roots: u32::from(self.kind.single_root), log: self.scores[d * self.words + d] }
    }

    /// A
    pub fn log_partition(&self) -> f64 {
        let z = if self.kind.projective { self.projective() } else { self.elimination() };
        assert!(!self.kind.single_root || self.words == 0 || z.roots == 1, "no tree with a single root");
        z.log
    }

    /// Words are eliminated from the first to the last.
    fn elimination(&self) -> Weight {
        let n = self.words;
        let mut w: Vec<Vec<Weight>> = (0..n).map(|h| (0..n).map(|d| self.arc(h, d)).collect()).collect();
        w.push((0..n).map(|d| self.root(d)).collect());
        let mut z = Weight::ONE;
        for k in 0..n {
            let heads = || k + 1..=n;
            let s = heads().fold(Weight::NONE, |s, h| s.plus(w[h][k]));
            z = z.times(s);
            for h in heads().filter(|&h| w[h][k].log > f64::NEG_INFINITY).collect::<Vec<_>>() {
                let share = w[h][k].over(s);
                for d in k + 1..n {
                    w[h][d] = w[h][d].plus(share.times(w[k][d]));
                }
            }
        }
        z
    }

    /// Child after child: the words from `first` to h below h are the outermost child with its words, and the rest.
    fn projective(&self) -> Weight {
        let n = self.words;
        // Those below h from a word on the left, and up to a word on the right.
        let mut left = vec![vec![Weight::NONE; n]; n];
        let mut right = vec![vec![Weight::NONE; n]; n];
        for len in 0..n {
            for h in 0..n {
                if let Some(first) = h.checked_sub(len) {
                    left[h][first] = if len == 0 { Weight::ONE } else { Weight::NONE };
                    for (last, child) in (first..h).flat_map(|last| (first..=last).map(move |child| (last, child))) {
                        let below = left[child][first].times(right[child][last]);
                        let more = self.arc(h, child).times(below).times(left[h][last + 1]);
                        left[h][first] = left[h][first].plus(more);
                    }
                }
                let last = h + len;
                if last < n {
                    right[h][last] = if len == 0 { Weight::ONE } else { Weight::NONE };
                    for (first, child) in
                        (h + 1..=last).flat_map(|first| (first..=last).map(move |child| (first, child)))
                    {
                        let below = left[child][first].times(right[child][last]);
                        let more = self.arc(h, child).times(below).times(right[h][first - 1]);
                        right[h][last] = right[h][last].plus(more);
                    }
                }
            }
        }
        let mut before = vec![Weight::ONE];
        for end in 0..n {
            let trees = (0..=end).flat_map(|start| (start..=end).map(move |root| (start, root)));
            before.push(trees.fold(Weight::NONE, |sum, (start, root)| {
                let tree = self.root(root).times(left[root][start]).times(right[root][end]);
                sum.plus(before[start].times(tree))
            }));
        }
        before[n]
    }

    /// ln μ_hd: how much smaller A is if d has no other head.
    pub fn log_marginal(&self, h: usize, d: usize, log_partition: f64) -> f64 {
        let at = |h: usize| h * self.words + d;
        if self.scores[at(h)] == f64::NEG_INFINITY {
            return f64::NEG_INFINITY;
        }
        let mut scores = self.scores.clone();
        (0..self.words).filter(|&other| other != h).for_each(|other| scores[at(other)] = f64::NEG_INFINITY);
        let forced = Scores { scores, words: self.words, kind: self.kind };
        let z = if self.kind.projective { forced.projective() } else { forced.elimination() };
        let counted = self.kind.single_root && z.roots != 1;
        if counted { f64::NEG_INFINITY } else { z.log - log_partition }
    }
}
