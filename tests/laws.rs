//! Every implementation is tested against the definitions: each obeys the same laws, on random inputs that proptest
//! shrinks when a law fails. `PROPTEST_CASES=10000 cargo test --release --test laws` tries more of them.

mod common;

use common::arrays::{JUNK, bits};
use common::cases::Sizes;
use common::exact_laws::{CoreArgmax, CoreTopK};
use common::exact_trees::CoreTrees;
use common::laws::{self, Layer, MapLayer};
use common::layers::fixed_size::Fixed;
use common::layers::three_steps::{ThreeSteps, perturbed, targets};
use common::layers::trees::Trees;
use common::layers::{Contiguous, OneHot, PerRow, Strided, gradient, sample, top_k};
use common::reference;
use imle::{Difference, Imle, MapSolver, Rows, RowsMut, Shape, Side, States, Target, TopK, Unsolved};
use proptest::prelude::*;

laws!(top_k_of_n: Contiguous, map, any_size, replay);
laws!(top_k_strided: Strided, map, any_size, replay);
laws!(top_k_per_row: PerRow, map, any_size, replay);
laws!(argmax: OneHot, map, any_size, replay);
laws!(fixed_size: Fixed, map);
laws!(three_steps: ThreeSteps, any_size);

tree_laws!(Trees);

exact_laws!(exact_top_k: CoreTopK);
exact_laws!(exact_argmax: CoreArgmax);

exact_tree_laws!(CoreTrees);

/// It chooses one entry of each pair of neighbours, and the last entry if it has no neighbour.
#[derive(Clone, Copy)]
struct OnePerPair {
    pairs: usize,
}

impl MapSolver for OnePerPair {
    fn map(&self, _row: usize, scores: &[f32], z: &mut [f32], _work: &mut [f32]) -> Result<(), Unsolved> {
        for (scores, z) in scores.chunks(2).zip(z.chunks_mut(2)) {
            let best = usize::from(scores.len() == 2 && scores[1] > scores[0]);
            (0..).zip(z).for_each(|(i, z)| *z = f32::from(u8::from(i == best)));
        }
        Ok(())
    }

    fn ones(&self, _row: usize) -> Option<usize> {
        Some(self.pairs)
    }

    /// True, because a pair of two masked entries is answered with a masked one.
    fn feasible(&self, _row: usize, _theta: &[f32], _work: &mut [f32]) -> bool {
        true
    }
}

proptest! {
    #![proptest_config(laws::config())]

    #[test]
    fn perturbed_and_target_scores_are_their_formulas(case in laws::cases(&ThreeSteps)) {
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
                    _ => unreachable!("no case has another one"),
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

    /// ε of a coordinate is that of a call for this row and sample alone, of any length.
    #[test]
    fn noise_is_a_function_of_row_sample_and_coordinate(case in laws::cases(&Contiguous)) {
        let Sizes { rows, n, .. } = case.sizes;
        for b in 0..rows {
            for (s, epsilon) in case.epsilon(b).iter().enumerate() {
                let alone = case.piece(b, 1).piece_of_samples(s, 1);
                for masks in [0, 1, 30, 100] {
                    let longer = alone.padded(masks).epsilon(0);
                    prop_assert_eq!(bits(&longer[0][..n]), bits(epsilon));
                }
            }
        }
    }

    #[test]
    fn argmax_is_top_k_at_one(case in laws::cases(&OneHot)) {
        prop_assert_eq!(OneHot.map(&case), Contiguous.map(&case));
        let (one_hot, top_k) = (OneHot.sample(&case), Contiguous.sample(&case));
        prop_assert_eq!(one_hot.z, top_k.z);
        prop_assert_eq!(one_hot.indices, top_k.indices);
        prop_assert_eq!(one_hot.marginals, top_k.marginals);
        let (one_hot, top_k) = (OneHot.gradient(&case, None), Contiguous.gradient(&case, None));
        prop_assert_eq!(bits(&one_hot.0), bits(&top_k.0));
        prop_assert_eq!(one_hot.1, top_k.1);
    }

    /// The layer around a user's solver gives the bits of the three steps around that solver.
    #[test]
    fn a_solver_inside_the_layer_gives_the_bits_of_the_three_steps(case in laws::cases(&Contiguous)) {
        let Sizes { rows, n, samples, .. } = case.sizes;
        let solver = OnePerPair { pairs: n.div_ceil(2) };
        let solve = |scores: &[f32]| {
            let mut z = vec![JUNK; scores.len()];
            for (scores, z) in scores.chunks(n).zip(z.chunks_mut(n)) {
                solver.map(0, scores, z, &mut []).expect("always solved");
            }
            z
        };
        let shape = Shape { rows: rows as u32, n: n as u32, k: solver.pairs as u32, samples: samples as u32 };
        let layer = Imle::new(shape, solver, case.options).expect("cases are good");
        let sampled = sample(&layer, case.key(), Rows::contiguous(&case.theta));
        prop_assert_eq!(&sampled.z, &solve(&perturbed(&case)));

        let z = match case.options.difference {
            Difference::Forward => sampled.z,
            Difference::Central => solve(&targets(&case, Side::Plus)),
            _ => unreachable!("no case has another one"),
        };
        let mut grad = vec![JUNK; case.theta.len()];
        let z_target = solve(&targets(&case, Side::Minus));
        let out = RowsMut::contiguous(&mut grad);
        let diagnostics = imle::difference(shape, &case.options, &z, &z_target, out).expect("cases are good");
        // This solver may choose masked entries, and a list with a masked entry is refused.
        let unmasked = !case.theta.contains(&f32::NEG_INFINITY);
        for replay in [None, sampled.indices.as_deref().filter(|_| unmasked)] {
            let (inside, counted) = gradient(&layer, case.key(), &case.theta, case.all_dz(), replay);
            prop_assert_eq!(bits(&inside), bits(&grad));
            prop_assert_eq!(counted, diagnostics);
        }
    }

    /// An output is the same with and without the other outputs.
    #[test]
    fn every_output_can_be_asked_for_alone(case in laws::cases(&PerRow)) {
        let (layer, theta) = (top_k(&case), Rows::contiguous(&case.theta));
        let all = PerRow.sample(&case);
        let work = &mut vec![JUNK; layer.workspace_len()];
        let mut z = vec![JUNK; all.z.len()];
        layer.sample(case.key(), theta, States::z(&mut z), work).expect("cases are good");
        prop_assert_eq!(bits(&z), bits(&all.z));
        let mut indices = vec![7; all.indices.as_ref().map_or(0, Vec::len)];
        layer.sample(case.key(), theta, States::indices(&mut indices), work).expect("cases are good");
        prop_assert_eq!(Some(indices), all.indices);
        let mut marginals = vec![JUNK; case.theta.len()];
        layer.sample(case.key(), theta, States::marginals(&mut marginals), work).expect("cases are good");
        prop_assert_eq!(Some(marginals), all.marginals);
    }

    /// A layer that is built again from what the first one says of itself gives the same bits.
    #[test]
    fn a_layer_knows_all_that_it_was_built_from(case in laws::cases(&Contiguous)) {
        let layer = top_k(&case);
        prop_assert_eq!((layer.shape(), *layer.options()), (case.shape(), case.options));
        prop_assert_eq!(layer.workspace_len(), imle::workspace_len(case.sizes.n));
        let Sizes { rows, n, k, samples } = case.sizes;
        let shape = layer.shape();
        prop_assert_eq!((shape.rows(), shape.n(), shape.k(), shape.samples()), (rows, n, k, samples));

        let again = Imle::new(shape, TopK::new(shape.k), *layer.options()).expect("cases are good");
        let theta = Rows::contiguous(&case.theta);
        prop_assert_eq!(sample(&again, case.key(), theta), sample(&layer, case.key(), theta));
        let [(again, _), (first, _)] =
            [again, layer].map(|layer| gradient(&layer, case.key(), &case.theta, case.all_dz(), None));
        prop_assert_eq!(bits(&again), bits(&first));
    }
}
