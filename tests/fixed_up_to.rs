//! `fixed::Layer::map_up_to`: k at run time, as `TopK` would choose with that k.

use imle::{Argument, Error, Imle, Options, Rows, Rule, Shape, States, TopK, fixed};
use proptest::prelude::*;

const N: usize = 9;
const K: usize = 6;

fn map_up_to(k: usize, theta: &[f32; N]) -> Result<Vec<u32>, Error> {
    let layer = fixed::Layer::<N, K>::new(Options::default()).expect("good options");
    layer.map_up_to(k, theta).map(|list| list.to_vec())
}

proptest! {
    #[test]
    fn it_chooses_as_the_layer_of_that_k_does(
        k in 0..=K,
        theta in prop::array::uniform9(prop::sample::select(vec![-1.0, -0.0, 0.0, 0.5, 1.0, f32::NEG_INFINITY])),
    ) {
        let shape = Shape { rows: 1, n: N as u32, k: k as u32, samples: 1 };
        let layer = Imle::new(shape, TopK::new(shape.k), Options::default()).expect("a good layer");
        let (mut expected, mut work) = (vec![7; k], vec![0.0; layer.workspace_len()]);
        let expected = layer.map(Rows::contiguous(&theta), States::indices(&mut expected), &mut work).map(|()| expected);
        prop_assert_eq!(map_up_to(k, &theta), expected);
    }
}

#[test]
fn of_equal_scores_the_lower_indices_are_chosen() {
    let theta = [0.0, 2.0, 1.0, 1.0, f32::NEG_INFINITY, 1.0, 2.0, 1.0, -3.0];
    assert_eq!(map_up_to(4, &theta), Ok(vec![1, 2, 3, 6]));
    assert_eq!(map_up_to(0, &theta), Ok(vec![]));
}

#[test]
fn more_than_the_capacity_is_refused() {
    for k in [K + 1, N, N + 1, usize::MAX] {
        assert_eq!(map_up_to(k, &[0.0; N]), Err(Error::Shape { rule: Rule::SolverAtMostK }));
    }
}

#[test]
fn bad_scores_are_refused() {
    let mut theta = [f32::NEG_INFINITY; N];
    theta[3] = 1.0;
    assert_eq!(map_up_to(1, &theta), Ok(vec![3]));
    assert_eq!(map_up_to(2, &theta), Err(Error::Infeasible { row: 0 }));
    theta[5] = f32::NAN;
    assert_eq!(map_up_to(1, &theta), Err(Error::NonFinite { argument: Argument::Theta, row: 0 }));
}
