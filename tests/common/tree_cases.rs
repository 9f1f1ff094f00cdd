//! Random inputs of the layers of trees: the shape's k is the number of words, and `k_row` has the words of each row. The
//! tests of imle-ffi include this file by `#[path]`.

use imle::Tree;
use proptest::prelude::*;

use crate::common::best_tree::{self, Rounding};
use crate::common::cases::{Case, Sizes};
use crate::common::trees::Kind;

/// The set of trees of a kind.
pub fn tree(words: u32, n_row: Option<&[u32]>, kind: Kind) -> Tree<'_> {
    let tree = n_row.map_or(Tree::new(words), |n_row| Tree::per_row(words, n_row));
    let tree = if kind.projective { tree.projective() } else { tree };
    if kind.single_root { tree.single_root() } else { tree }
}

pub fn sizes() -> BoxedStrategy<Sizes> {
    let words = prop_oneof![1 => Just(1), 8 => 2..=6_usize, 2 => 7..=12_usize, 1 => 16..=18_usize];
    let sizes = (1..=3_usize, words, 1..=4_usize);
    sizes.prop_map(|(rows, words, samples)| Sizes { rows, n: words * words, k: words, samples }).boxed()
}

/// Lets word 0 be the head of every word of each row, which is a tree of every kind. In rows
/// with an odd number the values outside their words are NaN.
pub fn fit(mut case: Case) -> Case {
    let Sizes { rows, n, k: stride, samples } = case.sizes;
    for b in 0..rows {
        let words = case.k(b);
        let masked = case.theta[b * n..][..words].iter_mut().filter(|t| **t == f32::NEG_INFINITY);
        masked.for_each(|t| *t = 0.25);
        let blocks = if case.shared { b..b + 1 } else { b * samples..(b + 1) * samples };
        for (at, _) in
            (0..n).map(|at| (at, ())).filter(|(at, ())| b % 2 == 1 && (at / stride).max(at % stride) >= words)
        {
            case.theta[b * n + at] = f32::NAN;
            blocks.clone().for_each(|block| case.dz[block * n + at] = f32::NAN);
        }
    }
    case
}

pub fn state(case: &Case, b: usize, scores: &[f32], kind: Kind) -> Vec<f32> {
    let heads = best_tree::map(scores, case.k(b), case.sizes.k, kind, Rounding::F32).expect("cases are good");
    best_tree::state(&heads, case.sizes.k)
}

/// All words below word 0.
pub fn some_state(case: &Case, b: usize) -> Vec<f32> {
    best_tree::state(&vec![0; case.k(b)], case.sizes.k)
}
