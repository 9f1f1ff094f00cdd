//! The exact functions give the bits of the core, which tests/exact.rs compares with enumeration, and obey the laws of
//! tests/common/exact_laws.rs.

mod common;

use common::arrays::{JUNK, bits, spread, without_gaps};
use common::cases::{Case, Sizes};
use common::exact_laws::{
    Answers, CoreArgmax, CoreTopK, ExactLayer, cases, losses, one_hot_sizes, other, top_k_sizes, v, weights,
};
use common::exact_trees::CoreTrees;
use common::trees::{KINDS, Kind};
use common::{in_c, laws, tree_cases};
use imle::Key;
use imle_ffi::*;
use proptest::prelude::*;
use proptest::sample::select;

exact_laws!(exact_top_k: TopK);
exact_laws!(exact_argmax: OneHot);
exact_tree_laws!(Trees);

/// Rows with junk between them, and their stride.
fn strided(rows: &[f32], n: usize, gap: usize) -> (Vec<f32>, usize) {
    (spread(rows, n, gap), if gap == 0 { 0 } else { n + gap })
}

/// `through_c!(case, key, temperature, gap, (k_row,) or (), functions)`
macro_rules! through_c {
    ($case:expr, $key:expr, $temperature:expr, $gap:expr, ($($k_row:expr),*), $workspace_len:expr, $marginals:ident,
        $vjp:ident, $sample:ident, $log_prob:ident, $kl:ident, $unbiased_simple:ident) => {{
        let (case, t, gap) = ($case, $temperature, $gap);
        let Sizes { rows, n, k, samples } = case.sizes;
        let (shape, key) = (in_c::shape(case), in_c::key($key));
        let no_samples = imle_shape { samples: 0, ..shape };
        let (theta, ld_theta) = strided(&case.theta, n, gap);
        let (v, ld_v) = strided(&v(case), n, 2 * gap);
        let (other, ld_other) = strided(&other(case), n, 3 * gap);
        let (theta, v, other, losses) = (theta.as_ptr(), v.as_ptr(), other.as_ptr(), losses(case));
        let (dz, dz_row_stride, dz_sample_stride) = in_c::dz(case);
        let junk = |len| vec![JUNK; len];
        let [mut marginals, mut vjp] = [(); 2].map(|()| junk(rows * n));
        let [mut log_partition, mut entropy, mut kl] = [(); 3].map(|()| junk(rows));
        let (mut z, mut indices) = (junk(rows * samples * n), vec![7; rows * samples * k]);
        let (mut log_prob, mut unbiased) = (junk(rows * samples), junk(rows * (n + gap)));
        let mut work = junk(unsafe { $workspace_len(&no_samples) });
        let (work, work_len) = (work.as_mut_ptr(), work.len());
        let statuses = unsafe {
            [
                $marginals(&no_samples, $($k_row,)* t, theta, ld_theta, marginals.as_mut_ptr(),
                    log_partition.as_mut_ptr(), entropy.as_mut_ptr(), work, work_len),
                $vjp(&no_samples, $($k_row,)* t, theta, ld_theta, v, ld_v, vjp.as_mut_ptr(), work, work_len),
                $sample(&shape, $($k_row,)* t, &key, theta, ld_theta, z.as_mut_ptr(), indices.as_mut_ptr(),
                    work, work_len),
                $log_prob(&shape, $($k_row,)* t, theta, ld_theta, indices.as_ptr(), log_prob.as_mut_ptr(),
                    work, work_len),
                $kl(&no_samples, $($k_row,)* t, theta, ld_theta, other, ld_other, kl.as_mut_ptr(), work, work_len),
                $unbiased_simple(&shape, $($k_row,)* t, theta, ld_theta, indices.as_ptr(), dz, dz_row_stride,
                    dz_sample_stride, losses.as_ptr(), unbiased.as_mut_ptr(), n + gap, work, work_len),
            ]
        };
        assert_eq!(statuses, [IMLE_OK; 6]);
        Answers::from([
            ("marginals", bits(&marginals)),
            ("log_partition", bits(&log_partition)),
            ("entropy", bits(&entropy)),
            ("vjp", bits(&vjp)),
            ("z", bits(&z)),
            ("indices", indices),
            ("log_prob", bits(&log_prob)),
            ("kl", bits(&kl)),
            ("unbiased_simple", bits(&without_gaps(&unbiased, n, gap))),
        ])
    }};
}

fn topk_through_c(case: &Case, key: Key<'_>, temperature: f32, gap: usize) -> Answers {
    let mut answers = through_c!(
        case,
        key,
        temperature,
        gap,
        (in_c::k_row(case)),
        imle_topk_exact_workspace_len,
        imle_topk_marginals,
        imle_topk_marginals_vjp,
        imle_topk_sample_exact,
        imle_topk_log_prob,
        imle_topk_kl,
        imle_topk_unbiased_simple
    );
    let Sizes { rows, n, k, .. } = case.sizes;
    let shape = imle_shape { samples: 0, ..in_c::shape(case) };
    let (theta, ld_theta) = strided(&case.theta, n, gap);
    let (weights, ld_weights) = strided(&weights(case), k + 1, gap);
    let (mut all, mut out) = (vec![JUNK; rows * (k + 1)], vec![JUNK; rows * n]);
    let mut work = vec![JUNK; unsafe { imle_topk_exact_workspace_len(&shape) }];
    let (theta, work, work_len) = (theta.as_ptr(), work.as_mut_ptr(), work.len());
    #[rustfmt::skip]
    let statuses = unsafe {
        [
            imle_topk_log_partitions(&shape, temperature, theta, ld_theta, all.as_mut_ptr(), work, work_len),
            imle_topk_log_partitions_vjp(&shape, temperature, theta, ld_theta, weights.as_ptr(), ld_weights,
                out.as_mut_ptr(), work, work_len),
        ]
    };
    assert_eq!(statuses, [IMLE_OK; 2]);
    answers.extend([("log_partitions", bits(&all)), ("log_partitions_vjp", bits(&out))]);
    answers
}

fn argmax_through_c(case: &Case, key: Key<'_>, temperature: f32, gap: usize) -> Answers {
    through_c!(
        case,
        key,
        temperature,
        gap,
        (),
        imle_argmax_exact_workspace_len,
        imle_argmax_marginals,
        imle_argmax_marginals_vjp,
        imle_argmax_sample_exact,
        imle_argmax_log_prob,
        imle_argmax_kl,
        imle_argmax_unbiased_simple
    )
}

fn tree_through_c(case: &Case, options: &imle_tree_options, key: Key<'_>, temperature: f32, gap: usize) -> Answers {
    through_c!(
        case,
        key,
        temperature,
        gap,
        (in_c::k_row(case), options),
        |shape: &imle_shape| imle_tree_exact_workspace_len(shape, options),
        imle_tree_marginals,
        imle_tree_marginals_vjp,
        imle_tree_sample_exact,
        imle_tree_log_prob,
        imle_tree_kl,
        imle_tree_unbiased_simple
    )
}

/// imle_tree_*
struct Trees(Kind);

impl Trees {
    /// The bits of the core, with gaps between rows and with as many words in every row too.
    fn give_the_bits_of_the_core(&self, mut case: Case, temperature: f32) -> Result<(), TestCaseError> {
        let key = case.key;
        let (core, options) = (CoreTrees(self.0), in_c::tree_options(self.0));
        let expected = core.answers(&case, Key { strata: 0, ..key }, temperature);
        for gap in [0, 3] {
            let got = tree_through_c(&case, &options, Key { strata: 0, ..key }, temperature, gap);
            prop_assert_eq!(&got, &expected);
        }
        case.k_row = None;
        let case = tree_cases::fit(without_nan(case));
        let expected = core.answers(&case, Key { strata: 0, ..key }, temperature);
        let got = tree_through_c(&case, &options, Key { strata: 0, ..key }, temperature, 0);
        prop_assert_eq!(got, expected);
        Ok(())
    }
}

/// Puts numbers in the place of what is outside of the words of a row.
fn without_nan(mut case: Case) -> Case {
    case.theta.iter_mut().chain(&mut case.dz).filter(|x| x.is_nan()).for_each(|x| *x = 0.5);
    case
}

impl ExactLayer for Trees {
    fn sizes(&self) -> BoxedStrategy<Sizes> {
        tree_cases::sizes()
    }

    fn fit(&self, case: Case) -> Case {
        tree_cases::fit(case)
    }

    fn answers(&self, case: &Case, key: Key<'_>, temperature: f32) -> Answers {
        tree_through_c(case, &in_c::tree_options(self.0), key, temperature, 0)
    }
}

/// imle_topk_*
struct TopK;

impl ExactLayer for TopK {
    fn sizes(&self) -> BoxedStrategy<Sizes> {
        top_k_sizes()
    }

    fn answers(&self, case: &Case, key: Key<'_>, temperature: f32) -> Answers {
        topk_through_c(case, key, temperature, 0)
    }
}

/// imle_argmax_*
struct OneHot;

impl ExactLayer for OneHot {
    fn takes_k_per_row(&self) -> bool {
        false
    }

    fn sizes(&self) -> BoxedStrategy<Sizes> {
        one_hot_sizes()
    }

    fn answers(&self, case: &Case, key: Key<'_>, temperature: f32) -> Answers {
        argmax_through_c(case, key, temperature, 0)
    }
}

fn any_temperature() -> impl Strategy<Value = f32> {
    prop_oneof![2 => Just(1.0), 4 => 0.05..20.0_f32, 1 => select(&[3e-39, 1e-3, 1e3, f32::MAX][..])]
}

fn nans(answers: Answers) -> usize {
    let floats = answers.into_iter().filter(|(name, _)| *name != "indices").flat_map(|(_, bits)| bits);
    floats.filter(|&bits| f32::from_bits(bits).is_nan()).count()
}

proptest! {
    #![proptest_config(laws::config())]

    #[test]
    fn topk_gives_the_bits_of_the_core(mut case in cases(&TopK), temperature in any_temperature()) {
        let expected = CoreTopK.answers(&case, case.key_without_strata(), temperature);
        for gap in [0, 3] {
            prop_assert_eq!(&topk_through_c(&case, case.key_without_strata(), temperature, gap), &expected);
        }
        case.k_row = None;
        let expected = CoreTopK.answers(&case, case.key_without_strata(), temperature);
        prop_assert_eq!(topk_through_c(&case, case.key_without_strata(), temperature, 0), expected);
    }

    #[test]
    fn argmax_gives_the_bits_of_the_core(case in cases(&OneHot), temperature in any_temperature()) {
        let expected = CoreArgmax.answers(&case, case.key_without_strata(), temperature);
        for gap in [0, 3] {
            prop_assert_eq!(&argmax_through_c(&case, case.key_without_strata(), temperature, gap), &expected);
        }
    }

    #[test]
    fn trees_give_the_bits_of_the_core(case in cases(&Trees(KINDS[0])), temperature in any_temperature()) {
        for kind in KINDS {
            Trees(kind).give_the_bits_of_the_core(case.clone(), temperature)?;
        }
    }

    /// The manual promises this for scores up to 1e30, also when divided by the temperature, and for v and dz up to
    /// 1e30.
    #[test]
    fn no_answer_is_nan(mut case in cases(&TopK), temperature in any_temperature()) {
        let largest = 1e30 * temperature.min(1.0);
        case.theta.iter_mut().filter(|t| **t != f32::NEG_INFINITY).for_each(|t| *t = t.clamp(-largest, largest));
        case.dz.iter_mut().for_each(|v| *v = v.clamp(-1e30, 1e30));
        prop_assert_eq!(nans(topk_through_c(&case, case.key_without_strata(), temperature, 0)), 0);
        case.sizes.k = 1;
        case.theta.chunks_mut(case.sizes.n).for_each(|row| row[0] = row[0].max(-largest));
        prop_assert_eq!(nans(argmax_through_c(&case, case.key_without_strata(), temperature, 0)), 0);
    }

    /// The same for trees.
    #[test]
    fn no_answer_of_trees_is_nan(mut case in cases(&Trees(KINDS[0])), temperature in any_temperature()) {
        let largest = 1e30 * temperature.min(1.0);
        case = without_nan(case);
        case.theta.iter_mut().filter(|t| **t != f32::NEG_INFINITY).for_each(|t| *t = t.clamp(-largest, largest));
        case.dz.iter_mut().for_each(|v| *v = v.clamp(-1e30, 1e30));
        for kind in KINDS {
            let options = in_c::tree_options(kind);
            let answers = tree_through_c(&case, &options, case.key_without_strata(), temperature, 0);
            prop_assert_eq!(nans(answers), 0, "{:?}", kind);
        }
    }
}
