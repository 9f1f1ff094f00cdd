//! C = { n×n permutation matrices }: every row of a square takes one column, and every column is taken once. This is the
//! assignment problem, by shortest augmenting paths (Jonker, Volgenant 1987), O(n³) time.
//!
//! The scores of a batch row are the square, `[n][n]`, so N = n². The costs are c_ij = −score_ij. The potentials keep
//! every reduced cost c_ij − u_i − v_j at 0 or above, and at 0 on the assignment; when all rows are assigned, this proves
//! that no assignment costs less. The others of the same cost are those whose reduced costs are all 0.
//!
//! Ties: among them, row 0 takes its lowest column, then row 1 its lowest, and so on. This holds exactly where the sums of
//! scores are exact, as for whole numbers; elsewhere sums within rounding of each other count as equal.

use imle::{Error, MapSolver, Rule, Shape, Unsolved};

/// One-to-one assignments of n rows to n columns. θ = −inf forbids a pair.
#[derive(Clone, Copy)]
pub struct Assignment {
    pub n: usize,
}

/// No row or column: a number that no index reaches.
const NONE: f32 = f32::INFINITY;

/// A square of scores, and the workspace cut into the arrays of the algorithm. Indices are kept as floats, which hold
/// whole numbers up to 2²⁴ exactly.
struct Square<'a> {
    n: usize,
    scores: &'a [f32],
    /// The potentials of rows and columns.
    u: &'a mut [f32],
    v: &'a mut [f32],
    /// The row that a column is assigned to, or `NONE`.
    row_of: &'a mut [f32],
    /// The column before this one on the shortest path from the free row; `NONE` for the path's first.
    before: &'a mut [f32],
    /// The length of the shortest path to each column.
    distance: &'a mut [f32],
    /// True (1) for columns whose shortest path is known.
    settled: &'a mut [f32],
}

const ARRAYS: usize = 6;

impl<'a> Square<'a> {
    fn new(n: usize, scores: &'a [f32], work: &'a mut [f32]) -> Self {
        let mut arrays = work.chunks_exact_mut(n);
        let mut next = || arrays.next().expect("workspace_len");
        let (u, v, row_of, before, distance, settled) = (next(), next(), next(), next(), next(), next());
        u.fill(0.0);
        v.fill(0.0);
        row_of.fill(NONE);
        Square { n, scores, u, v, row_of, before, distance, settled }
    }

    /// c_ij − u_i − v_j; +inf if the pair is masked.
    fn reduced_cost(&self, i: usize, j: usize) -> f32 {
        -self.scores[i * self.n + j] - self.u[i] - self.v[j]
    }

    /// Assigns one more row, and reassigns others for it, along the shortest path to a free column. False if there is no
    /// such path of finite length.
    fn assign(&mut self, free: usize) -> bool {
        self.distance.fill(f32::INFINITY);
        self.settled.fill(0.0);
        // The row whose edges are followed, the column that it is assigned to, and the path's length up to it.
        let (mut i, mut last, mut length) = (free, NONE, 0.0);
        let end = loop {
            let mut nearest = None;
            for j in 0..self.n {
                if self.settled[j] != 0.0 {
                    continue;
                }
                let through = length + self.reduced_cost(i, j);
                if through < self.distance[j] {
                    self.distance[j] = through;
                    self.before[j] = last;
                }
                if nearest.is_none_or(|nearest: usize| self.distance[j] < self.distance[nearest]) {
                    nearest = Some(j);
                }
            }
            let Some(j) = nearest.filter(|&j| self.distance[j].is_finite()) else { return false };
            length = self.distance[j];
            if self.row_of[j] == NONE {
                break j;
            }
            self.settled[j] = 1.0;
            (i, last) = (self.row_of[j] as usize, j as f32);
        };
        // The new potentials: reduced costs along the path become 0, and none falls below 0.
        self.u[free] += length;
        for j in 0..self.n {
            if self.settled[j] != 0.0 {
                let change = length - self.distance[j];
                self.u[self.row_of[j] as usize] += change;
                self.v[j] -= change;
            }
        }
        // Every column on the path takes the row of the column before it.
        let mut j = end;
        while self.before[j] != NONE {
            let before = self.before[j] as usize;
            self.row_of[j] = self.row_of[before];
            j = before;
        }
        self.row_of[j] = free as f32;
        true
    }

    /// Gives row after row its lowest column, among the assignments whose reduced costs are all 0.
    fn break_ties(&mut self) {
        for i in 0..self.n {
            let Some(own) = (0..self.n).find(|&j| self.row_of[j] == i as f32) else { return };
            // Find the columns that row i could take while later rows move on, the last of them to the column that row i
            // leaves: a search backwards from that column. `before` is the column that a column's row moves on to, and
            // the front of `distance` is the queue.
            self.before.fill(NONE);
            self.before[own] = own as f32;
            self.distance[0] = own as f32;
            let (mut from, mut end) = (0, 1);
            while from < end {
                let to = self.distance[from] as usize;
                from += 1;
                for j in 0..self.n {
                    let row = self.row_of[j] as usize;
                    if self.before[j] == NONE && row > i && self.reduced_cost(row, to) <= 0.0 {
                        self.before[j] = to as f32;
                        self.distance[end] = j as f32;
                        end += 1;
                    }
                }
            }
            let lowest = (0..own).find(|&j| self.before[j] != NONE && self.reduced_cost(i, j) <= 0.0);
            let mut j = lowest.unwrap_or(own);
            let mut row = i as f32;
            while j != own {
                std::mem::swap(&mut row, &mut self.row_of[j]);
                j = self.before[j] as usize;
            }
            self.row_of[own] = row;
        }
    }
}

impl MapSolver for Assignment {
    fn map(&self, _row: usize, scores: &[f32], z: &mut [f32], work: &mut [f32]) -> Result<(), Unsolved> {
        let mut square = Square::new(self.n, scores, work);
        // Scores that are too large to be added leave no finite path, or potentials that prove nothing.
        let assigned = (0..self.n).all(|i| square.assign(i));
        if !assigned || square.u.iter().chain(square.v.iter()).any(|potential| !potential.is_finite()) {
            return Err(Unsolved);
        }
        square.break_ties();
        z.fill(0.0);
        for (j, &i) in square.row_of.iter().enumerate() {
            z[i as usize * self.n + j] = 1.0;
        }
        Ok(())
    }

    fn workspace_len(&self, _n: usize) -> usize {
        ARRAYS * self.n
    }

    fn ones(&self, _row: usize) -> Option<usize> {
        Some(self.n)
    }

    /// Without masks every assignment is allowed. With masks it takes the search for one to find that there is none.
    fn feasible(&self, _row: usize, theta: &[f32], work: &mut [f32]) -> bool {
        if !theta.contains(&f32::NEG_INFINITY) {
            return true;
        }
        let mut square = Square::new(self.n, theta, work);
        (0..self.n).all(|i| square.assign(i))
    }

    fn check(&self, shape: Shape) -> Result<(), Error> {
        if shape.k() < self.n {
            return Err(Error::Shape { rule: Rule::SolverAtMostK });
        }
        if shape.n() == self.n * self.n { Ok(()) } else { Err(Error::Shape { rule: Rule::SolverFits }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normal;

    /// The column of every row, or `None` if the solver gives up.
    fn solve(n: usize, scores: &[f32]) -> Option<Vec<usize>> {
        let solver = Assignment { n };
        let (mut z, mut work) = (vec![7.0; n * n], vec![f32::NAN; solver.workspace_len(n * n)]);
        solver.map(0, scores, &mut z, &mut work).ok()?;
        let columns: Vec<usize> = z.chunks(n).map(|z| z.iter().position(|&z| z == 1.0).unwrap()).collect();
        assert!((0..n).all(|j| columns.contains(&j)) && z.iter().sum::<f32>() == n as f32, "{z:?}");
        Some(columns)
    }

    fn feasible(n: usize, theta: &[f32]) -> bool {
        let solver = Assignment { n };
        solver.feasible(0, theta, &mut vec![f32::NAN; solver.workspace_len(n * n)])
    }

    /// All permutations in lexicographic order.
    fn permutations(n: usize) -> Vec<Vec<usize>> {
        let longer = |shorter: &Vec<usize>| {
            let free = (0..n).filter(|j| !shorter.contains(j));
            free.map(|j| [shorter.as_slice(), &[j]].concat()).collect::<Vec<_>>()
        };
        (0..n).fold(vec![Vec::new()], |all, _| all.iter().flat_map(longer).collect())
    }

    fn worth(columns: &[usize], scores: &[f32]) -> f64 {
        let n = columns.len();
        columns.iter().enumerate().map(|(i, &j)| f64::from(scores[i * n + j])).sum()
    }

    /// Whole scores have many ties, and their sums are exact.
    #[test]
    fn whole_scores_give_the_first_of_the_best_assignments() {
        for (n, cases) in [(1, 5), (2, 50), (3, 100), (4, 100), (5, 60), (6, 20), (7, 4)] {
            let all = permutations(n);
            for case in 0..cases {
                for scale in [0.0, 0.7, 2.0] {
                    let scores: Vec<f32> =
                        normal(n as u64, case, 1, n * n)[0].iter().map(|x| (x * scale).round()).collect();
                    let best = all.iter().map(|columns| worth(columns, &scores)).fold(f64::NEG_INFINITY, f64::max);
                    let first = all.iter().find(|columns| worth(columns, &scores) == best).unwrap();
                    assert_eq!(solve(n, &scores).as_ref(), Some(first), "{scores:?}");
                }
            }
        }
    }

    /// With masks: the first of the best that avoids them, and infeasible if none does.
    #[test]
    fn masked_pairs_are_avoided_or_the_row_is_infeasible() {
        let (mut good, mut bad) = (0, 0);
        for (n, case) in (2..=5).flat_map(|n| (0..60).map(move |case| (n, case))) {
            let numbers = normal(50 + n as u64, case, 2, n * n);
            let masked = |(x, mask): (&f32, &f32)| if *mask > 0.1 { f32::NEG_INFINITY } else { x.round() };
            let scores: Vec<f32> = numbers[0].iter().zip(&numbers[1]).map(masked).collect();
            let all = permutations(n);
            let best = all.iter().map(|columns| worth(columns, &scores)).fold(f64::NEG_INFINITY, f64::max);
            if best == f64::NEG_INFINITY {
                bad += 1;
                assert!(!feasible(n, &scores), "{scores:?}");
            } else {
                good += 1;
                assert!(feasible(n, &scores), "{scores:?}");
                let first = all.iter().find(|columns| worth(columns, &scores) == best);
                assert_eq!(solve(n, &scores).as_ref(), first, "{scores:?}");
            }
        }
        assert!(good > 50 && bad > 50, "{good} feasible, {bad} not");
    }

    /// A rounded path length is off by at most an ulp of the largest sum for each of its O(n) additions.
    #[test]
    fn other_scores_give_an_assignment_of_the_largest_worth() {
        for (n, case) in (1..=7).flat_map(|n| (0..8).map(move |case| (n, case))) {
            let scores = normal(90 + n as u64, case, 1, n * n).remove(0);
            let best = permutations(n).iter().map(|columns| worth(columns, &scores)).fold(f64::NEG_INFINITY, f64::max);
            let found = worth(&solve(n, &scores).unwrap(), &scores);
            let largest = f64::from(scores.iter().fold(0.0_f32, |max, x| max.max(x.abs())));
            assert!(best - found <= (n * n) as f64 * largest * f64::from(f32::EPSILON), "{found} {best} {scores:?}");
        }
    }

    #[test]
    fn scores_that_cannot_be_added_are_given_up() {
        assert_eq!(solve(2, &[f32::INFINITY, 0.0, 0.0, 0.0]), None);
        assert_eq!(solve(2, &[f32::MIN, f32::MIN, f32::MIN, f32::MIN]), Some(vec![0, 1]));
        // Both rows want column 0, and the difference of their scores is no float.
        assert_eq!(solve(2, &[f32::MAX, f32::MIN, f32::MAX, f32::MIN]), None);
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let check = |n, k| Assignment { n: 3 }.check(Shape { rows: 5, n, k, samples: 1 });
        assert_eq!(check(9, 3), Ok(()));
        assert_eq!(check(9, 2), Err(Error::Shape { rule: Rule::SolverAtMostK }));
        assert_eq!(check(8, 3), Err(Error::Shape { rule: Rule::SolverFits }));
    }
}
