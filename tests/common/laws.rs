//! The laws that every implementation obeys, written once. An implementation is a [`Layer`], and `laws!` makes one test
//! of each law for it. The tests of imle-ffi include this file by `#[path]`.
//!
//! Equal means equal bits, of states, scores, marginals and gradients: the definitions fix every rounding. The sums
//! Σ z_s and Σ (z_s − z'_s) are whole numbers and exact. Marginals are the sum divided by S, which rounds once. Gradients
//! are the sum times ((half·c)/S), with half = ½ for the central difference and c = 1/λ or 1, rounded after each operation.

use std::fmt::Debug;

use imle::{Diagnostics, Difference, Noise, Scale, Target};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::common::arrays::bits;
use crate::common::cases::{self, Case, Sizes, any_sizes};
use crate::common::reference;

/// An implementation of sampling and gradients. It fills its outputs and workspace with junk before each call.
pub trait Layer {
    /// True if it takes one k per row.
    fn takes_k_per_row(&self) -> bool {
        false
    }

    /// The sizes that it accepts.
    fn sizes(&self) -> BoxedStrategy<Sizes> {
        any_sizes()
    }

    /// Makes a case one that it accepts.
    fn fit(&self, case: Case) -> Case {
        case
    }

    /// MAP(scores) of row b, slow and obvious.
    fn state(&self, case: &Case, b: usize, scores: &[f32]) -> Vec<f32> {
        reference::map(scores, case.k(b))
    }

    /// Any state of row b that avoids its masks.
    fn some_state(&self, case: &Case, b: usize) -> Vec<f32> {
        let mut left = case.k(b);
        let take = |&t: &f32| {
            let taken = t != f32::NEG_INFINITY && left > 0;
            left -= usize::from(taken);
            if taken { 1.0 } else { 0.0 }
        };
        case.theta(b).iter().map(take).collect()
    }

    fn sample(&self, case: &Case) -> Sampled;

    /// `replay` holds the index lists of `sample`, for layers that take them.
    fn gradient(&self, case: &Case, replay: Option<&[u32]>) -> (Vec<f32>, Diagnostics);
}

/// A layer that also computes MAP(θ), the state used at test time.
pub trait MapLayer: Layer {
    /// z `[B][N]`
    fn map(&self, case: &Case) -> Vec<f32>;
}

/// The outputs of `sample`. An output that the implementation does not have is `None`.
#[derive(Debug, PartialEq)]
pub struct Sampled {
    /// `[B][S][N]`
    pub z: Vec<f32>,
    /// `[B][S][K]`
    pub indices: Option<Vec<u32>>,
    /// `[B][N]`
    pub marginals: Option<Vec<f32>>,
}

pub fn cases(layer: &'static dyn Layer) -> BoxedStrategy<Case> {
    cases::cases(layer.sizes(), layer.takes_k_per_row()).prop_map(|case| layer.fit(case)).boxed()
}

/// Counterexamples are shrunk and printed. A real one becomes a test with a name instead of a line in a seed file.
pub fn config() -> Config {
    // Tests by enumeration reject the cases that are too large for it.
    Config { failure_persistence: None, max_global_rejects: u32::MAX, ..Config::default() }
}

/// Panics unless the law holds for these cases. `proptest!` would compile this anew for each law of each layer.
pub fn assert_law<T: Debug>(cases: BoxedStrategy<T>, law: &dyn Fn(&T) -> Result<(), TestCaseError>) {
    let mut runner = TestRunner::new(config());
    if let Err(failure) = runner.run(&cases, |case| law(&case)) {
        panic!("{failure}\n{runner}");
    }
}

/// z_s = MAP(θ + τ ε_s), slow and obvious, for the samples of row b.
fn states(layer: &dyn Layer, case: &Case, b: usize) -> Vec<Vec<f32>> {
    let scores = |epsilon: &Vec<f32>| reference::scores(case.theta(b), case.options.temperature, epsilon);
    case.epsilon(b).iter().map(|epsilon| layer.state(case, b, &scores(epsilon))).collect()
}

/// The two states whose difference is the gradient, for the samples of row b.
fn pairs(layer: &dyn Layer, case: &Case, b: usize) -> Vec<(Vec<f32>, Vec<f32>)> {
    let (theta, options) = (case.theta(b), &case.options);
    let tau = options.target_temperature;
    let pair = |(s, epsilon): (usize, &Vec<f32>)| {
        let dz = case.dz(b, s);
        let linear = |lambda| reference::linear_target(theta, dz, options.alpha, lambda, tau, epsilon);
        let z = match options.difference {
            Difference::Forward => reference::scores(theta, options.temperature, epsilon),
            Difference::Central => linear(-options.lambda),
            _ => unreachable!("no case has another one"),
        };
        let target = match options.target {
            Target::Linear => linear(options.lambda),
            Target::Combinatorial => reference::combinatorial_target(theta, dz, tau, epsilon),
            _ => unreachable!("no case has another one"),
        };
        (layer.state(case, b, &z), layer.state(case, b, &target))
    };
    case.epsilon(b).iter().enumerate().map(pair).collect()
}

/// (half·c)/S
fn factor(case: &Case) -> f32 {
    let c = match (case.options.target, case.options.scale) {
        (Target::Combinatorial, _) | (Target::Linear, Scale::None) => 1.0,
        (Target::Linear, Scale::InverseLambda) => 1.0 / case.options.lambda,
        _ => unreachable!("no case has another one"),
    };
    let half = if case.options.difference == Difference::Central { 0.5 } else { 1.0 };
    (half * c) / case.sizes.samples as f32
}

/// z, index lists and marginals are those of MAP(θ + τε), by a full sort for k-subsets.
pub fn sample_follows_its_definition(layer: &dyn Layer, case: &Case) -> Result<(), TestCaseError> {
    let rows: Vec<_> = (0..case.sizes.rows).map(|b| states(layer, case, b)).collect();
    let sampled = layer.sample(case);
    prop_assert_eq!(bits(&sampled.z), bits(&rows.concat().concat()));
    if let Some(indices) = sampled.indices {
        let list = |z: &Vec<f32>| reference::index_list(z, case.sizes.k);
        prop_assert_eq!(indices, rows.iter().flatten().flat_map(list).collect::<Vec<_>>());
    }
    if let Some(marginals) = sampled.marginals {
        let expected: Vec<f32> = rows.iter().flat_map(|states| reference::mean(states)).collect();
        prop_assert_eq!(bits(&marginals), bits(&expected));
    }
    Ok(())
}

/// grad_theta is ((half·c)/S) · Σ_s (z_s − z'_s) of two such states, and the diagnostics are the counts of those states.
pub fn gradient_follows_its_definition(layer: &dyn Layer, case: &Case) -> Result<(), TestCaseError> {
    let rows: Vec<_> = (0..case.sizes.rows).map(|b| pairs(layer, case, b)).collect();
    let (grad_theta, diagnostics) = layer.gradient(case, None);
    let expected: Vec<f32> = rows.iter().flat_map(|pairs| reference::difference(pairs, factor(case))).collect();
    prop_assert_eq!(bits(&grad_theta), bits(&expected));

    let pairs = rows.concat();
    let nonzeros = |(z, target): &(Vec<f32>, Vec<f32>)| z.iter().zip(target).filter(|(z, target)| z != target).count();
    prop_assert_eq!(diagnostics.states, pairs.len() as u64);
    prop_assert_eq!(diagnostics.unchanged, pairs.iter().filter(|(z, target)| z == target).count() as u64);
    prop_assert_eq!(diagnostics.nonzeros, pairs.iter().map(nonzeros).sum::<usize>() as u64);
    Ok(())
}

/// The batch cut into pieces of one or two rows, the last piece first, gives the bits of the whole batch.
pub fn any_cut_gives_the_same_bits(layer: &dyn Layer, case: &Case) -> Result<(), TestCaseError> {
    let Sizes { rows, n, samples, .. } = case.sizes;
    let (z, grad_theta) = (layer.sample(case).z, layer.gradient(case, None).0);
    for size in [1, 2] {
        for from in (0..rows).step_by(size).rev() {
            let piece = case.piece(from, size.min(rows - from));
            let states = from * samples * n..(from + piece.sizes.rows) * samples * n;
            prop_assert_eq!(bits(&layer.sample(&piece).z), bits(&z[states]));
            let rows = from * n..(from + piece.sizes.rows) * n;
            prop_assert_eq!(bits(&layer.gradient(&piece, None).0), bits(&grad_theta[rows]));
        }
    }
    Ok(())
}

/// Rows in another order, named by their ids, have the bits of the rows in their own order.
pub fn row_ids_name_the_noise(layer: &dyn Layer, case: &Case) -> Result<(), TestCaseError> {
    let Sizes { n, samples, .. } = case.sizes;
    let reversed = case.reversed();
    let in_order = |rows: Vec<f32>, len: usize| -> Vec<f32> { rows.chunks(len).rev().flatten().copied().collect() };
    let (here, there) = (layer.sample(case), layer.sample(&reversed));
    prop_assert_eq!(bits(&in_order(there.z, samples * n)), bits(&here.z));
    let (here, there) = (layer.gradient(case, None), layer.gradient(&reversed, None));
    prop_assert_eq!(bits(&in_order(there.0, n)), bits(&here.0));
    prop_assert_eq!(there.1, here.1);
    Ok(())
}

/// Masks behind a row change no bit of its states and its gradient, whatever lanes, blocks and paths they reach.
pub fn padding_changes_no_bit(layer: &dyn Layer, case: &Case) -> Result<(), TestCaseError> {
    let n = case.sizes.n;
    let (sampled, (grad_theta, counts)) = (layer.sample(case), layer.gradient(case, None));
    for masks in [1, 15, 49, 600] {
        let padded = case.padded(masks);
        let pad = |rows: &[f32]| rows.chunks(n).flat_map(|row| [row, &vec![0.0; masks]].concat()).collect::<Vec<_>>();
        let also = layer.sample(&padded);
        prop_assert_eq!(bits(&also.z), bits(&pad(&sampled.z)));
        prop_assert_eq!(&also.indices, &sampled.indices);
        prop_assert_eq!(also.marginals.as_deref().map(bits), sampled.marginals.as_deref().map(|m| bits(&pad(m))));
        let also = layer.gradient(&padded, None);
        prop_assert_eq!(bits(&also.0), bits(&pad(&grad_theta)));
        prop_assert_eq!(also.1, counts);
    }
    Ok(())
}

/// The samples cut into two parts have the states of all samples, and so do the first samples alone. The counts of the
/// parts add up, and so do the gradients, weighted by the parts' numbers of samples, to rounding.
pub fn any_cut_of_the_samples_gives_the_same_states(layer: &dyn Layer, case: &Case) -> Result<(), TestCaseError> {
    let Sizes { n, samples, .. } = case.sizes;
    let (z, (grad_theta, counts)) = (layer.sample(case).z, layer.gradient(case, None));
    for first in [1, samples / 2].into_iter().filter(|first| (1..samples).contains(first)) {
        let parts = [case.piece_of_samples(0, first), case.piece_of_samples(first, samples - first)];
        let [a, b] = parts.each_ref().map(|part| layer.sample(part).z);
        let rows = a.chunks(first * n).zip(b.chunks((samples - first) * n));
        prop_assert_eq!(bits(&z), bits(&rows.flat_map(|(a, b)| [a, b].concat()).collect::<Vec<_>>()));

        let [a, b] = parts.each_ref().map(|part| layer.gradient(part, None));
        prop_assert_eq!(a.1.states + b.1.states, counts.states);
        prop_assert_eq!(a.1.unchanged + b.1.unchanged, counts.unchanged);
        prop_assert_eq!(a.1.nonzeros + b.1.nonzeros, counts.nonzeros);
        // Each gradient is a whole number of at most its samples, times a factor that was rounded three times at most.
        let scale = f64::from(factor(case)) * samples as f64;
        let bound = 8.0 * f64::from(f32::EPSILON) * scale + f64::from(f32::MIN_POSITIVE);
        let share = [first, samples - first].map(|part| part as f64 / samples as f64);
        for ((g, a), b) in grad_theta.iter().zip(&a.0).zip(&b.0) {
            let sum = share[0] * f64::from(*a) + share[1] * f64::from(*b);
            prop_assert!((sum - f64::from(*g)).abs() <= bound, "{sum} instead of {g}");
        }
    }
    Ok(())
}

/// Every state consists of 0s and 1s, with exactly k ones, none of them masked. The gradient of a masked entry is 0, and
/// gradients sum to 0 because differences of such states do.
pub fn states_have_k_unmasked_ones(layer: &dyn Layer, case: &Case) -> Result<(), TestCaseError> {
    let mut case = case.clone();
    // With c = 1 the entries are multiples of 1/(2S), and rounding moves their sum by far less than one such step.
    case.options.scale = Scale::None;
    let Sizes { rows, n, samples, .. } = case.sizes;
    let (sampled, grad_theta) = (layer.sample(&case), layer.gradient(&case, None).0);
    for b in 0..rows {
        let masked = |i: usize| case.theta(b)[i] == f32::NEG_INFINITY;
        for z in sampled.z[b * samples * n..][..samples * n].chunks(n) {
            prop_assert!(z.iter().all(|&z| z == 0.0 || z == 1.0));
            prop_assert_eq!(z.iter().filter(|&&z| z == 1.0).count(), case.k(b));
            prop_assert!((0..n).all(|i| !(masked(i) && z[i] == 1.0)));
        }
        let grad = &grad_theta[b * n..][..n];
        prop_assert!((0..n).all(|i| !masked(i) || grad[i] == 0.0));
        let sum: f64 = grad.iter().map(|&g| f64::from(g)).sum();
        prop_assert!(sum.abs() < 0.25 / samples as f64, "row {} sums to {}", b, sum);
    }
    Ok(())
}

/// With ε = 0 and c = 1/λ the gradient is that of Vlastelica et al. 2020, "Differentiation of blackbox combinatorial
/// solvers", Algorithm 1, here in its own terms. It minimises costs w = −θ: ŷ = solver(w), w' = w + λ dL/dy,
/// ∇_w = −(1/λ)(ŷ − solver(w')), and so ∇_θ = −∇_w.
pub fn without_noise_it_is_black_box_differentiation(layer: &dyn Layer, case: &Case) -> Result<(), TestCaseError> {
    let mut case = case.clone().with_exact_sums();
    let lambda = case.options.lambda.clamp(0.1, 1000.0);
    let coupling = case.options.coupling;
    case.options = imle::Options { noise: Noise::None, lambda, coupling, ..imle::Options::default() };
    let grad_theta = layer.gradient(&case, None).0;
    for b in 0..case.sizes.rows {
        let cheapest = |costs: &[f32]| {
            let mut order: Vec<usize> = (0..costs.len()).collect();
            // `sort_by` is stable.
            order.sort_by(|&i, &j| costs[i].partial_cmp(&costs[j]).expect("costs are never NaN"));
            order.truncate(case.k(b));
            order
        };
        let costs: Vec<f32> = case.theta(b).iter().map(|t| -t).collect();
        let mut sum = vec![0_i32; case.sizes.n];
        for s in 0..case.sizes.samples {
            let target: Vec<f32> = costs.iter().zip(case.dz(b, s)).map(|(w, dz)| w + lambda * dz).collect();
            cheapest(&costs).into_iter().for_each(|i| sum[i] += 1);
            cheapest(&target).into_iter().for_each(|i| sum[i] -= 1);
        }
        let factor = 1.0 / lambda / case.sizes.samples as f32;
        let expected: Vec<f32> = sum.iter().map(|&sum| sum as f32 * factor).collect();
        prop_assert_eq!(bits(&grad_theta[b * case.sizes.n..][..case.sizes.n]), bits(&expected));
    }
    Ok(())
}

/// As λ → ∞, the target state is the k unmasked entries with the most negative dz.
pub fn a_large_lambda_selects_the_most_negative_dz(layer: &dyn Layer, case: &Case) -> Result<(), TestCaseError> {
    let mut case = case.clone().with_exact_sums().with_distinct_dz();
    // Targets differ by at least λ = 1e8, and θ and ε are at most 100, so rounding cannot change the order.
    let imle::Options { noise, coupling, .. } = case.options;
    case.options = imle::Options { noise, coupling, lambda: 1e8, scale: Scale::None, ..imle::Options::default() };
    let grad_theta = layer.gradient(&case, None).0;
    for b in 0..case.sizes.rows {
        let wanted = |s| -> Vec<f32> {
            let masked = |i: usize| case.theta(b)[i] == f32::NEG_INFINITY;
            (0..case.sizes.n).map(|i| if masked(i) { f32::NEG_INFINITY } else { -case.dz(b, s)[i] }).collect()
        };
        let target = (0..case.sizes.samples).map(|s| reference::map(&wanted(s), case.k(b)));
        let pairs: Vec<_> = states(layer, &case, b).into_iter().zip(target).collect();
        let expected = reference::difference(&pairs, 1.0 / case.sizes.samples as f32);
        prop_assert_eq!(bits(&grad_theta[b * case.sizes.n..][..case.sizes.n]), bits(&expected));
    }
    Ok(())
}

/// The lists that `sample` returned give the gradient that the key alone gives.
pub fn replay_from_indices_is_replay_from_the_key(layer: &dyn Layer, case: &Case) -> Result<(), TestCaseError> {
    let indices = layer.sample(case).indices.expect("only layers with lists replay them");
    let (from_key, from_indices) = (layer.gradient(case, None), layer.gradient(case, Some(&indices)));
    prop_assert_eq!(bits(&from_key.0), bits(&from_indices.0));
    prop_assert_eq!(from_key.1, from_indices.1);
    Ok(())
}

/// A list need not be the choice of the scores: any state that is given takes the place of z in the definition. (The
/// central difference has no use for z.)
pub fn any_listed_state_gives_the_formula(layer: &dyn Layer, case: &Case) -> Result<(), TestCaseError> {
    let Sizes { rows, n, k, samples } = case.sizes;
    let given = |b: usize| layer.some_state(case, b);
    let lists: Vec<u32> = (0..rows).flat_map(|b| reference::index_list(&given(b), k).repeat(samples)).collect();
    let (grad_theta, _) = layer.gradient(case, Some(&lists));
    for b in 0..rows {
        let forward = case.options.difference == Difference::Forward;
        let pair = |(z, target)| (if forward { given(b) } else { z }, target);
        let pairs: Vec<_> = pairs(layer, case, b).into_iter().map(pair).collect();
        let expected = reference::difference(&pairs, factor(case));
        prop_assert_eq!(bits(&grad_theta[b * n..][..n]), bits(&expected));
    }
    Ok(())
}

/// MAP(θ) is its definition, and at τ = 0 every sample is MAP(θ).
pub fn map_follows_its_definition(layer: &dyn MapLayer, case: &Case) -> Result<(), TestCaseError> {
    let mut case = case.clone();
    case.options.temperature = 0.0;
    let z = layer.map(&case);
    let sampled = layer.sample(&case).z;
    for b in 0..case.sizes.rows {
        let z = &z[b * case.sizes.n..][..case.sizes.n];
        prop_assert_eq!(bits(z), bits(&layer.state(&case, b, case.theta(b))));
        for sample in sampled.chunks(case.sizes.n).skip(b * case.sizes.samples).take(case.sizes.samples) {
            prop_assert_eq!(bits(sample), bits(z));
        }
    }
    Ok(())
}

/// No state of C has a larger ⟨z,θ⟩ than MAP(θ). This enumerates all states, so n is small.
pub fn map_maximises_the_inner_product(layer: &dyn MapLayer, case: &Case) -> Result<(), TestCaseError> {
    use reference::{inner_product, k_subsets};
    let case = case.clone().with_exact_sums();
    prop_assume!(case.sizes.n <= 17);
    let (case, theta) = (case.piece(0, 1), case.theta(0));
    let z = (0..).zip(layer.map(&case)).filter(|&(_, z)| z == 1.0).fold(0, |set, (i, _)| set | 1 << i);
    let best = k_subsets(case.sizes.n, case.k(0)).map(|z| inner_product(z, theta)).fold(f64::NEG_INFINITY, f64::max);
    prop_assert_eq!(inner_product(z, theta), best);
    Ok(())
}

/// If the scores are distinct, permuting them permutes MAP(θ). The permutation is i → 7i + 3 mod n, or the reversal if 7
/// divides n.
pub fn permuting_theta_permutes_map(layer: &dyn MapLayer, case: &Case) -> Result<(), TestCaseError> {
    let n = case.sizes.n;
    let case = case.clone().with_distinct_theta();
    let source = |i: usize| if n.is_multiple_of(7) { n - 1 - i } else { (7 * i + 3) % n };
    let permute =
        |rows: &[f32]| -> Vec<f32> { rows.chunks(n).flat_map(|row| (0..n).map(|i| row[source(i)])).collect() };
    let permuted = Case { theta: permute(&case.theta), ..case.clone() };
    prop_assert_eq!(layer.map(&permuted), permute(&layer.map(&case)));
    Ok(())
}

/// `laws!(name: Layer, map, replay)` tests every law on a layer, each by a test of its own. Say `map` if it is a
/// [`MapLayer`], `any_size` if it takes rows of any length and any number of samples, and `replay` if it takes index
/// lists.
#[macro_export]
macro_rules! laws {
    ($module:ident: $layer:expr $(, $group:ident)*) => {
        mod $module {
            use super::*;
            $crate::law_group!(every $layer);
            $($crate::law_group!($group $layer);)*
        }
    };
}

/// `tree_laws!(Layer)` tests those that hold for trees as well as for k-subsets, by the same tests.
#[macro_export]
macro_rules! tree_laws {
    ($layer:ident) => {
        $crate::on_all_trees! { law_tests: $layer,
            sample_follows_its_definition
            gradient_follows_its_definition
            any_cut_gives_the_same_bits
            row_ids_name_the_noise
            states_have_k_unmasked_ones
            any_cut_of_the_samples_gives_the_same_states
            map_follows_its_definition
            replay_from_indices_is_replay_from_the_key
            any_listed_state_gives_the_formula
        }
    };
}

/// Stamps tests on `Layer(kind)` for the four kinds of trees, each in a module of its own.
#[macro_export]
macro_rules! on_all_trees {
    ($tests:ident: $layer:ident, $($law:ident)*) => {
        $crate::on_all_trees!(trees: false, false, $tests $layer $($law)*);
        $crate::on_all_trees!(trees_with_a_single_root: false, true, $tests $layer $($law)*);
        $crate::on_all_trees!(projective_trees: true, false, $tests $layer $($law)*);
        $crate::on_all_trees!(projective_trees_with_a_single_root: true, true, $tests $layer $($law)*);
    };
    ($module:ident: $projective:literal, $single_root:literal, $tests:ident $layer:ident $($law:ident)*) => {
        mod $module {
            use super::*;
            use $crate::common::trees::Kind;
            $crate::$tests! { $layer(Kind { projective: $projective, single_root: $single_root }), $($law)* }
        }
    };
}

#[macro_export]
macro_rules! law_group {
    (every $layer:expr) => {
        $crate::law_tests! { $layer,
            sample_follows_its_definition
            gradient_follows_its_definition
            any_cut_gives_the_same_bits
            row_ids_name_the_noise
            states_have_k_unmasked_ones
            without_noise_it_is_black_box_differentiation
            a_large_lambda_selects_the_most_negative_dz
        }
    };
    (any_size $layer:expr) => {
        $crate::law_tests! { $layer,
            padding_changes_no_bit
            any_cut_of_the_samples_gives_the_same_states
        }
    };
    (map $layer:expr) => {
        $crate::law_tests! { $layer,
            map_follows_its_definition
            map_maximises_the_inner_product
            permuting_theta_permutes_map
        }
    };
    (replay $layer:expr) => {
        $crate::law_tests! { $layer,
            replay_from_indices_is_replay_from_the_key
            any_listed_state_gives_the_formula
        }
    };
}

#[macro_export]
macro_rules! law_tests {
    ($layer:expr, $($law:ident)*) => {
        $(#[test]
        fn $law() {
            use $crate::common::laws;
            laws::assert_law(laws::cases(&$layer), &|case| laws::$law(&$layer, case));
        })*
    };
}
