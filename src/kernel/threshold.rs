//! What a bound or a word must reach for its score to be among the k largest.

use super::LANES;
use super::argmax::raise;
use super::elementwise::Perturbed;
use super::few::FEW;
use super::level::Level;
use super::select::{best_of_few, kth_largest};

/// Coordinates whose words are looked at together, once most are known to be too small.
pub(super) const SIFTED: usize = 64;

/// Groups that a chunk is divided into: three for every two coordinates that are wanted.
pub(super) const fn groups(k: usize) -> usize {
    (3 * k).div_ceil(2).next_multiple_of(LANES)
}

/// A floor under the k-th largest bound: the k-th largest of the groups' largest. None if no bound reaches the bar.
#[inline(always)]
pub(super) fn floor<L: Level>(bounds: &[f32], k: usize, bar: f32, room: &mut [f32]) -> Option<f32> {
    let span = bounds.len().checked_div(groups(k)).unwrap_or_default();
    let maxima = maxima(bounds, span.max(1), room);
    if maxima.as_chunks::<LANES>().0.iter().all(|block| L::at_least(block, bar) == 0) {
        return None;
    }
    Some(match maxima.len() {
        len if len <= k => bar,
        len if len <= FEW => best_of_few::<L>(maxima, len, k).least,
        _ => kth_largest::<L>(maxima, k).0,
    })
}

/// The largest bound of each lane over `span` blocks at a time, as far as there is room.
#[inline(always)]
fn maxima<'g>(bounds: &[f32], span: usize, groups: &'g mut [f32]) -> &'g [f32] {
    let mut count = 0;
    for (part, group) in bounds.as_chunks::<LANES>().0.chunks(span).zip(groups.as_chunks_mut::<LANES>().0) {
        let mut largest = [f32::NEG_INFINITY; LANES];
        for block in part {
            raise(&mut largest, block.iter().copied());
        }
        *group = largest;
        count += LANES;
    }
    groups.get(..count).unwrap_or_default()
}

/// Words below this have scores below the bar, whatever their coordinate. None where that is not so of nearly all words.
#[inline(always)]
pub(super) fn least_word(scores: &Perturbed<'_>, bar: f32) -> Option<u32> {
    let highest = scores.highest_base();
    // Bounds rise with words and bases. Words are tried by their distance from the largest, in steps of an eighth.
    const MOST: u32 = 8 * 24;
    let (mut low, mut high) = (0, MOST);
    while low < high {
        let middle = (low + high) / 2;
        if highest + scores.tau * scores.law.upper_bound(!distance(middle))? < bar {
            high = middle
        } else {
            low = middle + 1
        }
    }
    if low < MOST { Some(distance(low).wrapping_neg()) } else { None }
}

/// 8, 9, ... 15, 16, 18, ... 30, 32, 36, ...
const fn distance(step: u32) -> u32 {
    (8 + step % 8) << (step / 8)
}

/// Whether one of the words of the 64 coordinates from `at` on is at least `least`.
#[inline(always)]
pub(super) fn has_word(words: &[f32], at: usize, least: u32) -> bool {
    let Some(words) = words.get(at..at + SIFTED) else { return true };
    let mut largest = [0; LANES];
    for block in words.as_chunks::<LANES>().0 {
        for (largest, word) in largest.iter_mut().zip(block) {
            *largest = word.to_bits().max(*largest);
        }
    }
    let mut found = false;
    for largest in largest {
        found |= largest >= least;
    }
    found
}
