//! The same results on cores without vector units: one coordinate after another.
//!
//! First the words of the row are written down, lane after lane, so that the loop that makes them and the one that reads
//! them each keep to the registers there are. Then
//!
//! 1. a coordinate takes a bound above its score and one comparison with the bar, which k scores are known to reach.
//!    Nearly all are below it. One that is not is put on a list, and takes a bound below its score: the k-th largest of
//!    these is the bar from there on, the root of a heap of k,
//! 2. what is on the list and above the last bar, little more than k coordinates, has its score computed, and the k largest
//!    are chosen. Where no more than k are left, no score is computed at all.
//!
//! In the worst order n scores are computed and n·log k steps taken.
//!
//! The bounds are whole numbers, of a unit that is a small part of τ: cores without a unit for floats form them by shifts
//! and one product. With p = 1 − u, ε ≤ height − slope·ln 2·log₂ p, and the exponent and the fraction of p, read as one
//! number, are a straight line between powers of 2, never above log₂ p and at most 0.0861 below it.

use super::elementwise::{Base, Perturbed, linear};
use crate::float::{exponent, power_of_two, rank};
use crate::noise::{Law, Stream};

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
    let mut len = n;
    let mut listed = false;
    if let Some(bounds) = Bounds::new(scores.law, scores.tau)
        && k <= n / 4
        && let Some(kept) = (Shortlist { scores, bounds, words, heap, list, len: 0 }).run()
    {
        (len, listed) = (kept, true);
    }
    let position = |j: usize| if listed { list.get(j).map_or(n, |[i, _]| i.to_bits() as usize) } else { j };
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

/// The coordinates whose scores may be among the k largest.
struct Shortlist<'a> {
    scores: &'a Perturbed<'a>,
    bounds: Bounds,
    words: &'a [f32],
    /// The k largest of the bounds below scores, by their ranks, the least at the root.
    heap: &'a mut [f32],
    /// Positions, ascending, with the bounds above their scores.
    list: &'a mut [[f32; 2]],
    len: usize,
}

impl Shortlist<'_> {
    /// The length of the list; None where the bounds say nothing or leave out too few.
    #[inline(always)]
    fn run(&mut self) -> Option<usize> {
        let &Perturbed { theta, base, .. } = self.scores;
        let (bounds, words) = (self.bounds, self.words);
        self.heap.fill(0.0);
        let mut bar = i32::MIN;
        let mut look = |i: usize, word: &f32, base: f32| {
            let above = bounds.fixed(base) + bounds.above(word.to_bits());
            if above < bar {
                return;
            }
            bar = self.consider(i, above);
        };
        let words = words.iter().enumerate();
        match base {
            Base::Theta => {
                for ((i, word), &t) in words.zip(theta) {
                    look(i, word, t);
                }
            }
            Base::Linear { dz, alpha, lambda } => {
                for (((i, word), &t), &d) in words.zip(theta).zip(dz) {
                    look(i, word, linear(t, d, alpha, lambda));
                }
            }
            Base::Combinatorial { .. } => return None,
        }
        // A list that was too short for all.
        let list = self.list.get_mut(..self.len)?;
        let mut kept = 0;
        for j in 0..list.len() {
            let entry = list.get(j).copied().unwrap_or_default();
            if (entry[1].to_bits() as i32) < bar {
                continue;
            }
            if let Some(slot) = list.get_mut(kept) {
                *slot = entry;
            }
            kept += 1;
        }
        Some(kept)
    }

    /// Puts a coordinate on the list; the bar that follows.
    #[inline(never)]
    fn consider(&mut self, i: usize, above: i32) -> i32 {
        let Shortlist { scores, bounds, words, heap, list, len } = self;
        let word = words.get(i).map_or(0, |word| word.to_bits());
        if let Some(slot) = list.get_mut(*len) {
            *slot = [i as u32, above as u32].map(f32::from_bits);
        }
        *len += 1;
        // What is out of range may be anywhere beyond it.
        if above.abs() < RANGE - NOISE {
            let exact = || bounds.fixed(scores.at(i, scores.law.of(word))) - ROUNDING;
            offer(heap, bounds.below(word, above).unwrap_or_else(exact) as u32 ^ SIGN);
        }
        (least(heap) ^ SIGN) as i32
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

const SIGN: u32 = 1 << 31;

/// Numbers from here on stand for all that are larger, or smaller below 0.
const RANGE: i32 = 1 << 29;

/// No τ·ε has a larger bound, in units.
const NOISE: i32 = 1 << 24;

/// More than what is lost by rounding: of a base in units and of a score, whose floats have 24 bits.
const ROUNDING: i32 = 1 << 8;

/// Bounds of τ·ε, in units of 2^−`exponent`.
#[derive(Clone, Copy)]
struct Bounds {
    exponent: i32,
    /// τ·ε ≤ height − rate·b for every word, b log₂(1 − u) in 128ths, from the least that a float can tell.
    height: i32,
    rate: i32,
    /// τ·ε ≥ height − rate·b − (gap + rise·2¹⁰(1 − u)), from the first to the last of the 2³²(1 − u).
    gap: i32,
    rise: i32,
    words: (u32, u32),
}

impl Bounds {
    /// None for a law without bounds, and for extreme τ.
    fn new(law: Law<'_>, tau: f32) -> Option<Self> {
        // In terms of −ln(1 − u), which is above the Gumbel and the logistic ε. The tangent is that of Φ⁻¹ as a function of it,
        // which is concave: no ε is above it, and where the few of many are it is near.
        let (height, slope, gap, rise, words) = match law {
            Law::None | Law::SumOfGamma(_) => return None,
            Law::Gumbel => (0.0, 1.0, 0.12, 1.0, (1 << 16, 7 << 29)),
            Law::Logistic => (0.0, 1.0, 0.12, 2.4, (1 << 16, 7 << 29)),
            Law::Normal => (0.306_32, 0.449_138, 0.38, 0.6, (1 << 22, 1 << 31)),
        };
        // With less, or where scores may not be finite, noise has no unit.
        if !(1e-30..=1e30).contains(&tau) {
            return None;
        }
        let octave = slope * core::f32::consts::LN_2 * tau;
        // An octave is from 2¹⁵ to 2¹⁶ units.
        let exponent = 15 - exponent(octave);
        let units = |x: f32| (x * power_of_two(exponent)) as i32 + ROUNDING;
        let rate = (octave * power_of_two(exponent - 7)) as i32 + 1;
        Some(Bounds {
            exponent,
            height: units(height * tau) + rate * ((32 + 127) << 7),
            rate,
            gap: units(gap * tau),
            rise: units(rise * tau) >> 10,
            words,
        })
    }

    /// A number in units, as far as it is in range; what is no number is beyond it.
    #[inline(always)]
    fn fixed(&self, x: f32) -> i32 {
        if FLOAT_UNIT { converted(x, self.exponent) } else { shifted(x, self.exponent) }
    }

    /// A bound above τ·ε.
    #[inline(always)]
    fn above(&self, word: u32) -> i32 {
        self.height - self.rate * log2_bits(word) as i32
    }

    /// A bound below it, from the one above a score; None where there is none.
    #[inline(always)]
    fn below(&self, word: u32, above: i32) -> Option<i32> {
        let (first, last) = self.words;
        let within = !word >= first && !word <= last;
        within.then(|| above - self.gap - self.rise * ((!word >> 22) as i32 + 1))
    }
}

/// Whether there is a unit for floats.
const FLOAT_UNIT: bool =
    cfg!(any(target_abi = "eabihf", target_feature = "f", not(any(target_arch = "arm", target_arch = "riscv32"))));

/// x·2^exponent. Without the shift by half the range NaN would be 0.
#[inline(always)]
fn converted(x: f32, exponent: i32) -> i32 {
    ((x * power_of_two(exponent + 1) - (2 * RANGE) as f32) as i32 >> 1) + RANGE
}

/// The same by its bits.
#[inline(always)]
fn shifted(x: f32, exponent: i32) -> i32 {
    let bits = x.to_bits();
    // 31 for the leading one of the fraction, 127 for the bias of the exponent.
    let shift = 31 + 127 - ((bits >> 23) & 0xff) as i32 - exponent;
    let magnitude = match shift {
        2..32 => (bits << 8 | SIGN) >> shift,
        32.. => 0,
        _ => RANGE as u32,
    };
    if bits & SIGN == 0 { magnitude as i32 } else { -(magnitude as i32) }
}

/// 2³²(1 − u) as a float: the exponent and 7 bits of the fraction, as a number.
#[inline(always)]
fn log2_bits(word: u32) -> u32 {
    if FLOAT_UNIT { (!word as f32).to_bits() >> 16 } else { leading_bits(!word) }
}

/// The same of a whole number, rounded towards 0.
#[inline(always)]
fn leading_bits(mut x: u32) -> u32 {
    if x == 0 {
        return 0;
    }
    // Mostly the loop ends at once, and without an instruction for it to count leading zeros takes longer.
    let mut exponent = 31 + 127;
    while x < SIGN {
        x <<= 1;
        exponent -= 1;
    }
    // The leading one adds 1 to the exponent.
    ((exponent - 1) << 7) + (x >> 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every score is between its bounds, for small and large τ and bases, and mostly not far from them.
    #[test]
    fn bounds_are_bounds() {
        let ends = || (0..1 << 12).flat_map(|w: u32| [w, !w]).chain((0..u32::MAX).step_by(100_007));
        for law in [Law::Gumbel, Law::Logistic, Law::Normal] {
            for tau in [1e-30, 1e-3, 0.7, 1.0, 1.3, 40.0, 1e30] {
                let bounds = Bounds::new(law, tau).unwrap();
                let units = 2f64.powi(bounds.exponent);
                let mut without = 0;
                assert!(bounds.above(u32::MAX) < NOISE);
                for base in [0.0, -0.3, 1.0, -33.0, 1e3, -2e3, 2345.0].map(|base| base * tau) {
                    for word in ends() {
                        let score = base + tau * law.of(word);
                        let above = bounds.fixed(base) + bounds.above(word);
                        let score = f64::from(score) * units;
                        assert!(f64::from(above) >= score, "{law:?}, {tau:e}, {base:e}, {word:#x}: {score} > {above}");
                        match bounds.below(word, above) {
                            None => without += 1,
                            Some(below) => assert!(
                                f64::from(below) <= score,
                                "{law:?}, {tau:e}, {base:e}, {word:#x}: {score} < {below}"
                            ),
                        }
                    }
                }
                assert!(without <= 7 * ends().count() * 60 / 100, "{law:?}, {tau:e}: {without}");
            }
        }
        assert!([Law::None, Law::Gumbel].iter().all(|&law| Bounds::new(law, 0.0).is_none()));
    }

    /// Without a unit for floats the numbers are the same but for rounding.
    #[test]
    fn shifts_do_what_floats_do() {
        let bounds = Bounds::new(Law::Gumbel, 1.0).unwrap();
        for bits in (0..=u32::MAX).step_by(1009) {
            let x = f32::from_bits(bits);
            let (float, shift) = [converted, shifted].map(|fixed| fixed(x, bounds.exponent)).into();
            let same = float.abs_diff(shift) <= 65 || float.min(shift) >= RANGE || float.max(shift) <= -RANGE;
            assert!(same || x.is_nan() && float >= RANGE && shift.abs() >= RANGE, "{x:e}: {float} {shift}");
            let (float, shift) = ((bits as f32).to_bits() >> 16, leading_bits(bits));
            assert!(float == shift || float == shift + 1, "{bits}: {float} {shift}");
        }
        assert_eq!(leading_bits(0), 0);
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
