//! C = { z : Σ z_i = 1 }: one of n.

use super::solver::{MapSolver, Unsolved};
use crate::kernel::reduce::argmax;
use crate::{Error, Rule, Shape};

/// One-hot states: z = 1 at the largest score, the lowest index among equals (−0 equal to +0). The same bits as
/// [`TopK`](crate::TopK) with k = 1. The shape's k must be 1. O(n).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Argmax;

impl MapSolver for Argmax {
    fn map(&self, _row: usize, scores: &[f32], z: &mut [f32], _work: &mut [f32]) -> Result<(), Unsolved> {
        z.fill(0.0);
        if let Some(z) = z.get_mut(argmax(scores)) {
            *z = 1.0;
        }
        Ok(())
    }

    fn ones(&self, _row: usize) -> Option<usize> {
        Some(1)
    }

    fn check(&self, shape: Shape) -> Result<(), Error> {
        if shape.k == 1 { Ok(()) } else { Err(Error::Shape { rule: Rule::OneHotHasKOne }) }
    }

    fn selects(&self, _row: usize) -> Option<usize> {
        Some(1)
    }
}
