//! The exact functions give the bits of the core, which tests/exact.rs compares with enumeration.

mod common;

use common::arrays::{JUNK, bits, spread};
use common::cases::{Case, Sizes, any_sizes, cases};
use common::{in_c, laws};
use imle::{Argmax, Distribution, Exact, ExactOutputs, Rows, RowsMut, States};
use imle_ffi::*;
use proptest::prelude::*;
use proptest::sample::select;

/// The bits of every output.
#[derive(Debug, PartialEq)]
struct Answers {
    marginals: Vec<u32>,
    log_partition: Vec<u32>,
    entropy: Vec<u32>,
    vjp: Vec<u32>,
    z: Vec<u32>,
    indices: Vec<u32>,
    log_prob: Vec<u32>,
    kl: Vec<u32>,
}

impl Answers {
    fn nans(&self) -> usize {
        let all = [&self.marginals, &self.log_partition, &self.entropy, &self.vjp, &self.z, &self.log_prob, &self.kl];
        all.into_iter().flatten().filter(|&&bits| f32::from_bits(bits).is_nan()).count()
    }
}

/// The memory for the answers.
struct Outputs {
    marginals: Vec<f32>,
    log_partition: Vec<f32>,
    entropy: Vec<f32>,
    vjp: Vec<f32>,
    z: Vec<f32>,
    indices: Vec<u32>,
    log_prob: Vec<f32>,
    kl: Vec<f32>,
}

impl Outputs {
    fn new(Sizes { rows, n, k, samples }: Sizes) -> Self {
        let junk = |len| vec![JUNK; len];
        Outputs {
            marginals: junk(rows * n),
            log_partition: junk(rows),
            entropy: junk(rows),
            vjp: junk(rows * n),
            z: junk(rows * samples * n),
            indices: vec![7; rows * samples * k],
            log_prob: junk(rows * samples),
            kl: junk(rows),
        }
    }

    fn answers(self) -> Answers {
        Answers {
            marginals: bits(&self.marginals),
            log_partition: bits(&self.log_partition),
            entropy: bits(&self.entropy),
            vjp: bits(&self.vjp),
            z: bits(&self.z),
            indices: self.indices,
            log_prob: bits(&self.log_prob),
            kl: bits(&self.kl),
        }
    }
}

/// v, `[B][N]`.
fn v(case: &Case) -> &[f32] {
    &case.dz[..case.theta.len()]
}

/// The scores of the other distribution: every row reversed, masks included.
fn other(case: &Case) -> Vec<f32> {
    case.theta.chunks(case.sizes.n).flat_map(|row| row.iter().rev()).copied().collect()
}

fn through_core<D: Distribution>(case: &Case, exact: &Exact<D>) -> Answers {
    let mut out = Outputs::new(case.sizes);
    let mut work = vec![JUNK; exact.workspace_len()];
    let other = other(case);
    let [theta, v, other] = [&case.theta, v(case), &other].map(Rows::contiguous);
    let moments = ExactOutputs {
        marginals: Some(&mut out.marginals),
        log_partition: Some(&mut out.log_partition),
        entropy: Some(&mut out.entropy),
    };
    exact.marginals(theta, moments, &mut work).unwrap();
    exact.marginals_vjp(theta, v, RowsMut::contiguous(&mut out.vjp), &mut work).unwrap();
    exact.sample(case.key, theta, States::both(&mut out.z, &mut out.indices), &mut work).unwrap();
    exact.log_prob(theta, &out.indices, &mut out.log_prob, &mut work).unwrap();
    exact.kl(theta, other, &mut out.kl, &mut work).unwrap();
    out.answers()
}

/// Rows with junk between them, and their stride.
fn strided(rows: &[f32], n: usize, gap: usize) -> (Vec<f32>, usize) {
    (spread(rows, n, gap), if gap == 0 { 0 } else { n + gap })
}

/// `through_c!(case, temperature, gap, (k_row,) or (), functions)`
macro_rules! through_c {
    ($case:expr, $temperature:expr, $gap:expr, ($($k_row:expr)?), $workspace_len:ident, $marginals:ident, $vjp:ident,
        $sample:ident, $log_prob:ident, $kl:ident) => {{
        let (case, t) = ($case, $temperature);
        let (shape, key, n) = (in_c::shape(case), in_c::key(case.key), case.sizes.n);
        let no_samples = imle_shape { samples: 0, ..shape };
        let (theta, ld_theta) = strided(&case.theta, n, $gap);
        let (v, ld_v) = strided(v(case), n, 2 * $gap);
        let (other, ld_other) = strided(&other(case), n, 3 * $gap);
        let (theta, v, other) = (theta.as_ptr(), v.as_ptr(), other.as_ptr());
        let mut out = Outputs::new(case.sizes);
        let mut work = vec![JUNK; unsafe { $workspace_len(&no_samples) }];
        let (work, work_len) = (work.as_mut_ptr(), work.len());
        let statuses = unsafe {
            [
                $marginals(&no_samples, $($k_row,)? t, theta, ld_theta, out.marginals.as_mut_ptr(),
                    out.log_partition.as_mut_ptr(), out.entropy.as_mut_ptr(), work, work_len),
                $vjp(&no_samples, $($k_row,)? t, theta, ld_theta, v, ld_v, out.vjp.as_mut_ptr(), work, work_len),
                $sample(&shape, $($k_row,)? t, &key, theta, ld_theta, out.z.as_mut_ptr(), out.indices.as_mut_ptr(),
                    work, work_len),
                $log_prob(&shape, $($k_row,)? t, theta, ld_theta, out.indices.as_ptr(), out.log_prob.as_mut_ptr(),
                    work, work_len),
                $kl(&no_samples, $($k_row,)? t, theta, ld_theta, other, ld_other, out.kl.as_mut_ptr(), work, work_len),
            ]
        };
        assert_eq!(statuses, [IMLE_OK; 5]);
        out.answers()
    }};
}

fn topk_through_c(case: &Case, temperature: f32, gap: usize) -> Answers {
    through_c!(
        case,
        temperature,
        gap,
        (in_c::k_row(case)),
        imle_topk_exact_workspace_len,
        imle_topk_marginals,
        imle_topk_marginals_vjp,
        imle_topk_sample_exact,
        imle_topk_log_prob,
        imle_topk_kl
    )
}

fn argmax_through_c(case: &Case, temperature: f32, gap: usize) -> Answers {
    through_c!(
        case,
        temperature,
        gap,
        (),
        imle_argmax_exact_workspace_len,
        imle_argmax_marginals,
        imle_argmax_marginals_vjp,
        imle_argmax_sample_exact,
        imle_argmax_log_prob,
        imle_argmax_kl
    )
}

/// The table of F has n (k + 1) cells, so k stays small enough for a debug build.
fn sizes(k: impl Fn(Sizes) -> usize + 'static) -> BoxedStrategy<Sizes> {
    any_sizes().prop_map(move |sizes| Sizes { n: sizes.n.min(700), k: k(sizes).min(70), ..sizes }).boxed()
}

fn any_temperature() -> impl Strategy<Value = f32> {
    prop_oneof![2 => Just(1.0), 4 => 0.05..20.0_f32, 1 => select(&[3e-39, 1e-3, 1e3, f32::MAX][..])]
}

proptest! {
    #![proptest_config(laws::config())]

    #[test]
    fn topk_gives_the_bits_of_the_core(
        mut case in cases(sizes(|sizes| sizes.k), true),
        temperature in any_temperature(),
    ) {
        let expected = through_core(&case, &case.exact(temperature));
        for gap in [0, 3] {
            prop_assert_eq!(&topk_through_c(&case, temperature, gap), &expected);
        }
        case.k_row = None;
        let expected = through_core(&case, &case.exact(temperature));
        prop_assert_eq!(topk_through_c(&case, temperature, 0), expected);
    }

    #[test]
    fn argmax_gives_the_bits_of_the_core(case in cases(sizes(|_| 1), false), temperature in any_temperature()) {
        let expected = through_core(&case, &Exact::new(case.shape(), Argmax, temperature).unwrap());
        for gap in [0, 3] {
            prop_assert_eq!(&argmax_through_c(&case, temperature, gap), &expected);
        }
    }

    /// The manual promises this for scores up to 1e30, also when divided by the temperature, and for v up to 1e30.
    #[test]
    fn no_answer_is_nan(mut case in cases(sizes(|sizes| sizes.k), true), temperature in any_temperature()) {
        let largest = 1e30 * temperature.min(1.0);
        case.theta.iter_mut().filter(|t| **t != f32::NEG_INFINITY).for_each(|t| *t = t.clamp(-largest, largest));
        case.dz.iter_mut().for_each(|v| *v = v.clamp(-1e30, 1e30));
        prop_assert_eq!(topk_through_c(&case, temperature, 0).nans(), 0);
        case.sizes.k = 1;
        case.theta.chunks_mut(case.sizes.n).for_each(|row| row[0] = row[0].max(-largest));
        prop_assert_eq!(argmax_through_c(&case, temperature, 0).nans(), 0);
    }
}
