//! The same results on cores without vector units: one coordinate after another.
//!
//! First the words of the row are written down, lane after lane, so that the loop that makes them and the one that reads
//! them each keep to the registers there are. Then
//!
//! 1. a coordinate takes a bound above its score and one comparison with the bar, which k scores are known to reach.
//!    Nearly all are below it. One that is not is put on a list, and takes a bound below its score: the k-th largest of
//!    these is the bar from there on, the root of a heap of k,
//! 2. what is on the list and above the last bar, little more than k coordinates, has its score computed; the k best are
//!    a heap of positions with the worst at its root. Where no more than k are left, no score is computed at all.
//!
//! In the worst order n scores are computed and n·log k steps taken.
//!
//! The bounds: ε ≤ height − slope·b, b the bits of the float nearest to 2³²(1 − u), read as a number: log₂ of a float is at
//! least a straight line through its bits, and at most 0.0861 above it. τ is in height and slope, and then the score's own
//! arithmetic follows: rounding is monotone, so the bounds hold to the last bit.

use super::elementwise::{Base, Perturbed, linear};
use crate::float::{rank, unrank};
use crate::noise::{Law, Stream};

/// The rank of −inf.
const LOWEST: u32 = !f32::NEG_INFINITY.to_bits();

/// The k largest of the perturbed scores, equal scores by lower index, at the front of `work` (3·n floats, or what a state
/// of this kind has left of them). At least k coordinates are not masked.
#[inline(never)]
pub(crate) fn choose(scores: &Perturbed<'_>, k: usize, stream: &mut Stream, work: &mut [f32]) {
    let n = scores.theta.len();
    if k == 0 {
        return scores.law.skip(stream, n);
    }
    let (heap, rest) = work.split_at_mut_checked(k).unwrap_or_default();
    let (words, list) = rest.split_at_mut_checked(n).unwrap_or_default();
    scores.law.fill_words(stream, words);
    let list = list.as_chunks_mut().0;
    let listed = match ceiling(scores.law, scores.tau) {
        Some(bounds) if k <= n / 4 => Shortlist { scores, bounds, heap, list, listed: 0 }.run(words),
        _ => None,
    };
    let list = listed.map(|listed| list.get(..listed).unwrap_or_default());
    let len = list.map_or(n, <[_]>::len);
    let position = |j: usize| list.map_or(Some(j), |list| list.get(j).map(|[i, _]| i.to_bits() as usize)).unwrap_or(n);
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
    if cfg!(any(target_abi = "eabihf", target_feature = "f")) {
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

/// The coordinates whose scores may be among the k largest.
struct Shortlist<'a> {
    scores: &'a Perturbed<'a>,
    bounds: Bounds,
    /// The k largest of the bounds below scores, by their ranks, the least at the root.
    heap: &'a mut [f32],
    /// Positions, ascending, with the bounds above their scores.
    list: &'a mut [[f32; 2]],
    listed: usize,
}

impl Shortlist<'_> {
    /// The length of the list; None where the bounds say nothing or leave out too few.
    #[inline(always)]
    fn run(&mut self, words: &[f32]) -> Option<usize> {
        let &Perturbed { theta, base, .. } = self.scores;
        let Bounds { height, slope, .. } = self.bounds;
        self.heap.fill(0.0);
        let mut bar = f32::NEG_INFINITY;
        let mut look = |i: usize, word: &f32, base: f32| {
            let above = height - log2_bits(word.to_bits()) * slope;
            // A bound that is no number says nothing.
            if base + above < bar {
                return;
            }
            bar = self.consider(i, word.to_bits(), base, above);
        };
        let words = words.iter().enumerate();
        match base {
            Base::Theta => words.zip(theta).for_each(|((i, word), &t)| look(i, word, t)),
            Base::Linear { dz, alpha, lambda } => {
                words.zip(theta).zip(dz).for_each(|(((i, word), &t), &d)| look(i, word, linear(t, d, alpha, lambda)));
            }
            Base::Combinatorial { .. } => return None,
        }
        let (mut kept, listed) = (0, self.list.get_mut(..self.listed)?);
        for j in 0..listed.len() {
            let entry = listed.get(j).copied().unwrap_or_default();
            if entry[1] < bar {
                continue;
            }
            if let Some(slot) = listed.get_mut(kept) {
                *slot = entry;
            }
            kept += 1;
        }
        Some(kept)
    }

    /// Puts a coordinate on the list; the bar that follows.
    #[inline(never)]
    fn consider(&mut self, i: usize, word: u32, base: f32, above: f32) -> f32 {
        let Shortlist { scores, bounds, heap, list, listed } = self;
        if let Some(slot) = list.get_mut(*listed) {
            *slot = [f32::from_bits(i as u32), base + above];
        }
        *listed += 1;
        let mut below = base + bounds.below(word, above);
        if !below.is_finite() {
            below = scores.at(i, scores.law.of(word));
        }
        offer(heap, rank(below));
        // Scores below the lowest float count as that, and their bounds may be lower.
        let worst = least(heap);
        if worst > LOWEST + 1 { unrank(worst) } else { f32::NEG_INFINITY }
    }
}

/// The least of a heap of ranks; of none, what no rank is above.
#[inline(always)]
fn least(heap: &[f32]) -> u32 {
    heap.first().map_or(u32::MAX, |rank| rank.to_bits())
}

/// Puts a rank that is above the least of a heap in its place.
fn offer(heap: &mut [f32], rank: u32) {
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

/// Slope and height of a tangent of Φ⁻¹ as a function of −ln(1 − u), which is concave: no ε is above it, and where the few
/// of many are it is near.
const NORMAL_TANGENT: (f32, f32) = (0.306_32, 0.449_138);

/// 2³²(1 − u), as a float whose bits are read as a number.
#[inline(always)]
fn log2_bits(word: u32) -> f32 {
    (!word as f32).to_bits() as i32 as f32
}

/// Bounds of τ·ε.
#[derive(Clone, Copy)]
struct Bounds {
    /// τ·ε ≤ height − slope·b for every word.
    height: f32,
    slope: f32,
    /// τ·ε ≥ height − slope·b − (gap + rise·2³²(1 − u)), from the first to the last of the 2³²(1 − u).
    gap: f32,
    rise: f32,
    words: (u32, u32),
}

impl Bounds {
    /// A bound below τ·ε for the one above it; no number where there is none.
    #[inline(always)]
    fn below(&self, word: u32, above: f32) -> f32 {
        let (first, last) = self.words;
        if (!word).wrapping_sub(first) > last - first {
            f32::NAN
        } else {
            above - (self.gap + !word as f32 * self.rise)
        }
    }
}

/// None for a law without bounds.
fn ceiling(law: Law<'_>, tau: f32) -> Option<Bounds> {
    /// 32 for the scale of 1 − u, 127 for the bias of the exponent; the rest is more than all rounding errors.
    const ZERO: f32 = (32.0 + 127.0) * core::f32::consts::LN_2 + 1e-4;
    const UNIT: f32 = core::f32::consts::LN_2 / 8_388_608.0;
    let certain = |height, gap| Some(Bounds { height, slope: 0.0, gap, rise: 0.0, words: (0, u32::MAX) });
    // In terms of −ln(1 − u), which is above the Gumbel and the logistic ε.
    let ((height, slope), gap, rise, words) = match law {
        Law::None => return certain(0.0, 0.0),
        Law::SumOfGamma(_) => return None,
        // Below 1e-30 the slope would lose digits; no ε reaches 100.
        _ if tau < 1e-30 => return certain(100.0 * tau, 200.0 * tau),
        Law::Gumbel => ((0.0, 1.0), 0.07, 1.0, (64, 7 << 29)),
        Law::Logistic => ((0.0, 1.0), 0.07, 2.4, (64, 7 << 29)),
        Law::Normal => (NORMAL_TANGENT, 0.36, 0.6, (1 << 22, 1 << 31)),
    };
    let (height, slope) = (tau * (height + slope * ZERO), tau * (slope * UNIT));
    Some(Bounds { height, slope, gap: tau * gap, rise: tau * (rise / 4_294_967_296.0), words })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every τ·ε, rounded as it is in a score, is between its bounds, for ordinary τ and for those where the slope would
    /// fail, and for ordinary τ not far from them.
    #[test]
    fn bounds_are_bounds() {
        let ends = || (0..1 << 12).flat_map(|w: u32| [w, !w]).chain((0..u32::MAX).step_by(10_007));
        for law in [Law::None, Law::Gumbel, Law::Logistic, Law::Normal] {
            for tau in [0.0, 1e-45, 1e-38, 9e-31, 1.1e-30, 1e-3, 0.7, 1.0, 1.3, 40.0, 1e30, f32::MAX] {
                let bounds = ceiling(law, tau).unwrap();
                let mut without = 0;
                for word in ends() {
                    let (noise, above) = (tau * law.of(word), bounds.height - log2_bits(word) * bounds.slope);
                    assert!(above >= noise || above.is_nan(), "{law:?}, {tau:e}, {word:#x}: {noise} > {above}");
                    let below = bounds.below(word, above);
                    assert!(below <= noise || below.is_nan(), "{law:?}, {tau:e}, {word:#x}: {noise} < {below}");
                    without += usize::from(below.is_nan());
                }
                assert!(tau > 1e30 || without <= ends().count() * 52 / 100, "{law:?}, {tau:e}: {without}");
            }
        }
    }

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
}
