//! The exact functions of trees in the core. The tests of imle-ffi include this file by `#[path]`.

use imle::{Exact, Key};
use proptest::prelude::*;

use crate::common::cases::{Case, Sizes};
use crate::common::exact_laws::{Answers, ExactLayer, through_core};
use crate::common::tree_cases::{self, tree};
use crate::common::trees::Kind;

pub struct CoreTrees<const PROJECTIVE: bool, const SINGLE_ROOT: bool>;

impl<const PROJECTIVE: bool, const SINGLE_ROOT: bool> ExactLayer for CoreTrees<PROJECTIVE, SINGLE_ROOT> {
    fn sizes() -> BoxedStrategy<Sizes> {
        tree_cases::sizes()
    }

    fn fit(case: Case) -> Case {
        tree_cases::fit(case)
    }

    fn answers(case: &Case, key: Key<'_>, temperature: f32) -> Answers {
        let kind = Kind { projective: PROJECTIVE, single_root: SINGLE_ROOT };
        let tree = tree(case.sizes.k as u32, case.k_row.as_deref(), kind);
        through_core(case, key, &Exact::new(case.shape(), tree, temperature).unwrap())
    }
}
