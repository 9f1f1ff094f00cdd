//! No public function panics, whatever sizes, strides, rows, lengths and numbers it is given. The profile `checked` also
//! turns on every assertion and overflow check of the library.

use imle::{
    Adaptive, AdaptiveRule, Argmax, Coupling, Difference, Distribution, Dz, Exact, ExactOutputs, Forward, Imle, Key,
    MapSolver, Noise, Options, Rows, RowsMut, Scale, Shape, Side, States, Target, TopK,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// The floats and indices behind every argument; most arguments get them all, others too few.
const POOL: usize = 1024;

#[derive(Clone, Debug)]
struct Hostile {
    shape: Shape,
    /// A row that the shape need not have.
    row: usize,
    k: u32,
    k_row: Vec<u32>,
    key: Key<'static>,
    row_ids: Option<Vec<u64>>,
    options: Options,
    temperature: f32,
    theta: Vec<f32>,
    dz: Vec<f32>,
    indices: Vec<u32>,
    adaptive: Adaptive,
    counts: [u64; 3],
    strides: [usize; 4],
    /// The lengths of arguments, which take turns.
    lengths: Vec<usize>,
}

fn size() -> impl Strategy<Value = u32> {
    let large = [1 << 24, (1 << 24) + 1, 1 << 28, 1 << 31, u32::MAX - 1, u32::MAX];
    prop_oneof![12 => 0..6_u32, 6 => select(&[16, 17, 63, 64, 65, 66, 100][..]), 1 => select(large.to_vec())]
}

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![18 => 1..4_u32, 1 => Just(0), 1 => size()]
}

fn number() -> impl Strategy<Value = f32> {
    prop_oneof![60 => -3.0..3.0_f32, 1 => any::<f32>(), 1 => select(&[0.0, -0.0, 1e-40, f32::MAX, f32::NEG_INFINITY][..])]
}

/// Numbers that are good for scores, as a rule.
fn scores() -> impl Strategy<Value = Vec<f32>> {
    prop_oneof![3 => vec(-3.0..3.0_f32, POOL), 1 => vec(number(), POOL), 1 => vec(any::<f32>(), POOL)]
}

fn option() -> impl Strategy<Value = f32> {
    prop_oneof![8 => 0.1..4.0_f32, 1 => Just(0.0), 1 => any::<f32>()]
}

fn options() -> impl Strategy<Value = Options> {
    let sums = (option(), prop_oneof![Just(10), Just(Noise::ALL_TERMS), any::<u32>()]);
    let noise = prop_oneof![
        4 => select(vec![Noise::None, Noise::Gumbel, Noise::Logistic, Noise::Normal]),
        1 => sums.prop_map(|(kappa, terms)| Noise::SumOfGamma { kappa, terms }),
    ];
    let modes = (
        select(vec![Target::Linear, Target::Combinatorial]),
        select(vec![Difference::Forward, Difference::Central]),
        select(vec![Scale::InverseLambda, Scale::None]),
        select(vec![Coupling::Independent, Coupling::Stratified]),
    );
    (noise, [option(), option(), option(), option()], modes).prop_map(
        |(noise, [temperature, target_temperature, alpha, lambda], (target, difference, scale, coupling))| Options {
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

fn adaptive() -> impl Strategy<Value = Adaptive> {
    (select(vec![AdaptiveRule::Additive, AdaptiveRule::Multiplicative]), [any::<f32>(), any::<f32>(), any::<f32>()])
        .prop_map(|(rule, [a, g, target])| Adaptive { a, g, target, ..Adaptive::new(rule) })
}

fn hostile() -> impl Strategy<Value = Hostile> {
    let shape = (count(), size(), size(), count()).prop_map(|(rows, n, k, samples)| Shape { rows, n, k, samples });
    let length = prop_oneof![12 => Just(POOL), 1 => 0..POOL, 1 => Just(0)];
    let far = [usize::MAX, usize::MAX / 2, isize::MAX as usize / 4, 1 << 31];
    let stride = prop_oneof![10 => Just(0), 2 => 0..200_usize, 1 => select(far.to_vec())];
    let row = prop_oneof![4 => 0..5_usize, 1 => any::<usize>()];
    let sample0 = prop_oneof![8 => 0..4_u32, 1 => any::<u32>()];
    let strata = prop_oneof![8 => Just(0_u32), 2 => 0..9_u32, 1 => any::<u32>()];
    let key = (any::<[u64; 3]>(), sample0, strata).prop_map(|([seed, step, row0], sample0, strata)| Key {
        seed,
        step,
        row0,
        sample0,
        strata,
        ..Key::default()
    });
    let arrays = (
        vec(prop_oneof![8 => 0..4_u32, 1 => size()], 0..8),
        proptest::option::of(vec(any::<u64>(), 0..8)),
        scores(),
        scores(),
        vec(prop_oneof![8 => 0..6_u32, 1 => any::<u32>()], POOL),
        vec(length, 12),
    );
    let rest = (adaptive(), any::<[u64; 3]>(), [stride.clone(), stride.clone(), stride.clone(), stride]);
    (shape, row, size(), key, options(), option(), arrays, rest).prop_map(
        |(shape, row, k, key, options, temperature, arrays, (adaptive, counts, strides))| {
            let (k_row, row_ids, theta, dz, indices, lengths) = arrays;
            Hostile {
                shape,
                row,
                k,
                k_row,
                key,
                row_ids,
                options,
                temperature,
                theta,
                dz,
                indices,
                adaptive,
                counts,
                strides,
                lengths,
            }
        },
    )
}

impl Hostile {
    fn key(&self) -> Key<'_> {
        Key { row_ids: self.row_ids.as_deref(), ..self.key }
    }

    /// The beginning of an array, as long as argument number `argument` happens to be.
    fn cut<'a, T>(&self, array: &'a [T], argument: usize) -> &'a [T] {
        &array[..self.lengths[argument]]
    }

    fn theta(&self) -> Rows<'_> {
        Rows::strided(self.cut(&self.theta, 0), self.strides[0])
    }

    fn dz(&self) -> Dz<'_> {
        Dz::strided(self.cut(&self.dz, 1), self.strides[1], self.strides[2])
    }

    fn other(&self) -> Rows<'_> {
        Rows::strided(self.cut(&self.dz, 2), self.strides[3])
    }

    fn out<'a>(&self, out: &'a mut [f32]) -> RowsMut<'a> {
        RowsMut::strided(&mut out[..self.lengths[8]], self.strides[3])
    }

    /// Every function that takes a solver.
    fn call_solver<M: MapSolver + Copy>(&self, solver: M) {
        let [mut z, mut marginals, mut grad, mut loss] =
            [vec![0.0; POOL], vec![0.0; POOL], vec![0.0; POOL], vec![0.0; POOL]];
        let (mut lists, mut work) = (vec![0; POOL], vec![0.0; self.lengths[3]]);
        let _ = (solver.ones(self.row), solver.check(self.shape));
        let _ = solver.feasible(self.row, self.cut(&self.theta, 0), &mut work);
        let _ = solver.map(self.row, self.cut(&self.theta, 4), &mut z[..self.lengths[5]], &mut work);

        let Ok(layer) = Imle::new(self.shape, solver, self.options) else { return };
        let _ = (layer.workspace_len(), layer.check(self.theta(), None, &mut work));
        let _ = layer.check(self.theta(), Some(self.dz()), &mut work);
        let z = &mut z[..self.lengths[5]];
        let lists = &mut lists[..self.lengths[6]];
        let _ = layer.map(self.theta(), States::both(z, lists), &mut work);
        let _ = layer.map(self.theta(), States::default(), &mut work);
        let _ = layer.sample(self.key(), self.theta(), States::both(z, lists), &mut work);
        let _ = layer.sample(self.key(), self.theta(), States::indices(lists), &mut work);
        let _ = layer.sample(self.key(), self.theta(), States::marginals(&mut marginals), &mut work);
        let given =
            [Forward::Replay, Forward::Indices(lists), Forward::Indices(self.cut(&self.indices, 7)), Forward::Z(z)];
        for forward in given {
            let grad = self.out(&mut grad);
            let _ = layer.gradient(self.key(), self.theta(), self.dz(), forward, grad, &mut work);
        }
        let grad = self.out(&mut grad);
        let loss = &mut loss[..self.lengths[9]];
        let _ = layer.fenchel_young(self.key(), self.theta(), self.other(), loss, grad, &mut work);
    }

    /// Every function of an exact distribution.
    fn call_exact<D: Distribution + Copy>(&self, distribution: D) {
        let Ok(exact) = Exact::new(self.shape, distribution, self.temperature) else { return };
        let Some(work) = Some(exact.workspace_len()).filter(|&len| len < 1 << 20) else { return };
        let [mut z, mut a, mut grad] = [vec![0.0; POOL], vec![0.0; POOL], vec![0.0; POOL]];
        let (mut lists, mut work) = (vec![0; POOL], vec![0.0; work.min(self.lengths[3] * 512)]);
        let (z, a) = (&mut z[..self.lengths[5]], &mut a[..self.lengths[9]]);
        let lists = &mut lists[..self.lengths[6]];
        let out = ExactOutputs { marginals: Some(z), log_partition: Some(a), entropy: None };
        let _ = exact.marginals(self.theta(), out, &mut work);
        let _ = exact.marginals(self.theta(), ExactOutputs { entropy: Some(a), ..Default::default() }, &mut work);
        let _ = exact.marginals(self.theta(), ExactOutputs::default(), &mut work);
        let _ = exact.marginals_vjp(self.theta(), self.other(), self.out(&mut grad), &mut work);
        let _ = exact.kl(self.theta(), self.other(), a, &mut work);
        let _ = exact.sample(self.key(), self.theta(), States::both(z, lists), &mut work);
        for indices in [&*lists, self.cut(&self.indices, 7)] {
            let _ = exact.log_prob(self.theta(), indices, a, &mut work);
            let losses = self.cut(&self.dz, 10);
            let _ = exact.score_function(self.theta(), indices, losses, self.out(&mut grad));
            let grad = self.out(&mut grad);
            let _ = exact.unbiased_simple(self.theta(), indices, self.dz(), losses, grad, &mut work);
        }
        let grad = self.out(&mut grad);
        let _ = exact.simple(self.theta(), self.dz(), grad, &mut work);
    }

    /// The functions that only the exact distribution of k-subsets has.
    fn call_log_partitions(&self, top_k: TopK<'_>) {
        let Ok(exact) = Exact::new(self.shape, top_k, self.temperature) else { return };
        let Some(work) = Some(exact.workspace_len()).filter(|&len| len < 1 << 20) else { return };
        let [mut a, mut grad] = [vec![0.0; POOL], vec![0.0; POOL]];
        let mut work = vec![0.0; work.min(self.lengths[3] * 512)];
        let _ = exact.log_partitions(self.theta(), &mut a[..self.lengths[9]], &mut work);
        let _ = exact.log_partitions_vjp(self.theta(), self.other(), self.out(&mut grad), &mut work);
    }

    /// Every function without a solver.
    fn call_others(&self) {
        let (shape, options) = (self.shape, &self.options);
        let [mut scores, mut grad] = [vec![0.0; POOL], vec![0.0; POOL]];
        let scores = &mut scores[..self.lengths[5]];
        let _ = (imle::rows_span(shape, self.strides[0]), imle::dz_span(shape, self.strides[1], self.strides[2]));
        let _ = imle::perturb(shape, options, self.key(), self.theta(), scores);
        for side in [Side::Minus, Side::Plus] {
            let _ = imle::target(shape, options, self.key(), side, self.theta(), self.dz(), scores);
        }
        let _ = imle::noise(shape, options, self.key(), scores);
        let _ =
            imle::difference(shape, options, self.cut(&self.theta, 10), self.cut(&self.dz, 11), self.out(&mut grad));
        let _ = imle::straight_through(shape, self.theta(), self.dz(), self.out(&mut grad));
        let losses = self.cut(&self.dz, 10);
        let _ = imle::perturbed_gradient(shape, options, self.key(), self.theta(), losses, self.out(&mut grad));

        let mut adaptive = self.adaptive;
        let _ = adaptive.lambda(self.cut(&self.theta, 0), self.cut(&self.dz, 1));
        let [theta_len, theta_nonzero, _] = self.counts;
        let [theta_squared, dz_squared] = [0, 1].map(|i| f64::from(self.theta[i]));
        let mut parts = imle::AdaptiveParts { theta_squared, dz_squared, theta_len, theta_nonzero };
        let _ = parts.add(self.cut(&self.theta, 0), self.cut(&self.dz, 1));
        let _ = adaptive.lambda_from(&parts);
        let [states, unchanged, nonzeros] = self.counts;
        let _ = adaptive.update(&imle::Diagnostics { states, unchanged, nonzeros });
    }

    /// The functions of sizes that the compiler knows.
    fn call_fixed(&self) {
        let Ok(layer) = imle::fixed::Layer::<5, 2>::new(self.options) else { return };
        let theta: [f32; 5] = std::array::from_fn(|i| self.theta[i]);
        let dz: [[f32; 5]; 3] = std::array::from_fn(|s| std::array::from_fn(|i| self.dz[s * 5 + i]));
        let _ = layer.map(&theta);
        let _ = layer.sample::<3>(self.key(), &theta);
        let _ = layer.gradient(self.key(), &theta, &dz);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_public_function_panics(hostile in hostile()) {
        for solver in [TopK::new(hostile.shape.k), TopK::new(hostile.k), TopK::per_row(&hostile.k_row)] {
            hostile.call_solver(solver);
            hostile.call_exact(solver);
            hostile.call_log_partitions(solver);
        }
        hostile.call_solver(Argmax);
        hostile.call_exact(Argmax);
        hostile.call_others();
        hostile.call_fixed();
    }
}
