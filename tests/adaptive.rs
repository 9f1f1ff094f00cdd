//! The adaptive λ follows its formulas in f64, has their symmetries, and reaches its target on real layers.

mod common;

use common::laws::config;
use imle::{
    Adaptive, AdaptiveRule, Argument, Diagnostics, Dz, Error, Forward, Imle, Key, Options, Rows, RowsMut, Shape,
    States, TopK,
};
use proptest::prelude::*;
use proptest::sample::select;

const MASK: f32 = f32::NEG_INFINITY;

/// λ in f64, within the positive normal floats.
fn exact_lambda(a: f32, theta: &[f32], dz: &[f32]) -> f64 {
    let norm = |x: &[f32]| x.iter().filter(|x| x.is_finite()).map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    (f64::from(a) * norm(theta) / norm(dz)).clamp(f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX))
}

fn assert_close(found: f32, exact: f64) {
    assert!((f64::from(found) / exact - 1.0).abs() <= 5e-6, "{found:e}, exactly {exact:e}");
    let options = Options { lambda: found, ..Options::default() };
    assert!(options.check().is_ok(), "{found:e} is no lambda");
}

/// Any finite float: zeros, subnormals and the largest included.
fn any_float() -> impl Strategy<Value = f32> {
    any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |x| x.is_finite())
}

/// Floats of one scale, as in scores and gradients, or of all scales.
fn floats() -> impl Strategy<Value = Vec<f32>> {
    let len = || select(vec![1_usize, 2, 15, 16, 17, 31, 33, 1023, 1025]);
    let one_scale = (len(), -149..127_i32).prop_flat_map(|(len, e)| {
        let scaled = move |x: f32| (f64::from(x) * 2f64.powi(e)) as f32;
        prop::collection::vec((-1.0..1.0_f32).prop_map(scaled), len)
    });
    prop_oneof![3 => one_scale, 1 => len().prop_flat_map(|len| prop::collection::vec(any_float(), len))]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn lambda_is_its_formula(a in any_float(), theta in floats(), dz in floats()) {
        let (a, zero) = (a.abs().max(f32::from_bits(1)), |x: &[f32]| x.iter().all(|&x| x == 0.0));
        prop_assume!(!zero(&theta) && !zero(&dz));
        let adaptive = Adaptive { a, ..Adaptive::default() };
        assert_close(adaptive.lambda(&theta, &dz).expect("good input"), exact_lambda(a, &theta, &dz));
    }

    /// A factor of 2 is exact in every operation of λ.
    #[test]
    fn lambda_scales_with_theta_and_against_dz(theta in floats(), dz in floats(), e in -20..20_i32) {
        let adaptive = Adaptive::default();
        let scaled = |x: &[f32], by: i32| x.iter().map(|x| x * 2f32.powi(by)).collect::<Vec<_>>();
        let in_range = |x: &[f32]| x.iter().all(|x| x.abs() < 1e30 && (*x == 0.0 || x.abs() > 1e-30));
        prop_assume!(in_range(&theta) && in_range(&dz));
        let lambda = |theta: &[f32], dz: &[f32]| adaptive.lambda(theta, dz).expect("good input");
        let (plain, power) = (lambda(&theta, &dz), 2f32.powi(e));
        prop_assume!(plain > 1e-30 && plain < 1e30);
        if theta.iter().any(|&t| t != 0.0) {
            prop_assert_eq!(lambda(&scaled(&theta, e), &dz), plain * power);
        }
        prop_assert_eq!(lambda(&theta, &scaled(&dz, e)), plain / power);
    }

    /// Masks only move the other entries to other partial sums.
    #[test]
    fn masks_do_not_count(theta in floats(), dz in floats()) {
        let adaptive = Adaptive::default();
        let masked: Vec<f32> = theta.iter().flat_map(|&t| [t, MASK]).collect();
        let pair = [&theta, &masked].map(|theta| adaptive.lambda(theta, &dz).expect("good input"));
        prop_assert!((pair[1] - pair[0]).abs() <= 1e-5 * pair[0], "{:?}", pair);
    }

    #[test]
    fn the_additive_rule_is_its_formula(
        counts in prop::collection::vec(0..30_u64, 1..200),
        step in 1e-4..0.5_f32,
        momentum in 0.0..0.95_f32,
        decay in 0.0..0.99_f32,
        target in 0.1..3.0_f32,
    ) {
        let rule = Adaptive::new(AdaptiveRule::Additive);
        let mut adaptive = Adaptive { step, momentum, decay, target, ..rule };
        let [step, momentum, decay, target] = [step, momentum, decay, target].map(f64::from);
        let (mut a, mut g, mut change) = (1.0_f64, 1.0_f64, 0.0_f64);
        for nonzeros in counts {
            g = decay * g + (1.0 - decay) * nonzeros as f64 / 10.0;
            // So near to the target, rounding may put g on the other side.
            prop_assume!((g - target).abs() > 1e-5);
            change = momentum * change + if g < target { step } else { -step };
            a = (a + change).max(0.0);
            adaptive.update(&Diagnostics { states: 10, unchanged: 0, nonzeros }).expect("good input");
            let near = |x: f32, exact: f64| (f64::from(x) - exact).abs() <= 1e-4 * (1.0 + exact.abs());
            prop_assert!(near(adaptive.a, a) && near(adaptive.g, g) && near(adaptive.previous, change));
        }
    }

    /// After any counts the state is one that `update` and `lambda` accept.
    #[test]
    fn no_count_breaks_the_state(
        rule in select(vec![AdaptiveRule::Additive, AdaptiveRule::Multiplicative]),
        a in any_float(),
        g in any_float(),
        step in any_float(),
        states in 1..u64::MAX,
        counts in prop::collection::vec(any::<u64>(), 1..30),
    ) {
        let positive = |x: f32| x.abs().max(f32::from_bits(1));
        let (a, g, step) = (positive(a), positive(g), positive(step));
        let mut adaptive = Adaptive { a, g, step, ..Adaptive::new(rule) };
        for nonzeros in counts {
            prop_assert_eq!(adaptive.update(&Diagnostics { states, unchanged: 0, nonzeros }), Ok(()));
            prop_assert!(adaptive.lambda(&[1.0], &[1.0]).is_ok());
        }
    }
}

#[test]
fn lambda_has_its_known_values() {
    let adaptive = Adaptive { a: 0.5, ..Adaptive::default() };
    // The 3-4-5 triangle at scales from subnormal to near the largest float.
    for scale in [1.0, 1e-45, 3e-39, 1e-30, 1e30, 5e37] {
        let (theta, dz) = ([3.0 * scale, MASK, -4.0 * scale], [0.0, 6.0 * scale]);
        for dz in [dz, [10.0, 0.0]] {
            assert_close(adaptive.lambda(&theta, &dz).expect("good input"), exact_lambda(0.5, &theta, &dz));
        }
    }
    assert_eq!(adaptive.lambda(&[3.0, -4.0], &[0.0, 10.0]), Ok(0.25));
    assert_eq!(adaptive.lambda(&[3.0, -4.0], &[0.0, -0.0]), Ok(0.0), "dz is 0");
    let cold = adaptive.lambda(&[0.0, -0.0, MASK, 0.0, 0.0], &[10.0]);
    assert_close(cold.expect("good input"), 0.5 * 2.0 / 10.0); // four times 1
    let ends = [f32::from_bits(1), f32::MAX];
    assert_eq!(Adaptive { a: 1e-30, ..adaptive }.lambda(&ends[..1], &ends), Ok(f32::MIN_POSITIVE));
    assert_eq!(Adaptive { a: 1e30, ..adaptive }.lambda(&ends, &ends[..1]), Ok(f32::MAX));
    let stopped = Adaptive { a: 0.0, ..Adaptive::new(AdaptiveRule::Additive) };
    assert_eq!(stopped.lambda(&[1.0], &[1.0]), Ok(f32::MIN_POSITIVE), "the smallest lambda, which changes no state");
}

#[test]
fn the_error_of_a_norm_does_not_grow_with_its_length() {
    let theta: Vec<f32> = (0..(1 << 22) + 5).map(|i| (i % 97) as f32 * 0.1).collect();
    assert_close(Adaptive::default().lambda(&theta, &[0.7]).expect("good input"), exact_lambda(1.0, &theta, &[0.7]));
}

#[test]
fn bad_values_are_refused() {
    let good = Adaptive::default();
    for x in [f32::NAN, f32::INFINITY] {
        let error = Err(Error::NonFinite { argument: Argument::Theta, row: 0 });
        assert_eq!(good.lambda(&[1.0, MASK, x], &[1.0]), error);
    }
    for x in [f32::NAN, f32::INFINITY, MASK] {
        assert_eq!(good.lambda(&[1.0], &[x, 1.0]), Err(Error::NonFinite { argument: Argument::Dz, row: 0 }));
    }

    let additive = Adaptive::new(AdaptiveRule::Additive);
    let mut bad = vec![
        (Adaptive { a: 0.0, ..good }, "a "),
        (Adaptive { step: 0.0, ..good }, "step"),
        (Adaptive { target: -0.0, ..good }, "target"),
        (Adaptive { decay: 1.0, ..good }, "decay"),
        (Adaptive { momentum: 0.5, ..good }, "momentum"),
        (Adaptive { momentum: 1.0, ..additive }, "momentum"),
    ];
    for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        bad.push((Adaptive { previous: x, ..additive }, "previous"));
    }
    for x in [f32::NAN, f32::INFINITY, -f32::from_bits(1)] {
        bad.extend([
            (Adaptive { a: x, ..additive }, "a "),
            (Adaptive { g: x, ..additive }, "g "),
            (Adaptive { step: x, ..good }, "step"),
            (Adaptive { momentum: x, ..additive }, "momentum"),
            (Adaptive { decay: x, ..good }, "decay"),
            (Adaptive { target: x, ..good }, "target"),
        ]);
    }
    for (adaptive, name) in bad {
        let named = |error| matches!(error, Some(Error::Option { rule }) if rule.text().starts_with(name));
        assert!(named(adaptive.lambda(&[1.0], &[1.0]).err()), "{adaptive:?}");
        let mut updated = adaptive;
        assert!(named(updated.update(&Diagnostics { states: 1, ..Diagnostics::default() }).err()), "{adaptive:?}");
        assert_eq!(format!("{updated:?}"), format!("{adaptive:?}"), "nothing is changed");
    }
    let mut unchanged = good;
    assert!(matches!(unchanged.update(&Diagnostics::default()), Err(Error::Shape { .. })));
    assert_eq!(unchanged, good);
}

/// A layer with a loss: Σ (z − b)², with fixed θ and b.
struct Task {
    shape: Shape,
    theta: Vec<f32>,
    b: Vec<f32>,
}

impl Task {
    /// The experiment of the paper (section 5 and its appendix): 5 of 10, numpy's RandomState(0).
    fn synthetic(samples: u32) -> Task {
        let theta =
            [1.764052, 0.400157, 0.978738, 2.240893, 1.867558, -0.977278, 0.950088, -0.151357, -0.103219, 0.410599];
        let b = [0.144044, 1.454274, 0.761038, 0.121675, 0.443863, 0.333674, 1.494079, 0.205158, 0.313068, 0.854096];
        Task { shape: Shape { rows: 1, n: 10, k: 5, samples }, theta: theta.into(), b: b.into() }
    }

    /// A batch like one of reviews: 10 of up to 350 words, the rest of a row masked.
    fn batch(samples: u32) -> Task {
        let shape = Shape { rows: 40, n: 350, k: 10, samples };
        let (n, len) = (shape.n(), shape.rows() * shape.n());
        let mut theta = vec![0.0; len];
        let options = Options { noise: imle::Noise::Normal, ..Options::default() };
        let one = Shape { rows: 40, n: 350, k: 10, samples: 1 };
        imle::noise(one, &options, Key { seed: 3, ..Key::default() }, &mut theta).expect("good sizes");
        let b = theta.iter().map(|t| (3.0 * t) % 1.0).collect();
        theta.iter_mut().enumerate().filter(|(i, _)| i % n > 100 + i / n * 5).for_each(|(_, t)| *t = MASK);
        Task { shape, theta, b }
    }

    fn layer(&self, options: Options) -> Imle<TopK<'static>> {
        Imle::new(self.shape, TopK::new(self.shape.k), options).expect("good options")
    }

    /// One pass forward and back; θ stays where it is.
    fn step(&self, adaptive: &mut Adaptive, step: u64) {
        let (n, samples) = (self.shape.n(), self.shape.samples());
        let (key, theta) = (Key { seed: 5, step, ..Key::default() }, Rows::contiguous(&self.theta));
        let (mut z, mut work) = (vec![0.0; samples * self.theta.len()], vec![0.0; 3 * n]);
        self.layer(Options::default()).sample(key, theta, States::z(&mut z), &mut work).expect("good input");
        let b = |i: usize| self.b[i / n / samples * n + i % n];
        let dz: Vec<f32> = z.iter().enumerate().map(|(i, z)| 2.0 * (z - b(i))).collect();

        let lambda = adaptive.lambda(&self.theta, &dz).expect("good input");
        let layer = self.layer(Options { lambda, ..Options::default() });
        let (dz, mut grad) = (Dz::per_sample(&dz), vec![0.0; self.theta.len()]);
        let grad = RowsMut::contiguous(&mut grad);
        let diagnostics = layer.gradient(key, theta, dz, Forward::Replay, grad, &mut work).expect("good input");
        adaptive.update(&diagnostics).expect("states were counted");
    }

    /// g and ln a over `steps` updates.
    fn run(&self, adaptive: &mut Adaptive, steps: u64) -> (Vec<f64>, Vec<f64>) {
        let update = |step| {
            self.step(adaptive, step);
            (f64::from(adaptive.g), f64::from(adaptive.a).ln())
        };
        (0..steps).map(update).unzip()
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// It starts from a thousand times too small and too large an a. A long run shows the right one. A single state counts 0,
/// 2, 4, …, so g and a keep moving, and the test looks at means over 50 updates.
#[test]
fn the_multiplicative_rule_reaches_its_target_within_100_updates() {
    for (name, task, spread) in [
        ("synthetic", Task::synthetic(1), 0.7),
        ("synthetic, 8 samples", Task::synthetic(8), 0.3),
        ("batch", Task::batch(1), 0.1),
    ] {
        let (g, ln_a) = task.run(&mut Adaptive::default(), 1000);
        let (g, settled) = (mean(&g[200..]), mean(&ln_a[200..]));
        assert!((g - 1.0).abs() < 0.05, "{name}: g {g}");
        for factor in [1e-3_f64, 1e3] {
            let mut adaptive = Adaptive { a: (settled.exp() * factor) as f32, ..Adaptive::default() };
            let (g, ln_a) = task.run(&mut adaptive, 200);
            let worst = ln_a[100..].iter().map(|a| (a - settled).abs()).fold(0.0, f64::max);
            let means = [&g[100..150], &g[150..]].map(mean);
            let reached = (1..100).any(|i| (g[i] - 1.0).abs() < 0.25 && (ln_a[i] - settled).abs() < 0.3);
            println!("{name} from {factor}: g {means:.2?}, ln a within {worst:.2}");
            assert!(reached, "{name} from {factor}: not within 100 updates");
            assert!(means.iter().all(|g| (g - 1.0).abs() < 0.3), "{name} from {factor}: g {means:?}");
            assert!(worst < 3.0 * spread, "{name} from {factor}: a is {worst} off after 100 updates");
        }
    }
}

/// g is a mean over states, so S does not change it.
#[test]
fn the_mean_of_g_does_not_depend_on_the_number_of_samples() {
    // λ must be the same for both. ‖dz‖ grows with √S, so a does too.
    let g = [1, 16].map(|samples| {
        let task = Task::synthetic(samples);
        let a = 0.2 * (samples as f32).sqrt();
        let mut adaptive = Adaptive { a, step: 1e-30, ..Adaptive::new(AdaptiveRule::Additive) };
        mean(&task.run(&mut adaptive, 3000).0)
    });
    println!("{g:?}");
    assert!((g[0] - g[1]).abs() < 0.1 * g[0], "{g:?}");
}

/// With θ = 0 the formula alone would give λ = 0 for ever.
#[test]
fn a_start_at_theta_0_reaches_the_target() {
    let mut task = Task::batch(1);
    task.theta.iter_mut().filter(|t| **t != MASK).for_each(|t| *t = 0.0);
    let (g, _) = task.run(&mut Adaptive::default(), 100);
    assert!((mean(&g[50..]) - 1.0).abs() < 0.2, "{g:?}");
}
