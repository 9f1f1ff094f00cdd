//! The same results on cores without vector units: one coordinate after another.
//!
//! First the words of the row are written down, lane after lane, so that the loop that makes them and the one that reads
//! them each keep to the registers there are. Then
//!
//! 1. a coordinate takes a bound above its score and one comparison with the bar, which k scores are known to reach.
//!    Nearly all are below it. One that is not is put on a list, and takes a bound below its score, or its score where the
//!    word has no such bound: the k-th largest of these is the bar from there on, the root of a heap of k,
//! 2. what is on the list and above the last bar, little more than k coordinates, has its score computed, and the k largest
//!    are chosen; where no more than k are left, they are.
//!
//! Without bounds (another law or target, extreme τ), for k above n/4 and where the list is too short, which takes an
//! ascending row, every score is computed. At most 2·n are, and n·log k steps taken.

use super::FLOAT_UNIT;
use super::elementwise::Perturbed;
use super::shortlist::Shortlist;
use crate::float::rank;
use crate::noise::Stream;

/// The rank of −inf.
const LOWEST: u32 = !f32::NEG_INFINITY.to_bits();

/// The k largest of the perturbed scores, equal scores by lower index, at the front of `work` (3·n floats, or what a state
/// of this kind has left of them). At least k coordinates are not masked.
#[inline(never)]
pub(crate) fn choose(scores: &Perturbed<'_>, k: usize, stream: &mut Stream, work: &mut [f32]) {
    if let Some((_, rest)) = work.split_at_mut_checked(k) {
        scores.law.fill_words(stream, rest.get_mut(..scores.theta.len()).unwrap_or_default());
    }
    if k > 0 {
        choose_by_words(scores, k, work);
    }
}

/// The same for a k of at least 1, with the words of the row after k floats. A call of its own, so that only one of both
/// steps is on the stack.
#[inline(never)]
fn choose_by_words(scores: &Perturbed<'_>, k: usize, work: &mut [f32]) {
    let n = scores.theta.len();
    let Some((heap, rest)) = work.split_at_mut_checked(k) else { return };
    let Some((words, list)) = rest.split_at_mut_checked(n) else { return };
    let list = list.as_chunks_mut().0;
    // With more, most would be on the list: to look at them twice takes longer than their scores.
    let kept = if k <= n / 4 { Shortlist::new(scores, words, heap, list).and_then(Shortlist::run) } else { None };
    let (len, listed) = (kept.unwrap_or(n), kept.is_some());
    let position = |j: usize| if listed { list.get(j).map_or(n, |[i, _]| i.to_bits() as usize) } else { j };
    // Nothing is below 0: where no more than k are left, all of them are chosen, whatever is in the place of their ranks.
    heap.fill(0.0);
    if len > k {
        for i in (0..len).map(position) {
            if let Some(word) = words.get_mut(i) {
                let rank = rank(scores.at(i, scores.law.of(word.to_bits())));
                *word = f32::from_bits(rank);
                offer(heap, rank);
            }
        }
    }
    write_positions(heap, (0..len).map(position), |i| words.get(i).map_or(0, |rank| rank.to_bits()));
}

/// MAP(θ) of a row that was not looked at before: the positions of the k largest θ, ascending, at the front of `work`.
/// False, and nothing, where the row is not good.
#[inline(never)]
pub(crate) fn largest(theta: &[f32], k: usize, work: &mut [f32]) -> bool {
    if k == 0 {
        return good(theta, true);
    }
    let (heap, list) = work.split_at_mut_checked(k).unwrap_or_default();
    heap.fill(f32::from_bits(LOWEST));
    // Above −inf, and so is NaN of either sign.
    let height = |t: f32| raw_rank(t).wrapping_sub(LOWEST);
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
            bar = least(heap).wrapping_sub(LOWEST);
        }
    }
    if bar == 0 {
        return false;
    }
    let list = list.iter().take(listed).map(|i| i.to_bits() as usize);
    write_positions(heap, list, |i| theta.get(i).map_or(0, |&t| rank(t)));
    true
}

/// z = 1 for the k largest scores, equal scores by lower index, else 0. k above n counts as n. Not for NaN.
pub(crate) fn map(scores: &[f32], k: usize, z: &mut [f32]) {
    let heap = z.get_mut(..k.min(scores.len())).unwrap_or_default();
    heap.fill(0.0);
    scores.iter().for_each(|&score| offer(heap, rank(score)));
    let mut chosen = Chosen::of(heap);
    for (z, &score) in z.iter_mut().zip(scores) {
        *z = if chosen.has(rank(score)) { 1.0 } else { 0.0 };
    }
}

/// Whether all values are finite or, if there may be masks, −inf.
#[inline(never)]
pub(crate) fn good(values: &[f32], masks: bool) -> bool {
    /// Infinities and NaN without their sign bit, and what is above.
    const LIMIT: u32 = f32::INFINITY.to_bits() << 1;
    let good = |value: &f32| {
        let bits = value.to_bits();
        bits << 1 < LIMIT || masks && bits == f32::NEG_INFINITY.to_bits()
    };
    let (blocks, rest) = values.as_chunks::<4>();
    if FLOAT_UNIT {
        // 0 · x is 0 for a finite x: two instructions where there is a unit for floats.
        let zero = |sum: f32, value: &f32| sum + 0.0 * value;
        let sum = rest.iter().fold(blocks.iter().fold(0.0, |sum, block| block.iter().fold(sum, zero)), zero);
        return sum == 0.0 || masks && values.iter().all(good);
    }
    blocks.iter().all(|[a, b, c, d]| good(a) && good(b) && good(c) && good(d)) && rest.iter().all(good)
}

/// All scores of one sample.
pub(crate) fn fill(perturbed: &Perturbed<'_>, stream: &mut Stream, scores: &mut [f32]) {
    perturbed.law.fill_words(stream, scores);
    for (i, score) in scores.iter_mut().enumerate() {
        *score = perturbed.at(i, perturbed.law.of(score.to_bits()));
    }
}

/// The least of a heap of ranks; of none, what no rank is above.
#[inline(always)]
pub(super) fn least(heap: &[f32]) -> u32 {
    heap.first().map_or(u32::MAX, |rank| rank.to_bits())
}

/// Puts a rank that is above the least of a heap in its place.
pub(super) fn offer(heap: &mut [f32], rank: u32) {
    if rank <= least(heap) {
        return;
    }
    let child = |heap: &[f32], at: usize| heap.get(at).map(|rank| (rank.to_bits(), at));
    let mut at = 0;
    while let Some(left) = child(heap, 2 * at + 1) {
        let (least, place) = child(heap, 2 * at + 2).map_or(left, |right| left.min(right));
        if least >= rank {
            break;
        }
        if let Some(slot) = heap.get_mut(at) {
            *slot = f32::from_bits(least);
        }
        at = place;
    }
    if let Some(slot) = heap.get_mut(at) {
        *slot = f32::from_bits(rank);
    }
}

/// What a full heap of the k largest ranks leaves to know: which others are of them.
struct Chosen {
    least: u32,
    /// Of those equal to the least, so many are chosen, the first.
    ties: usize,
}

impl Chosen {
    fn of(heap: &[f32]) -> Self {
        let least = least(heap);
        Chosen { least, ties: heap.iter().filter(|rank| rank.to_bits() == least).count() }
    }

    #[inline(always)]
    fn has(&mut self, rank: u32) -> bool {
        let tie = rank == self.least && self.ties > 0;
        self.ties -= usize::from(tie);
        rank > self.least || tie
    }
}

/// Writes the positions that are chosen over the heap that chose them.
fn write_positions(heap: &mut [f32], positions: impl Iterator<Item = usize>, ranks: impl Fn(usize) -> u32) {
    let mut chosen = Chosen::of(heap);
    let mut slots = heap.iter_mut();
    for i in positions {
        if chosen.has(ranks(i))
            && let Some(slot) = slots.next()
        {
            *slot = f32::from_bits(i as u32);
        }
    }
}

/// The order of θ by bits, NaN outside; −0 comes before +0.
#[inline(always)]
fn raw_rank(t: f32) -> u32 {
    let bits = t.to_bits();
    bits ^ ((bits as i32 >> 31) as u32 | 1 << 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;
    use crate::kernel::elementwise::Base;
    use crate::noise::{Law, Source};

    /// Whatever the order in which they come, the best k are chosen, equals by their index.
    #[test]
    fn the_best_are_chosen() {
        for n in [1, 2, 3, 7, 16, 33] {
            for k in 0..=n {
                for factor in [1, 5, 7, 31] {
                    let scores: Vec<f32> = (0..n).map(|i| (i * factor % 11) as f32 - 5.0).collect();
                    let mut order: Vec<usize> = (0..n).collect();
                    order.sort_by(|&i, &j| scores[j].total_cmp(&scores[i]));
                    let mut expected = vec![0.0; n];
                    order.iter().take(k).for_each(|&i| expected[i] = 1.0);
                    let (mut z, mut work) = (vec![7.0; n], vec![7.0; 3 * n]);
                    map(&scores, k, &mut z);
                    assert_eq!(z, expected, "{n} {k} {factor}");
                    assert!(largest(&scores, k, &mut work));
                    let ones = (0..n).filter(|&i| expected[i] == 1.0).map(|i| i as u32);
                    assert!(ones.eq(work[..k].iter().map(|i| i.to_bits())), "{n} {k} {factor}");
                }
            }
        }
    }

    /// Rows of any bits, also where few scores are in the range of the bounds, in any workspace that `choose` is given.
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
                1 => Base::Combinatorial { dz: &dz },
                _ => Base::Linear { dz: &dz, alpha, lambda },
            };
            let law = [Law::None, Law::Gumbel, Law::Logistic, Law::Normal][any() as usize % 4];
            let tau = if any() % 2 == 0 { scale } else { 10_f32.powi(any() as i32 % 32) };
            let scores = Perturbed { theta: &theta, base, law, tau };

            let mut stream = Source::noise(Key { seed: row, step: 0, row0: 0 }).row(0, 1);
            let (mut words, mut order) = (vec![0.0; n], (0..n).collect::<Vec<_>>());
            stream.ahead(|stream| law.fill_words(stream, &mut words));
            let ranks: Vec<u32> = (0..n).map(|i| rank(scores.at(i, law.of(words[i].to_bits())))).collect();
            order.sort_by_key(|&i| std::cmp::Reverse(ranks[i]));
            order.truncate(k);
            order.sort_unstable();
            for room in [3 * n, 3 * n - k] {
                let mut work = vec![f32::from_bits(any()); room];
                stream.ahead(|stream| choose(&scores, k, stream, &mut work));
                let chosen: Vec<usize> = work[..k].iter().map(|i| i.to_bits() as usize).collect();
                assert_eq!(chosen, order, "{scores:?}");
            }
        }
    }
}
