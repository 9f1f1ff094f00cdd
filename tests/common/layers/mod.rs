//! The implementations in the Rust core, as layers that the laws can be stamped on.

pub mod fixed_size;
pub mod three_steps;
pub mod trees;

use imle::{Argmax, Diagnostics, Dz, Forward, Imle, Key, MapSolver, Rows, RowsMut, States, TopK};
use proptest::prelude::*;

use crate::common::arrays::{JUNK, spread, without_gaps};
use crate::common::cases::{Case, Sizes, any_sizes};
use crate::common::laws::{Layer, MapLayer, Sampled};
use crate::common::reference;

pub fn sample<M: MapSolver>(layer: &Imle<M>, key: Key, theta: Rows<'_>) -> Sampled {
    let shape = layer.shape();
    let states = shape.rows() * shape.samples();
    let (mut z, mut indices) = (vec![JUNK; states * shape.n()], vec![7; states * shape.k()]);
    let (mut marginals, mut work) = (vec![JUNK; shape.rows() * shape.n()], vec![JUNK; layer.workspace_len()]);
    let all = States { marginals: Some(&mut marginals), ..States::both(&mut z, &mut indices) };
    layer.sample(key, theta, all, &mut work).expect("cases are good");
    Sampled { z, indices: Some(indices), marginals: Some(marginals) }
}

pub fn map<M: MapSolver>(layer: &Imle<M>, theta: Rows<'_>) -> Vec<f32> {
    let shape = layer.shape();
    let (mut z, mut indices) = (vec![JUNK; shape.rows() * shape.n()], vec![7; shape.rows() * shape.k()]);
    let both = States::both(&mut z, &mut indices);
    layer.map(theta, both, &mut vec![JUNK; layer.workspace_len()]).expect("cases are good");
    let lists = z.chunks(shape.n()).flat_map(|z| reference::index_list(z, shape.k()));
    assert_eq!(indices, lists.collect::<Vec<_>>());
    z
}

/// The lists of a replay, as the layer takes them.
fn forward(replay: Option<&[u32]>) -> Forward<'_> {
    replay.map_or(Forward::Replay, Forward::Indices)
}

pub fn gradient<M: MapSolver>(
    layer: &Imle<M>,
    key: Key,
    theta: &[f32],
    dz: Dz<'_>,
    replay: Option<&[u32]>,
) -> (Vec<f32>, Diagnostics) {
    let (mut grad, mut work) = (vec![JUNK; theta.len()], vec![JUNK; layer.workspace_len()]);
    let (theta, out) = (Rows::contiguous(theta), RowsMut::contiguous(&mut grad));
    let diagnostics = layer.gradient(key, theta, dz, forward(replay), out, &mut work).expect("cases are good");
    (grad, diagnostics)
}

pub fn top_k(case: &Case) -> Imle<TopK<'_>> {
    Imle::new(case.shape(), case.top_k(), case.options).expect("cases are good")
}

/// `Imle<TopK>` on arrays without gaps.
pub struct Contiguous;

impl Layer for Contiguous {
    fn sample(&self, case: &Case) -> Sampled {
        sample(&top_k(case), case.key(), Rows::contiguous(&case.theta))
    }

    fn gradient(&self, case: &Case, replay: Option<&[u32]>) -> (Vec<f32>, Diagnostics) {
        gradient(&top_k(case), case.key(), &case.theta, case.all_dz(), replay)
    }
}

impl MapLayer for Contiguous {
    fn map(&self, case: &Case) -> Vec<f32> {
        map(&top_k(case), Rows::contiguous(&case.theta))
    }
}

/// The same with one k per row.
pub struct PerRow;

impl Layer for PerRow {
    fn takes_k_per_row(&self) -> bool {
        true
    }

    fn sample(&self, case: &Case) -> Sampled {
        Contiguous.sample(case)
    }

    fn gradient(&self, case: &Case, replay: Option<&[u32]>) -> (Vec<f32>, Diagnostics) {
        Contiguous.gradient(case, replay)
    }
}

impl MapLayer for PerRow {
    fn map(&self, case: &Case) -> Vec<f32> {
        Contiguous.map(case)
    }
}

/// `Imle<TopK>` on arrays with gaps of junk, which must stay junk. dz has the samples outermost, `[S][B][N]`.
pub struct Strided;

impl Strided {
    const GAP: usize = 3;

    /// Rows of n, a gap after each but the last: the shortest array that the stride allows.
    fn spread(rows: &[f32], n: usize) -> Vec<f32> {
        let mut spread = spread(rows, n, Self::GAP);
        spread.truncate(spread.len() - Self::GAP);
        spread
    }
}

impl Layer for Strided {
    fn sample(&self, case: &Case) -> Sampled {
        let n = case.sizes.n;
        sample(&top_k(case), case.key(), Rows::strided(&Self::spread(&case.theta, n), n + Self::GAP))
    }

    fn gradient(&self, case: &Case, replay: Option<&[u32]>) -> (Vec<f32>, Diagnostics) {
        let Sizes { rows, n, samples, .. } = case.sizes;
        let stride = n + Self::GAP;
        let theta = Self::spread(&case.theta, n);
        let blocks = if case.shared { 1 } else { samples };
        let outermost: Vec<f32> =
            (0..blocks).flat_map(|s| (0..rows).flat_map(move |b| case.dz(b, s))).copied().collect();
        let dz = Self::spread(&outermost, n);
        let dz = Dz::strided(&dz, stride, if case.shared { 0 } else { rows * stride });

        let layer = top_k(case);
        let mut grad = vec![JUNK; theta.len()];
        let out = RowsMut::strided(&mut grad, stride);
        let work = &mut vec![JUNK; layer.workspace_len()];
        let diagnostics = layer.gradient(case.key(), Rows::strided(&theta, stride), dz, forward(replay), out, work);
        grad.extend([JUNK; Self::GAP]);
        (without_gaps(&grad, n, Self::GAP), diagnostics.expect("cases are good"))
    }
}

impl MapLayer for Strided {
    fn map(&self, case: &Case) -> Vec<f32> {
        let n = case.sizes.n;
        map(&top_k(case), Rows::strided(&Self::spread(&case.theta, n), n + Self::GAP))
    }
}

/// `Imle<Argmax>`: k = 1.
pub struct OneHot;

fn argmax(case: &Case) -> Imle<Argmax> {
    Imle::new(case.shape(), Argmax, case.options).expect("cases are good")
}

impl Layer for OneHot {
    fn sizes(&self) -> BoxedStrategy<Sizes> {
        any_sizes().prop_map(|sizes| Sizes { k: 1, ..sizes }).boxed()
    }

    fn sample(&self, case: &Case) -> Sampled {
        sample(&argmax(case), case.key(), Rows::contiguous(&case.theta))
    }

    fn gradient(&self, case: &Case, replay: Option<&[u32]>) -> (Vec<f32>, Diagnostics) {
        gradient(&argmax(case), case.key(), &case.theta, case.all_dz(), replay)
    }
}

impl MapLayer for OneHot {
    fn map(&self, case: &Case) -> Vec<f32> {
        map(&argmax(case), Rows::contiguous(&case.theta))
    }
}
