//! The closed forms against enumeration (n ≤ 12, every k) and against f64 programmes in logarithms (n up to 4096).

mod common;

use common::arrays::JUNK;
use common::exact_answers::{Answer, TEMPERATURES, ask, check_largest_product, check_log_partition, check_marginals};
use common::hard_rows::{hard_rows, scores, unmasked};
use common::reference::enumeration::Enumeration;
use common::reference::inner_product;
use common::reference::log_space::LogSpace;
use imle::{Argmax, Distribution, Dz, Exact, Key, Rows, RowsMut, Shape, States, TopK};
use libm::log;
use statrs::distribution::{DiscreteCDF, Poisson};

fn exact(theta: &[f32], k: usize, temperature: f32) -> (Exact<TopK<'static>>, Vec<f32>) {
    let shape = Shape { rows: 1, n: theta.len() as u32, k: k as u32, samples: 1 };
    let exact = Exact::new(shape, TopK::new(shape.k), temperature).unwrap();
    let work = vec![JUNK; exact.workspace_len()];
    (exact, work)
}

fn answer(theta: &[f32], k: usize, temperature: f32) -> Answer {
    let (exact, work) = exact(theta, k, temperature);
    ask(&exact, theta, work)
}

#[test]
fn every_k_agrees_with_enumeration() {
    for n in 1..=12 {
        for (name, theta) in hard_rows(n) {
            for k in 0..=unmasked(&theta) {
                for temperature in TEMPERATURES {
                    let what = format!("{name}, n {n}, k {k}, T {temperature}");
                    let expected = Enumeration::new(&theta, k, 1.0 / f64::from(temperature));
                    let got = answer(&theta, k, temperature);
                    check_log_partition(got.log_partition, expected.log_partition, &what);
                    check_marginals(&got.mu, &expected.marginals(), 2e-6, &what);
                    let error = (f64::from(got.entropy) - expected.entropy()).abs();
                    assert!(error <= 4e-6, "{what}: entropy error {error:e}");
                    assert!((got.mu.iter().sum::<f32>() - k as f32).abs() <= 2e-6 * n as f32, "{what}: sum of mu");
                }
            }
        }
    }
}

#[test]
fn large_rows_agree_with_the_log_space_programme() {
    for (n, k) in [(350, 10), (350, 175), (1000, 1), (1000, 999), (4096, 64), (4096, 512)] {
        for (name, theta) in hard_rows(n) {
            let k = k.min(unmasked(&theta));
            for temperature in if n > 1000 { &TEMPERATURES[2..3] } else { &TEMPERATURES[..] } {
                let what = format!("{name}, n {n}, k {k}, T {temperature}");
                let expected = LogSpace::new(&theta, k, *temperature);
                let got = answer(&theta, k, *temperature);
                check_log_partition(got.log_partition, expected.log_partition, &what);
                check_marginals(&got.mu, &expected.marginals, 2e-6, &what);
            }
        }
    }
}

#[test]
fn one_hot_is_softmax() {
    for n in [1, 2, 17, 4096] {
        for (name, theta) in hard_rows(n) {
            for temperature in TEMPERATURES {
                let what = format!("{name}, n {n}, T {temperature}");
                let shape = Shape { rows: 1, n: n as u32, k: 1, samples: 1 };
                let softmax = Exact::new(shape, Argmax, temperature).unwrap();
                let got = ask(&softmax, &theta, vec![JUNK; softmax.workspace_len()]);
                let beta = 1.0 / f64::from(temperature);
                let expected = Enumeration::one_hot(&theta, beta);
                check_marginals(&got.mu, &expected, 1e-6, &what);
                let entropy = -expected.iter().filter(|&&p| p > 0.0).map(|&p| p * log(p)).sum::<f64>();
                assert!((f64::from(got.entropy) - entropy).abs() <= 4e-6 * entropy.max(1.0), "{what}: entropy");
                let both = answer(&theta, 1, temperature);
                check_marginals(&both.mu, &expected, 2e-6, &what);
                check_log_partition(got.log_partition, f64::from(both.log_partition), &what);
            }
        }
    }
}

fn vjp(theta: &[f32], k: usize, temperature: f32, v: &[f32]) -> Vec<f32> {
    let (exact, mut work) = exact(theta, k, temperature);
    let mut out = vec![JUNK; theta.len()];
    exact
        .marginals_vjp(Rows::contiguous(theta), Rows::contiguous(v), RowsMut::contiguous(&mut out), &mut work)
        .unwrap();
    out
}

#[test]
fn the_vjp_is_the_covariance_product() {
    for n in [1, 2, 5, 10, 12] {
        for (name, theta) in hard_rows(n) {
            for (shift, temperature) in [(0.0, 1.0), (50.0, 1.0), (0.0, 0.2), (0.0, 30.0)] {
                let v: Vec<f32> = scores(9, n, 1.0).iter().map(|v| v + shift).collect();
                for k in 0..=unmasked(&theta) {
                    let p = Enumeration::new(&theta, k, 1.0 / f64::from(temperature));
                    // The shift rounds v, and the product has the factor β.
                    let bound = 4e-6 * (1.0 + f64::from(shift)) / f64::from(temperature);
                    for (got, expected) in
                        vjp(&theta, k, temperature, &v).iter().zip(p.covariance(|z| inner_product(z, &v)))
                    {
                        let error = (f64::from(*got) - expected / f64::from(temperature)).abs();
                        assert!(error <= bound, "{name}, n {n}, k {k}: error {error:e}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_vjp_is_the_derivative_of_the_marginals() {
    let (n, k) = (200, 20);
    let (theta, v) = (scores(4, n, 2.0), scores(5, n, 1.0));
    let value = |theta: &[f32]| {
        let p = LogSpace::new(theta, k, 1.0);
        p.marginals.iter().zip(&v).map(|(mu, v)| mu * f64::from(*v)).sum::<f64>()
    };
    let gradient = vjp(&theta, k, 1.0, &v);
    for i in (0..n).step_by(13) {
        const STEP: f32 = 1.0 / 512.0;
        let moved =
            |by: f32| theta.iter().enumerate().map(|(j, t)| if i == j { t + by } else { *t }).collect::<Vec<_>>();
        let (up, down) = (moved(STEP), moved(-STEP));
        let slope = (value(&up) - value(&down)) / (f64::from(up[i]) - f64::from(down[i]));
        assert!((f64::from(gradient[i]) - slope).abs() <= 1e-5, "{i}: {} and {slope}", gradient[i]);
    }
}

/// The synthetic experiment of Niepert, Minervini, Franceschi 2021: n = 10, k = 5, θ is randn(10) of NumPy's
/// RandomState(0), and b the absolute values of the next ten. A, H, μ and the gradient come from an enumeration in f64.
#[test]
fn the_synthetic_experiment_has_its_check_values() {
    let theta = [1.764052, 0.400157, 0.978738, 2.240893, 1.867558, -0.977278, 0.950088, -0.151357, -0.103219, 0.410599];
    let b = [0.144044, 1.454274, 0.761038, 0.121675, 0.443863, 0.333674, 1.494079, 0.205158, 0.313068, 0.854096];
    let got = answer(&theta, 5, 1.0);
    assert!((got.log_partition - 10.415384).abs() < 2e-6 * 10.4);
    assert!((got.entropy - 4.509574).abs() < 3e-6);
    let mu = [0.760579, 0.404230, 0.568798, 0.841343, 0.780457, 0.130902, 0.560727, 0.267664, 0.278197, 0.407103];
    check_marginals(&got.mu, &mu, 2e-6, "mu");
    let v = b.map(|b: f32| 1.0 - 2.0 * b);
    let gradient =
        [0.223835, -0.410435, -0.028990, 0.165640, 0.097860, 0.087522, -0.443246, 0.215162, 0.173407, -0.080754];
    check_marginals(&vjp(&theta, 5, 1.0, &v), &gradient, 3e-6, "gradient");
}

#[test]
fn log_prob_and_kl_agree_with_enumeration() {
    for n in [1, 5, 10] {
        for (name, theta) in hard_rows(n) {
            for k in 0..=unmasked(&theta) {
                let p = Enumeration::new(&theta, k, 1.0);
                let (exact, mut work) = exact(&theta, k, 1.0);
                for (state, p) in p.states.iter().zip(&p.p).filter(|(_, p)| **p > 0.0) {
                    let list: Vec<u32> = (0..n as u32).filter(|i| state >> i & 1 == 1).collect();
                    let mut got = [JUNK];
                    exact.log_prob(Rows::contiguous(&theta), &list, &mut got, &mut work).unwrap();
                    let error = (f64::from(got[0]) - log(*p)).abs() / log(*p).abs().max(1.0);
                    assert!(error <= 2e-6, "{name}, n {n}, k {k}: {} and {}, error {error:e}", got[0], log(*p));
                }
                let other: Vec<f32> = theta.iter().zip(scores(6, n, 0.5)).map(|(t, d)| t + d).collect();
                let q = Enumeration::new(&other, k, 1.0);
                let terms = p.p.iter().zip(&q.p).filter(|(p, _)| **p > 0.0);
                let expected: f64 = terms.map(|(p, q)| p * log(p / q)).sum();
                let mut got = [JUNK];
                exact.kl(Rows::contiguous(&theta), Rows::contiguous(&other), &mut got, &mut work).unwrap();
                assert!((f64::from(got[0]) - expected).abs() <= 4e-6 * expected.max(1.0), "{name}, n {n}, k {k}: KL");
            }
        }
    }
}

/// χ² of 100,000 samples, over those of the 252 states (k-subsets) or 10 states (one-hot) whose expected count is at
/// least 5. With new seeds the false-alarm rate would be 1e-6 a case.
#[test]
fn samples_follow_p() {
    const SAMPLES: u32 = 100_000;
    let draw = |k: u32, temperature: f32, theta: &[f32]| {
        let shape = Shape { rows: 1, n: theta.len() as u32, k, samples: SAMPLES };
        let mut z = vec![JUNK; theta.len() * SAMPLES as usize];
        let (key, rows) = (Key { seed: 11, step: u64::from(k), ..Key::default() }, Rows::contiguous(theta));
        let mut work = vec![0.0; 4096];
        if k == 1 {
            Exact::new(shape, Argmax, temperature).unwrap().sample(key, rows, States::z(&mut z), &mut work).unwrap();
        } else {
            let exact = Exact::new(shape, TopK::new(shape.k), temperature).unwrap();
            exact.sample(key, rows, States::z(&mut z), &mut work).unwrap();
        }
        z
    };
    for (k, temperature) in [(1, 1.0), (1, 0.5), (2, 1.0), (5, 1.0), (5, 3.0), (9, 1.0)] {
        let theta = scores(7, 10, 1.0);
        let p = Enumeration::new(&theta, k as usize, 1.0 / f64::from(temperature));
        let mut counts = vec![0_u32; 1 << 10];
        for z in draw(k, temperature, &theta).chunks(10) {
            counts[(0..10).filter(|&i| z[i] == 1.0).map(|i| 1 << i).sum::<usize>()] += 1;
        }
        let (mut chi2, mut cells, mut rest) = (0.0, 0, (0.0, 0.0));
        for (&z, &p) in p.states.iter().zip(&p.p) {
            let (expected, got) = (p * f64::from(SAMPLES), f64::from(counts[z as usize]));
            if expected >= 5.0 {
                chi2 += (got - expected).powi(2) / expected;
                cells += 1;
            } else {
                rest = (rest.0 + expected, rest.1 + got);
            }
        }
        if rest.0 >= 5.0 {
            chi2 += f64::powi(rest.1 - rest.0, 2) / rest.0;
            cells += 1;
        }
        // Wilson and Hilferty: the cube root of χ²/df is nearly normal, and 4.753 is the 1e-6 point.
        let df = f64::from(cells - 1);
        let score = ((chi2 / df).cbrt() - (1.0 - 2.0 / (9.0 * df))) / (2.0 / (9.0 * df)).sqrt();
        assert!(score < 4.753, "k {k}, T {temperature}: chi-square {chi2} with {df} degrees of freedom");
        assert_eq!(counts.iter().sum::<u32>(), p.states.iter().map(|&z| counts[z as usize]).sum(), "exactly k");
    }
}

/// Improbable states are drawn as seldom as they should be, in 2²⁴ draws of one of two entries whose scores differ by
/// `gap`. The count is Poisson. With new seeds the false-alarm rate would be 1e-7 a case.
#[test]
fn improbable_states_have_their_probability() {
    const DRAWS: u32 = 1 << 24;
    let counts = |k: u32, theta: [f32; 2]| {
        let shape = Shape { rows: 1, n: 2, k, samples: DRAWS };
        let (mut list, mut work) = (vec![u32::MAX; DRAWS as usize], [0.0; 256]);
        let (key, rows) = (Key { seed: 12, ..Key::default() }, Rows::contiguous(&theta));
        let low = if theta[0] < theta[1] { 0 } else { 1 };
        let mut seldom = |exact: &dyn Fn(States, &mut [f32])| {
            exact(States::indices(&mut list), &mut work);
            list.iter().filter(|&&i| i == low).count()
        };
        let (one_hot, top_k) =
            (Exact::new(shape, Argmax, 1.0).unwrap(), Exact::new(shape, TopK::new(shape.k), 1.0).unwrap());
        [
            seldom(&|states, work| one_hot.sample(key, rows, states, work).unwrap()),
            seldom(&|states, work| top_k.sample(key, rows, states, work).unwrap()),
        ]
    };
    for gap in [9.0, 12.0, 14.0, 17.0, 25.0, 80.0] {
        for theta in [[-gap, 0.0], [0.0, -gap]] {
            let poisson = Poisson::new(f64::from(DRAWS) * (-f64::from(gap)).exp()).unwrap();
            for count in counts(1, theta) {
                let at_most = poisson.cdf(count as u64);
                let at_least = if count == 0 { 1.0 } else { poisson.sf(count as u64 - 1) };
                assert!(2.0 * at_most.min(at_least) >= 1e-7, "{theta:?}: {count} draws");
            }
        }
    }
}

/// Scores whose difference overflows f32, at temperatures of that size.
#[test]
fn samples_of_the_farthest_scores_avoid_masks() {
    for (scale, temperature) in [(f32::MAX, f32::MAX), (f32::MAX, f32::MAX / 2.0), (f32::MAX / 4.0, f32::MAX)] {
        for at in 0..4 {
            let mut theta = [scale, scale, -scale, f32::NEG_INFINITY];
            theta.rotate_left(at);
            let (exact, mut work) = exact(&theta, 3, temperature);
            let mut z = [JUNK; 4];
            exact.sample(Key::default(), Rows::contiguous(&theta), States::z(&mut z), &mut work).unwrap();
            assert_eq!(z, theta.map(|t| if t.is_finite() { 1.0 } else { 0.0 }), "{theta:?}, T = {temperature:e}");
        }
    }
}

#[test]
fn a_log_partition_that_overflows_is_infinite() {
    for (theta, expected) in [(-2.8e38, f32::NEG_INFINITY), (2.8e38, f32::INFINITY)] {
        let got = answer(&[theta], 1, 0.01);
        assert_eq!((got.log_partition, got.mu[0], got.entropy), (expected, 1.0, 0.0));
    }
}

/// Scores whose sum overflows, at temperatures of their size.
#[test]
fn a_log_partition_overflows_only_where_its_exact_value_does() {
    let scale = 2_f32.powi(120);
    for n in [1, 2, 6, 12] {
        for (name, theta) in hard_rows(n) {
            let theta: Vec<f32> = theta.iter().map(|t| t * scale).collect();
            for temperature in TEMPERATURES.map(|t| t * scale) {
                for k in 0..=unmasked(&theta) {
                    let what = format!("{name}, n {n}, k {k}, T {temperature:e}");
                    let expected = Enumeration::new(&theta, k, 1.0 / f64::from(temperature));
                    let got = answer(&theta, k, temperature);
                    check_log_partition(got.log_partition, expected.log_partition, &what);
                    check_marginals(&got.mu, &expected.marginals(), 2e-6, &what);
                }
                let expected = Enumeration::new(&theta, 1, 1.0 / f64::from(temperature));
                let shape = Shape { rows: 1, n: n as u32, k: 1, samples: 1 };
                let softmax = Exact::new(shape, Argmax, temperature).unwrap();
                let got = ask(&softmax, &theta, vec![JUNK; softmax.workspace_len()]);
                check_log_partition(
                    got.log_partition,
                    expected.log_partition,
                    &format!("{name}, n {n}, {temperature:e}"),
                );
            }
        }
    }
}

/// SIMPLE for S samples that all have the gradient dz.
fn simple<D: Distribution + Copy>(
    set: D,
    k: usize,
    temperature: f32,
    theta: &[f32],
    dz: &[f32],
    samples: usize,
) -> Vec<f32> {
    let shape = Shape { rows: 1, n: theta.len() as u32, k: k as u32, samples: samples as u32 };
    let exact = Exact::new(shape, set, temperature).unwrap();
    let (mut out, mut work) = (vec![JUNK; theta.len()], vec![JUNK; exact.workspace_len()]);
    let dz = dz.repeat(samples);
    let rows = Rows::contiguous(theta);
    exact.simple(rows, Dz::per_sample(&dz), RowsMut::contiguous(&mut out), &mut work).unwrap();
    out
}

/// The sum of three such dz overflows.
#[test]
fn simple_takes_the_largest_dz() {
    for (name, theta) in hard_rows(7) {
        for (pattern, dz) in [(1, f32::MAX), (2, f32::MAX), (3, -f32::MAX), (7, f32::MAX / 3.0)] {
            let dz: Vec<f32> = (0..7).map(|i| if i % pattern == 0 { dz } else { -dz }).collect();
            for temperature in [1.0, 0.01, 30.0] {
                for (k, samples) in (0..=unmasked(&theta)).flat_map(|k| [(k, 1), (k, 3)]) {
                    let what = format!("{name}, pattern {pattern}, T {temperature}, k {k}, S {samples}");
                    let p = Enumeration::new(&theta, k, 1.0 / f64::from(temperature));
                    let product = p.covariance(|z| inner_product(z, &dz));
                    let check = |got: Vec<f32>| {
                        let expected = product.iter().map(|x| x / f64::from(temperature));
                        check_largest_product(&got, expected, &theta, &what);
                    };
                    check(simple(TopK::new(k as u32), k, temperature, &theta, &dz, samples));
                    if k == 1 {
                        check(simple(Argmax, 1, temperature, &theta, &dz, samples));
                    }
                }
            }
        }
    }
}

/// Also where nothing but the masks keeps a value.
#[test]
fn unbiased_simple_is_zero_at_masks_for_the_largest_numbers() {
    let theta = [0.5, f32::NEG_INFINITY, -1.0, 2.0, f32::NEG_INFINITY];
    let dz = [f32::MAX, f32::MAX, -f32::MAX, f32::MAX, -f32::MAX].repeat(2);
    fn gradient<D: Distribution>(exact: Exact<D>, k: usize, theta: &[f32], dz: &[f32]) -> Vec<f32> {
        let (mut list, mut out) = (vec![7; 2 * k], vec![JUNK; theta.len()]);
        let mut work = vec![JUNK; exact.workspace_len()];
        let theta = Rows::contiguous(theta);
        exact.sample(Key::default(), theta, States::indices(&mut list), &mut work).unwrap();
        let losses = [f32::MAX, -f32::MAX];
        let grad = RowsMut::contiguous(&mut out);
        exact.unbiased_simple(theta, &list, Dz::per_sample(dz), &losses, grad, &mut work).unwrap();
        out
    }
    let shape = |k| Shape { rows: 1, n: 5, k, samples: 2 };
    for got in [
        gradient(Exact::new(shape(1), Argmax, 1.0).unwrap(), 1, &theta, &dz),
        gradient(Exact::new(shape(1), TopK::new(1), 1.0).unwrap(), 1, &theta, &dz),
        gradient(Exact::new(shape(2), TopK::new(2), 1.0).unwrap(), 2, &theta, &dz),
    ] {
        assert_eq!([got[1], got[4]], [0.0; 2], "{got:?}");
    }
}

#[test]
fn a_state_that_the_other_scores_mask_makes_the_divergence_infinite() {
    let (theta, other) = ([0.5, -1.0, 2.0, 0.0], [0.5, f32::NEG_INFINITY, 2.0, 0.0]);
    fn kl<D: Distribution>(exact: Exact<D>, theta: &[f32], other: &[f32]) -> f32 {
        let mut got = [JUNK];
        let mut work = vec![JUNK; exact.workspace_len()];
        exact.kl(Rows::contiguous(theta), Rows::contiguous(other), &mut got, &mut work).unwrap();
        got[0]
    }
    for k in 1..=3 {
        assert_eq!(kl(exact(&theta, k, 1.0).0, &theta, &other), f32::INFINITY, "k = {k}");
        assert!(kl(exact(&theta, k, 1.0).0, &other, &theta).is_finite(), "k = {k}");
    }
    let shape = Shape { rows: 1, n: 4, k: 1, samples: 1 };
    assert_eq!(kl(Exact::new(shape, Argmax, 1.0).unwrap(), &theta, &other), f32::INFINITY);
}
