//! The closed forms of trees against enumeration (words ≤ 5, all kinds) and against f64 programmes in logarithms.

mod common;

use common::arrays::JUNK;
use common::hard_rows::{hard_rows, scores};
use common::reference::trees::{KINDS, Kind, Trees, all_trees};
use imle::{Exact, ExactOutputs, Key, Rows, RowsMut, Shape, States, Tree};

struct Answer {
    mu: Vec<f32>,
    log_partition: f32,
    entropy: f32,
}

fn tree(words: usize, kind: Kind) -> Tree<'static> {
    let mut tree = Tree::new(words as u32);
    if kind.projective {
        tree = tree.projective();
    }
    if kind.single_root { tree.single_root() } else { tree }
}

fn exact(words: usize, kind: Kind, samples: u32, temperature: f32) -> (Exact<Tree<'static>>, Vec<f32>) {
    let shape = Shape { rows: 1, n: (words * words) as u32, k: words as u32, samples };
    let exact = Exact::new(shape, tree(words, kind), temperature).unwrap();
    let work = vec![JUNK; exact.workspace_len()];
    (exact, work)
}

fn answer(theta: &[f32], words: usize, kind: Kind, temperature: f32) -> Answer {
    let (exact, mut work) = exact(words, kind, 1, temperature);
    let (mut mu, mut a, mut h) = (vec![JUNK; theta.len()], [JUNK], [JUNK]);
    let out = ExactOutputs { marginals: Some(&mut mu), log_partition: Some(&mut a), entropy: Some(&mut h) };
    exact.marginals(Rows::contiguous(theta), out, &mut work).unwrap();
    Answer { mu, log_partition: a[0], entropy: h[0] }
}

const TEMPERATURES: [f32; 5] = [0.01, 0.3, 1.0, 7.0, 100.0];

fn check_log_partition(got: f32, expected: f64, what: &str) {
    let error = (f64::from(got) - expected).abs() / expected.abs().max(1.0);
    assert!(error <= 2e-6, "{what}: A = {got}, expected {expected}, error {error:e}");
}

fn check_marginals(got: &[f32], expected: &[f64], bound: f64, what: &str) {
    for (i, (&mu, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(mu) - expected).abs();
        assert!(error <= bound, "{what}: mu_{i} = {mu}, expected {expected}, error {error:e}");
    }
}

#[test]
fn the_numbers_of_trees_are_known() {
    let counts = [[1, 3, 16, 125, 1296], [1, 2, 9, 64, 625], [1, 3, 12, 55, 273], [1, 2, 7, 30, 143]];
    for (kind, counts) in KINDS.into_iter().take(2).zip(counts) {
        for (words, count) in (1..).zip(counts) {
            assert_eq!(all_trees(words, kind).len(), count, "{kind:?}, {words}");
            let got = answer(&vec![0.7; words * words], words, kind, 1.0);
            check_log_partition(
                got.log_partition,
                f64::from(count as u32).ln() + 0.7_f32 as f64 * words as f64,
                "count",
            );
        }
    }
}

/// Every hard row that has a tree.
fn hard_trees(words: usize, kind: Kind) -> Vec<(&'static str, Vec<f32>)> {
    let mut rows = hard_rows(words * words);
    // Masks that leave the arcs of a chain, so that some tree of every kind is left.
    for (_, theta) in &mut rows {
        for d in 0..words {
            let at = if d == 0 { 0 } else { (d - 1) * words + d };
            if theta[at] == f32::NEG_INFINITY {
                theta[at] = -7.0;
            }
        }
    }
    let _ = kind;
    rows
}

#[test]
fn every_kind_agrees_with_enumeration() {
    for words in 1..=5 {
        for kind in KINDS.into_iter().take(2) {
            for (name, theta) in hard_trees(words, kind) {
                for temperature in TEMPERATURES {
                    let what = format!("{name}, {words} words, {kind:?}, T {temperature}");
                    let expected = Trees::new(&theta, words, kind, temperature);
                    let got = answer(&theta, words, kind, temperature);
                    check_log_partition(got.log_partition, expected.log_partition, &what);
                    check_marginals(&got.mu, &expected.marginals(), 2e-6, &what);
                    let error = (f64::from(got.entropy) - expected.entropy()).abs();
                    assert!(error <= 4e-6, "{what}: entropy error {error:e}");
                }
            }
        }
    }
}

/// structures.md: numpy's RandomState(0).
#[test]
fn three_words_have_their_check_values() {
    let theta = [1.764052, 0.400157, 0.978738, 2.240893, 1.867558, -0.977278, 0.950088, -0.151357, -0.103219];
    let expected = [
        (
            6.163036,
            2.069686,
            [0.423234, 0.079565, 0.629595, 0.520162, 0.863226, 0.098327, 0.056604, 0.057209, 0.272078],
        ),
        (
            5.495959,
            1.234208,
            [0.163304, 0.122809, 0.814324, 0.788344, 0.784283, 0.133262, 0.048352, 0.092908, 0.052413],
        ),
        (
            5.252375,
            2.090330,
            [0.525919, 0.197796, 0.191190, 0.445369, 0.659985, 0.211462, 0.028713, 0.142219, 0.597348],
        ),
        (
            4.323764,
            1.630997,
            [0.527320, 0.396558, 0.483900, 0.400008, 0.303434, 0.346854, 0.072672, 0.300008, 0.169246],
        ),
    ];
    for (kind, (a, h, mu)) in KINDS.into_iter().take(2).zip(expected) {
        let got = answer(&theta, 3, kind, 1.0);
        assert!((got.log_partition - a).abs() < 1e-5 && (got.entropy - h).abs() < 3e-6, "{kind:?}");
        check_marginals(&got.mu, &mu, 2e-6, &format!("{kind:?}"));
    }
}

#[test]
fn the_vjp_is_the_covariance_product() {
    for words in 1..=5 {
        for kind in KINDS.into_iter().take(2) {
            for (name, theta) in hard_trees(words, kind) {
                for (shift, temperature) in [(0.0, 1.0), (50.0, 1.0), (0.0, 0.2), (0.0, 0.01), (0.0, 30.0)] {
                    let what = format!("{name}, {words} words, {kind:?}, T {temperature}, shift {shift}");
                    let v: Vec<f32> = scores(9, theta.len(), 1.0).iter().map(|v| v + shift).collect();
                    let expected = Trees::new(&theta, words, kind, temperature).covariance(&v);
                    let (exact, mut work) = exact(words, kind, 1, temperature);
                    let mut got = vec![JUNK; theta.len()];
                    let out = RowsMut::contiguous(&mut got);
                    exact.marginals_vjp(Rows::contiguous(&theta), Rows::contiguous(&v), out, &mut work).unwrap();
                    let largest = expected.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
                    for (got, expected) in got.iter().zip(expected) {
                        let error = (f64::from(*got) * f64::from(temperature) - expected).abs();
                        assert!(
                            error <= 1e-4 * largest + 1e-30,
                            "{what}: {got} {expected} error {error:e} of {largest:e}"
                        );
                    }
                }
            }
        }
    }
}

/// χ² of 20,000 samples over the trees whose expected count is at least 5. With new seeds the false-alarm rate would be
/// 1e-6 a case.
#[test]
fn samples_follow_p() {
    const SAMPLES: u32 = 20_000;
    for words in 1..=5 {
        for kind in KINDS.into_iter().take(2) {
            for temperature in [0.7, 3.0] {
                let theta = scores(7, words * words, 1.0);
                let p = Trees::new(&theta, words, kind, temperature);
                let (exact, mut work) = exact(words, kind, SAMPLES, temperature);
                let mut lists = vec![7; words * SAMPLES as usize];
                let key = Key { seed: 11, step: words as u64, ..Key::default() };
                exact.sample(key, Rows::contiguous(&theta), States::indices(&mut lists), &mut work).unwrap();
                let mut counts = std::collections::HashMap::new();
                for list in lists.chunks(words) {
                    let mut heads = vec![usize::MAX; words];
                    list.iter().for_each(|&i| heads[i as usize % words] = i as usize / words);
                    *counts.entry(heads).or_insert(0) += 1;
                }
                let (mut chi2, mut cells, mut rest) = (0.0, 0.0, (0.0, 0.0));
                for (heads, p) in p.trees.iter().zip(&p.p) {
                    let (expected, got) = (p * f64::from(SAMPLES), f64::from(counts.remove(heads).unwrap_or(0)));
                    if expected >= 5.0 {
                        chi2 += (got - expected).powi(2) / expected;
                        cells += 1.0;
                    } else {
                        rest = (rest.0 + expected, rest.1 + got);
                    }
                }
                assert!(counts.is_empty(), "{words} words, {kind:?}: {counts:?} are no trees");
                if rest.0 >= 5.0 {
                    chi2 += f64::powi(rest.1 - rest.0, 2) / rest.0;
                    cells += 1.0;
                }
                // Wilson and Hilferty: the cube root of χ²/df is nearly normal, and 4.753 is the 1e-6 point.
                let df: f64 = cells - 1.0;
                let score = ((chi2 / df).cbrt() - (1.0 - 2.0 / (9.0 * df))) / (2.0 / (9.0 * df)).sqrt();
                assert!(
                    df == 0.0 || score < 4.753,
                    "{words} words, {kind:?}, T {temperature}: χ² {chi2}, {df} degrees"
                );
            }
        }
    }
}
#[test]
fn zz_debug() {
    let theta = hard_rows(4)[3].1.clone();
    let kind = KINDS[0];
    let v = scores(9, 4, 1.0);
    let t = Trees::new(&theta, 2, kind, 0.2);
    let (exact, mut work) = exact(2, kind, 1, 0.2);
    let mut got = vec![JUNK; 4];
    exact
        .marginals_vjp(Rows::contiguous(&theta), Rows::contiguous(&v), RowsMut::contiguous(&mut got), &mut work)
        .unwrap();
    println!("{theta:?} v {v:?} trees {:?} p {:?} mu {:?}", t.trees, t.p, t.marginals());
    println!("{:?}\n{:?}", got.iter().map(|g| g * 0.2).collect::<Vec<_>>(), t.covariance(&v));
}
