//! The one rule for ties: among equal scores the lower index is chosen first, and −0 equals +0.
//!
//! Let t be the k-th largest score. Every score above t is chosen. Of the scores that equal t the first ones are chosen,
//! in the order of their indices, until there are k. Every selection in this crate ends with one of the functions here;
//! for k = 1 the rule is the first index of the largest score ([`argmax`](super::reduce::argmax)).

use super::bits::positions;

/// Tells of one score after another, in the order of their indices, whether it is among the k largest.
pub(crate) struct Choice<T> {
    kth: T,
    /// The number of scores equal to the k-th that are still to be chosen.
    equals: usize,
}

impl<T: Copy + PartialOrd> Choice<T> {
    /// `kth` is the k-th largest score, and `equals` of the k largest are equal to it.
    #[inline(always)]
    pub(crate) fn new(kth: T, equals: usize) -> Self {
        Choice { kth, equals }
    }

    #[inline(always)]
    pub(crate) fn takes(&mut self, score: T) -> bool {
        let equal = score == self.kth && self.equals > 0;
        self.equals -= usize::from(equal);
        score > self.kth || equal
    }
}

/// Sets the last `surplus` states to 0 whose scores equal t: z is 1 for all scores that reach t, the k-th largest.
#[cold]
#[inline(never)]
pub(crate) fn drop_last_states(scores: &[f32], t: f32, mut surplus: usize, z: &mut [f32]) {
    for (z, &score) in z.iter_mut().zip(scores).rev() {
        if score == t && surplus > 0 {
            *z = 0.0;
            surplus -= 1;
        }
    }
}

/// Drops the last of the scores that equal the smallest score in the set, so that k stay. The set has the k largest of at
/// most 64 scores, and more only because of ties. The answer is the set, and that smallest score.
#[cold]
#[inline(never)]
pub(crate) fn drop_last_equals(scores: &[f32], set: u64, k: usize) -> (u64, f32) {
    let chosen = positions(set).filter_map(|i| scores.get(i as usize));
    let least = chosen.fold(f32::INFINITY, |least, &score| if score < least { score } else { least });
    // This loop has no branch, because the processor cannot predict which scores are equal.
    let equals =
        scores.iter().zip(0..u64::BITS).fold(0, |equals, (&score, i)| equals | u64::from(score == least) << i) & set;
    let better = (set & !equals).count_ones() as usize;
    let mut dropped = equals;
    for _ in better..k {
        dropped &= dropped.wrapping_sub(1);
    }
    (set & !dropped, least)
}
