//! Random inputs of one call as plain data, drawn so that lanes, ties, masks and overflow all occur.

use imle::{Coupling, Difference, Dz, Exact, Key, Noise, Options, Scale, Shape, Target, TopK};
use proptest::num::f32::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
use proptest::prelude::*;
use proptest::sample::select;

use crate::common::reference;

/// The inputs of `map`, `sample` and `gradient`.
#[derive(Clone, Debug)]
pub struct Case {
    pub sizes: Sizes,
    /// `[B]`, each at most k.
    pub k_row: Option<Vec<u32>>,
    pub options: Options,
    pub key: Key<'static>,
    /// `[B]`, the `row_ids` of the key.
    pub row_ids: Option<Vec<u64>>,
    /// `[B][N]`
    pub theta: Vec<f32>,
    /// `[B][S][N]`, or `[B][N]` if the samples share it.
    pub dz: Vec<f32>,
    pub shared: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub rows: usize,
    pub n: usize,
    pub k: usize,
    pub samples: usize,
}

impl Case {
    pub fn shape(&self) -> Shape {
        let Sizes { rows, n, k, samples } = self.sizes;
        Shape { rows: rows as u32, n: n as u32, k: k as u32, samples: samples as u32 }
    }

    /// The solver for k of n, with `k_row` if the case has one.
    pub fn top_k(&self) -> TopK<'_> {
        self.k_row.as_deref().map_or(TopK::new(self.sizes.k as u32), TopK::per_row)
    }

    pub fn exact(&self, temperature: f32) -> Exact<TopK<'_>> {
        Exact::new(self.shape(), self.top_k(), temperature).expect("cases are good")
    }

    pub fn k(&self, b: usize) -> usize {
        self.k_row.as_ref().map_or(self.sizes.k, |k_row| k_row[b] as usize)
    }

    pub fn theta(&self, b: usize) -> &[f32] {
        &self.theta[b * self.sizes.n..][..self.sizes.n]
    }

    /// The key with its row ids.
    pub fn key(&self) -> Key<'_> {
        Key { row_ids: self.row_ids.as_deref(), ..self.key }
    }

    /// The key for calls whose noise is never stratified.
    pub fn key_without_strata(&self) -> Key<'_> {
        Key { strata: 0, ..self.key() }
    }

    /// The key of row b alone.
    fn key_of_row(&self, b: usize) -> Key<'static> {
        let id = self.row_ids.as_ref().map_or(b as u64, |ids| ids[b]);
        Key { row0: self.key.row0.wrapping_add(id), ..self.key }
    }

    /// All of dz, as functions take it.
    pub fn all_dz(&self) -> Dz<'_> {
        if self.shared { Dz::shared(&self.dz) } else { Dz::per_sample(&self.dz) }
    }

    pub fn dz(&self, b: usize, s: usize) -> &[f32] {
        let block = if self.shared { b } else { b * self.sizes.samples + s };
        &self.dz[block * self.sizes.n..][..self.sizes.n]
    }

    /// ε_s of row b for every s.
    pub fn epsilon(&self, b: usize) -> Vec<Vec<f32>> {
        let Sizes { n, samples, .. } = self.sizes;
        let mut epsilon = vec![f32::NAN; samples * n];
        let shape = Shape { rows: 1, n: n as u32, k: 0, samples: samples as u32 };
        imle::noise(shape, &self.options, self.key_of_row(b), &mut epsilon).expect("cases are good");
        epsilon.chunks(n).map(<[f32]>::to_vec).collect()
    }

    /// Rows `from..from + rows` as a batch of their own.
    pub fn piece(&self, from: usize, rows: usize) -> Case {
        let Sizes { n, samples, .. } = self.sizes;
        let dz_block = if self.shared { n } else { samples * n };
        Case {
            sizes: Sizes { rows, ..self.sizes },
            k_row: self.k_row.as_ref().map(|k_row| k_row[from..][..rows].to_vec()),
            key: if self.row_ids.is_some() { self.key } else { self.key_of_row(from) },
            row_ids: self.row_ids.as_ref().map(|ids| ids[from..][..rows].to_vec()),
            theta: self.theta[from * n..][..rows * n].to_vec(),
            dz: self.dz[from * dz_block..][..rows * dz_block].to_vec(),
            ..self.clone()
        }
    }

    /// Samples `from..from + samples` of every row as a batch of their own.
    pub fn piece_of_samples(&self, from: usize, samples: usize) -> Case {
        let Sizes { n, samples: all, .. } = self.sizes;
        let strata = match self.options.coupling {
            Coupling::Stratified if self.key.strata == 0 => all as u32,
            _ => self.key.strata,
        };
        let of_row = |dz: &[f32]| dz[from * n..][..samples * n].to_vec();
        Case {
            sizes: Sizes { samples, ..self.sizes },
            key: Key { sample0: self.key.sample0 + from as u32, strata, ..self.key },
            dz: if self.shared { self.dz.clone() } else { self.dz.chunks(all * n).flat_map(of_row).collect() },
            ..self.clone()
        }
    }

    /// The same rows in reverse order, each with its number as an id.
    pub fn reversed(&self) -> Case {
        let Sizes { rows, n, samples, .. } = self.sizes;
        let dz_block = if self.shared { n } else { samples * n };
        let row_ids = (0..rows).rev().map(|b| self.key_of_row(b).row0.wrapping_sub(self.key.row0)).collect();
        Case {
            k_row: self.k_row.as_ref().map(|k_row| k_row.iter().rev().copied().collect()),
            row_ids: Some(row_ids),
            theta: self.theta.chunks(n).rev().flatten().copied().collect(),
            dz: self.dz.chunks(dz_block).rev().flatten().copied().collect(),
            ..self.clone()
        }
    }

    /// Every row with `masks` masked coordinates behind it, whose dz is 1.
    pub fn padded(&self, masks: usize) -> Case {
        let n = self.sizes.n;
        let pad = |rows: &[f32], x: f32| rows.chunks(n).flat_map(|row| [row, &vec![x; masks]].concat()).collect();
        Case {
            sizes: Sizes { n: n + masks, ..self.sizes },
            theta: pad(&self.theta, f32::NEG_INFINITY),
            dz: pad(&self.dz, 1.0),
            ..self.clone()
        }
    }

    /// Rounds every θ and dz to a multiple of 1/8 of moderate size, so that their sums are exact. Masks stay.
    pub fn with_exact_sums(mut self) -> Case {
        for x in self.theta.iter_mut().chain(&mut self.dz).filter(|x| **x != f32::NEG_INFINITY) {
            *x = (x.clamp(-50.0, 50.0) * 8.0).round() / 8.0;
        }
        self
    }

    /// Replaces the unmasked θ of every row by their places in its order: distinct, and moderate.
    pub fn with_distinct_theta(mut self) -> Case {
        self.theta = self.theta.chunks(self.sizes.n).flat_map(places).collect();
        self
    }

    /// The same for dz.
    pub fn with_distinct_dz(mut self) -> Case {
        self.dz = self.dz.chunks(self.sizes.n).flat_map(places).collect();
        self
    }
}

/// n for the first of the order, 1 for the last. Masks stay.
fn places(scores: &[f32]) -> Vec<f32> {
    let mut places = scores.to_vec();
    for (place, i) in reference::order(scores).into_iter().enumerate() {
        if scores[i] != f32::NEG_INFINITY {
            places[i] = (scores.len() - place) as f32;
        }
    }
    places
}

/// Sizes for every path: rows around the lanes' borders, rows whose scores are all computed (n up to 64), rows that are
/// pruned (n above 64, k up to n/8), and one row that is longer than any buffer on the stack.
pub fn any_sizes() -> BoxedStrategy<Sizes> {
    let small = prop_oneof![3 => select(&[1, 2, 15, 16, 17, 31, 33][..]), 1 => 1..=40_usize];
    // From S = 6 on, a count divided by S is not always the count times 1/S.
    let samples = prop_oneof![20 => 1..=7_usize, 1 => Just(47)];
    let n = prop_oneof![
        30 => (small, 1..=4_usize, samples),
        8 => (select(&[65, 80, 200, 700][..]), 1..=3_usize, 1..=3_usize),
        1 => (Just(4097), 1..=2_usize, 1..=2_usize),
    ];
    let k = |n| prop_oneof![1 => Just(0), 2 => Just(1), 2 => Just(n), 3 => 0..=n / 8, 5 => 0..=n];
    n.prop_flat_map(move |(n, rows, samples)| k(n).prop_map(move |k| Sizes { rows, n, k, samples })).boxed()
}

/// Cases of the given sizes, feasible in every row.
pub fn cases(sizes: BoxedStrategy<Sizes>, per_row_k: bool) -> impl Strategy<Value = Case> {
    (sizes, any_options(), any_key(), any::<bool>()).prop_flat_map(move |(sizes, options, mut key, shared)| {
        let Sizes { rows, n, k, samples } = sizes;
        // 0 strata are those of the call. Others need room for all samples of the batch, and only stratified noise has some.
        let whole_batch = key.sample0 > 0 || key.strata > 0;
        let has_strata = options.coupling == Coupling::Stratified && whole_batch;
        key.strata = if has_strata { key.sample0 + samples as u32 + key.strata } else { 0 };
        let k_row = prop::collection::vec(0..=k as u32, rows).prop_map(move |k_row| per_row_k.then_some(k_row));
        let gradients = if shared { rows } else { rows * samples };
        let row_ids = prop::option::of(prop::collection::vec(any::<u64>(), rows));
        (k_row, row_ids, scores(rows * n, true), scores(gradients * n, false)).prop_map(
            move |(k_row, row_ids, mut theta, dz)| {
                theta.chunks_mut(n).for_each(|theta| unmask(theta, k));
                Case { sizes, k_row, options, key, row_ids, theta, dz, shared }
            },
        )
    })
}

/// Leaves at least k entries unmasked.
fn unmask(theta: &mut [f32], k: usize) {
    let unmasked = theta.iter().filter(|&&t| t != f32::NEG_INFINITY).count();
    let masks = theta.iter_mut().filter(|t| **t == f32::NEG_INFINITY);
    masks.take(k.saturating_sub(unmasked)).for_each(|t| *t = 0.25);
}

/// Smooth, tied or extreme values; with masks if `masks`.
fn scores(len: usize, masks: bool) -> impl Strategy<Value = Vec<f32>> {
    let smooth = (-4.0..4.0_f32).boxed();
    let tied = select(&[-1.0, -0.0, 0.0, 0.5, 1.0][..]).boxed();
    let ends = [f32::MAX, f32::MIN, 1e30, f32::MIN_POSITIVE, -f32::MIN_POSITIVE, f32::from_bits(1), -f32::from_bits(1)];
    let extreme = prop_oneof![POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO, select(ends.to_vec())].boxed();
    prop_oneof![3 => Just(smooth), 2 => Just(tied), 1 => Just(extreme)].prop_flat_map(move |value| {
        let mask_weight = u32::from(masks);
        prop::collection::vec(prop_oneof![9 => value, mask_weight => Just(f32::NEG_INFINITY)], len)
    })
}

fn any_key() -> impl Strategy<Value = Key<'static>> {
    let row0 = prop_oneof![Just(0), any::<u64>(), Just(u64::MAX)];
    let sample0 = prop_oneof![3 => Just(0), 1 => 1..100_u32, 1 => Just((1 << 28) - 1000)];
    let more_strata = prop_oneof![3 => Just(0), 1 => 1..900_u32];
    (any::<u64>(), any::<u64>(), row0, sample0, more_strata).prop_map(|(seed, step, row0, sample0, strata)| Key {
        seed,
        step,
        row0,
        sample0,
        strata,
        ..Key::default()
    })
}

fn any_options() -> impl Strategy<Value = Options> {
    const SUBNORMAL: f32 = f32::from_bits(1);
    let temperature = || {
        let ends = select(&[f32::MAX, 1e30, 1e-30, SUBNORMAL][..]);
        prop_oneof![4 => Just(1.0), 2 => Just(0.0), 3 => 0.01..4.0_f32, 1 => ends]
    };
    let alpha =
        prop_oneof![4 => Just(1.0), 3 => -2.0..2.0_f32, 1 => select(&[0.0, -0.0, f32::MAX, f32::MIN, SUBNORMAL][..])];
    // 1/λ is finite for λ of 3e-39 and above.
    let lambda =
        prop_oneof![1 => Just(1.0), 5 => 0.1..30.0_f32, 1 => select(&[1000.0, f32::MAX, 3e-39, f32::MIN_POSITIVE][..])];
    let pair = select(
        &[
            (Target::Linear, Difference::Forward),
            (Target::Linear, Difference::Central),
            (Target::Combinatorial, Difference::Forward),
        ][..],
    );
    let sums = u32::from(cfg!(feature = "sum-of-gamma"));
    let noise = prop_oneof![
        3 => Just(Noise::Gumbel),
        1 => Just(Noise::Logistic),
        1 => Just(Noise::Normal),
        sums => (select(&[1.0, 2.5, 1e4][..]), select(&[1, 10, 50, u32::MAX][..]))
            .prop_map(|(kappa, terms)| Noise::SumOfGamma { kappa, terms }),
        1 => Just(Noise::None),
    ];
    let scale = select(&[Scale::InverseLambda, Scale::None][..]);
    let stratified = u32::from(cfg!(feature = "stratified"));
    let coupling = prop_oneof![2 => Just(Coupling::Independent), stratified => Just(Coupling::Stratified)];
    (noise, temperature(), temperature(), alpha, lambda, pair, scale, coupling).prop_map(
        |(noise, temperature, target_temperature, alpha, lambda, (target, difference), scale, coupling)| Options {
            noise,
            temperature,
            target_temperature,
            alpha,
            lambda,
            target,
            difference,
            scale,
            coupling,
        },
    )
}
