//! Every implementation against the definitions: the same laws on each, on random inputs that are made small when one
//! fails. `PROPTEST_CASES=10000 cargo test --release --test laws` looks harder.

mod law;
mod layers;
mod reference;

use imle::{Difference, Imle, MapSolver, Options, Rows, RowsMut, Shape, Side, States, Target, TopK};
use law::case::Sizes;
use law::{Layer, MapLayer, bits};
use layers::fixed_size::Fixed;
use layers::three_steps::{ThreeSteps, perturbed, targets};
use layers::{Contiguous, JUNK, OneHot, PerRow, Strided, gradient, sample, top_k};
use proptest::prelude::*;

laws!(top_k_of_n: Contiguous, map, replay);
laws!(top_k_strided: Strided, map, replay);
laws!(top_k_per_row: PerRow, map, replay);
laws!(argmax: OneHot, map, replay);
laws!(fixed_size: Fixed, map);
laws!(three_steps: ThreeSteps);

/// One choice in each pair of neighbours; a last one without a neighbour is always in.
#[derive(Clone, Copy)]
struct OnePerPair {
    pairs: usize,
}

impl MapSolver for OnePerPair {
    fn map(&self, _row: usize, scores: &[f32], z: &mut [f32]) {
        for (scores, z) in scores.chunks(2).zip(z.chunks_mut(2)) {
            let best = usize::from(scores.len() == 2 && scores[1] > scores[0]);
            (0..).zip(z).for_each(|(i, z)| *z = f32::from(u8::from(i == best)));
        }
    }

    fn ones(&self, _row: usize) -> Option<usize> {
        Some(self.pairs)
    }

    /// It chooses a masked entry where a pair has no other.
    fn feasible(&self, _row: usize, _theta: &[f32]) -> bool {
        true
    }
}

proptest! {
    #![proptest_config(law::config())]

    #[test]
    fn perturbed_and_target_scores_are_their_formulas(case in law::cases::<ThreeSteps>()) {
        let options = &case.options;
        let (alpha, lambda, tau) = (options.alpha, options.lambda, options.target_temperature);
        let (mut z, mut minus, mut plus) = (Vec::new(), Vec::new(), Vec::new());
        for b in 0..case.sizes.rows {
            let theta = case.theta(b);
            for (s, epsilon) in case.epsilon(b).iter().enumerate() {
                let dz = case.dz(b, s);
                z.extend(reference::scores(theta, options.temperature, epsilon));
                minus.extend(match options.target {
                    Target::Linear => reference::linear_target(theta, dz, alpha, lambda, tau, epsilon),
                    Target::Combinatorial => reference::combinatorial_target(theta, dz, tau, epsilon),
                });
                plus.extend(reference::linear_target(theta, dz, alpha, -lambda, tau, epsilon));
            }
        }
        prop_assert_eq!(bits(&perturbed(&case)), bits(&z));
        prop_assert_eq!(bits(&targets(&case, Side::Minus)), bits(&minus));
        if options.target == Target::Linear {
            prop_assert_eq!(bits(&targets(&case, Side::Plus)), bits(&plus));
        }
    }

    #[test]
    fn argmax_is_top_k_at_one(case in law::cases::<OneHot>()) {
        prop_assert_eq!(OneHot::map(&case), Contiguous::map(&case));
        let (one_hot, top_k) = (OneHot::sample(&case), Contiguous::sample(&case));
        prop_assert_eq!(one_hot.z, top_k.z);
        prop_assert_eq!(one_hot.indices, top_k.indices);
        prop_assert_eq!(one_hot.marginals, top_k.marginals);
        let (one_hot, top_k) = (OneHot::gradient(&case, None), Contiguous::gradient(&case, None));
        prop_assert_eq!(bits(&one_hot.0), bits(&top_k.0));
        prop_assert_eq!(one_hot.1, top_k.1);
    }

    /// The layer around a solver of one's own, of which it knows nothing, does what the three steps do.
    #[test]
    fn a_solver_inside_is_a_solver_outside(case in law::cases::<Contiguous>()) {
        let Sizes { rows, n, samples, .. } = case.sizes;
        let solver = OnePerPair { pairs: n.div_ceil(2) };
        let solve = |scores: &[f32]| {
            let mut z = vec![JUNK; scores.len()];
            for (scores, z) in scores.chunks(n).zip(z.chunks_mut(n)) {
                solver.map(0, scores, z);
            }
            z
        };
        let shape = Shape::new(rows as u32, n as u32, solver.pairs as u32, samples as u32).expect("good sizes");
        let layer = Imle::new(shape, solver, case.options).expect("cases are good");
        let sampled = sample(&layer, case.key, Rows::contiguous(&case.theta));
        prop_assert_eq!(&sampled.z, &solve(&perturbed(&case)));

        let z = match case.options.difference {
            Difference::Forward => sampled.z,
            Difference::Central => solve(&targets(&case, Side::Plus)),
        };
        let mut grad = vec![JUNK; case.theta.len()];
        let z_target = solve(&targets(&case, Side::Minus));
        let out = RowsMut::contiguous(&mut grad);
        let diagnostics = imle::difference(shape, &case.options, &z, &z_target, out).expect("cases are good");
        // Such a solver may choose masked entries, and a list with one is refused.
        let unmasked = !case.theta.contains(&f32::NEG_INFINITY);
        for replay in [None, sampled.indices.as_deref().filter(|_| unmasked)] {
            let (inside, counted) = gradient(&layer, &case, replay);
            prop_assert_eq!(bits(&inside), bits(&grad));
            prop_assert_eq!(counted, diagnostics);
        }
    }

    /// Outputs that are not asked for change nothing in the others.
    #[test]
    fn every_output_can_be_had_alone(case in law::cases::<PerRow>()) {
        let (layer, theta) = (top_k(&case), Rows::contiguous(&case.theta));
        let all = PerRow::sample(&case);
        let work = &mut vec![JUNK; layer.workspace_len()];
        let mut z = vec![JUNK; all.z.len()];
        layer.sample(case.key, theta, States::z(&mut z), None, work).expect("cases are good");
        prop_assert_eq!(bits(&z), bits(&all.z));
        let mut indices = vec![7; all.indices.as_ref().map_or(0, Vec::len)];
        layer.sample(case.key, theta, States::indices(&mut indices), None, work).expect("cases are good");
        prop_assert_eq!(Some(indices), all.indices);
        let mut marginals = vec![JUNK; case.theta.len()];
        layer.sample(case.key, theta, States::default(), Some(&mut marginals), work).expect("cases are good");
        prop_assert_eq!(Some(marginals), all.marginals);
    }
}

/// The layer keeps what it was built from: options are data, and a copy of a layer is that layer.
#[test]
fn a_layer_tells_its_shape_and_options() {
    let shape = Shape::new(3, 17, 4, 2).expect("good sizes");
    let options = Options { lambda: 9.0, ..Options::default() };
    let layer = Imle::new(shape, TopK::new(shape), options).expect("good options");
    assert_eq!((layer.shape(), *layer.options(), layer.workspace_len()), (shape, options, imle::workspace_len(17)));
    assert_eq!((shape.rows(), shape.n(), shape.k(), shape.samples()), (3, 17, 4, 2));
}
