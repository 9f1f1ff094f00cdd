//! The C functions obey the laws of tests/common/laws.rs, which compare the core with its definitions.

mod common;

use std::ptr;

use common::arrays::{JUNK, bits, spread, without_gaps};
use common::cases::{Case, Sizes, any_sizes};
use common::laws::{self, Layer, MapLayer, Sampled};
use common::trees::Kind;
use common::{in_c, reference, tree_cases};
use imle::{Diagnostics, Difference, Options};
use imle_ffi::*;
use proptest::prelude::*;

laws!(top_k: TopK { per_row: false }, map, any_size, replay);
laws!(top_k_per_row: TopK { per_row: true }, map, any_size, replay);
laws!(argmax: Argmax, map, any_size, replay);
laws!(three_steps: ThreeSteps, any_size);

tree_laws!(Trees);

/// Number of elements between the rows of theta and grad_theta.
const GAP: usize = 3;

/// A case as C sees it.
struct Call<'a> {
    case: &'a Case,
    shape: imle_shape,
    options: imle_options,
    tree_options: imle_tree_options,
    key: imle_key,
    theta: Vec<f32>,
    stride: usize,
    work: Vec<f32>,
}

impl<'a> Call<'a> {
    fn new(case: &'a Case) -> Self {
        let (shape, n) = (in_c::shape(case), case.sizes.n);
        Call {
            case,
            shape,
            options: in_c::options(&case.options),
            tree_options: in_c::tree_options(Kind::default()),
            key: in_c::key(case.key()),
            theta: spread(&case.theta, n, GAP),
            stride: n + GAP,
            work: vec![JUNK; unsafe { imle_topk_workspace_len(&shape) }],
        }
    }

    fn of_trees(case: &'a Case, kind: Kind) -> Self {
        let (call, tree_options) = (Call::new(case), in_c::tree_options(kind));
        let len = unsafe { imle_tree_workspace_len(&call.shape, &tree_options) };
        Call { tree_options, work: vec![JUNK; len], ..call }
    }

    fn k_row(&self) -> *const u32 {
        in_c::k_row(self.case)
    }

    fn tree_options(&self) -> *const imle_tree_options {
        &self.tree_options
    }

    fn per_state(&self) -> Vec<f32> {
        vec![JUNK; self.case.sizes.rows * self.case.sizes.samples * self.case.sizes.n]
    }

    /// An output of rows with gaps.
    fn per_row(&self) -> Vec<f32> {
        vec![JUNK; self.theta.len()]
    }

    /// The rows of such an output.
    fn without_gaps(&self, output: &[f32]) -> Vec<f32> {
        without_gaps(output, self.case.sizes.n, GAP)
    }
}

fn diagnostics() -> imle_diagnostics {
    imle_diagnostics { states: 7, unchanged: 7, nonzeros: 7 }
}

fn counts(imle_diagnostics { states, unchanged, nonzeros }: imle_diagnostics) -> Diagnostics {
    Diagnostics { states, unchanged, nonzeros }
}

/// The layer of a family: `layer!(type, (the arguments behind the shape), functions, { further items })`. The type has a
/// function `call`, which makes a [`Call`] of a case.
macro_rules! layer {
    ($layer:ty, ($($set:path),*), $sample:ident, $gradient:ident, $map:ident, { $($items:tt)* }) => {
        impl Layer for $layer {
            $($items)*

            fn sample(&self, case: &Case) -> Sampled {
                let mut c = self.call(case);
                let Sizes { rows, n, k, samples } = case.sizes;
                let (mut z, mut marginals) = (c.per_state(), vec![JUNK; rows * n]);
                let mut indices = vec![7; rows * samples * k];
                let status = unsafe {
                    $sample(&c.shape, $($set(&c),)* &c.options, &c.key, c.theta.as_ptr(), c.stride,
                        z.as_mut_ptr(), indices.as_mut_ptr(), marginals.as_mut_ptr(), c.work.as_mut_ptr(), c.work.len())
                };
                assert_eq!(status, IMLE_OK);
                Sampled { z, indices: Some(indices), marginals: Some(marginals) }
            }

            fn gradient(&self, case: &Case, replay: Option<&[u32]>) -> (Vec<f32>, Diagnostics) {
                let mut c = self.call(case);
                let (dz, dz_row_stride, dz_sample_stride) = in_c::dz(case);
                let indices = replay.map_or(ptr::null(), <[u32]>::as_ptr);
                let (mut grad_theta, mut diagnostics) = (c.per_row(), diagnostics());
                let status = unsafe {
                    $gradient(&c.shape, $($set(&c),)* &c.options, &c.key, c.theta.as_ptr(), c.stride,
                        dz, dz_row_stride, dz_sample_stride, indices, grad_theta.as_mut_ptr(), c.stride,
                        &mut diagnostics, c.work.as_mut_ptr(), c.work.len())
                };
                assert_eq!(status, IMLE_OK);
                (c.without_gaps(&grad_theta), counts(diagnostics))
            }
        }

        impl MapLayer for $layer {
            fn map(&self, case: &Case) -> Vec<f32> {
                let mut c = self.call(case);
                c.shape.samples = 0;
                let Sizes { rows, n, k, .. } = case.sizes;
                let (mut z, mut indices) = (vec![JUNK; rows * n], vec![7; rows * k]);
                let status = unsafe {
                    $map(&c.shape, $($set(&c),)* c.theta.as_ptr(), c.stride,
                        z.as_mut_ptr(), indices.as_mut_ptr(), c.work.as_mut_ptr(), c.work.len())
                };
                assert_eq!(status, IMLE_OK);
                assert_eq!(indices, z.chunks(n).flat_map(|z| reference::index_list(z, k)).collect::<Vec<_>>());
                z
            }
        }
    };
}

/// imle_topk_*, with k_row or without.
struct TopK {
    per_row: bool,
}

impl TopK {
    fn call<'a>(&self, case: &'a Case) -> Call<'a> {
        Call::new(case)
    }
}

layer!(TopK, (Call::k_row), imle_topk_sample, imle_topk_gradient, imle_topk_map, {
    fn takes_k_per_row(&self) -> bool {
        self.per_row
    }
});

/// imle_argmax_*
struct Argmax;

impl Argmax {
    fn call<'a>(&self, case: &'a Case) -> Call<'a> {
        Call::new(case)
    }
}

layer!(Argmax, (), imle_argmax_sample, imle_argmax_gradient, imle_argmax_map, {
    fn sizes(&self) -> BoxedStrategy<Sizes> {
        any_sizes().prop_map(|sizes| Sizes { k: 1, ..sizes }).boxed()
    }
});

/// imle_tree_*
struct Trees(Kind);

impl Trees {
    fn call<'a>(&self, case: &'a Case) -> Call<'a> {
        Call::of_trees(case, self.0)
    }
}

layer!(Trees, (Call::k_row, Call::tree_options), imle_tree_sample, imle_tree_gradient, imle_tree_map, {
    fn takes_k_per_row(&self) -> bool {
        true
    }

    fn sizes(&self) -> BoxedStrategy<Sizes> {
        tree_cases::sizes()
    }

    fn fit(&self, case: Case) -> Case {
        tree_cases::fit(case)
    }

    fn state(&self, case: &Case, b: usize, scores: &[f32]) -> Vec<f32> {
        tree_cases::state(case, b, scores, self.0)
    }

    fn some_state(&self, case: &Case, b: usize) -> Vec<f32> {
        tree_cases::some_state(case, b)
    }
});

/// imle_perturb, imle_target and imle_difference, with a sort as the solver.
struct ThreeSteps;

fn perturbed(case: &Case) -> Vec<f32> {
    let c = Call::new(case);
    let mut scores = c.per_state();
    let status = unsafe { imle_perturb(&c.shape, &c.options, &c.key, c.theta.as_ptr(), c.stride, scores.as_mut_ptr()) };
    assert_eq!(status, IMLE_OK);
    scores
}

fn targets(case: &Case, side: i32) -> Vec<f32> {
    let c = Call::new(case);
    let (dz, dz_row_stride, dz_sample_stride) = in_c::dz(case);
    let mut scores = c.per_state();
    #[rustfmt::skip]
    let status = unsafe {
        imle_target(&c.shape, &c.options, &c.key, side, c.theta.as_ptr(), c.stride,
            dz, dz_row_stride, dz_sample_stride, scores.as_mut_ptr())
    };
    assert_eq!(status, IMLE_OK);
    scores
}

fn solve_outside(case: &Case, scores: &[f32]) -> Vec<f32> {
    let states = scores.chunks(case.sizes.n).enumerate();
    states.flat_map(|(state, scores)| reference::map(scores, case.k(state / case.sizes.samples))).collect()
}

impl Layer for ThreeSteps {
    fn takes_k_per_row(&self) -> bool {
        true
    }

    fn sample(&self, case: &Case) -> Sampled {
        Sampled { z: solve_outside(case, &perturbed(case)), indices: None, marginals: None }
    }

    fn gradient(&self, case: &Case, _replay: Option<&[u32]>) -> (Vec<f32>, Diagnostics) {
        let c = Call::new(case);
        let z = match case.options.difference {
            Difference::Forward => perturbed(case),
            Difference::Central => targets(case, -1),
            _ => unreachable!("no case has another one"),
        };
        let (z, z_target) = (solve_outside(case, &z), solve_outside(case, &targets(case, 1)));
        let (mut grad_theta, mut diagnostics) = (c.per_row(), diagnostics());
        #[rustfmt::skip]
        let status = unsafe {
            imle_difference(&c.shape, &c.options, z.as_ptr(), z_target.as_ptr(),
                grad_theta.as_mut_ptr(), c.stride, &mut diagnostics)
        };
        assert_eq!(status, IMLE_OK);
        (c.without_gaps(&grad_theta), counts(diagnostics))
    }
}

proptest! {
    #![proptest_config(laws::config())]

    #[test]
    fn noise_is_the_noise_of_the_core(case in laws::cases(&ThreeSteps)) {
        let c = Call::new(&case);
        let mut noise = c.per_state();
        let status = unsafe { imle_noise(&c.shape, &c.options, &c.key, noise.as_mut_ptr()) };
        prop_assert_eq!(status, IMLE_OK);
        let expected: Vec<f32> = (0..case.sizes.rows).flat_map(|b| case.epsilon(b)).flatten().collect();
        prop_assert_eq!(bits(&noise), bits(&expected));
    }
}

#[test]
fn the_defaults_are_those_of_the_core() {
    assert_eq!(in_c::options(&Options::default()), in_c::defaults());
}
