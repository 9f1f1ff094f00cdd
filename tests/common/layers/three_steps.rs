//! perturb, target and difference, called around a solver that the core does not know.

use imle::{Diagnostics, Difference, Rows, RowsMut, Side};

use crate::common::arrays::JUNK;
use crate::common::cases::Case;
use crate::common::laws::{Layer, Sampled};
use crate::common::reference;

/// The three functions, with a sort as the solver.
pub struct ThreeSteps;

pub fn perturbed(case: &Case) -> Vec<f32> {
    let mut scores = vec![JUNK; case.sizes.rows * case.sizes.samples * case.sizes.n];
    imle::perturb(case.shape(), &case.options, case.key(), Rows::contiguous(&case.theta), &mut scores)
        .expect("cases are good");
    scores
}

pub fn targets(case: &Case, side: Side) -> Vec<f32> {
    let mut scores = vec![JUNK; case.sizes.rows * case.sizes.samples * case.sizes.n];
    let (theta, dz) = (Rows::contiguous(&case.theta), case.all_dz());
    imle::target(case.shape(), &case.options, case.key(), side, theta, dz, &mut scores).expect("cases are good");
    scores
}

fn solve_outside(case: &Case, scores: &[f32]) -> Vec<f32> {
    let row = |state| state / case.sizes.samples;
    let states = scores.chunks(case.sizes.n).enumerate();
    states.flat_map(|(state, scores)| reference::map(scores, case.k(row(state)))).collect()
}

impl Layer for ThreeSteps {
    fn takes_k_per_row(&self) -> bool {
        true
    }

    fn sample(&self, case: &Case) -> Sampled {
        Sampled { z: solve_outside(case, &perturbed(case)), indices: None, marginals: None }
    }

    fn gradient(&self, case: &Case, _replay: Option<&[u32]>) -> (Vec<f32>, Diagnostics) {
        let z = match case.options.difference {
            Difference::Forward => perturbed(case),
            Difference::Central => targets(case, Side::Plus),
            _ => unreachable!("no case has another one"),
        };
        let (z, z_target) = (solve_outside(case, &z), solve_outside(case, &targets(case, Side::Minus)));
        let mut grad = vec![JUNK; case.theta.len()];
        let out = RowsMut::contiguous(&mut grad);
        let diagnostics = imle::difference(case.shape(), &case.options, &z, &z_target, out);
        (grad, diagnostics.expect("cases are good"))
    }
}
