//! The estimators other than Implicit MLE, against their formulas in f64 and under the laws that all layers obey.
//! tests/estimator_stats.rs shows that they estimate the right gradients.

mod common;

use common::arrays::{JUNK, bits, floats, spread, without_gaps};
use common::cases::{Case, Sizes, any_sizes, cases};
use common::layers::top_k;
use common::reference::enumeration::Enumeration;
use common::{laws, reference};
use imle::{
    Argmax, Coupling, Distribution, Dz, Exact, Imle, Key, MapSolver, Noise, Options, Rows, RowsMut, Shape, States, TopK,
};
use proptest::prelude::*;
use reference::inner_product;

const TEMPERATURE: f32 = 0.75;

/// A case with the further inputs of these estimators. Sums of its inputs are exact.
struct Inputs {
    case: Case,
    /// `[B][S]`
    losses: Vec<f32>,
    /// `[B][N]`
    y: Vec<f32>,
    /// `[B][S][K]`, drawn from p.
    lists: Vec<u32>,
    /// Number of elements between the rows of θ, y and grad_theta.
    gap: usize,
}

/// The results, `[B][N]` and `[B]`, without the gaps.
#[derive(Debug, PartialEq)]
struct Estimates {
    straight_through: Vec<u32>,
    perturbed: Option<Vec<u32>>,
    fenchel_young: Vec<u32>,
    loss: Vec<u32>,
    simple: Vec<u32>,
    score_function: Option<Vec<u32>>,
    unbiased_simple: Option<Vec<u32>>,
}

impl Inputs {
    fn new(case: Case) -> Inputs {
        let mut case = case.with_exact_sums();
        case.options.temperature = case.options.temperature.min(4.0);
        let Sizes { rows, n, k, samples } = case.sizes;
        let states = (0..rows).flat_map(|b| (0..samples).map(move |s| (b, s)));
        let losses = states.map(|(b, s)| case.theta(b)[s % n].max(-9.0) + case.dz(b, s)[0]).collect();
        let y = (0..rows).flat_map(|b| case.dz(b, 0)).copied().collect();
        let mut lists = vec![7; rows * samples * k];
        let (exact, mut work) = exact(&case);
        let theta = Rows::contiguous(&case.theta);
        exact.sample(case.key_without_strata(), theta, States::indices(&mut lists), &mut work).unwrap();
        Inputs { case, losses, y, lists, gap: 0 }
    }

    fn estimates<M: MapSolver, D: Distribution>(&self, layer: &Imle<M>, exact: &Exact<D>) -> Estimates {
        let (case, shape, n) = (&self.case, layer.shape(), self.case.sizes.n);
        let stride = n + self.gap;
        let [theta, y] = [&case.theta, &self.y].map(|rows| spread(rows, n, self.gap));
        let [theta, y] = [&theta, &y].map(|rows| Rows::strided(rows, stride));
        let dz = case.all_dz();
        let rows = |call: &mut dyn FnMut(RowsMut<'_>)| {
            let mut out = vec![JUNK; shape.rows() * stride];
            call(RowsMut::strided(&mut out, stride));
            bits(&without_gaps(&out, n, self.gap))
        };
        let mut work = vec![JUNK; layer.workspace_len().max(exact.workspace_len())];
        let mut loss = vec![JUNK; shape.rows()];
        let options = layer.options();
        let smooth = matches!(options.noise, Noise::Gumbel | Noise::Logistic | Noise::Normal)
            && options.coupling == Coupling::Independent
            && (1.0 / options.temperature).is_finite();
        let independent = options.coupling == Coupling::Independent;
        let several = shape.samples() > 1;
        Estimates {
            straight_through: rows(&mut |out| imle::straight_through(shape, theta, dz, out).unwrap()),
            perturbed: (smooth && independent && several).then(|| {
                rows(&mut |out| imle::perturbed_gradient(shape, options, case.key(), theta, &self.losses, out).unwrap())
            }),
            fenchel_young: rows(&mut |out| {
                layer.fenchel_young(case.key(), theta, y, &mut loss, out, &mut work).unwrap()
            }),
            simple: rows(&mut |out| exact.simple(theta, dz, out, &mut work).unwrap()),
            score_function: several
                .then(|| rows(&mut |out| exact.score_function(theta, &self.lists, &self.losses, out).unwrap())),
            unbiased_simple: several.then(|| {
                rows(&mut |out| {
                    exact.unbiased_simple(theta, &self.lists, dz, &self.losses, out, &mut work).unwrap();
                })
            }),
            loss: bits(&loss),
        }
    }

    fn top_k(&self) -> Estimates {
        self.estimates(&top_k(&self.case), &exact(&self.case).0)
    }

    /// Rows `from..from + rows` as a batch of their own.
    fn piece(&self, from: usize, rows: usize) -> Inputs {
        let Sizes { n, k, samples, .. } = self.case.sizes;
        Inputs {
            case: self.case.piece(from, rows),
            losses: self.losses[from * samples..][..rows * samples].to_vec(),
            y: self.y[from * n..][..rows * n].to_vec(),
            lists: self.lists[from * samples * k..][..rows * samples * k].to_vec(),
            gap: self.gap,
        }
    }
}

fn exact(case: &Case) -> (Exact<TopK<'_>>, Vec<f32>) {
    let exact = case.exact(TEMPERATURE);
    let work = vec![JUNK; exact.workspace_len()];
    (exact, work)
}

/// The table of F has n (k + 1) cells, so k stays small enough for a debug build.
fn sizes(k: impl Fn(Sizes) -> usize + 'static) -> BoxedStrategy<Sizes> {
    any_sizes().prop_map(move |sizes| Sizes { k: k(sizes).min(40), ..sizes }).boxed()
}

/// |got − expected| ≤ 1e-5 of the largest term.
fn close(got: f32, expected: f64, largest: f64) -> bool {
    (f64::from(got) - expected).abs() <= 1e-5 * largest
}

/// ℓ_s − mean_{r≠s} ℓ_r for every s, computed as it is written.
fn leave_one_out(losses: &[f32]) -> Vec<f64> {
    let others = |s: usize| losses.iter().enumerate().filter(move |&(r, _)| r != s).map(|(_, &loss)| f64::from(loss));
    let mean = |s: usize| others(s).sum::<f64>() / (losses.len() - 1) as f64;
    losses.iter().enumerate().map(|(s, &loss)| f64::from(loss) - mean(s)).collect()
}

proptest! {
    #![proptest_config(laws::config())]

    /// Single rows, the last one first, and rows with gaps between them give the bits of the whole batch.
    #[test]
    fn cuts_and_strides_do_not_matter(case in cases(sizes(|sizes| sizes.k), true)) {
        let whole = Inputs::new(case);
        let n = whole.case.sizes.n;
        let all = whole.top_k();
        for b in (0..whole.case.sizes.rows).rev() {
            let alone = whole.piece(b, 1).top_k();
            let of_row = |rows: &Vec<u32>| rows[b * n..][..n].to_vec();
            prop_assert_eq!(&alone.straight_through, &of_row(&all.straight_through));
            prop_assert_eq!(&alone.perturbed, &all.perturbed.as_ref().map(of_row));
            prop_assert_eq!(&alone.fenchel_young, &of_row(&all.fenchel_young));
            prop_assert_eq!(&alone.simple, &of_row(&all.simple));
            prop_assert_eq!(&alone.score_function, &all.score_function.as_ref().map(of_row));
            prop_assert_eq!(&alone.unbiased_simple, &all.unbiased_simple.as_ref().map(of_row));
            prop_assert_eq!(alone.loss[0], all.loss[b]);
        }
        prop_assert_eq!(Inputs { gap: 3, ..whole }.top_k(), all);
    }

    #[test]
    fn masked_entries_get_exactly_0(case in cases(sizes(|sizes| sizes.k), true)) {
        let inputs = Inputs::new(case);
        let Estimates { straight_through, perturbed, fenchel_young, simple, score_function, unbiased_simple, .. } =
            inputs.top_k();
        let unbiased = [perturbed, score_function, unbiased_simple];
        let all = [straight_through, fenchel_young, simple].map(Some).into_iter().chain(unbiased).collect::<Vec<_>>();
        for gradient in all.iter().flatten() {
            let entries = floats(gradient).into_iter().zip(&inputs.case.theta);
            prop_assert!(entries.filter(|(_, t)| **t == f32::NEG_INFINITY).all(|(g, _)| g == 0.0));
        }
    }

    /// Equal bits, except for SIMPLE and its unbiased form, whose closed forms differ.
    #[test]
    fn argmax_is_top_k_at_one(case in cases(sizes(|_| 1), false)) {
        let inputs = Inputs::new(case);
        let shape = inputs.case.shape();
        let layer = Imle::new(shape, Argmax, inputs.case.options).unwrap();
        let one_hot = inputs.estimates(&layer, &Exact::new(shape, Argmax, TEMPERATURE).unwrap());
        let top_k = inputs.top_k();
        let pairs = [(Some(&one_hot.simple), Some(&top_k.simple))]
            .into_iter()
            .chain([(one_hot.unbiased_simple.as_ref(), top_k.unbiased_simple.as_ref())]);
        for (one_hot, top_k) in pairs {
            let [one_hot, top_k] = [one_hot, top_k].map(|all| all.map_or(Vec::new(), |all| floats(all)));
            prop_assert_eq!(one_hot.len(), top_k.len());
            for (a, b) in one_hot.into_iter().zip(top_k) {
                prop_assert!(close(a, b.into(), 100.0 / f64::from(TEMPERATURE)), "{a} and {b}");
            }
        }
        let (simple, unbiased_simple) = (top_k.simple.clone(), top_k.unbiased_simple.clone());
        prop_assert_eq!(Estimates { simple, unbiased_simple, ..one_hot }, top_k);
    }

    /// The straight-through gradient is the mean of dz, and SIMPLE is the product of that mean with the covariance.
    #[test]
    fn simple_is_the_vjp_of_the_straight_through_gradient(case in cases(sizes(|sizes| sizes.k), true)) {
        let inputs = Inputs::new(case);
        let (case, Sizes { rows, n, samples, .. }) = (&inputs.case, inputs.case.sizes);
        let entry = |(b, i): (usize, usize)| {
            let sum: f32 = (0..samples).map(|s| case.dz(b, s)[i]).sum();
            if case.theta(b)[i] == f32::NEG_INFINITY { 0.0 } else { sum / samples as f32 }
        };
        let mean: Vec<f32> = (0..rows).flat_map(|b| (0..n).map(move |i| (b, i))).map(entry).collect();
        let estimates = inputs.top_k();
        prop_assert_eq!(floats(&estimates.straight_through), mean.clone());

        let (exact, mut work) = exact(case);
        let mut vjp = vec![JUNK; rows * n];
        exact.marginals_vjp(Rows::contiguous(&case.theta), Rows::contiguous(&mean), RowsMut::contiguous(&mut vjp), &mut work).unwrap();
        prop_assert_eq!(floats(&estimates.simple), vjp);
    }

    /// (1/S) Σ_s (ℓ_s − mean_{r≠s} ℓ_r) (1/T) (z_s − μ), with μ by enumeration.
    #[test]
    fn the_score_function_is_its_formula(case in cases(sizes(|sizes| sizes.k), true)) {
        prop_assume!(case.sizes.n <= 12 && case.sizes.samples > 1);
        let inputs = Inputs::new(case);
        let (case, Sizes { rows, n, k, samples }) = (&inputs.case, inputs.case.sizes);
        let gradient = floats(&inputs.top_k().score_function.unwrap());
        for b in 0..rows {
            let mu = Enumeration::new(case.theta(b), case.k(b), 1.0 / f64::from(TEMPERATURE)).marginals();
            let differences = leave_one_out(&inputs.losses[b * samples..][..samples]);
            for i in 0..n {
                let z = |s: usize| inputs.lists[(b * samples + s) * k..][..k].contains(&(i as u32));
                let term = |s: usize| differences[s] * (f64::from(u8::from(z(s))) - mu[i]) / f64::from(TEMPERATURE);
                let expected = (0..samples).map(term).sum::<f64>() / samples as f64;
                prop_assert!(close(gradient[b * n + i], expected, 100.0), "{} and {expected}", gradient[b * n + i]);
            }
        }
    }

    /// SIMPLE + (1/S) Σ_s (r_ss − mean_{t≠s} r_st) (1/T) (z_s − μ) as it is written, with every r_st, and μ and the
    /// covariance by enumeration.
    #[test]
    fn the_unbiased_simple_is_its_formula(case in cases(sizes(|sizes| sizes.k), true)) {
        prop_assume!(case.sizes.n <= 12 && case.sizes.samples > 1);
        let inputs = Inputs::new(case);
        let (case, Sizes { rows, n, k, samples }) = (&inputs.case, inputs.case.sizes);
        let gradient = floats(&inputs.top_k().unbiased_simple.unwrap());
        let others = (samples - 1) as f64;
        for b in 0..rows {
            let p = Enumeration::new(case.theta(b), case.k(b), 1.0 / f64::from(TEMPERATURE));
            let mu = p.marginals();
            let z = |s: usize, i: usize| {
                f64::from(u8::from(inputs.lists[(b * samples + s) * k..][..k].contains(&(i as u32))))
            };
            let sum_dz = |except: usize, i: usize| -> f64 {
                (0..samples).filter(|&s| s != except).map(|s| f64::from(case.dz(b, s)[i])).sum()
            };
            let mean_dz: Vec<f32> = (0..n).map(|i| (sum_dz(samples, i) / samples as f64) as f32).collect();
            let covariance = p.covariance(|z| inner_product(z, &mean_dz));
            let r = |s: usize, t: usize| {
                let linear: f64 = (0..n).map(|i| sum_dz(s, i) / others * z(t, i)).sum();
                f64::from(inputs.losses[b * samples + t]) - linear
            };
            let factors: Vec<f64> = (0..samples)
                .map(|s| r(s, s) - (0..samples).filter(|&t| t != s).map(|t| r(s, t)).sum::<f64>() / others)
                .collect();
            for i in 0..n {
                let correction: f64 = (0..samples).map(|s| factors[s] * (z(s, i) - mu[i])).sum();
                let expected = (covariance[i] + correction / samples as f64) / f64::from(TEMPERATURE);
                prop_assert!(close(gradient[b * n + i], expected, 200.0), "{} and {expected}", gradient[b * n + i]);
            }
        }
    }

    /// (1/S) Σ_s (ℓ_s − mean_{r≠s} ℓ_r) (1/τ) ν'(ε_s), with ν' computed from ε.
    #[test]
    fn the_perturbed_gradient_is_its_formula(case in cases(sizes(|sizes| sizes.k), true)) {
        let inputs = Inputs::new(case);
        let (case, Sizes { rows, n, samples, .. }) = (&inputs.case, inputs.case.sizes);
        let gradient = inputs.top_k().perturbed;
        prop_assume!(gradient.is_some());
        let (gradient, tau) = (floats(&gradient.unwrap()), f64::from(case.options.temperature));
        let score = |epsilon: f32| match case.options.noise {
            Noise::Gumbel => 1.0 - libm::exp(-f64::from(epsilon)),
            Noise::Logistic => libm::tanh(f64::from(epsilon) / 2.0),
            _ => f64::from(epsilon),
        };
        for b in 0..rows {
            let (epsilon, differences) = (case.epsilon(b), leave_one_out(&inputs.losses[b * samples..][..samples]));
            for i in (0..n).filter(|&i| case.theta(b)[i] != f32::NEG_INFINITY) {
                let terms: Vec<f64> =
                    (0..samples).map(|s| differences[s] * score(epsilon[s][i]) / tau / samples as f64).collect();
                let largest = terms.iter().fold(1.0 / tau, |largest, term| largest.max(term.abs()));
                // With τ near 1e-38 the gradient overflows f32.
                if largest < 1e30 {
                    let (got, expected) = (gradient[b * n + i], terms.iter().sum::<f64>());
                    prop_assert!(close(got, expected, 10.0 * largest), "{got} and {expected}");
                }
            }
        }
    }

    /// The gradient has the bits of (1/S) Σ_s z_s − y, and the loss is its formula with the same states.
    #[test]
    fn the_fenchel_young_loss_is_its_formula(case in cases(sizes(|sizes| sizes.k), true)) {
        let mut inputs = Inputs::new(case);
        let masked: Vec<bool> = inputs.case.theta.iter().map(|&t| t == f32::NEG_INFINITY).collect();
        inputs.y.iter_mut().zip(&masked).filter(|(_, masked)| **masked).for_each(|(y, _)| *y = y.abs());
        let chosen: Vec<bool> = inputs.y.iter().zip(&masked).map(|(&y, &masked)| masked && y > 0.0).collect();
        for (loss, chosen) in floats(&inputs.top_k().loss).into_iter().zip(chosen.chunks(inputs.case.sizes.n)) {
            prop_assert_eq!(loss == f32::INFINITY, chosen.contains(&true));
        }
        inputs.y.iter_mut().zip(&masked).filter(|(_, masked)| **masked).for_each(|(y, _)| *y = 0.0);
        let (case, n) = (&inputs.case, inputs.case.sizes.n);
        let estimates = inputs.top_k();
        let (loss, gradient) = (floats(&estimates.loss), floats(&estimates.fenchel_young));
        for b in 0..case.sizes.rows {
            let (theta, y) = (case.theta(b), &inputs.y[b * n..][..n]);
            let scores: Vec<Vec<f32>> =
                case.epsilon(b).iter().map(|e| reference::scores(theta, case.options.temperature, e)).collect();
            let states: Vec<Vec<f32>> = scores.iter().map(|scores| reference::map(scores, case.k(b))).collect();
            let expected: Vec<f32> = reference::mean(&states).iter().zip(y).map(|(mean, y)| mean - y).collect();
            prop_assert_eq!(&gradient[b * n..][..n], &expected[..]);

            let dot = |a: &[f32], z: &[f32]| -> Vec<f64> {
                let terms = a.iter().zip(z).filter(|(_, z)| **z != 0.0);
                terms.map(|(&a, &z)| f64::from(a) * f64::from(z)).collect()
            };
            let best = scores.iter().zip(&states).flat_map(|(scores, z)| dot(scores, z));
            let terms: Vec<f64> =
                best.map(|x| x / scores.len() as f64).chain(dot(theta, y).into_iter().map(|x| -x)).collect();
            let size = 1.0 + terms.iter().map(|x| x.abs()).sum::<f64>();
            prop_assert!(close(loss[b], terms.iter().sum(), size), "{} and {}", loss[b], terms.iter().sum::<f64>());
        }
    }
}

/// β Cov_p(z) · (1/S) Σ_s dz_s by enumeration.
#[test]
fn simple_agrees_with_enumeration() {
    let theta = [0.5, -1.25, f32::NEG_INFINITY, 2.0, -0.25, 0.75, 3.0, -2.0];
    let dz: Vec<f32> = (0..3 * 8).map(|i| (i * 11 % 16) as f32 / 4.0 - 2.0).collect();
    let mean: Vec<f32> = (0..8).map(|i| (dz[i] + dz[8 + i] + dz[16 + i]) / 3.0).collect();
    for (k, temperature) in (0..=7).flat_map(|k| [0.5, 1.0, 3.0].map(|temperature| (k, temperature))) {
        let shape = Shape { rows: 1, n: 8, k, samples: 3 };
        let exact = Exact::new(shape, TopK::new(shape.k), temperature).unwrap();
        let (mut gradient, mut work) = ([JUNK; 8], vec![JUNK; exact.workspace_len()]);
        let out = RowsMut::contiguous(&mut gradient);
        exact.simple(Rows::contiguous(&theta), Dz::per_sample(&dz), out, &mut work).unwrap();
        let p = Enumeration::new(&theta, k as usize, 1.0 / f64::from(temperature));
        for (got, covariance) in gradient.iter().zip(p.covariance(|z| inner_product(z, &mean))) {
            let expected = covariance / f64::from(temperature);
            assert!((f64::from(*got) - expected).abs() < 4e-6 / f64::from(temperature), "k {k}: {got} and {expected}");
        }
    }
}

/// With a fixed key the loss is convex and piecewise linear. Along every coordinate its difference quotient lies between
/// the gradients at the two ends.
#[test]
fn the_fenchel_young_gradient_is_the_slope_of_the_loss() {
    const N: usize = 12;
    const STEP: f32 = 0.125;
    let shape = Shape { rows: 1, n: N as u32, k: 4, samples: 5 };
    let options = Options { temperature: 0.5, noise: Noise::Normal, ..Options::default() };
    let layer = Imle::new(shape, TopK::new(shape.k), options).unwrap();
    let theta: Vec<f32> = (0..N).map(|i| (i * 7 % 12) as f32 / 8.0 - 0.75).collect();
    let y: Vec<f32> = (0..N).map(|i| f32::from(u8::from(i % 3 == 0))).collect();
    let at = |key: Key, theta: &[f32]| {
        let (mut loss, mut gradient, mut work) = ([JUNK], vec![JUNK; N], vec![JUNK; layer.workspace_len()]);
        let out = RowsMut::contiguous(&mut gradient);
        layer.fenchel_young(key, Rows::contiguous(theta), Rows::contiguous(&y), &mut loss, out, &mut work).unwrap();
        (f64::from(loss[0]), gradient)
    };
    let (mut flat, mut kinks) = (0, 0);
    for (seed, i) in (0..40).flat_map(|seed| (0..N).map(move |i| (seed, i))) {
        let key = Key { seed, ..Key::default() };
        let moved = |by: f32| (0..N).map(|j| if i == j { theta[j] + by } else { theta[j] }).collect::<Vec<_>>();
        let ((low, before), (high, after)) = (at(key, &moved(-STEP)), at(key, &moved(STEP)));
        let slope = (high - low) / (2.0 * f64::from(STEP));
        let (least, most) = (f64::from(before[i]), f64::from(after[i]));
        assert!(least - 1e-5 < slope && slope < most + 1e-5, "seed {seed}, {i}: {slope} in {least} to {most}");
        if least == most {
            flat += 1;
        } else {
            kinks += 1;
        }
    }
    assert!(flat > 100 && kinks > 100, "{flat} pieces and {kinks} kinks: both must occur");
}

/// A constant added to all losses costs no digits and changes no gradient.
#[test]
fn a_constant_loss_has_no_gradient() {
    let (shape, theta) = (Shape { rows: 1, n: 5, k: 2, samples: 3 }, [0.5, -1.0, 0.0, 2.0, 0.25]);
    let (lists, exact) = ([0, 1, 2, 3, 0, 4], Exact::new(shape, TopK::new(shape.k), 0.3).unwrap());
    let gradients = |losses: [f32; 3]| {
        let (mut p, mut noise) = ([JUNK; 5], [JUNK; 5]);
        let theta = Rows::contiguous(&theta);
        exact.score_function(theta, &lists, &losses, RowsMut::contiguous(&mut p)).unwrap();
        let out = RowsMut::contiguous(&mut noise);
        imle::perturbed_gradient(shape, &Options::default(), Key::default(), theta, &losses, out).unwrap();
        [p, noise]
    };
    assert_eq!(gradients([0.1; 3]), [[0.0; 5]; 2]);
    assert_eq!(gradients([1e6, 1e6 + 1.0, 1e6 + 4.0]), gradients([0.0, 1.0, 4.0]));
}

/// A loss that is not linear, and gradients of it that are wrong, at a state of six.
fn loss(z: u32) -> (f32, [f32; 6]) {
    let sum = inner_product(z, &[0.5, -1.25, 2.0, 0.75, -0.5, 1.5]) as f32;
    let both = f32::from(u8::from(z & 0b101 == 0b101));
    let dz =
        std::array::from_fn(|i| sum * (i as f32 - 2.0) / 4.0 + both * f32::from((z as u8).rotate_left(i as u32) % 8));
    (sum * sum - 3.0 * both + 0.25 * sum, dz)
}

/// The expectation over all pairs and triples of states, each with its probability, is the gradient of `E[ℓ]`: there
/// are no draws, so the bound is that of rounding.
#[test]
fn the_unbiased_simple_has_no_bias() {
    fn expectation<D: Distribution>(distribution: D, k: u32, samples: u32, shared: bool) {
        let theta = [0.5, -1.25, f32::NEG_INFINITY, 2.0, -0.25, 0.75];
        let p = Enumeration::new(&theta, k as usize, 1.0 / f64::from(TEMPERATURE));
        let states = p.states.len();
        let tuples = states.pow(samples);
        let shape = Shape { rows: 1, n: 6, k, samples };
        let exact = Exact::new(shape, distribution, TEMPERATURE).unwrap();
        let mut work = vec![JUNK; exact.workspace_len()];
        let mut mean = [0.0; 6];
        for tuple in 0..tuples {
            let chosen: Vec<usize> = (0..samples).map(|s| tuple / states.pow(s) % states).collect();
            let probability: f64 = chosen.iter().map(|&z| p.p[z]).product();
            if probability == 0.0 {
                continue; // a masked state, which is refused
            }
            let states = || chosen.iter().map(|&z| p.states[z]);
            let lists: Vec<u32> = states().flat_map(|z| (0..6).filter(move |i| z >> i & 1 == 1)).collect();
            let losses: Vec<f32> = states().map(|z| loss(z).0).collect();
            let dz: Vec<f32> = states().flat_map(|z| loss(z).1).collect();
            let constant = [0.5, 3.0, -1.0, 0.25, 2.0, -4.0]; // one for all samples may not depend on them
            let dz = if shared { Dz::shared(&constant) } else { Dz::per_sample(&dz) };
            let mut grad = [JUNK; 6];
            let out = RowsMut::contiguous(&mut grad);
            exact.unbiased_simple(Rows::contiguous(&theta), &lists, dz, &losses, out, &mut work).unwrap();
            mean.iter_mut().zip(grad).for_each(|(mean, g)| *mean += probability * f64::from(g));
        }
        for (mean, covariance) in mean.iter().zip(p.covariance(|z| f64::from(loss(z).0))) {
            let expected = covariance / f64::from(TEMPERATURE);
            assert!((mean - expected).abs() < 5e-6, "k {k}, S {samples}, shared {shared}: {mean} and {expected}");
        }
    }
    for shared in [false, true] {
        for samples in [2, 3] {
            expectation(TopK::new(2), 2, samples, shared);
            expectation(TopK::new(1), 1, samples, shared);
            expectation(Argmax, 1, samples, shared);
        }
        expectation(TopK::new(3), 3, 2, shared);
    }
}

/// Losses that are moved by 2²⁰, exactly, give the same bits.
#[test]
fn a_common_offset_of_the_losses_costs_no_digits() {
    let (theta, lists) = ([0.5, -1.25, 0.25, 2.0, -0.25], [0, 3, 1, 4, 0, 1, 3, 4]);
    let dz: Vec<f32> = (0..4 * 5).map(|i| (i * 11 % 16) as f32 / 4.0 - 2.0).collect();
    let shape = Shape { rows: 1, n: 5, k: 2, samples: 4 };
    let exact = Exact::new(shape, TopK::new(2), TEMPERATURE).unwrap();
    let gradient = |offset: f32| {
        let losses = [0.5, -1.25, 2.0, 0.75].map(|loss| loss + offset);
        let (mut grad, mut work) = ([JUNK; 5], vec![JUNK; exact.workspace_len()]);
        let (theta, out) = (Rows::contiguous(&theta), RowsMut::contiguous(&mut grad));
        exact.unbiased_simple(theta, &lists, Dz::per_sample(&dz), &losses, out, &mut work).unwrap();
        grad
    };
    assert_eq!(gradient(1_048_576.0), gradient(0.0));
}
