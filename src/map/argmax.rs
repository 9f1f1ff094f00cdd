//! C = { z : Σ z_i = 1 }: one of n.

use super::MapSolver;
use crate::kernel::argmax::argmax;
use crate::kernel::elementwise::Perturbed;
use crate::kernel::perturbed_select;
use crate::noise::Stream;
use crate::states::State;

/// One-hot states: z = 1 at the largest score, the lowest index among equals (−0 equal to +0). The same bits as
/// [`TopK`](super::TopK) with k = 1, in one pass. O(n).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Argmax;

impl MapSolver for Argmax {
    fn map(&self, _row: usize, scores: &[f32], z: &mut [f32]) {
        z.fill(0.0);
        if let Some(z) = z.get_mut(argmax(scores)) {
            *z = 1.0;
        }
    }

    fn ones(&self, _row: usize) -> Option<usize> {
        Some(1)
    }

    #[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(always))]
    fn choose<'w>(
        &self,
        _row: usize,
        scores: &Perturbed<'_>,
        stream: &mut Stream,
        work: &'w mut [f32],
    ) -> (State<'w>, &'w mut [f32]) {
        perturbed_select::choose(scores, 1, stream, work)
    }

    fn ranks(&self) -> bool {
        true
    }

    fn largest(&self, _row: usize, theta: &[f32], work: &mut [f32]) -> Option<usize> {
        perturbed_select::largest(theta, 1, work).then_some(1)
    }
}
