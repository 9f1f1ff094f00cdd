//! The estimators other than Implicit MLE give the bits of the core, which tests/estimators.rs compares with their
//! formulas.

mod common;

use common::arrays::{JUNK, bits, spread};
use common::cases::{Case, Sizes, any_sizes, cases};
use common::{in_c, laws};
use imle::{Argmax, Coupling, Distribution, Exact, Imle, MapSolver, Noise, Rows, RowsMut, States};
use imle_ffi::*;
use proptest::prelude::*;

const TEMPERATURE: f32 = 0.75;

/// The outputs: gradients with `gap` elements between the rows, and the Fenchel–Young loss.
struct Outputs {
    straight_through: Vec<f32>,
    perturbed: Vec<f32>,
    fenchel_young: Vec<f32>,
    simple: Vec<f32>,
    score_function: Vec<f32>,
    unbiased_simple: Vec<f32>,
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
            unbiased_simple: gradient(),
            loss: vec![JUNK; rows],
        }
    }

    /// The bits of all, gaps included.
    fn bits(&self) -> Vec<u32> {
        let all = [&self.straight_through, &self.perturbed, &self.fenchel_young, &self.simple, &self.score_function];
        all.into_iter().chain([&self.unbiased_simple, &self.loss]).flat_map(|output| bits(output)).collect()
    }
}

/// A case that every estimator accepts, with their further inputs.
struct Inputs {
    case: Case,
    /// θ and y, with gaps between the rows.
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
            case.options.noise = Noise::Normal; // the perturbed gradient needs a density
        }
        // It needs independent noise too.
        (case.options.coupling, case.key.strata) = (Coupling::Independent, 0);
        case.options.temperature = case.options.temperature.clamp(0.01, 4.0);
        let Sizes { rows, n, k, samples } = case.sizes;
        let exact = case.exact(TEMPERATURE);
        let (mut lists, mut work) = (vec![7; rows * samples * k], vec![JUNK; exact.workspace_len()]);
        exact
            .sample(case.key_without_strata(), Rows::contiguous(&case.theta), States::indices(&mut lists), &mut work)
            .unwrap();
        Inputs {
            theta: spread(&case.theta, n, gap),
            y: (0..rows).flat_map(|b| spread(case.dz(b, 0), n, gap)).collect(),
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
        let dz = case.all_dz();
        imle::straight_through(shape, theta, dz, rows(&mut out.straight_through)).unwrap();
        imle::perturbed_gradient(shape, &case.options, case.key(), theta, &self.losses, rows(&mut out.perturbed))
            .unwrap();
        layer.fenchel_young(case.key(), theta, y, &mut out.loss, rows(&mut out.fenchel_young), &mut work).unwrap();
        exact.simple(theta, dz, rows(&mut out.simple), &mut work).unwrap();
        exact.score_function(theta, &self.lists, &self.losses, rows(&mut out.score_function)).unwrap();
        let unbiased = rows(&mut out.unbiased_simple);
        exact.unbiased_simple(theta, &self.lists, dz, &self.losses, unbiased, &mut work).unwrap();
        out
    }
}

/// `through_c!(inputs, (k_row,) or (), functions)`
macro_rules! through_c {
    ($inputs:expr, ($($k_row:expr)?), $exact_len:ident, $fenchel_young:ident, $simple:ident, $score_function:ident,
        $unbiased_simple:ident) => {{
        let c: &Inputs = $inputs;
        let (shape, key, options) = (in_c::shape(&c.case), in_c::key(c.case.key()), in_c::options(&c.case.options));
        let (theta, y, losses, ld) = (c.theta.as_ptr(), c.y.as_ptr(), c.losses.as_ptr(), c.stride);
        let (dz, dz_row, dz_sample) = in_c::dz(&c.case);
        let mut out = c.outputs();
        let mut work = vec![JUNK; unsafe { $exact_len(&shape).max(imle_topk_workspace_len(&shape)) }];
        let (work, len) = (work.as_mut_ptr(), work.len());
        let statuses = unsafe {
            [
                imle_straight_through(&shape, theta, ld, dz, dz_row, dz_sample, out.straight_through.as_mut_ptr(), ld),
                imle_perturbed_gradient(&shape, &options, &key, theta, ld, losses, out.perturbed.as_mut_ptr(), ld),
                $fenchel_young(&shape, $($k_row,)? &options, &key, theta, ld, y, ld, out.loss.as_mut_ptr(),
                    out.fenchel_young.as_mut_ptr(), ld, work, len),
                $simple(&shape, $($k_row,)? TEMPERATURE, theta, ld, dz, dz_row, dz_sample,
                    out.simple.as_mut_ptr(), ld, work, len),
                $score_function(&shape, $($k_row,)? TEMPERATURE, theta, ld, c.lists.as_ptr(), losses,
                    out.score_function.as_mut_ptr(), ld),
                $unbiased_simple(&shape, $($k_row,)? TEMPERATURE, theta, ld, c.lists.as_ptr(), dz, dz_row, dz_sample,
                    losses, out.unbiased_simple.as_mut_ptr(), ld, work, len),
            ]
        };
        assert_eq!(statuses, [IMLE_OK; 6]);
        out
    }};
}

fn topk_through_c(inputs: &Inputs) -> Outputs {
    through_c!(
        inputs,
        (in_c::k_row(&inputs.case)),
        imle_topk_exact_workspace_len,
        imle_topk_fenchel_young,
        imle_topk_simple,
        imle_topk_score_function,
        imle_topk_unbiased_simple
    )
}

fn argmax_through_c(inputs: &Inputs) -> Outputs {
    through_c!(
        inputs,
        (),
        imle_argmax_exact_workspace_len,
        imle_argmax_fenchel_young,
        imle_argmax_simple,
        imle_argmax_score_function,
        imle_argmax_unbiased_simple
    )
}

/// At least two samples, which the baselines need. The table of F has n (k + 1) cells, so k stays small.
fn sizes(k: impl Fn(Sizes) -> usize + 'static) -> BoxedStrategy<Sizes> {
    let fit = move |sizes: Sizes| Sizes { k: k(sizes).min(40), samples: sizes.samples.max(2), ..sizes };
    any_sizes().prop_map(fit).boxed()
}

proptest! {
    #![proptest_config(laws::config())]

    #[test]
    fn topk_gives_the_bits_of_the_core(mut case in cases(sizes(|sizes| sizes.k), true), all in any::<bool>(), gap in 0..4_usize) {
        case.k_row = case.k_row.filter(|_| !all);
        let inputs = Inputs::new(case, gap);
        prop_assert_eq!(topk_through_c(&inputs).bits(), inputs.through_core(inputs.case.top_k()).bits());
    }

    #[test]
    fn argmax_gives_the_bits_of_the_core(case in cases(sizes(|_| 1), false), gap in 0..4_usize) {
        let inputs = Inputs::new(case, gap);
        prop_assert_eq!(argmax_through_c(&inputs).bits(), inputs.through_core(Argmax).bits());
    }
}
