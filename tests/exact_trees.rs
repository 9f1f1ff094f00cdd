//! The closed forms of trees against enumeration (words ≤ 5, all kinds) and against f64 programmes in logarithms.

mod common;

use common::arrays::JUNK;
use common::exact_answers::{Answer, TEMPERATURES, ask, check_largest_product, check_log_partition, check_marginals};
use common::hard_rows::{hard_rows, scores};
use common::tree_cases::tree;
use common::trees::{KINDS, Kind, Scores, Trees, all_trees, arcs};
use imle::{Dz, Exact, ExactOutputs, Key, Rows, RowsMut, Shape, States, Tree};
use libm::{exp, log};
use statrs::distribution::{DiscreteCDF, Poisson};

fn exact(words: usize, kind: Kind, samples: u32, temperature: f32) -> (Exact<Tree<'static>>, Vec<f32>) {
    let shape = Shape { rows: 1, n: (words * words) as u32, k: words as u32, samples };
    let exact = Exact::new(shape, tree(words as u32, None, kind), temperature).unwrap();
    let work = vec![JUNK; exact.workspace_len()];
    (exact, work)
}

fn answer(theta: &[f32], words: usize, kind: Kind, temperature: f32) -> Answer {
    let (exact, work) = exact(words, kind, 1, temperature);
    ask(&exact, theta, work)
}

#[test]
fn the_numbers_of_trees_are_known() {
    let counts = [[1, 3, 16, 125, 1296], [1, 2, 9, 64, 625], [1, 3, 12, 55, 273], [1, 2, 7, 30, 143]];
    for (kind, counts) in KINDS.into_iter().zip(counts) {
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
fn hard_trees(words: usize) -> Vec<(&'static str, Vec<f32>)> {
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
    rows
}

#[test]
fn every_kind_agrees_with_enumeration() {
    for words in 1..=5 {
        for kind in KINDS {
            for (name, theta) in hard_trees(words) {
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
            2.090_33,
            [0.525919, 0.197796, 0.191190, 0.445369, 0.659985, 0.211462, 0.028713, 0.142219, 0.597348],
        ),
        (
            4.323764,
            1.630997,
            [0.527320, 0.396558, 0.483900, 0.400008, 0.303434, 0.346854, 0.072672, 0.300008, 0.169246],
        ),
    ];
    for (kind, (a, h, mu)) in KINDS.into_iter().zip(expected) {
        let got = answer(&theta, 3, kind, 1.0);
        assert!((got.log_partition - a).abs() < 1e-5 && (got.entropy - h).abs() < 3e-6, "{kind:?}");
        check_marginals(&got.mu, &mu, 2e-6, &format!("{kind:?}"));
    }
}

#[test]
fn the_vjp_is_the_covariance_product() {
    for words in 1..=5 {
        for kind in KINDS {
            for (name, theta) in hard_trees(words) {
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
        for kind in KINDS {
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
fn long_sentences_agree_with_sums_of_logarithms() {
    // Words, one in how many marginals is looked at, temperatures.
    for (words, step, temperatures) in [(9, 1, 0..5), (20, 17, 0..3), (64, 1999, 1..2)] {
        for kind in KINDS {
            for (name, theta) in hard_trees(words) {
                for &temperature in &TEMPERATURES[temperatures.clone()] {
                    let what = format!("{name}, {words} words, {kind:?}, T {temperature}");
                    let expected = Scores::new(&theta, words, kind, temperature);
                    let (got, a) = (answer(&theta, words, kind, temperature), expected.log_partition());
                    check_log_partition(got.log_partition, a, &what);
                    for (h, d) in (0..words * words).step_by(step).map(|i| (i / words, i % words)) {
                        let (got, expected) = (f64::from(got.mu[h * words + d]), exp(expected.log_marginal(h, d, a)));
                        assert!((got - expected).abs() <= 5e-6, "{what}: mu {h} {d} = {got}, expected {expected}");
                    }
                    for column in 0..words {
                        let sum: f64 = (0..words).map(|h| f64::from(got.mu[h * words + column])).sum();
                        assert!((sum - 1.0).abs() <= 5e-6, "{what}: the marginals of word {column} add up to {sum}");
                    }
                }
            }
        }
    }
}

/// Three pairs of words whose best arcs form cycles: g/2 inside a pair, −g elsewhere. What every tree must use is
/// e^(−3g/2) of a column's best arc, far below the range of f32.
#[test]
fn pairs_of_words_need_arcs_far_below_their_best() {
    for (g, a) in [(50.0, -69.028738), (80.0, -114.028738), (150.0, -219.028738)] {
        let theta: Vec<f32> =
            (0..36).map(|i| if i / 6 / 2 == i % 6 / 2 && i / 6 != i % 6 { g / 2.0 } else { -g }).collect();
        let kind = Kind { projective: false, single_root: false };
        let got = answer(&theta, 6, kind, 1.0);
        check_log_partition(got.log_partition, a, "pairs");
        let expected = Scores::new(&theta, 6, kind, 1.0);
        for (i, mu) in got.mu.iter().enumerate() {
            let expected = exp(expected.log_marginal(i / 6, i % 6, expected.log_partition()));
            assert!((f64::from(*mu) - expected).abs() <= 2e-6, "g {g}: mu_{i} = {mu}, expected {expected}");
        }
    }
}

#[test]
fn the_entropy_of_longer_sentences_is_accurate() {
    const WORDS: usize = 12;
    for kind in KINDS {
        for (name, theta) in hard_trees(WORDS) {
            for temperature in TEMPERATURES {
                let scores = Scores::new(&theta, WORDS, kind, temperature);
                let a = scores.log_partition();
                let terms =
                    (0..WORDS * WORDS).map(|i| (exp(scores.log_marginal(i / WORDS, i % WORDS, a)), scores.scores[i]));
                let expected = a - terms.filter(|&(mu, _)| mu > 0.0).map(|(mu, score)| mu * score).sum::<f64>();
                let got = f64::from(answer(&theta, WORDS, kind, temperature).entropy);
                // The reference has the digits of scores up to 8000.
                let bound = 1e-5 * expected.max(1.0);
                assert!(
                    (got - expected).abs() <= bound,
                    "{name}, {kind:?}, T {temperature}: H {got}, expected {expected}"
                );
            }
        }
    }
}

#[test]
fn the_vjp_of_longer_sentences_is_the_derivative_of_the_marginals() {
    // Words, and one in how many elements is looked at.
    for (words, step) in [(12, 5), (64, 997)] {
        let v = scores(5, words * words, 1.0);
        for kind in KINDS {
            for (name, theta) in hard_trees(words).into_iter().filter(|(name, _)| *name != "two values") {
                let (exact, mut work) = exact(words, kind, 1, 3.0);
                let mut got = vec![JUNK; theta.len()];
                let out = RowsMut::contiguous(&mut got);
                exact.marginals_vjp(Rows::contiguous(&theta), Rows::contiguous(&v), out, &mut work).unwrap();
                let largest = got.iter().fold(0.0, |largest: f64, x| largest.max(f64::from(x.abs())));
                let moved = |step: f64| {
                    let mut moved = Scores::new(&theta, words, kind, 3.0);
                    moved.scores.iter_mut().zip(&v).for_each(|(score, v)| *score += step * f64::from(*v) / 3.0);
                    moved
                };
                const STEP: f64 = 1e-3;
                let (up, down) = (moved(STEP), moved(-STEP));
                let (a_up, a_down) = (up.log_partition(), down.log_partition());
                for i in (0..theta.len()).step_by(step) {
                    let mu = |scores: &Scores, a| exp(scores.log_marginal(i / words, i % words, a));
                    let slope = (mu(&up, a_up) - mu(&down, a_down)) / (2.0 * STEP);
                    let error = (f64::from(got[i]) - slope).abs();
                    let what = format!("{name}, {words} words, {kind:?}, {i}");
                    assert!(error <= 1e-4 * largest + 1e-9, "{what}: {} and {slope} of {largest}", got[i]);
                }
            }
        }
    }
}

#[test]
fn log_prob_and_kl_agree_with_enumeration() {
    for words in 1..=4 {
        for kind in KINDS {
            for (name, theta) in hard_trees(words) {
                let what = format!("{name}, {words} words, {kind:?}");
                let p = Trees::new(&theta, words, kind, 1.0);
                let (exact, mut work) = exact(words, kind, 1, 1.0);
                for (heads, p) in p.trees.iter().zip(&p.p).filter(|(_, p)| **p > 1e-300) {
                    let mut list: Vec<u32> = arcs(heads).map(|i| i as u32).collect();
                    list.sort_unstable();
                    let mut got = [JUNK];
                    exact.log_prob(Rows::contiguous(&theta), &list, &mut got, &mut work).unwrap();
                    let error = (f64::from(got[0]) - log(*p)).abs() / log(*p).abs().max(1.0);
                    assert!(error <= 2e-6, "{what}: {} and {}, error {error:e}", got[0], log(*p));
                }
                let other: Vec<f32> = theta.iter().zip(scores(6, theta.len(), 0.5)).map(|(t, d)| t + d).collect();
                let q = Trees::new(&other, words, kind, 1.0);
                let terms = p.p.iter().zip(&q.p).filter(|(p, _)| **p > 0.0);
                let expected: f64 = terms.map(|(p, q)| p * log(p / q)).sum();
                let mut got = [JUNK];
                exact.kl(Rows::contiguous(&theta), Rows::contiguous(&other), &mut got, &mut work).unwrap();
                let error = (f64::from(got[0]) - expected).abs();
                assert!(error <= 4e-6 * expected.max(1.0), "{what}: KL {} and {expected}", got[0]);
            }
        }
    }
}

#[test]
fn a_tree_that_the_other_scores_mask_makes_the_divergence_infinite() {
    for kind in KINDS {
        let (theta, mut other) = ([0.5, -1.0, 2.0, 0.0], [0.5, -1.0, 2.0, 0.0]);
        other[1] = f32::NEG_INFINITY;
        let (exact, mut work) = exact(2, kind, 1, 1.0);
        let mut kl = |theta: &[f32], other: &[f32]| {
            let mut got = [JUNK];
            exact.kl(Rows::contiguous(theta), Rows::contiguous(other), &mut got, &mut work).unwrap();
            got[0]
        };
        assert_eq!(kl(&theta, &other), f32::INFINITY);
        assert!(kl(&other, &theta).is_finite());
    }
}

/// The states of a sentence, and all results, do not depend on what is outside of its words, which may be NaN. The
/// empty sentence has one tree.
#[test]
fn a_short_sentence_is_a_corner() {
    for kind in KINDS {
        for words in 0..=9 {
            let (stride, n_row) = (10, [words as u32]);
            let alone = scores(3, words * words, 2.0);
            let mut theta = vec![f32::NAN; stride * stride];
            for (line, alone) in theta.chunks_mut(stride).zip(alone.chunks(words.max(1))) {
                line[..words].copy_from_slice(alone);
            }
            let shape = Shape { rows: 1, n: (stride * stride) as u32, k: stride as u32, samples: 5 };
            let exact = Exact::new(shape, tree(shape.k, Some(&n_row), kind), 1.0).unwrap();
            let mut work = vec![JUNK; exact.workspace_len()];
            let (mut mu, mut a, mut h) = (vec![JUNK; theta.len()], [JUNK], [JUNK]);
            let out = ExactOutputs { marginals: Some(&mut mu), log_partition: Some(&mut a), entropy: Some(&mut h) };
            exact.marginals(Rows::contiguous(&theta), out, &mut work).unwrap();
            let mut lists = vec![7; 5 * stride];
            exact.sample(Key::default(), Rows::contiguous(&theta), States::indices(&mut lists), &mut work).unwrap();
            let mut log_prob = [JUNK; 5];
            exact.log_prob(Rows::contiguous(&theta), &lists, &mut log_prob, &mut work).unwrap();
            let mut vjp = vec![JUNK; theta.len()];
            let out = RowsMut::contiguous(&mut vjp);
            exact.marginals_vjp(Rows::contiguous(&theta), Rows::contiguous(&theta), out, &mut work).unwrap();
            let mut gradient = vec![JUNK; theta.len()];
            let out = RowsMut::contiguous(&mut gradient);
            let (dz, losses) = (Dz::shared(&theta), [1.0, 2.0, -3.0, 0.5, 0.0]);
            exact.unbiased_simple(Rows::contiguous(&theta), &lists, dz, &losses, out, &mut work).unwrap();
            for (values, name) in [(&mu, "mu"), (&vjp, "vjp"), (&gradient, "unbiased SIMPLE")] {
                let is_outside = |i: usize| (i / stride).max(i % stride) >= words;
                let good = |(i, x): (usize, &f32)| if is_outside(i) { *x == 0.0 } else { x.is_finite() };
                assert!(values.iter().enumerate().all(good), "{name} of {words} words, {kind:?}: {values:?}");
            }
            for list in lists.chunks(stride) {
                assert!(list[..words].iter().all(|&i| i != u32::MAX) && list[words..].iter().all(|&i| i == u32::MAX));
            }
            if words == 0 {
                assert_eq!((a[0], h[0], log_prob), (0.0, 0.0, [0.0; 5]));
                continue;
            }
            let expected = answer(&alone, words, kind, 1.0);
            assert_eq!(
                (a[0].to_bits(), h[0].to_bits()),
                (expected.log_partition.to_bits(), expected.entropy.to_bits())
            );
            let corner: Vec<f32> = mu.chunks(stride).take(words).flat_map(|line| line[..words].to_vec()).collect();
            assert_eq!(corner, expected.mu);
        }
    }
}

/// Improbable trees are drawn as seldom as they should be, in 2¹⁶ draws. The count is Poisson. With new seeds the
/// false-alarm rate would be 1e-7 a case.
#[test]
fn improbable_trees_have_their_probability() {
    const DRAWS: u32 = 1 << 16;
    for kind in KINDS {
        for gap in [4.0, 7.0, 25.0] {
            for rare in [0, 1, 5] {
                let mut theta = [0.0; 9];
                theta[rare] = -gap;
                let p = Trees::new(&theta, 3, kind, 1.0).marginals()[rare];
                let (exact, mut work) = exact(3, kind, DRAWS, 1.0);
                let mut lists = vec![7; 3 * DRAWS as usize];
                let key = Key { seed: 12, ..Key::default() };
                exact.sample(key, Rows::contiguous(&theta), States::indices(&mut lists), &mut work).unwrap();
                let count = lists.iter().filter(|&&i| i == rare as u32).count() as u64;
                let poisson = Poisson::new(f64::from(DRAWS) * p).unwrap();
                let at_least = if count == 0 { 1.0 } else { poisson.sf(count - 1) };
                assert!(2.0 * poisson.cdf(count).min(at_least) >= 1e-7, "{kind:?}, {gap}, arc {rare}: {count} draws");
            }
        }
    }
}

/// The frequencies of arcs in 40,000 draws of longer sentences are their marginals. With new seeds the false-alarm rate
/// would be 1e-6 a case: each of 144 arcs may be 5.6 standard deviations off.
#[test]
fn arcs_of_longer_sentences_are_drawn_as_often_as_their_marginals_say() {
    const WORDS: usize = 12;
    const DRAWS: u32 = 40_000;
    for kind in KINDS {
        for (name, theta) in hard_trees(WORDS) {
            let mu = answer(&theta, WORDS, kind, 2.0).mu;
            let (exact, mut work) = exact(WORDS, kind, DRAWS, 2.0);
            let mut lists = vec![7; WORDS * DRAWS as usize];
            let key = Key { seed: 13, ..Key::default() };
            exact.sample(key, Rows::contiguous(&theta), States::indices(&mut lists), &mut work).unwrap();
            let mut counts = vec![0_u32; WORDS * WORDS];
            lists.iter().for_each(|&i| counts[i as usize] += 1);
            for (i, (&count, &mu)) in counts.iter().zip(&mu).enumerate() {
                let (draws, mu) = (f64::from(DRAWS), f64::from(mu));
                let deviation = (f64::from(count) - draws * mu).abs();
                // The normal law does not hold for rare arcs: 12 more draws than expected have less than 1e-8 there.
                let bound = 5.6 * (draws * mu * (1.0 - mu).max(0.0)).sqrt() + 12.0;
                assert!(deviation <= bound, "{name}, {kind:?}, arc {i}: {count} draws, expected {}", draws * mu);
            }
        }
    }
}

/// Scores whose sum overflows, at temperatures of their size.
#[test]
fn a_log_partition_overflows_only_where_its_exact_value_does() {
    let scale = 2_f32.powi(120);
    for (kind, words) in KINDS.into_iter().flat_map(|kind| [(kind, 1), (kind, 3), (kind, 5)]) {
        for (name, theta) in hard_trees(words) {
            let theta: Vec<f32> = theta.iter().map(|t| t * scale).collect();
            for temperature in TEMPERATURES.map(|t| t * scale) {
                let what = format!("{name}, {words} words, {kind:?}, T {temperature:e}");
                let expected = Trees::new(&theta, words, kind, temperature);
                let got = answer(&theta, words, kind, temperature);
                check_log_partition(got.log_partition, expected.log_partition, &what);
                check_marginals(&got.mu, &expected.marginals(), 5e-6, &what);
            }
        }
    }
}

/// The sum of three such dz overflows.
#[test]
fn simple_takes_the_largest_dz() {
    for (kind, words) in KINDS.into_iter().flat_map(|kind| (1..=4).map(move |words| (kind, words))) {
        for (name, theta) in hard_trees(words) {
            for (pattern, temperature, samples) in [(1, 1.0, 1), (2, 1.0, 3), (3, 0.01, 1), (3, 30.0, 3)] {
                let what = format!("{name}, {words} words, {kind:?}, pattern {pattern}, T {temperature}, S {samples}");
                let n = theta.len();
                let dz: Vec<f32> = (0..n).map(|i| if i % pattern == 0 { f32::MAX } else { -f32::MAX }).collect();
                let expected = Trees::new(&theta, words, kind, temperature).covariance(&dz);
                let (exact, mut work) = exact(words, kind, samples, temperature);
                let (mut got, dz) = (vec![JUNK; n], dz.repeat(samples as usize));
                let grad = RowsMut::contiguous(&mut got);
                exact.simple(Rows::contiguous(&theta), Dz::per_sample(&dz), grad, &mut work).unwrap();
                let expected = expected.iter().map(|x| x / f64::from(temperature));
                check_largest_product(&got, expected, &theta, &what);
            }
        }
    }
}

/// Scores up to 1e30, also divided by the temperature.
#[test]
fn nothing_is_nan() {
    for kind in KINDS {
        for words in [1, 2, 5, 8] {
            for scale in [1e-30, 1.0, 1e8, 1e30] {
                for temperature in [3e-39, 1e-20, 1.0, 1e10, 1e38].map(|t: f32| t.max(scale / 1e30)) {
                    for (name, theta) in hard_trees(words) {
                        let theta: Vec<f32> = theta.iter().map(|t| t / 80.0 * scale).collect();
                        let v: Vec<f32> = scores(4, theta.len(), 1e29);
                        let (exact, mut work) = exact(words, kind, 1, temperature);
                        let got = answer(&theta, words, kind, temperature);
                        let mut vjp = vec![JUNK; theta.len()];
                        let out = RowsMut::contiguous(&mut vjp);
                        exact.marginals_vjp(Rows::contiguous(&theta), Rows::contiguous(&v), out, &mut work).unwrap();
                        let mut list = vec![7; words];
                        let key = Key::default();
                        exact.sample(key, Rows::contiguous(&theta), States::indices(&mut list), &mut work).unwrap();
                        let mut log_prob = [JUNK];
                        exact.log_prob(Rows::contiguous(&theta), &list, &mut log_prob, &mut work).unwrap();
                        let all = got.mu.iter().chain(&vjp).chain(&log_prob).chain([&got.log_partition, &got.entropy]);
                        assert!(
                            all.clone().all(|x| !x.is_nan()),
                            "{name}, {words}, {kind:?}, {scale:e}, {temperature:e}: {all:?}"
                        );
                    }
                }
            }
        }
    }
}
