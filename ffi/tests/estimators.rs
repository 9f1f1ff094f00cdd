//! The estimators beside Implicit MLE give the bits of the core, which tests/estimators.rs holds to their formulas.

#[allow(dead_code, reason = "the laws use more of a case")]
#[path = "../../tests/law/case.rs"]
mod case;
#[path = "../../tests/reference/mod.rs"]
mod reference;

use std::ptr;

use case::{Case, Sizes, any_sizes};
use imle::{Argmax, Distribution, Dz, Exact, Imle, MapSolver, Noise, Rows, RowsMut, States, TopK};
use imle_ffi::*;
use proptest::prelude::*;
use proptest::test_runner::Config;

/// What outputs, workspace and gaps hold before a call.
const JUNK: f32 = f32::NAN;
const TEMPERATURE: f32 = 0.75;

/// What the estimators write: gradients with `gap` elements between the rows, and the Fenchel–Young loss.
struct Outputs {
    straight_through: Vec<f32>,
    perturbed: Vec<f32>,
    fenchel_young: Vec<f32>,
    simple: Vec<f32>,
    score_function: Vec<f32>,
    loss: Vec<f32>,
}

impl Outputs {
    fn new(Sizes { rows, n, .. }: Sizes, gap: usize) -> Self {
        let gradient = || vec![JUNK; rows * (n + gap)];
        Outputs {
            straight_through: gradient(),
            perturbed: gradient(),
            fenchel_young: gradient(),
            simple: gradient(),
            score_function: gradient(),
            loss: vec![JUNK; rows],
        }
    }

    /// All as bits, the gaps too.
    fn bits(&self) -> Vec<u32> {
        let all = [&self.straight_through, &self.perturbed, &self.fenchel_young, &self.simple, &self.score_function];
        all.into_iter().chain([&self.loss]).flatten().map(|x| x.to_bits()).collect()
    }
}

/// A case that every estimator accepts, with the rest of their inputs.
struct Inputs {
    case: Case,
    /// θ and y, rows `gap` elements apart.
    theta: Vec<f32>,
    y: Vec<f32>,
    stride: usize,
    losses: Vec<f32>,
    lists: Vec<u32>,
}

impl Inputs {
    fn new(case: Case, gap: usize) -> Inputs {
        let mut case = case.with_exact_sums();
        if matches!(case.options.noise, Noise::None | Noise::SumOfGamma { .. }) {
            case.options.noise = Noise::Normal; // it has a score
        }
        case.options.temperature = case.options.temperature.clamp(0.01, 4.0);
        let Sizes { rows, n, k, samples } = case.sizes;
        let spread = |row: &[f32]| row.iter().copied().chain(vec![JUNK; gap]).collect::<Vec<_>>();
        let exact = Exact::new(case.shape(), top_k(&case), TEMPERATURE).unwrap();
        let (mut lists, mut work) = (vec![7; rows * samples * k], vec![JUNK; exact.workspace_len()]);
        exact.sample(case.key, Rows::contiguous(&case.theta), States::indices(&mut lists), &mut work).unwrap();
        Inputs {
            theta: case.theta.chunks(n).flat_map(spread).collect(),
            y: (0..rows).flat_map(|b| spread(case.dz(b, 0))).collect(),
            stride: n + gap,
            losses: (0..rows).flat_map(|b| (0..samples).map(move |s| (b, s))).map(|(b, s)| case.dz(b, s)[0]).collect(),
            lists,
            case,
        }
    }

    fn outputs(&self) -> Outputs {
        Outputs::new(self.case.sizes, self.stride - self.case.sizes.n)
    }

    fn through_core<M: MapSolver + Distribution + Copy>(&self, set: M) -> Outputs {
        let (case, shape) = (&self.case, self.case.shape());
        let layer = Imle::new(shape, set, case.options).unwrap();
        let exact = Exact::new(shape, set, TEMPERATURE).unwrap();
        let mut out = self.outputs();
        let mut work = vec![JUNK; layer.workspace_len().max(exact.workspace_len())];
        let [theta, y] = [&self.theta, &self.y].map(|rows| Rows::strided(rows, self.stride));
        let rows = |out| RowsMut::strided(out, self.stride);
        let dz = if case.shared { Dz::shared(&case.dz) } else { Dz::per_sample(&case.dz) };
        imle::straight_through(shape, theta, dz, rows(&mut out.straight_through)).unwrap();
        imle::perturbed_gradient(shape, &case.options, case.key, theta, &self.losses, rows(&mut out.perturbed))
            .unwrap();
        layer.fenchel_young(case.key, theta, y, &mut out.loss, rows(&mut out.fenchel_young), &mut work).unwrap();
        exact.simple(theta, dz, rows(&mut out.simple), &mut work).unwrap();
        exact.score_function(theta, &self.lists, &self.losses, rows(&mut out.score_function)).unwrap();
        out
    }

    fn options(&self) -> imle_options {
        let mut options = std::mem::MaybeUninit::uninit();
        let mut options = unsafe {
            imle_options_default(options.as_mut_ptr());
            options.assume_init()
        };
        options.temperature = self.case.options.temperature;
        options.noise = match self.case.options.noise {
            Noise::Gumbel => IMLE_NOISE_GUMBEL,
            Noise::Logistic => IMLE_NOISE_LOGISTIC,
            _ => IMLE_NOISE_NORMAL,
        };
        options
    }
}

/// `through_c!(inputs, (k_row,) or (), functions)`
macro_rules! through_c {
    ($inputs:expr, ($($k_row:expr)?), $exact_len:ident, $fenchel_young:ident, $simple:ident, $score_function:ident) => {{
        let c: &Inputs = $inputs;
        let [rows, n, k, samples] =
            [c.case.sizes.rows, c.case.sizes.n, c.case.sizes.k, c.case.sizes.samples].map(|size| size as u32);
        let shape = imle_shape { rows, n, k, samples };
        let imle::Key { seed, step, row0 } = c.case.key;
        let (key, options) = (imle_key { seed, step, row0 }, c.options());
        let (theta, y, losses, ld) = (c.theta.as_ptr(), c.y.as_ptr(), c.losses.as_ptr(), c.stride);
        let (dz, per_sample) = (c.case.dz.as_ptr(), if c.case.shared { 0 } else { n as usize });
        let mut out = c.outputs();
        let mut work = vec![JUNK; unsafe { $exact_len(&shape).max(imle_topk_workspace_len(&shape)) }];
        let (work, len) = (work.as_mut_ptr(), work.len());
        let statuses = unsafe {
            [
                imle_straight_through(&shape, theta, ld, dz, 0, per_sample, out.straight_through.as_mut_ptr(), ld),
                imle_perturbed_gradient(&shape, &options, &key, theta, ld, losses, out.perturbed.as_mut_ptr(), ld),
                $fenchel_young(&shape, $($k_row,)? &options, &key, theta, ld, y, ld, out.loss.as_mut_ptr(),
                    out.fenchel_young.as_mut_ptr(), ld, work, len),
                $simple(&shape, $($k_row,)? TEMPERATURE, theta, ld, dz, 0, per_sample, out.simple.as_mut_ptr(), ld,
                    work, len),
                $score_function(&shape, $($k_row,)? TEMPERATURE, theta, ld, c.lists.as_ptr(), losses,
                    out.score_function.as_mut_ptr(), ld),
            ]
        };
        assert_eq!(statuses, [IMLE_OK; 5]);
        out
    }};
}

fn topk_through_c(inputs: &Inputs) -> Outputs {
    let k_row = inputs.case.k_row.as_ref().map_or(ptr::null(), |k_row| k_row.as_ptr());
    through_c!(
        inputs,
        (k_row),
        imle_topk_exact_workspace_len,
        imle_topk_fenchel_young,
        imle_topk_simple,
        imle_topk_score_function
    )
}

fn argmax_through_c(inputs: &Inputs) -> Outputs {
    through_c!(
        inputs,
        (),
        imle_argmax_exact_workspace_len,
        imle_argmax_fenchel_young,
        imle_argmax_simple,
        imle_argmax_score_function
    )
}

fn top_k(case: &Case) -> TopK<'_> {
    case.k_row.as_ref().map_or(TopK::new(case.shape()), |k_row| TopK::with_k_row(case.shape(), k_row).unwrap())
}

/// At least two samples, for the baselines; the table of F has n (k + 1) cells.
fn sizes(k: impl Fn(Sizes) -> usize + 'static) -> BoxedStrategy<Sizes> {
    let fit =
        move |sizes: Sizes| Sizes { n: sizes.n.min(70), k: k(sizes).min(70), samples: sizes.samples.max(2), ..sizes };
    any_sizes().prop_map(fit).boxed()
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn topk_is_the_core(mut case in case::cases(sizes(|sizes| sizes.k), true), all in any::<bool>(), gap in 0..4_usize) {
        case.k_row = case.k_row.filter(|_| !all);
        let inputs = Inputs::new(case, gap);
        prop_assert_eq!(topk_through_c(&inputs).bits(), inputs.through_core(top_k(&inputs.case)).bits());
    }

    #[test]
    fn argmax_is_the_core(case in case::cases(sizes(|_| 1), false), gap in 0..4_usize) {
        let inputs = Inputs::new(case, gap);
        prop_assert_eq!(argmax_through_c(&inputs).bits(), inputs.through_core(Argmax).bits());
    }
}
