//! C = { z : Σ weight_i z_i ≤ capacity }: the 0/1 knapsack, by a dynamic programme over whole weights.
//!
//! ```text
//! best[i][c] = the largest ⟨z, scores⟩ of the items i, i+1, …, N−1 within capacity c
//!            = max(best[i+1][c], score_i + best[i+1][c − weight_i])      best[N][c] = 0
//! ```
//!
//! Time and memory are O(N · capacity). Ties: the items are decided in ascending order, and an item whose two choices are
//! worth the same is left out. So among packs of equal worth, the one that leaves out the first item in which they differ
//! is chosen, and an item of score 0 never is.

use imle::{Error, MapSolver, Rule, Shape, Unsolved};

/// The packs of every row of a batch: row b has N items with weights of its own; all rows have the same capacity.
#[derive(Clone, Copy)]
pub struct Knapsack<'a> {
    /// `[B][N]`
    weights: &'a [u32],
    n: usize,
    capacity: usize,
    /// The items of the largest pack in any row.
    most: usize,
}

impl<'a> Knapsack<'a> {
    /// `weights` has n elements for each row.
    pub fn new(weights: &'a [u32], n: usize, capacity: usize) -> Self {
        let largest_pack = |weights: &[u32]| {
            let mut lightest = weights.to_vec();
            lightest.sort_unstable();
            let mut filled = 0;
            lightest.iter().take_while(|&&weight| (filled += weight as usize, filled <= capacity).1).count()
        };
        let most = weights.chunks(n).map(largest_pack).max().unwrap_or(0);
        Knapsack { weights, n, capacity, most }
    }

    /// The items of the largest pack in any row: the K of a shape for these rows.
    pub fn most(&self) -> usize {
        self.most
    }

    fn row(&self, b: usize) -> &'a [u32] {
        &self.weights[b * self.n..][..self.n]
    }
}

impl MapSolver for Knapsack<'_> {
    fn map(&self, row: usize, scores: &[f32], z: &mut [f32], work: &mut [f32]) -> Result<(), Unsolved> {
        let (weights, cells) = (self.row(row), self.capacity + 1);
        // The table, from its last row to its first.
        work[self.n * cells..].fill(0.0);
        for i in (0..self.n).rev() {
            let (here, after) = work[i * cells..].split_at_mut(cells);
            let weight = (weights[i] as usize).min(cells);
            here[..weight].copy_from_slice(&after[..weight]);
            for c in weight..cells {
                here[c] = after[c].max(scores[i] + after[c - weight]);
            }
        }
        // An item is taken where the table says that the rest alone is worth less.
        let mut c = self.capacity;
        for i in 0..self.n {
            let taken = work[i * cells + c] > work[(i + 1) * cells + c];
            z[i] = if taken { 1.0 } else { 0.0 };
            if taken {
                c -= weights[i] as usize;
            }
        }
        Ok(())
    }

    /// The table, N + 1 rows of capacity + 1 cells.
    fn workspace_len(&self, n: usize) -> usize {
        (n + 1) * (self.capacity + 1)
    }

    fn max_ones(&self, _row: usize) -> Option<usize> {
        Some(self.most)
    }

    // The empty pack is always allowed, so every row is feasible, as it is by default.

    fn check(&self, shape: Shape) -> Result<(), Error> {
        if shape.k() < self.most {
            return Err(Error::Shape { rule: Rule::SolverAtMostK });
        }
        let fits = shape.n() == self.n && self.weights.len() >= shape.rows() * self.n;
        if fits { Ok(()) } else { Err(Error::Shape { rule: Rule::SolverFits }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normal;

    fn solve(weights: &[u32], capacity: usize, scores: &[f32]) -> Vec<f32> {
        let n = weights.len();
        let solver = Knapsack::new(weights, n, capacity);
        let (mut z, mut work) = (vec![7.0; n], vec![f32::NAN; solver.workspace_len(n)]);
        solver.map(0, scores, &mut z, &mut work).unwrap();
        assert!(z.iter().filter(|&&z| z == 1.0).count() <= solver.most());
        z
    }

    /// The worth of a pack, summed as the dynamic programme sums it; None if it is too heavy.
    fn worth(pack: usize, weights: &[u32], capacity: usize, scores: &[f32]) -> Option<f32> {
        let items = || (0..weights.len()).rev().filter(|i| pack >> i & 1 == 1);
        let weight: usize = items().map(|i| weights[i] as usize).sum();
        (weight <= capacity).then(|| items().fold(0.0, |sum, i| scores[i] + sum))
    }

    fn number(z: &[f32]) -> usize {
        z.iter().enumerate().map(|(i, &z)| (z as usize) << i).sum()
    }

    /// Whole scores have many ties, and their sums are exact. Among the best packs the first item that differs is out.
    #[test]
    fn whole_scores_give_the_pack_of_the_enumeration_with_ties_by_index() {
        for (case, n) in (1..=12).flat_map(|n| (0..20).map(move |case| (case, n))) {
            let numbers = normal(n as u64, case, 2, n);
            let weights: Vec<u32> = numbers[0].iter().map(|x| (x.abs() * 3.0) as u32).collect();
            let scores: Vec<f32> = numbers[1].iter().map(|x| (x * 2.0).round()).collect();
            for capacity in [0, 1, 4, 7, n, 3 * n] {
                let worth = |pack| worth(pack, &weights, capacity, &scores);
                let best = (0..1 << n).filter_map(worth).fold(0.0, f32::max);
                // Read backwards, so that item 0 decides first.
                let first = (0..1_usize << n).map(|pack| pack.reverse_bits() >> (usize::BITS as usize - n));
                let expected = first.into_iter().find(|&pack| worth(pack) == Some(best)).unwrap();
                assert_eq!(number(&solve(&weights, capacity, &scores)), expected, "{weights:?} {scores:?} {capacity}");
            }
        }
    }

    #[test]
    fn other_scores_give_a_pack_of_the_largest_worth() {
        for (case, n) in (1..=12).flat_map(|n| (0..20).map(move |case| (case, n))) {
            let numbers = normal(100 + n as u64, case, 2, n);
            let weights: Vec<u32> = numbers[0].iter().map(|x| 1 + (x.abs() * 5.0) as u32).collect();
            let capacity = 2 * n;
            let mut scores = numbers[1].clone();
            if n > 3 {
                scores[n / 2] = f32::NEG_INFINITY; // a masked item
                scores[n / 3] = f32::MIN;
            }
            let pack = number(&solve(&weights, capacity, &scores));
            let best = (0..1 << n).filter_map(|pack| worth(pack, &weights, capacity, &scores)).fold(0.0, f32::max);
            assert_eq!(worth(pack, &weights, capacity, &scores), Some(best), "{weights:?} {scores:?}");
            assert_eq!(pack >> (n / 2) & 1, if n > 3 { 0 } else { pack >> (n / 2) & 1 }, "masked");
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let weights = [1, 2, 3, 1, 1, 1];
        let solver = Knapsack::new(&weights, 3, 3);
        let check = |rows, n, k| solver.check(Shape { rows, n, k, samples: 1 });
        assert_eq!(solver.most(), 3);
        assert_eq!(check(2, 3, 3), Ok(()));
        assert_eq!(check(1, 3, 3), Ok(()));
        assert_eq!(check(2, 3, 2), Err(Error::Shape { rule: Rule::SolverAtMostK }));
        for (rows, n) in [(3, 3), (2, 4)] {
            assert_eq!(check(rows, n, 3), Err(Error::Shape { rule: Rule::SolverFits }));
        }
    }
}
