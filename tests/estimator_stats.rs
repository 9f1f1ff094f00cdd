//! The estimators estimate the right gradients: the mean of many independent gradients is the exact gradient, every
//! coordinate within 5.5 standard errors. With new seeds a coordinate would fail with probability 4e-8, and one of the 51
//! here with 2e-6.

mod common;

use common::reference::enumeration::Enumeration;
use common::reference::inner_product;
use common::reference::plackett_luce::inclusion;
use imle::{Argmax, Exact, Imle, Key, MapSolver, Noise, Options, Rows, RowsMut, Shape, States, TopK};
use statrs::distribution::{Continuous, Normal};

/// Number of independent gradients, which are rows of the same θ.
const DRAWS: usize = 100_000;
const KEY: Key<'_> = Key { seed: 2020, step: 3, row0: 0, row_ids: None, sample0: 0, strata: 0 };

/// The mean over the rows of `draws` is `expected`.
fn assert_mean(draws: &[f32], expected: &[f64], what: &str) {
    let n = expected.len();
    for (i, &expected) in expected.iter().enumerate() {
        let column = || draws.iter().skip(i).step_by(n).map(|&x| f64::from(x));
        let count = column().count() as f64;
        let mean = column().sum::<f64>() / count;
        let variance = column().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let error = (variance / count).sqrt();
        assert!((mean - expected).abs() <= 5.5 * error, "{what}, {i}: {mean} ± {error}, expected {expected}");
        // A mean with a large error would pass whatever it is.
        assert!(error < 0.02, "{what}, {i}: standard error {error}");
    }
}

/// A loss that is not linear in z: pairs of neighbours add to it.
fn pairs(z: u32) -> f64 {
    let with_next = (z & z >> 1).count_ones();
    f64::from(z.count_ones() * z.trailing_zeros()) + 2.0 * f64::from(with_next)
}

/// A list as a bit set.
fn set(list: &[u32]) -> u32 {
    list.iter().map(|i| 1 << i).sum()
}

fn shape(n: usize, k: usize, samples: u32) -> Shape {
    Shape { rows: DRAWS as u32, n: n as u32, k: k as u32, samples }
}

#[test]
fn the_score_function_estimates_the_gradient_of_the_expected_loss() {
    let theta = [0.5, -0.75, 1.25, 0.0, -0.25];
    for (k, temperature, samples) in [(2, 0.7, 2), (3, 1.5, 4), (1, 1.0, 2)] {
        let shape = shape(5, k, samples);
        let exact = Exact::new(shape, TopK::new(shape.k), temperature).expect("good temperature");
        let rows = theta.repeat(DRAWS);
        let (rows, mut work) = (Rows::contiguous(&rows), vec![0.0; exact.workspace_len()]);
        let mut lists = vec![0; DRAWS * samples as usize * k];
        exact.sample(KEY, rows, States::indices(&mut lists), &mut work).expect("good arguments");
        let losses: Vec<f32> = lists.chunks(k).map(|list| pairs(set(list)) as f32).collect();
        let mut gradients = vec![f32::NAN; DRAWS * 5];
        exact.score_function(rows, &lists, &losses, RowsMut::contiguous(&mut gradients)).expect("good arguments");

        let beta = 1.0 / f64::from(temperature);
        let expected = Enumeration::new(&theta, k, beta).covariance(pairs).into_iter().map(|c| beta * c);
        assert_mean(&gradients, &expected.collect::<Vec<_>>(), &format!("k {k}, T {temperature}, S {samples}"));
    }
}

/// With ⟨z_s, v⟩ as the loss, the gradient is the vector–Jacobian product of the perturbed optimiser.
fn perturbed<M: MapSolver>(shape: Shape, solver: M, options: Options, theta: &[f32], v: &[f32]) -> Vec<f32> {
    let layer = Imle::new(shape, solver, options).expect("good options");
    let rows = theta.repeat(DRAWS);
    let (rows, mut work) = (Rows::contiguous(&rows), vec![0.0; layer.workspace_len()]);
    let mut lists = vec![0; DRAWS * shape.samples() * shape.k()];
    layer.sample(KEY, rows, States::indices(&mut lists), &mut work).expect("good arguments");
    let losses: Vec<f32> = lists.chunks(shape.k()).map(|list| inner_product(set(list), v) as f32).collect();
    let mut gradients = vec![f32::NAN; DRAWS * shape.n()];
    let out = RowsMut::contiguous(&mut gradients);
    imle::perturbed_gradient(shape, &options, KEY, rows, &losses, out).expect("good arguments");
    gradients
}

/// With one-hot states and Gumbel noise, E[z] is the softmax, and its Jacobian is the covariance.
#[test]
fn the_perturbed_gradient_of_gumbel_argmax_is_that_of_the_softmax() {
    let (theta, v) = ([0.5, -0.75, 1.25, 0.0], [1.0, -1.0, 0.5, 2.0]);
    for (temperature, samples) in [(1.0, 4), (0.5, 2)] {
        let options = Options { temperature, ..Options::default() };
        let gradients = perturbed(shape(4, 1, samples), Argmax, options, &theta, &v);
        let beta = 1.0 / f64::from(temperature);
        let jacobian = Enumeration::new(&theta, 1, beta).covariance(|z| inner_product(z, &v));
        let expected: Vec<f64> = jacobian.into_iter().map(|c| beta * c).collect();
        assert_mean(&gradients, &expected, &format!("τ {temperature}, S {samples}"));
    }
}

/// For one of two, E[z_1] = P(ε_2 − ε_1 < (θ_1 − θ_2)/τ), which has a closed form for both laws.
#[test]
fn the_perturbed_gradient_of_one_of_two_is_the_density_of_the_difference() {
    let (theta, v, temperature) = ([0.75, -0.5], [2.0, -1.0], 0.8);
    let difference = f64::from(theta[0] - theta[1]) / f64::from(temperature);
    let normal = Normal::new(0.0, 2_f64.sqrt()).expect("a good deviation").pdf(difference);
    // The derivative of e^d (e^d − 1 − d)/(e^d − 1)².
    let e = difference.exp();
    let logistic = e * (e * (difference - 2.0) + difference + 2.0) / (e - 1.0).powi(3);
    for (noise, density) in [(Noise::Normal, normal), (Noise::Logistic, logistic)] {
        let options = Options { noise, temperature, ..Options::default() };
        let gradients = perturbed(shape(2, 1, 3), Argmax, options, &theta, &v);
        let slope = density / f64::from(temperature) * f64::from(v[0] - v[1]);
        assert_mean(&gradients, &[slope, -slope], &format!("{noise:?}"));
    }
}

/// For k of n with Gumbel noise, E[z] is the inclusion probability of a Plackett–Luce order.
#[test]
fn the_perturbed_gradient_of_top_k_is_that_of_the_inclusion_probabilities() {
    let (theta, v) = ([0.5, -0.75, 1.25, 0.0, 0.25, -1.5], [1.0, -1.0, 0.5, 1.5, 0.0, -0.5]);
    let shape = shape(6, 3, 4);
    let options = Options { temperature: 0.75, ..Options::default() };
    let gradients = perturbed(shape, TopK::new(shape.k), options, &theta, &v);
    let value = |theta: &[f32]| inclusion(theta, 0.75, 3).iter().zip(v).map(|(p, v)| p * f64::from(v)).sum::<f64>();
    const STEP: f32 = 1.0 / 256.0;
    let slope = |i: usize| {
        let moved = |by: f32| (0..6).map(|j| if i == j { theta[j] + by } else { theta[j] }).collect::<Vec<_>>();
        (value(&moved(STEP)) - value(&moved(-STEP))) / (2.0 * f64::from(STEP))
    };
    assert_mean(&gradients, &(0..6).map(slope).collect::<Vec<_>>(), "top 3 of 6");
}

/// If y is drawn from the model itself, the expected loss is at its minimum, so its gradient is 0.
#[test]
fn the_fenchel_young_gradient_vanishes_where_the_model_made_y() {
    let theta = [0.5, -0.75, 1.25, 0.0, 0.25, -1.5].repeat(DRAWS);
    let theta = Rows::contiguous(&theta);
    for noise in [Noise::Gumbel, Noise::Logistic, Noise::Normal] {
        let (one, shape) = (shape(6, 2, 1), shape(6, 2, 2));
        let options = Options { noise, temperature: 0.75, ..Options::default() };
        let layer = Imle::new(shape, TopK::new(shape.k), options).expect("good options");
        let (mut y, mut gradients) = (vec![f32::NAN; DRAWS * 6], vec![f32::NAN; DRAWS * 6]);
        let (mut loss, mut work) = (vec![f32::NAN; DRAWS], vec![0.0; layer.workspace_len()]);
        let other = Key { seed: 2021, ..KEY };
        let teacher = Imle::new(one, TopK::new(one.k), options).expect("good options");
        teacher.sample(other, theta, States::z(&mut y), &mut work).expect("good arguments");
        let (y, out) = (Rows::contiguous(&y), RowsMut::contiguous(&mut gradients));
        layer.fenchel_young(KEY, theta, y, &mut loss, out, &mut work).expect("good arguments");
        assert_mean(&gradients, &[0.0; 6], &format!("{noise:?}"));
    }
}
