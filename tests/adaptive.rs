//! The adaptive λ follows its formulas in f64, has their symmetries, and reaches its target on real layers.

mod common;

use common::laws::config;
use imle::{
    Adaptive, AdaptiveParts, AdaptiveRule, Argument, Diagnostics, Dz, Error, Forward, Imle, Key, Options, Rows,
    RowsMut, Shape, States, TopK,
};
use proptest::prelude::*;
use proptest::sample::select;

const MASK: f32 = f32::NEG_INFINITY;

/// Σ x² over the finite values, in two f64 that together hold the sum and its rounding errors (Knuth's two-sum): good to
/// some 30 digits. The square of an f32 is exact in f64.
fn exact_squares(values: &[f32]) -> f64 {
    let (high, low) = values.iter().filter(|x| x.is_finite()).fold((0.0, 0.0), |(high, low), &x| {
        let square = f64::from(x) * f64::from(x);
        let sum = high + square;
        let part = sum - high;
        (sum, low + ((high - (sum - part)) + (square - part)))
    });
    high + low
}

/// λ in f64, within the positive normal floats.
fn exact_lambda(adaptive: Adaptive, theta: &[f32], dz: &[f32]) -> f64 {
    let unmasked = theta.iter().filter(|x| x.is_finite()).count() as f64;
    let floor = f64::from(adaptive.theta_floor) * unmasked.sqrt();
    let norm = exact_squares(theta).sqrt().max(floor);
    (f64::from(adaptive.a) * norm / exact_squares(dz).sqrt()).clamp(f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX))
}

fn parts(theta: &[f32], dz: &[f32]) -> AdaptiveParts {
    let mut parts = AdaptiveParts::default();
    parts.add(theta, dz).expect("good input");
    parts
}

/// The bits of every field.
fn bits(parts: AdaptiveParts) -> [u64; 4] {
    [parts.theta_squared.to_bits(), parts.dz_squared.to_bits(), parts.theta_len, parts.theta_nonzero]
}

fn assert_close(found: f32, exact: f64) {
    assert!((f64::from(found) / exact - 1.0).abs() <= 1e-7, "{found:e}, exactly {exact:e}");
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
    fn lambda_is_its_formula(
        a in any_float(),
        theta in floats(),
        dz in floats(),
        theta_floor in prop_oneof![Just(0.0), Just(1.0), any_float().prop_map(f32::abs)],
    ) {
        let (a, zero) = (a.abs().max(f32::from_bits(1)), |x: &[f32]| x.iter().all(|&x| x == 0.0));
        prop_assume!(!zero(&theta) && !zero(&dz));
        let adaptive = Adaptive { a, theta_floor, ..Adaptive::default() };
        assert_close(adaptive.lambda(&theta, &dz).expect("good input"), exact_lambda(adaptive, &theta, &dz));
    }

    /// Blocks of θ and of dz add up, wherever they are cut and in any order, and the same blocks in the same order give the
    /// same bits. λ is that of the parts, bit for bit.
    #[test]
    fn parts_add_up(
        mut theta in floats(),
        dz in floats(),
        masks in prop::collection::vec(any::<u16>(), 0..20),
        cuts in prop::collection::vec((0.0..=1.0_f64, 0.0..=1.0_f64), 0..6),
    ) {
        let len = theta.len();
        masks.into_iter().for_each(|i| theta[usize::from(i) % len] = MASK);
        let whole = parts(&theta, &dz);
        let adaptive = Adaptive::default();
        let lambda = |parts: &AdaptiveParts| adaptive.lambda_from(parts).expect("good parts");
        prop_assert_eq!(lambda(&whole).to_bits(), adaptive.lambda(&theta, &dz).expect("good input").to_bits());

        let cut = |len: usize, of: fn(&(f64, f64)) -> f64| {
            let mut at: Vec<usize> = cuts.iter().map(|cut| (of(cut) * len as f64) as usize).collect();
            at.extend([0, len]);
            at.sort_unstable();
            at
        };
        let (theta_cuts, dz_cuts) = (cut(len, |cut| cut.0), cut(dz.len(), |cut| cut.1));
        let blocks = theta_cuts.windows(2).zip(dz_cuts.windows(2));
        let blocks: Vec<_> = blocks.map(|(t, d)| (&theta[t[0]..t[1]], &dz[d[0]..d[1]])).collect();
        let mut in_place = AdaptiveParts::default();
        blocks.iter().for_each(|(theta, dz)| in_place.add(theta, dz).expect("good input"));
        let sum = blocks.iter().fold(AdaptiveParts::default(), |sum, (theta, dz)| sum + parts(theta, dz));
        let backwards = blocks.iter().rev().fold(AdaptiveParts::default(), |sum, (theta, dz)| sum + parts(theta, dz));
        prop_assert_eq!(bits(in_place), bits(sum), "the same blocks in the same order");
        for found in [whole, sum, backwards] {
            let near = |found: f64, exact: f64| (found - exact).abs() <= 1e-13 * exact;
            prop_assert!(near(found.theta_squared, exact_squares(&theta)), "{:?}", found);
            prop_assert!(near(found.dz_squared, exact_squares(&dz)), "{:?}", found);
            let unmasked = theta.iter().filter(|t| **t != MASK);
            prop_assert_eq!(found.theta_len, unmasked.clone().count() as u64);
            prop_assert_eq!(found.theta_nonzero, unmasked.filter(|t| **t != 0.0).count() as u64);
            prop_assert!((lambda(&found) - lambda(&whole)).abs() <= f32::EPSILON * lambda(&whole));
        }
    }

    /// A factor of 2 is exact in every operation of λ.
    #[test]
    fn lambda_scales_with_theta_and_against_dz(theta in floats(), dz in floats(), e in -20..20_i32) {
        let adaptive = Adaptive { theta_floor: 0.0, ..Adaptive::default() };
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
        prop_assert!((pair[1] - pair[0]).abs() <= f32::EPSILON * pair[0], "{:?}", pair);
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
    let adaptive = Adaptive { a: 0.5, theta_floor: 0.0, ..Adaptive::default() };
    // The 3-4-5 triangle at scales from subnormal to near the largest float.
    for scale in [1.0, 1e-45, 3e-39, 1e-30, 1e30, 5e37] {
        let (theta, dz) = ([3.0 * scale, MASK, -4.0 * scale], [0.0, 6.0 * scale]);
        for dz in [dz, [10.0, 0.0]] {
            assert_close(adaptive.lambda(&theta, &dz).expect("good input"), exact_lambda(adaptive, &theta, &dz));
        }
    }
    assert_eq!(adaptive.lambda(&[3.0, -4.0], &[0.0, 10.0]), Ok(0.25));
    assert_eq!(adaptive.lambda(&[3.0, -4.0], &[0.0, -0.0]), Ok(0.0), "dz is 0");
    // Four zeros that count: each as the floor, and as 1 where the floor is 0.
    for (theta_floor, each) in [(0.0, 1.0), (0.25, 0.25), (3.0, 3.0)] {
        let adaptive = Adaptive { theta_floor, ..adaptive };
        let cold = adaptive.lambda(&[0.0, -0.0, MASK, 0.0, 0.0], &[10.0]);
        assert_close(cold.expect("good input"), 0.5 * 2.0 * each / 10.0);
    }
    let floor = Adaptive { theta_floor: 1.0, ..adaptive };
    assert_eq!(floor.lambda(&[0.0, MASK, 1e-3, -0.5, 0.0], &[4.0]), Ok(0.25), "root mean square below the floor");
    assert_eq!(floor.lambda(&[3.0, -4.0], &[10.0]), Ok(0.25), "above it");
    for adaptive in [adaptive, floor] {
        for (theta, dz) in [(&[][..], &[][..]), (&[], &[1.0]), (&[1.0], &[]), (&[MASK], &[1.0])] {
            assert_eq!(adaptive.lambda(theta, dz), Ok(0.0), "{theta:?}, {dz:?}: nothing to learn");
        }
    }
    let ends = [f32::from_bits(1), f32::MAX];
    assert_eq!(Adaptive { a: 1e-30, ..adaptive }.lambda(&ends[..1], &ends), Ok(f32::MIN_POSITIVE));
    assert_eq!(Adaptive { a: 1e30, ..adaptive }.lambda(&ends, &ends[..1]), Ok(f32::MAX));
    let stopped = Adaptive { a: 0.0, ..Adaptive::new(AdaptiveRule::Additive) };
    assert_eq!(stopped.lambda(&[1.0], &[1.0]), Ok(f32::MIN_POSITIVE), "the smallest lambda, which changes no state");
}

#[test]
fn the_error_of_a_norm_does_not_grow_with_its_length() {
    let theta: Vec<f32> = (0..(1 << 22) + 5).map(|i| (i % 97) as f32 * 0.1).collect();
    let adaptive = Adaptive::default();
    assert_close(adaptive.lambda(&theta, &[0.7]).expect("good input"), exact_lambda(adaptive, &theta, &[0.7]));
}

/// Parts of any finite size and any counts give a λ.
#[test]
fn no_parts_break_lambda() {
    let sums = [0.0, f64::from_bits(1), 1e-300, 1.0, 1e300, f64::MAX];
    for (theta_squared, dz_squared) in sums.into_iter().flat_map(|t| sums.map(|d| (t, d))) {
        for (theta_len, theta_nonzero) in [(0, 0), (1, 0), (1, 1), (u64::MAX, u64::MAX)] {
            let mut parts = AdaptiveParts { theta_squared, dz_squared, theta_len, theta_nonzero };
            for rule in [AdaptiveRule::Additive, AdaptiveRule::Multiplicative] {
                for (a, theta_floor) in [(0.0, 0.0), (1e-45, f32::MAX), (1.0, 1.0), (f32::MAX, 0.0)] {
                    let adaptive = Adaptive { a, theta_floor, ..Adaptive::new(rule) };
                    if a > 0.0 || rule == AdaptiveRule::Additive {
                        let lambda = adaptive.lambda_from(&parts).expect("good parts");
                        let allowed = f32::MIN_POSITIVE..=f32::MAX;
                        assert!(lambda == 0.0 || allowed.contains(&lambda), "{parts:?}: {lambda}");
                    }
                }
            }
            parts.add(&[f32::MAX, 1e-45], &[f32::MAX]).expect("good input");
            assert!(Adaptive::default().lambda_from(&parts).is_ok(), "{parts:?}");
        }
    }
}

/// Nothing is changed.
fn assert_fails_to_add(mut to: AdaptiveParts, theta: &[f32], dz: &[f32], error: Error) {
    let before = bits(to);
    assert_eq!(to.add(theta, dz), Err(error));
    assert_eq!(bits(to), before);
}

#[test]
fn bad_values_are_refused() {
    let good = Adaptive::default();
    for x in [f32::NAN, f32::INFINITY] {
        let error = Error::NonFinite { argument: Argument::Theta, row: 0 };
        assert_eq!(good.lambda(&[1.0, MASK, x], &[1.0]), Err(error));
        assert_fails_to_add(parts(&[3.0], &[4.0]), &[1.0, MASK, x], &[1.0], error);
    }
    for x in [f32::NAN, f32::INFINITY, MASK] {
        let error = Error::NonFinite { argument: Argument::Dz, row: 0 };
        assert_eq!(good.lambda(&[1.0], &[x, 1.0]), Err(error));
        assert_fails_to_add(parts(&[3.0], &[4.0]), &[1.0], &[x, 1.0], error);
    }
    for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -f64::from_bits(1)] {
        let error = Error::NonFinite { argument: Argument::Parts, row: 0 };
        assert_eq!(error.to_string(), "parts: a sum of squares is negative or not finite");
        let good_parts = parts(&[3.0], &[4.0]);
        for bad in [
            AdaptiveParts { theta_squared: x, ..good_parts },
            AdaptiveParts { dz_squared: x, ..good_parts },
            AdaptiveParts { theta_squared: x, ..AdaptiveParts::default() },
        ] {
            assert_eq!(good.lambda_from(&bad), Err(error));
            assert_fails_to_add(bad, &[1.0], &[1.0], error);
        }
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
            (Adaptive { theta_floor: x, ..good }, "theta_floor"),
        ]);
    }
    for (adaptive, name) in bad {
        let named = |error| matches!(error, Some(Error::Option { rule }) if rule.text().starts_with(name));
        assert!(named(adaptive.lambda(&[1.0], &[1.0]).err()), "{adaptive:?}");
        let mut updated = adaptive;
        assert!(named(updated.update(&Diagnostics { states: 1, ..Diagnostics::default() }).err()), "{adaptive:?}");
        assert_eq!(format!("{updated:?}"), format!("{adaptive:?}"), "nothing is changed");
    }
    // An empty batch.
    let mut unchanged = good;
    assert_eq!(unchanged.update(&Diagnostics { states: 0, unchanged: 0, nonzeros: 7 }), Ok(()));
    assert_eq!(unchanged, good);
}

/// Half an ulp of a is then at least the step.
#[test]
fn the_additive_rule_stands_still_where_its_documentation_says() {
    for (step, from) in [(1e-4, 2048.0), (1e-3, 32768.0), (2f32.powi(-13), 2048.0)] {
        let after = |a: f32, nonzeros| {
            let mut adaptive = Adaptive { a, step, ..Adaptive::new(AdaptiveRule::Additive) };
            adaptive.update(&Diagnostics { states: 1, unchanged: 0, nonzeros }).expect("good input");
            adaptive.a
        };
        let (up, down) = (0, 100);
        assert_eq!([after(from, up), after(1.5 * from, up), after(1.5 * from, down)], [from, 1.5 * from, 1.5 * from]);
        let below = from * (1.0 - f32::EPSILON);
        assert!(after(below, up) > below && after(below, down) < below);
    }
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

/// 100 steps of descent with rate 0.02 from θ = 0: 3 of 12 sensors, 4 samples, and the loss scale · Σ (z − b)², where b
/// names the sensors that matter.
///
/// Returns how many steps after the first change no state until one does, and the largest move of a θ in one step.
fn cold_start(adaptive: &mut Adaptive, scale: f32, seed: u64) -> (u32, f32) {
    const N: usize = 12;
    let shape = Shape { rows: 1, n: N as u32, k: 3, samples: 4 };
    let layer = |options| Imle::new(shape, TopK::new(3), options).expect("good options");
    let (mut theta, mut z, mut grad, mut work) = ([0.0; N], [0.0; 4 * N], [0.0; N], [0.0; 3 * N]);
    let (mut dead, mut waking, mut largest) = (0, true, 0.0_f32);
    for step in 0..100 {
        let key = Key { seed, step, ..Key::default() };
        let rows = Rows::contiguous(&theta);
        layer(Options::default()).sample(key, rows, States::z(&mut z), &mut work).expect("good input");
        let b = |i: usize| if i % N < 3 { 1.0 } else { 0.0 };
        let dz: Vec<f32> = z.iter().enumerate().map(|(i, z)| 2.0 * scale * (z - b(i))).collect();
        let lambda = adaptive.lambda(&theta, &dz).expect("good input");
        if lambda == 0.0 {
            continue; // all samples are right
        }
        let layer = layer(Options { lambda, ..Options::default() });
        let (dz, out) = (Dz::per_sample(&dz), RowsMut::contiguous(&mut grad));
        let counts = layer.gradient(key, rows, dz, Forward::Replay, out, &mut work).expect("good input");
        adaptive.update(&counts).expect("good counts");
        waking &= step == 0 || counts.unchanged == counts.states;
        dead += u32::from(waking && step > 0);
        for (theta, grad) in theta.iter_mut().zip(grad) {
            *theta -= 0.02 * grad;
            largest = largest.max(0.02 * grad.abs());
        }
    }
    (dead, largest)
}

/// Without a floor the first update makes θ tiny and λ with it. a then winds up until the first state changes again, with
/// a gradient that is far too large.
#[test]
fn a_cold_start_has_no_dead_steps_and_no_large_moves() {
    for scale in [1.0, 0.1, 0.01, 0.001] {
        let starts = |theta_floor| {
            let start = |seed| cold_start(&mut Adaptive { theta_floor, ..Adaptive::default() }, scale, seed);
            let (dead, moves): (Vec<u32>, Vec<f32>) = (0..40).map(start).unzip();
            let mean = f64::from(dead.iter().sum::<u32>()) / 40.0;
            (mean, dead.into_iter().max().unwrap_or(0), moves.into_iter().fold(0.0, f32::max))
        };
        let (before, after) = (starts(0.0), starts(1.0));
        println!("loss times {scale}: mean and most dead steps, largest move: {before:?}, with the floor {after:?}");
        assert!(after.1 <= 2 && after.2 <= 1.0, "{after:?}");
        assert!(before.1 > 10, "this start shows nothing: {before:?}");
    }
}

/// The additive rule is AIMLE's: its λ is a ‖θ‖/‖dz‖ for the least θ, too.
#[test]
fn the_additive_rule_has_no_floor() {
    let adaptive = Adaptive::new(AdaptiveRule::Additive);
    assert_eq!((adaptive.theta_floor, Adaptive::default().theta_floor), (0.0, 1.0));
    assert_eq!(adaptive.lambda(&[3e-30, MASK, -4e-30], &[0.0, 10e-30]).map(|lambda| (lambda * 2.0).round()), Ok(1.0));
    assert_eq!(adaptive.lambda(&[0.0, MASK, 0.0, 0.0, -0.0], &[2.0]), Ok(1.0), "a start at 0: each counts as 1");
}

/// With θ = 0 the formula alone would give λ = 0 for ever.
#[test]
fn a_start_at_theta_0_reaches_the_target() {
    let mut task = Task::batch(1);
    task.theta.iter_mut().filter(|t| **t != MASK).for_each(|t| *t = 0.0);
    let (g, _) = task.run(&mut Adaptive::default(), 100);
    assert!((mean(&g[50..]) - 1.0).abs() < 0.2, "{g:?}");
}
