//! The gap of an arc: its score minus the largest score of an arc into the same word. A tree has one arc into each word, so
//! the gaps have the same best tree as the scores. They are at most 0, and none of the scores' digits is lost to an offset
//! that a word's arcs share.

use super::arcs::Arcs;

/// Scores beyond ±2⁹⁶ are scaled, and then every score of the row is, by a power of two. So no sum of gaps overflows,
/// and −inf is a mask wherever it turns up.
const LARGE: f32 = 7.922_816_3e28;
const SCALE: f32 = 2.328_306_4e-10;

/// The offsets and the scale that turn scores into gaps.
pub(super) struct Gaps<'a> {
    /// The largest score into each word, scaled.
    best: &'a [f32],
    scale: f32,
}

impl<'a> Gaps<'a> {
    /// `best` has room for a number per word. None if every arc into a word is masked.
    #[inline(always)]
    pub(super) fn new(arcs: Arcs<'_>, best: &'a mut [f32]) -> Option<Self> {
        best.fill(f32::NEG_INFINITY);
        // The bits of sizes: unlike floats, whole numbers have a maximum that does not depend on the order.
        let mut largest = 0;
        for line in arcs.lines() {
            for (best, &score) in best.iter_mut().zip(line) {
                *best = if score > *best { score } else { *best };
            }
            for &score in line {
                let size = if score == f32::NEG_INFINITY { 0 } else { score.abs().to_bits() };
                largest = if size > largest { size } else { largest };
            }
        }
        let scale = if f32::from_bits(largest) > LARGE { SCALE } else { 1.0 };
        let mut all = true;
        for best in best.iter_mut() {
            *best = scaled(*best, scale);
            all &= *best > f32::NEG_INFINITY;
        }
        all.then_some(Gaps { best, scale })
    }

    /// The gaps of a line of arcs, one into each word: at most 0, never −0, and −inf exactly for a mask.
    #[inline(always)]
    pub(super) fn of_line(&self, line: &[f32], gaps: &mut [f32]) {
        for ((slot, &score), &best) in gaps.iter_mut().zip(line).zip(self.best) {
            *slot = gap(score, best, self.scale);
        }
    }
}

#[inline(always)]
fn gap(score: f32, best: f32, scale: f32) -> f32 {
    (scaled(score, scale) - best) + 0.0
}

/// +inf counts as the largest finite float.
#[inline(always)]
fn scaled(score: f32, scale: f32) -> f32 {
    (if score < f32::MAX { score } else { f32::MAX }) * scale
}
