//! The exact functions of trees in the core. The tests of imle-ffi include this file by `#[path]`.

use imle::{Exact, Key};
use proptest::prelude::*;

use crate::common::cases::{Case, Sizes};
use crate::common::exact_laws::{Answers, ExactLayer, through_core};
use crate::common::tree_cases::{self, tree};
use crate::common::trees::Kind;

pub struct CoreTrees(pub Kind);

impl ExactLayer for CoreTrees {
    fn sizes(&self) -> BoxedStrategy<Sizes> {
        tree_cases::sizes()
    }

    fn fit(&self, case: Case) -> Case {
        tree_cases::fit(case)
    }

    fn answers(&self, case: &Case, key: Key<'_>, temperature: f32) -> Answers {
        let tree = tree(case.sizes.k as u32, case.k_row.as_deref(), self.0);
        through_core(case, key, &Exact::new(case.shape(), tree, temperature).unwrap())
    }
}
