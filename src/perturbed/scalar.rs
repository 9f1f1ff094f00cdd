//! The k largest scores on machines whose loops go by coordinates: Arm and RISC-V of 32 bits.
//!
//! First the words of the row are written down, lane after lane, so that the loop that makes them and the loop that reads
//! them each fit the registers. They are written as their complements, 2³²·p with p = 1 − u, which the bounds read. Then
//!
//! 1. each coordinate costs one upper bound and one comparison with the bar, which k scores are known to reach. Nearly all
//!    coordinates are below it. One that is not is put on a list, and its score gets a lower bound (or is computed, if the
//!    word has no such bound). The k-th largest lower bound is the bar from there on: the root of a heap of k. The backward
//!    pass starts with the bar that the forward state's coordinates reach, since few of them change;
//! 2. the coordinates on the list that the last bar does not rule out are little more than k. Most of them are certain to be
//!    chosen, by their lower bounds. The scores of the others are computed, and the largest are chosen. If only k are left,
//!    they are the answer.
//!
//! Every score is computed if there are no bounds (other laws and targets, extreme τ), if k is above n/4, and if the list
//! is too short, which takes an ascending row. At most 2·n scores are computed, and n·log k steps taken.

use super::bounds::{Bounds, InFloats, InWholeNumbers};
use super::scores::Perturbed;
use super::shortlist::{self, Shortlist};
use crate::arch::FLOAT_UNIT;
use crate::float::rank;
use crate::kernel::heap::{HIGHEST, least, offer, write_positions};
use crate::kernel::reduce::all_finite_or;
use crate::noise::SampleWords;

/// The positions of the k largest scores of a sample, ascending, as the bits of floats at the front of `work`. The
/// workspace has 3·n floats, or those that a state of this kind has left. At least k coordinates are not masked. `hint` has
/// at most k positions, ascending: the closer they are to the answer, the sooner it is found.
#[inline(never)]
pub(super) fn k_largest(row: &Perturbed<'_>, k: usize, words: SampleWords<'_>, hint: &[f32], work: &mut [f32]) {
    debug_assert!(work.len() >= k + row.theta.len(), "no room for {k} ranks and the words of the row");
    if let Some((_, rest)) = work.split_at_mut_checked(k) {
        row.formula.noise.draw_complements(words, rest.get_mut(..row.theta.len()).unwrap_or_default());
    }
    if k == 0 {
        return;
    }
    if FLOAT_UNIT {
        k_largest_of_words::<InFloats>(row, k, hint, work);
    } else {
        k_largest_of_words::<InWholeNumbers>(row, k, hint, work);
    }
}

/// The same for k ≥ 1, with the complements of the row's words behind the first k floats of `work`. It is a function of
/// its own so that the frames of the two steps are not on the stack together.
#[inline(never)]
fn k_largest_of_words<B: Bounds>(row: &Perturbed<'_>, k: usize, hint: &[f32], work: &mut [f32]) {
    let n = row.theta.len();
    let Some((heap, rest)) = work.split_at_mut_checked(k) else { return };
    let Some((words, list)) = rest.split_at_mut_checked(n) else { return };
    let list = list.as_chunks_mut().0;
    // For a larger k most coordinates would be on the list, and to look at them twice takes longer than their scores.
    let kept =
        if k <= n / 4 { Shortlist::<B>::new(row, words, hint, heap, list).and_then(Shortlist::run) } else { None };
    let listed = kept.is_some();
    let (len, certain) = kept.unwrap_or((n, 0));
    let entry = |j: usize| if listed { list.get(j).map_or((n, false), shortlist::read) } else { (j, false) };
    // The heap finds the others among the k largest. If no more than k are left, all are chosen: nothing is below the ranks
    // of 0, and `words` may stay as they are.
    let open = k - certain;
    let found = heap.get_mut(..open).unwrap_or_default();
    found.fill(0.0);
    if len > k {
        for (i, certain) in (0..len).map(entry) {
            if let Some(word) = words.get_mut(i) {
                let mut of_score = HIGHEST;
                if !certain {
                    of_score = rank(row.score_of_word(i, !word.to_bits()));
                    offer(found, of_score);
                }
                // From here on the place of the word has the rank of its score, or a higher one.
                *word = f32::from_bits(of_score);
            }
        }
    }
    let ranks = words;
    write_positions(heap, open, (0..len).map(entry).map(|(i, _)| i), |i| ranks.get(i).map_or(0, |rank| rank.to_bits()));
}

/// MAP(θ) of a row that was not looked at before: the positions of the k largest θ, ascending, as the bits of floats at
/// the front of `work`. False if the row is not good; the contents of `work` are then unspecified.
#[inline(never)]
pub(super) fn map_unchecked_row(theta: &[f32], k: usize, work: &mut [f32]) -> bool {
    /// The rank of −inf.
    const MASK: u32 = !f32::NEG_INFINITY.to_bits();
    if k == 0 {
        return all_finite_or(theta, Some(f32::NEG_INFINITY));
    }
    debug_assert!(work.len() >= k + theta.len(), "no room for {k} ranks and the list");
    let (heap, list) = work.split_at_mut_checked(k).unwrap_or_default();
    heap.fill(f32::from_bits(MASK));
    // 0 for a mask, more for all other θ, and also for NaN of either sign.
    let height = |t: f32| rank_of_bits(t).wrapping_sub(MASK);
    let (mut bar, mut listed) = (0, 0);
    for (i, &t) in theta.iter().enumerate() {
        if height(t) > bar {
            if t.is_nan() || t == f32::INFINITY {
                return false;
            }
            if let Some(slot) = list.get_mut(listed) {
                *slot = f32::from_bits(i as u32);
                listed += 1;
            }
            offer(heap, rank(t));
            bar = least(heap).wrapping_sub(MASK);
        }
    }
    // A mask is still in the heap: fewer than k coordinates are not masked.
    if bar == 0 {
        return false;
    }
    let list = list.iter().take(listed).map(|i| i.to_bits() as usize);
    write_positions(heap, k, list, |i| theta.get(i).map_or(0, |&t| rank(t)));
    true
}

/// The order of θ by its bits, in which NaN is at the ends, and −0 comes before +0.
#[inline(always)]
fn rank_of_bits(t: f32) -> u32 {
    let bits = t.to_bits();
    bits ^ ((bits as i32 >> 31) as u32 | 1 << 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;
    use crate::kernel::heap;
    use crate::noise::{BatchWords, Sampler};
    use crate::perturbed::scores::{Base, Formula};

    /// MAP chooses the best k whatever the order in which they come, and equal scores by their index.
    #[test]
    fn map_is_that_of_a_sort() {
        for n in [1, 2, 3, 7, 16, 33] {
            for (k, factor) in (0..=n).flat_map(|k| [1, 5, 7, 31].map(|factor| (k, factor))) {
                let scores: Vec<f32> = (0..n).map(|i| (i * factor % 11) as f32 - 5.0).collect();
                let mut order: Vec<usize> = (0..n).collect();
                order.sort_by(|&i, &j| scores[j].total_cmp(&scores[i]));
                order.truncate(k);
                order.sort_unstable();
                let (mut z, mut work) = (vec![7.0; n], vec![7.0; 3 * n]);
                heap::map(&scores, k, &mut z);
                let expected: Vec<f32> = (0..n).map(|i| if order.contains(&i) { 1.0 } else { 0.0 }).collect();
                assert_eq!(z, expected, "{n} {k} {factor}");
                assert!(map_unchecked_row(&scores, k, &mut work));
                assert!(work[..k].iter().map(|i| i.to_bits() as usize).eq(order), "{n} {k} {factor}");
            }
        }
    }

    /// Rows of any bits, also with few scores in the range of the bounds, in any workspace that `k_largest` is given.
    #[test]
    fn the_choice_is_that_of_all_scores() {
        let mut state = 1_u64;
        let mut any = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        };
        for row in 0..20_000 {
            let n = 1 + any() as usize % 70;
            let k = if row % 3 == 0 { any() as usize % (n + 1) } else { any() as usize % (n / 4 + 1) };
            let scale = 10_f32.powi(any() as i32 % 32);
            let mut value = |masks: bool| match any() % 8 {
                0 => f32::from_bits(any()),
                1 if masks => f32::NEG_INFINITY,
                2 => 0.0,
                _ => (any() as i32 as f32) * (4.0 / 2f32.powi(31)) * scale,
            };
            let theta: Vec<f32> =
                (0..n).map(|_| value(true)).map(|t| if t < f32::INFINITY { t } else { 1.0 }).collect();
            let dz: Vec<f32> = (0..n).map(|_| value(false)).map(|d| if d.is_finite() { d } else { 2.0 }).collect();
            if theta.iter().filter(|&&t| t != f32::NEG_INFINITY).count() < k {
                continue;
            }
            let alpha = [1.0, 0.0, -0.0, -1.5, 1e30][any() as usize % 5];
            let lambda = [1.0, -1.0, 1e30][any() as usize % 3];
            let base = match any() % 3 {
                0 => Base::Theta,
                1 => Base::Combinatorial,
                _ => Base::Linear { alpha, lambda },
            };
            let noise = [Sampler::None, Sampler::Gumbel, Sampler::Logistic, Sampler::Normal][any() as usize % 4];
            let tau = if any() % 2 == 0 { scale } else { 10_f32.powi(any() as i32 % 32) };
            let scores = Perturbed { theta: &theta, dz: &dz, formula: Formula { base, noise, tau } };

            let of_row = BatchWords::noise(&Key { seed: row, ..Key::default() }, 1).row(0);
            let sample = of_row.sample(0);
            let (mut words, mut order) = (vec![0.0; n], (0..n).collect::<Vec<_>>());
            noise.draw_words(sample, &mut words);
            let ranks: Vec<u32> = (0..n).map(|i| rank(scores.score_of_word(i, words[i].to_bits()))).collect();
            order.sort_by_key(|&i| std::cmp::Reverse(ranks[i]));
            order.truncate(k);
            order.sort_unstable();
            for room in [3 * n, 3 * n - k] {
                let mut work = vec![f32::from_bits(any()); room];
                // Any k positions will do.
                let hint: Vec<f32> =
                    (0..n).filter(|_| any() % 4 == 0).take(k).map(|i| f32::from_bits(i as u32)).collect();
                k_largest(&scores, k, sample, &hint, &mut work);
                let chosen = |work: &[f32]| work[..k].iter().map(|i| i.to_bits() as usize).collect::<Vec<_>>();
                assert_eq!(chosen(&work), order, "{scores:?}");
                // The bounds that this machine does not use.
                if k > 0 {
                    work.iter_mut().skip(k).zip(&words).for_each(|(p, word)| *p = f32::from_bits(!word.to_bits()));
                    k_largest_of_words::<InWholeNumbers>(&scores, k, &hint, &mut work);
                    assert_eq!(chosen(&work), order, "{scores:?}");
                }
            }
        }
    }
}
