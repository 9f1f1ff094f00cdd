//! From scores to the weights of arcs.

use crate::arch::{Dispatch, Isa};
use crate::float::{exp_scaled, quotient, two_sum};
use crate::kernel::exact::scaled::{Matrix, Nothing, Scaled};
use crate::kernel::tree::Arcs;

/// Gaps count as no larger than this, in nats. It is far beyond every score whose digits f32 can tell apart.
const WIDEST: f32 = -700_000.0;

/// The size of e^((θ − max)/T). The gap is formed before the division, and what either rounds away is kept: gaps of
/// thousands must not cost the digits of the weight.
#[inline(always)]
fn weight(theta: f32, max: f32, temperature: f32) -> (f32, i32) {
    let (gap, low) = two_sum(theta, -max);
    let (gap, low) = if gap > f32::MIN { (gap, low) } else { (f32::MIN, 0.0) };
    let (y, rest) = quotient(gap, low, temperature);
    let (y, rest) = if y > WIDEST { (y, rest) } else { (WIDEST, 0.0) };
    exp_scaled(y, rest)
}

/// The largest score of every word's arcs, its arc from the root included.
#[inline(always)]
pub(crate) fn largest_of_columns<'a>(rows: impl Iterator<Item = &'a [f32]>, largest: &mut [f32]) {
    largest.fill(f32::NEG_INFINITY);
    for row in rows {
        for (largest, &theta) in largest.iter_mut().zip(row) {
            *largest = if theta > *largest { theta } else { *largest };
        }
    }
}

/// `weights` ← e^((θ_hd − largest_d)/T), with a row for each head and, behind these, one for the root, whose scores are
/// on the diagonal of θ. The diagonal of the weights is 0. Weights of arcs from the root are divided by
/// 2^`fewer_roots`.
pub(crate) struct Write<'a, 'm> {
    pub arcs: Arcs<'a>,
    pub largest: &'a [f32],
    pub temperature: f32,
    pub fewer_roots: i32,
    pub weights: &'a mut Matrix<'m>,
}

impl Dispatch for Write<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) {
        let Write { arcs, largest, temperature, fewer_roots, weights } = self;
        for (h, line) in arcs.lines().enumerate() {
            weights.fill_row(h, line, largest, |theta, largest| {
                let (m, e) = weight(theta, largest, temperature);
                if theta > f32::NEG_INFINITY { (m, e) } else { (Scaled::ZERO.m, Scaled::ZERO.e) }
            });
            let root = weights.get::<Nothing>(h, h);
            let lowered = if root.m > 0.0 { Scaled { e: root.e - fewer_roots, ..root } } else { root };
            weights.set::<Nothing>(arcs.words, h, lowered);
            weights.set::<Nothing>(h, h, Scaled::ZERO);
        }
    }
}
