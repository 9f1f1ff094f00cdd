//! `Imle<Tree>`, of all four kinds.

use imle::{Diagnostics, Imle, Rows, Tree};
use proptest::prelude::*;

use crate::common::cases::{Case, Sizes};
use crate::common::laws::{Layer, MapLayer, Sampled};
use crate::common::layers::{gradient, map, sample};
use crate::common::tree_cases::{self, tree};
use crate::common::trees::Kind;

pub struct Trees<const PROJECTIVE: bool, const SINGLE_ROOT: bool>;

impl<const PROJECTIVE: bool, const SINGLE_ROOT: bool> Trees<PROJECTIVE, SINGLE_ROOT> {
    const KIND: Kind = Kind { projective: PROJECTIVE, single_root: SINGLE_ROOT };

    fn layer(case: &Case) -> Imle<Tree<'_>> {
        let tree = tree(case.sizes.k as u32, case.k_row.as_deref(), Self::KIND);
        Imle::new(case.shape(), tree, case.options).expect("cases are good")
    }
}

impl<const PROJECTIVE: bool, const SINGLE_ROOT: bool> Layer for Trees<PROJECTIVE, SINGLE_ROOT> {
    const PER_ROW_K: bool = true;

    fn sizes() -> BoxedStrategy<Sizes> {
        tree_cases::sizes()
    }

    fn fit(case: Case) -> Case {
        tree_cases::fit(case)
    }

    fn state(case: &Case, b: usize, scores: &[f32]) -> Vec<f32> {
        tree_cases::state(case, b, scores, Self::KIND)
    }

    fn some_state(case: &Case, b: usize) -> Vec<f32> {
        tree_cases::some_state(case, b)
    }

    fn sample(case: &Case) -> Sampled {
        sample(&Self::layer(case), case.key(), Rows::contiguous(&case.theta))
    }

    fn gradient(case: &Case, replay: Option<&[u32]>) -> (Vec<f32>, Diagnostics) {
        gradient(&Self::layer(case), case.key(), &case.theta, case.all_dz(), replay)
    }
}

impl<const PROJECTIVE: bool, const SINGLE_ROOT: bool> MapLayer for Trees<PROJECTIVE, SINGLE_ROOT> {
    fn map(case: &Case) -> Vec<f32> {
        map(&Self::layer(case), Rows::contiguous(&case.theta))
    }
}
