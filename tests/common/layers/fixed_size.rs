//! The layer whose sizes are constants.

use imle::{Diagnostics, fixed};
use proptest::prelude::*;
use proptest::sample::select;

use crate::common::cases::{Case, Sizes};
use crate::common::laws::{Layer, MapLayer, Sampled};

/// `fixed::Layer`, one row at a time, at a few sizes.
pub struct Fixed;

/// Calls `$call::<N, K>($row)` for every row of the case and joins the answers.
macro_rules! at_its_size {
    ($case:ident, $call:ident) => {{
        let Sizes { rows, n, k, .. } = $case.sizes;
        let call = match (n, k) {
            (1, 1) => $call::<1, 1>,
            (5, 2) => $call::<5, 2>,
            (16, 0) => $call::<16, 0>,
            (17, 1) => $call::<17, 1>,
            (31, 31) => $call::<31, 31>,
            (33, 7) => $call::<33, 7>,
            (200, 5) => $call::<200, 5>,
            _ => unreachable!("not one of the sizes"),
        };
        (0..rows).map(move |b| call(&$case.piece(b, 1)))
    }};
}

fn fixed_map<const N: usize, const K: usize>(row: &Case) -> Vec<f32> {
    let layer = fixed::Layer::<N, K>::new(row.options).expect("cases are good");
    one_hots::<N, K>(&[layer.map(row.theta.as_slice().try_into().expect("one row")).expect("cases are good")])
}

fn fixed_sample<const N: usize, const K: usize>(row: &Case) -> Vec<f32> {
    let layer = fixed::Layer::<N, K>::new(row.options).expect("cases are good");
    let theta: &[f32; N] = row.theta.as_slice().try_into().expect("one row");
    match row.sizes.samples {
        1 => one_hots::<N, K>(&layer.sample::<1>(row.key(), theta).expect("cases are good")),
        _ => one_hots::<N, K>(&layer.sample::<3>(row.key(), theta).expect("cases are good")),
    }
}

fn fixed_gradient<const N: usize, const K: usize>(row: &Case) -> (Vec<f32>, Diagnostics) {
    let layer = fixed::Layer::<N, K>::new(row.options).expect("cases are good");
    let theta: &[f32; N] = row.theta.as_slice().try_into().expect("one row");
    let dz = |s| row.dz(0, s).try_into().expect("one gradient");
    let (grad, diagnostics) = match row.sizes.samples {
        1 => layer.gradient(row.key(), theta, &[dz(0)]),
        _ => layer.gradient(row.key(), theta, &[dz(0), dz(1), dz(2)]),
    }
    .expect("cases are good");
    (grad.to_vec(), diagnostics)
}

/// z from index lists, which must be ascending and full.
fn one_hots<const N: usize, const K: usize>(lists: &[fixed::Chosen<K>]) -> Vec<f32> {
    let one_hot = |list: &fixed::Chosen<K>| {
        assert!(list.is_sorted_by(|a, b| a < b));
        let mut z = [0.0; N];
        list.iter().for_each(|&i| z[i as usize] = 1.0);
        z
    };
    lists.iter().flat_map(one_hot).collect()
}

impl Layer for Fixed {
    fn sizes(&self) -> BoxedStrategy<Sizes> {
        let sizes = select(&[(1, 1), (5, 2), (16, 0), (17, 1), (31, 31), (33, 7), (200, 5)][..]);
        (sizes, 1..=3_usize, select(&[1, 3][..]))
            .prop_map(|((n, k), rows, samples)| Sizes { rows, n, k, samples })
            .boxed()
    }

    fn sample(&self, case: &Case) -> Sampled {
        let z = at_its_size!(case, fixed_sample).flatten().collect();
        Sampled { z, indices: None, marginals: None }
    }

    fn gradient(&self, case: &Case, _replay: Option<&[u32]>) -> (Vec<f32>, Diagnostics) {
        let mut sum = Diagnostics::default();
        let grads = at_its_size!(case, fixed_gradient).flat_map(|(grad, diagnostics)| {
            sum.states += diagnostics.states;
            sum.unchanged += diagnostics.unchanged;
            sum.nonzeros += diagnostics.nonzeros;
            grad
        });
        (grads.collect(), sum)
    }
}

impl MapLayer for Fixed {
    fn map(&self, case: &Case) -> Vec<f32> {
        at_its_size!(case, fixed_map).flatten().collect()
    }
}
