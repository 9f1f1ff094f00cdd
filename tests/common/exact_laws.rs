//! The laws of the exact distributions, written once for every implementation: what a row's results do not depend on. The
//! tests of imle-ffi include this file by `#[path]`.
//!
//! Equal means equal bits. Inputs are moderate, so that no result is NaN.

use std::collections::BTreeMap;

use imle::{Argmax, Distribution, Exact, ExactOutputs, Key, Rows, RowsMut, States};
use proptest::prelude::*;

use crate::common::arrays::{JUNK, bits};
use crate::common::cases::{self, Case, Sizes, any_sizes};

/// The results of all exact functions by their names, as bits.
pub type Answers = BTreeMap<&'static str, Vec<u32>>;

/// The results with one element for each coordinate, for each row, and for each state.
const OF_COORDINATES: [&str; 4] = ["marginals", "vjp", "log_partitions_vjp", "unbiased_simple"];
const OF_ROWS: [&str; 4] = ["log_partition", "entropy", "kl", "log_partitions"];
const OF_STATES: [&str; 2] = ["indices", "log_prob"];

/// An implementation of the exact functions. It fills its outputs and workspace with junk before each call.
pub trait ExactLayer {
    /// True if it takes one k per row.
    fn takes_k_per_row(&self) -> bool {
        true
    }

    /// The sizes that it takes.
    fn sizes(&self) -> BoxedStrategy<Sizes>;

    /// Makes a case one that it takes.
    fn fit(&self, case: Case) -> Case {
        case
    }

    /// The key stands for that of the case. A result that the implementation does not have is left out.
    fn answers(&self, case: &Case, key: Key<'_>, temperature: f32) -> Answers;
}

/// At least two samples, which a baseline needs.
pub fn cases(layer: &'static dyn ExactLayer) -> BoxedStrategy<Case> {
    let fit = |sizes: Sizes| Sizes { samples: sizes.samples.max(2), ..sizes };
    let sizes = layer.sizes().prop_map(fit).boxed();
    cases::cases(sizes, layer.takes_k_per_row()).prop_map(|case| layer.fit(case)).boxed()
}

/// The tables have n (k + 1) cells, so k stays small enough for a debug build.
pub fn top_k_sizes() -> BoxedStrategy<Sizes> {
    any_sizes().prop_map(|sizes| Sizes { n: sizes.n.min(700), k: sizes.k.min(40), ..sizes }).boxed()
}

pub fn one_hot_sizes() -> BoxedStrategy<Sizes> {
    any_sizes().prop_map(|sizes| Sizes { n: sizes.n.min(700), k: 1, ..sizes }).boxed()
}

/// The losses of the samples, `[B][S]`: any numbers that belong to the state.
pub fn losses(case: &Case) -> Vec<f32> {
    let Sizes { rows, samples, .. } = case.sizes;
    let loss = |(b, s): (usize, usize)| if case.k(b) > 0 { case.dz(b, s)[0] - s as f32 } else { s as f32 };
    (0..rows).flat_map(|b| (0..samples).map(move |s| (b, s))).map(loss).collect()
}

/// v, `[B][N]`
pub fn v(case: &Case) -> Vec<f32> {
    (0..case.sizes.rows).flat_map(|b| case.dz(b, 0)).copied().collect()
}

/// The weights of the sizes, `[B][K+1]`.
pub fn weights(case: &Case) -> Vec<f32> {
    (0..case.sizes.rows).flat_map(|b| (0..=case.sizes.k).map(move |j| ((5 * j + b) % 7) as f32 - 2.5)).collect()
}

/// The scores of another distribution with the same masks.
pub fn other(case: &Case) -> Vec<f32> {
    case.theta.iter().map(|&t| if t.is_finite() { -0.5 * t } else { t }).collect()
}

/// k of n in the core.
pub struct CoreTopK;

impl ExactLayer for CoreTopK {
    fn sizes(&self) -> BoxedStrategy<Sizes> {
        top_k_sizes()
    }

    fn answers(&self, case: &Case, key: Key<'_>, temperature: f32) -> Answers {
        let exact = case.exact(temperature);
        let (mut answers, mut work) = (through_core(case, key, &exact), vec![JUNK; exact.workspace_len()]);
        let (theta, weights) = (Rows::contiguous(&case.theta), weights(case));
        let (mut all, mut out) = (vec![JUNK; weights.len()], vec![JUNK; case.theta.len()]);
        exact.log_partitions(theta, &mut all, &mut work).unwrap();
        exact.log_partitions_vjp(theta, Rows::contiguous(&weights), RowsMut::contiguous(&mut out), &mut work).unwrap();
        answers.extend([("log_partitions", bits(&all)), ("log_partitions_vjp", bits(&out))]);
        answers
    }
}

/// One of n in the core.
pub struct CoreArgmax;

impl ExactLayer for CoreArgmax {
    fn takes_k_per_row(&self) -> bool {
        false
    }

    fn sizes(&self) -> BoxedStrategy<Sizes> {
        one_hot_sizes()
    }

    fn answers(&self, case: &Case, key: Key<'_>, temperature: f32) -> Answers {
        through_core(case, key, &Exact::new(case.shape(), Argmax, temperature).unwrap())
    }
}

pub fn through_core<D: Distribution>(case: &Case, key: Key<'_>, exact: &Exact<D>) -> Answers {
    let Sizes { rows, n, k, samples } = case.sizes;
    let junk = |len| vec![JUNK; len];
    let [mut marginals, mut vjp, mut unbiased] = [(); 3].map(|()| junk(rows * n));
    let [mut log_partition, mut entropy, mut kl] = [(); 3].map(|()| junk(rows));
    let (mut z, mut indices) = (junk(rows * samples * n), vec![7; rows * samples * k]);
    let (mut log_prob, mut work) = (junk(rows * samples), junk(exact.workspace_len()));
    let (v, other) = (v(case), other(case));
    let [theta, v, other] = [&case.theta, &v, &other].map(|rows| Rows::contiguous(rows));
    let moments = ExactOutputs {
        marginals: Some(&mut marginals),
        log_partition: Some(&mut log_partition),
        entropy: Some(&mut entropy),
    };
    exact.marginals(theta, moments, &mut work).unwrap();
    exact.marginals_vjp(theta, v, RowsMut::contiguous(&mut vjp), &mut work).unwrap();
    exact.sample(key, theta, States::both(&mut z, &mut indices), &mut work).unwrap();
    exact.log_prob(theta, &indices, &mut log_prob, &mut work).unwrap();
    exact.kl(theta, other, &mut kl, &mut work).unwrap();
    let out = RowsMut::contiguous(&mut unbiased);
    exact.unbiased_simple(theta, &indices, case.all_dz(), &losses(case), out, &mut work).unwrap();
    BTreeMap::from([
        ("marginals", bits(&marginals)),
        ("log_partition", bits(&log_partition)),
        ("entropy", bits(&entropy)),
        ("vjp", bits(&vjp)),
        ("z", bits(&z)),
        ("indices", indices),
        ("log_prob", bits(&log_prob)),
        ("kl", bits(&kl)),
        ("unbiased_simple", bits(&unbiased)),
    ])
}

/// Rows that are padded with −inf keep all bits, and behind the row everything is 0.
pub fn padding_changes_no_bit(layer: &dyn ExactLayer, case: &Case, temperature: f32) -> Result<(), TestCaseError> {
    let case = case.clone().with_exact_sums();
    let n = case.sizes.n;
    let answers = layer.answers(&case, case.key_without_strata(), temperature);
    for more in [1, 17, 64] {
        let padded = case.padded(more);
        for (name, got) in layer.answers(&padded, padded.key_without_strata(), temperature) {
            let expected = &answers[name];
            if OF_COORDINATES.contains(&name) || name == "z" {
                for (got, expected) in got.chunks(n + more).zip(expected.chunks(n)) {
                    prop_assert_eq!(&got[..n], expected, "{}", name);
                    prop_assert!(got[n..].iter().all(|&x| f32::from_bits(x) == 0.0), "{}", name);
                }
            } else {
                prop_assert_eq!(&got, expected, "{}", name);
            }
        }
    }
    Ok(())
}

/// Row b of a call is that of its number, whatever rows are with it: rows one by one, and all rows in another order.
pub fn rows_are_known_by_their_numbers(
    layer: &dyn ExactLayer,
    case: &Case,
    temperature: f32,
) -> Result<(), TestCaseError> {
    let case = case.clone().with_exact_sums();
    let rows = case.sizes.rows;
    let answers = layer.answers(&case, case.key_without_strata(), temperature);
    let row = |answers: &Answers, name: &str, b: usize, rows: usize| {
        let len = answers[name].len() / rows;
        answers[name][b * len..][..len].to_vec()
    };
    // The last row first.
    let pieces: Vec<Case> = (0..rows).rev().map(|b| case.piece(b, 1)).collect();
    let reversed = case.reversed();
    let of_reversed = layer.answers(&reversed, reversed.key_without_strata(), temperature);
    for (at, (piece, b)) in pieces.iter().zip((0..rows).rev()).enumerate() {
        let alone = layer.answers(piece, piece.key_without_strata(), temperature);
        // The weights of the sizes depend on the place of a row.
        for name in answers.keys().filter(|&&name| name != "log_partitions_vjp") {
            let expected = row(&answers, name, b, rows);
            prop_assert_eq!(&alone[name], &expected, "{} of row {} alone", name, b);
            prop_assert_eq!(row(&of_reversed, name, at, rows), expected, "{} of row {} at {}", name, b, at);
        }
    }
    Ok(())
}

/// Sample s of a call is that of its number: the first of S are those of a smaller S, and with `sample0` a call gives the
/// others.
pub fn samples_are_known_by_their_numbers(
    layer: &dyn ExactLayer,
    case: &Case,
    temperature: f32,
) -> Result<(), TestCaseError> {
    let case = case.clone().with_exact_sums();
    let samples = case.sizes.samples;
    let whole =
        Case { sizes: Sizes { samples: samples + 2, ..case.sizes }, shared: true, dz: v(&case), ..case.clone() };
    let answers = layer.answers(&whole, whole.key_without_strata(), temperature);
    for (first, count) in [(0, samples), (2, samples), (1, 2)] {
        let part = Case { sizes: Sizes { samples: count, ..case.sizes }, ..whole.clone() };
        let got = layer.answers(
            &part,
            Key { sample0: case.key.sample0 + first as u32, ..case.key_without_strata() },
            temperature,
        );
        for name in OF_STATES.into_iter().chain(["z"]) {
            let len = answers[name].len() / (case.sizes.rows * (samples + 2));
            for b in 0..case.sizes.rows {
                let expected = &answers[name][(b * (samples + 2) + first) * len..][..count * len];
                prop_assert_eq!(&got[name][b * count * len..][..count * len], expected, "{} of row {}", name, b);
            }
        }
        for name in OF_ROWS.into_iter().filter(|name| answers.contains_key(name)) {
            prop_assert_eq!(&got[name], &answers[name], "{}", name);
        }
    }
    Ok(())
}

/// `exact_laws!(name: Layer)` tests every law on an implementation, each by a test of its own.
#[macro_export]
macro_rules! exact_laws {
    ($module:ident: $layer:expr) => {
        mod $module {
            use super::*;
            $crate::exact_law_tests! { $layer,
                padding_changes_no_bit
                rows_are_known_by_their_numbers
                samples_are_known_by_their_numbers
            }
        }
    };
}

/// The same for trees. Another number of words has other noise, so that padding is not among the laws.
#[macro_export]
macro_rules! exact_tree_laws {
    ($layer:ident) => {
        mod exact {
            use super::*;
            $crate::on_all_trees! { exact_law_tests: $layer,
                rows_are_known_by_their_numbers
                samples_are_known_by_their_numbers
            }
        }
    };
}

#[macro_export]
macro_rules! exact_law_tests {
    ($layer:expr, $($law:ident)*) => {
        $(#[test]
        fn $law() {
            use $crate::common::{exact_laws, laws};
            let cases = (exact_laws::cases(&$layer), 0.05..20.0_f32).boxed();
            laws::assert_law(cases, &|(case, temperature)| exact_laws::$law(&$layer, case, *temperature));
        })*
    };
}
