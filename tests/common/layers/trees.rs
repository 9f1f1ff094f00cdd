//! `Imle<Tree>`, of all four kinds.

use imle::{Diagnostics, Imle, Rows, Tree};
use proptest::prelude::*;

use crate::common::cases::{Case, Sizes};
use crate::common::laws::{Layer, MapLayer, Sampled};
use crate::common::layers::{gradient, map, sample};
use crate::common::tree_cases::{self, tree};
use crate::common::trees::Kind;

pub struct Trees(pub Kind);

impl Trees {
    fn layer<'a>(&self, case: &'a Case) -> Imle<Tree<'a>> {
        let tree = tree(case.sizes.k as u32, case.k_row.as_deref(), self.0);
        Imle::new(case.shape(), tree, case.options).expect("cases are good")
    }
}

impl Layer for Trees {
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

    fn sample(&self, case: &Case) -> Sampled {
        sample(&self.layer(case), case.key(), Rows::contiguous(&case.theta))
    }

    fn gradient(&self, case: &Case, replay: Option<&[u32]>) -> (Vec<f32>, Diagnostics) {
        gradient(&self.layer(case), case.key(), &case.theta, case.all_dz(), replay)
    }
}

impl MapLayer for Trees {
    fn map(&self, case: &Case) -> Vec<f32> {
        map(&self.layer(case), Rows::contiguous(&case.theta))
    }
}
