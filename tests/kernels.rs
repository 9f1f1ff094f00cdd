//! The fast path of k-subsets skips most scores. It must give the bits of the readable path, which computes and sorts all
//! of them, for scores of every kind. tests/run.sh repeats this for every instruction set, and a test here asserts which
//! one runs.
//!
//! Both paths share the noise and the formula of a score: `Readable` is handed scores that the layer computed with
//! `Perturbed::draw`. An error in those would not show here. tests/laws.rs would show it, because its reference computes
//! the scores itself.

mod common;

use common::arrays::{JUNK, bits};
use common::layers::{gradient, sample};
use common::reference;
use imle::{
    Argument, Diagnostics, Difference, Dz, Error, Imle, Key, MapSolver, Noise, Options, Rows, Shape, States, Target,
    TopK, Unsolved,
};
use proptest::prelude::*;

/// k of n by a full sort. To the layer it is a user's solver, so every score is computed.
#[derive(Clone, Copy)]
struct Readable {
    k: usize,
}

impl MapSolver for Readable {
    fn map(&self, _row: usize, scores: &[f32], z: &mut [f32], _work: &mut [f32]) -> Result<(), Unsolved> {
        z.copy_from_slice(&reference::map(scores, self.k));
        Ok(())
    }

    fn ones(&self, _row: usize) -> Option<usize> {
        Some(self.k)
    }
}

const NOISES: &[Noise] = &[
    Noise::None,
    Noise::Gumbel,
    Noise::Logistic,
    Noise::Normal,
    #[cfg(feature = "sum-of-gamma")]
    Noise::SumOfGamma { kappa: 0.0, terms: 10 },
    #[cfg(feature = "sum-of-gamma")]
    Noise::SumOfGamma { kappa: 2.5, terms: Noise::ALL_TERMS },
];

/// A row of scores of one of the kinds for which a bound could be wrong.
fn theta(kind: usize, n: usize, k: usize, normal: &[f32]) -> Vec<f32> {
    let at = |i: usize| normal[i % normal.len()];
    (0..n)
        .map(|i| match kind {
            0 => at(i),
            1 => i as f32 * 0.01,
            2 => -(i as f32),
            3 => 0.0,
            4 => {
                if i == n / 2 {
                    1e30
                } else {
                    at(i)
                }
            }
            5 => {
                if i % (n / k.max(1)).max(1) == 0 {
                    at(i)
                } else {
                    f32::NEG_INFINITY
                }
            }
            6 => 1e9 + at(i), // rounding swallows the noise, so there are ties
            7 => {
                if i % 16 == 3 {
                    5.0 + at(i)
                } else {
                    at(i)
                }
            }
            8 => {
                if i % 2 == 0 {
                    0.0
                } else {
                    -0.0
                }
            }
            9 => at(i) * 1e-40,
            10 => at(i) * 1.1e38,
            11 => 1.0 + (i * 7 % 5) as f32 * f32::EPSILON, // a few floats apart
            _ => (at(i) * 2.0).round(),
        })
        .collect()
}

const KINDS: usize = 13;

/// The best instruction set of the machine and the features runs. Otherwise its code would be tested by nobody.
#[test]
fn the_instruction_set_that_runs_is_the_one_expected() {
    assert_eq!(imle::instruction_set(), expected_instruction_set());
    println!("kernel: {}", expected_instruction_set());
}

#[cfg(target_arch = "x86_64")]
fn expected_instruction_set() -> &'static str {
    macro_rules! has {
        ($($feature:tt)*) => { $(std::is_x86_feature_detected!($feature))&&* };
    }
    let avx2 = !cfg!(feature = "no-avx2") && has!("avx2" "bmi1" "bmi2" "lzcnt" "popcnt");
    let avx512 = has!("avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl");
    match (avx2, avx512) {
        (true, true) => "avx512",
        (true, false) => "avx2",
        _ => "portable",
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn expected_instruction_set() -> &'static str {
    let neon = cfg!(all(target_arch = "aarch64", target_feature = "neon", not(feature = "scalar")));
    if neon { "neon" } else { "portable" }
}

/// Usual temperatures, and those at which noise is lost in θ, loses θ, or overflows.
fn temperatures() -> impl Strategy<Value = f32> {
    prop_oneof![
        3 => Just(1.0_f32),
        3 => 0.01_f32..40.0,
        1 => Just(0.0),
        1 => proptest::sample::select(&[1e-45, 1e-30, 1e-7, 1e-4, 1e30, 2e30, 3e38][..]),
    ]
}

/// One law whose cases are cheap: twelve times the usual number of cases.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { failure_persistence: None, cases: 12 * default.cases, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_fast_path_gives_the_bits_of_the_readable_one(
        (n, samples) in prop_oneof![
            4 => (prop_oneof![1_usize..90, 60_usize..700, Just(2047), Just(2048), Just(2049), Just(4097), Just(6000)], 1_u32..3),
            // Rows of up to 64 scores are sampled 16 samples at a time.
            1 => (1_usize..66, 15_u32..35),
        ],
        share in 0.0_f64..1.2,
        kind in 0..KINDS,
        noise in 0..NOISES.len(),
        normal in proptest::collection::vec(-3.0_f32..3.0, 97),
        scales in (temperatures(), 0.01_f32..30.0, prop_oneof![Just(1.0_f32), Just(0.0), -2.0_f32..2.0]),
        options in (any::<bool>(), any::<bool>(), any::<u64>()),
    ) {
        // From 1 to somewhat above n/8, up to which rows are pruned.
        let k = ((n as f64 / 8.0).powf(share) as usize).clamp(1, n);
        let (temperature, lambda, alpha) = scales;
        let (central, combinatorial, seed) = options;
        let options = Options {
            noise: NOISES[noise],
            temperature,
            target_temperature: temperature,
            alpha,
            lambda,
            target: if combinatorial { Target::Combinatorial } else { Target::Linear },
            difference: if central && !combinatorial { Difference::Central } else { Difference::Forward },
            ..Options::default()
        };
        let theta = theta(kind, n, k, &normal);
        let dz: Vec<f32> = (0..n).map(|i| if i % 3 == 0 { 0.0 } else { normal[i * 7 % 97] }).collect();
        prop_assume!(theta.iter().filter(|&&t| t != f32::NEG_INFINITY).count() >= k);

        let shape = Shape { rows: 1, n: n as u32, k: k as u32, samples };
        let fast = Imle::new(shape, TopK::new(shape.k), options).expect("good options");
        let readable = Imle::new(shape, Readable { k }, options).expect("good options");
        let key = Key { seed, step: 1, row0: 2, ..Key::default() };
        prop_assert_eq!(map(&fast, &theta), map(&readable, &theta));
        let states = sample(&readable, key, Rows::contiguous(&theta));
        prop_assert_eq!(&sample(&fast, key, Rows::contiguous(&theta)), &states);
        let kept = dz_that_keeps(&states.z, &normal);
        let last = &states.z[(samples as usize - 1) * n..];
        let kept_last = dz_that_keeps(last, &normal);
        for dz in [Dz::shared(&dz), Dz::per_sample(&kept), Dz::shared(&kept_last)] {
            let expected = gradient_bits(&readable, key, &theta, dz, None);
            prop_assert_eq!(&gradient_bits(&fast, key, &theta, dz, None), &expected);
            prop_assert_eq!(&gradient_bits(&fast, key, &theta, dz, states.indices.as_deref()), &expected);
        }
        let unchanged = gradient(&fast, key, &theta, Dz::per_sample(&kept), None).1.unchanged;
        prop_assert!(unchanged == samples.into() || alpha != 1.0 || combinatorial || central);
    }
}

/// In a long row, one pass both selects MAP(θ) and looks for bad scores.
#[test]
fn one_pass_finds_every_bad_score() {
    const N: usize = 1500;
    let shape = Shape { rows: 2, n: N as u32, k: 5, samples: 1 };
    let layer = Imle::new(shape, TopK::new(shape.k), Options::default()).unwrap();
    let (mut indices, mut work) = ([7; 10], vec![JUNK; layer.workspace_len()]);
    let good: Vec<f32> = (0..2 * N).map(|i| ((i * 37 % 101) as f32).sqrt()).collect();
    let places = [0, 1, 15, 16, 17, 511, 512, 513, 1023, 1024, 1487, 1488, N - 1];
    for (place, bad) in places.into_iter().flat_map(|place| [f32::NAN, f32::INFINITY].map(|bad| (place, bad))) {
        let mut theta = good.clone();
        theta[N + place] = bad;
        let error = layer.map(Rows::contiguous(&theta), States::indices(&mut indices), &mut work);
        assert_eq!(error, Err(Error::NonFinite { argument: Argument::Theta, row: 1 }), "{bad} at {place}");
        assert_ne!(indices[0], 7, "the rows before are complete");
        assert_eq!(indices[5..], [7; 5], "the bad row is untouched");
    }
    for unmasked in [0, 4, 5] {
        let mut theta = good.clone();
        theta[N..]
            .iter_mut()
            .enumerate()
            .filter(|(i, _)| i % 300 != 7 || *i > 300 * unmasked)
            .for_each(|(_, t)| *t = f32::NEG_INFINITY);
        let error = layer.map(Rows::contiguous(&theta), States::indices(&mut indices), &mut work);
        assert_eq!(error.is_ok(), unmasked == 5);
        assert!(unmasked == 5 || error == Err(Error::Infeasible { row: 1 }));
        assert!(unmasked < 5 || indices[5..] == [7, 307, 607, 907, 1207]);
    }
}

fn map<M: MapSolver>(layer: &Imle<M>, theta: &[f32]) -> Vec<u32> {
    let mut indices = vec![7; layer.shape().k()];
    let mut work = vec![JUNK; layer.workspace_len()];
    layer.map(Rows::contiguous(theta), States::indices(&mut indices), &mut work).expect("good θ");
    indices
}

/// A dz whose descent raises only the scores of z's ones, or no score: z' is z.
fn dz_that_keeps(z: &[f32], normal: &[f32]) -> Vec<f32> {
    let size = |i: usize| if i.is_multiple_of(5) { 0.0 } else { normal[i * 7 % 97].abs() };
    z.iter().enumerate().map(|(i, &z)| if z == 1.0 { -size(i) } else { size(i) }).collect()
}

fn gradient_bits<M: MapSolver>(
    layer: &Imle<M>,
    key: Key,
    theta: &[f32],
    dz: Dz<'_>,
    indices: Option<&[u32]>,
) -> (Vec<u32>, Diagnostics) {
    let (grad, diagnostics) = gradient(layer, key, theta, dz, indices);
    (bits(&grad), diagnostics)
}
