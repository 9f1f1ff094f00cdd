//! The same results on cores without vector units: one coordinate after another.
//!
//! First the words of the row are written down, lane after lane, so that the loop that makes them and the one that reads
//! them each keep to the registers there are. Then a coordinate takes a bound above its score and one comparison with the
//! bar, the worst of the k best so far; nearly all are below it. Only the others have their score computed, and its rank
//! replaces the word. The k best are a heap of positions with the worst at its root, so that in the worst order n scores
//! are computed and n·log k steps taken.
//!
//! The bound: ε ≤ height − slope·b, b the bits of the float nearest to 2³²(1 − u), read as a number: log₂ of a float is at
//! least a straight line through its bits. τ is in height and slope, and then the score's own arithmetic follows:
//! rounding is monotone, so the bound holds to the last bit.

use core::cell::Cell;

use super::elementwise::{Base, Perturbed, linear};
use crate::float::{rank, unrank};
use crate::noise::{Law, Stream};

/// The k largest of the perturbed scores, equal scores by lower index, at the front of `work` (3·n floats, or what a state
/// of this kind has left of them). At least k coordinates are not masked.
#[inline(never)]
pub(crate) fn choose(scores: &Perturbed<'_>, k: usize, stream: &mut Stream, work: &mut [f32]) {
    let n = scores.theta.len();
    if k == 0 {
        return scores.law.skip(stream, n);
    }
    let (heap, rest) = work.split_at_mut_checked(k).unwrap_or_default();
    let words = rest.get_mut(..n).unwrap_or_default();
    scores.law.fill_words(stream, words);
    Search { scores, words: Cell::from_mut(words).as_slice_of_cells(), best: Best::new(heap) }.run();
    ascending(n, k, work);
}

/// Brings k of n positions into ascending order. In place of a sort: a set of n bits behind them, read in its order.
#[inline(never)]
fn ascending(n: usize, k: usize, work: &mut [f32]) {
    let (positions, rest) = work.split_at_mut_checked(k).unwrap_or_default();
    let set = rest.get_mut(..n.div_ceil(32)).unwrap_or_default();
    set.fill(0.0);
    for position in &*positions {
        let position = position.to_bits();
        if let Some(bits) = set.get_mut(position as usize / 32) {
            *bits = f32::from_bits(bits.to_bits() | 1 << (position % 32));
        }
    }
    let mut slots = positions.iter_mut();
    for (first, bits) in (0..).step_by(32).zip(set) {
        let mut bits = bits.to_bits();
        while bits != 0
            && let Some(slot) = slots.next()
        {
            *slot = f32::from_bits(first + bits.trailing_zeros());
            bits &= bits - 1;
        }
    }
}

/// Slope and height of a tangent of Φ⁻¹ as a function of −ln(1 − u), which is concave: no ε is above it, and where the few
/// of many are it is near.
const NORMAL_TANGENT: (f32, f32) = (0.306_32, 0.449_138);

/// The order of θ by bits, NaN outside; −0 comes before +0.
#[inline(always)]
fn raw_rank(t: f32) -> u32 {
    let bits = t.to_bits();
    bits ^ ((bits as i32 >> 31) as u32 | 1 << 31)
}

/// The rank of −inf.
const LOWEST: u32 = !f32::NEG_INFINITY.to_bits();

/// MAP(θ) of a row that was not looked at before: the positions of the k largest θ, ascending, at the front of `work`.
/// False, and nothing, where the row is not good.
#[inline(never)]
pub(crate) fn largest(theta: &[f32], k: usize, work: &mut [f32]) -> bool {
    let mut best = Best::new(work.get_mut(..k).unwrap_or_default());
    // Above −inf, and so is NaN of either sign.
    let height = |t: f32| raw_rank(t).wrapping_sub(LOWEST);
    let mut bar = 0;
    for (i, &t) in theta.iter().enumerate() {
        if height(t) > bar {
            if t.is_nan() || t == f32::INFINITY {
                return false;
            }
            if rank(t) > best.worst {
                best.take(i, |i| theta.get(i).map_or(0, |&t| rank(t)));
            }
            // Among equals the first come first.
            bar = best.worst.wrapping_sub(LOWEST);
        }
    }
    if best.len < k {
        return false;
    }
    ascending(theta.len(), k, work);
    true
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

/// z = 1 for the k largest scores, equal scores by lower index, else 0. k above n counts as n. Not for NaN.
pub(crate) fn map(scores: &[f32], k: usize, z: &mut [f32]) {
    let n = scores.len();
    let k = k.min(n);
    // The smaller of both parts fits into z while it is looked for.
    let (few, one) = if k <= n / 2 { (k, 1.0) } else { (n - k, 0.0) };
    let flip = if one == 1.0 { 0 } else { u32::MAX };
    // Of the smallest, equal scores by higher index: counted from the back.
    let place = |i: usize| if one == 1.0 { i } else { n - 1 - i };
    let mut best = Best::new(z.get_mut(..few).unwrap_or_default());
    for i in 0..n {
        let ranks = |i| scores.get(place(i)).map_or(0, |&score| rank(score) ^ flip);
        if ranks(i) > best.worst || best.len < few {
            best.take(i, ranks);
        }
    }
    for position in z.iter_mut().take(few) {
        *position = f32::from_bits(place(position.to_bits() as usize) as u32);
    }
    ascending(n, few, z);
    // From the back: position j is at least j, so none is overwritten before it is read.
    let mut end = n;
    for j in (0..few).rev() {
        let at = z.get(j).map_or(0, |position| position.to_bits() as usize);
        if let Some([first, rest @ ..]) = z.get_mut(at..end) {
            *first = one;
            rest.fill(1.0 - one);
        }
        end = at;
    }
    z.get_mut(..end).unwrap_or_default().fill(1.0 - one);
}

struct Search<'a> {
    scores: &'a Perturbed<'a>,
    /// Where a coordinate was considered, the rank of its score.
    words: &'a [Cell<f32>],
    best: Best<'a>,
}

impl Search<'_> {
    #[inline(always)]
    fn run(&mut self) {
        let &Perturbed { theta, base, law, tau } = self.scores;
        let (height, slope) = ceiling(law, tau);
        let words = self.words.iter().enumerate();
        let mut bar = f32::NEG_INFINITY;
        let mut look = |i: usize, word: &Cell<f32>, base: f32| {
            let bound = base + (height - log2_bits(word.get().to_bits()) * slope);
            // A bound that is no number says nothing.
            if bound < bar {
                return;
            }
            bar = self.consider(i, word.get().to_bits(), base);
        };
        match base {
            Base::Theta => words.zip(theta).for_each(|((i, word), &t)| look(i, word, t)),
            Base::Linear { dz, alpha, lambda } => {
                words.zip(theta).zip(dz).for_each(|(((i, word), &t), &d)| look(i, word, linear(t, d, alpha, lambda)));
            }
            // Few need it: every score is computed.
            Base::Combinatorial { .. } => words.for_each(|(i, word)| look(i, word, f32::NAN)),
        }
    }

    /// Computes a score; the bar that follows.
    #[inline(never)]
    fn consider(&mut self, i: usize, word: u32, base: f32) -> f32 {
        let Search { scores, words, best } = self;
        let epsilon = scores.law.of(word);
        let score = base + scores.tau * epsilon;
        // A base that is a finite number is not that of a mask, and others give no such score.
        let score = if score.is_finite() { score } else { exceptional(scores, i, epsilon) };
        let rank = rank(score);
        if rank > best.worst {
            if let Some(word) = words.get(i) {
                word.set(f32::from_bits(rank));
            }
            best.take(i, |i| words.get(i).map_or(0, |rank| rank.get().to_bits()));
        }
        // Scores below the lowest float count as that, and their bounds may be lower.
        if best.worst > LOWEST + 1 { unrank(best.worst) } else { f32::NEG_INFINITY }
    }
}

/// A score that is not as it comes: of a mask, of an overflow, of a target that the loop does not form.
#[cold]
#[inline(never)]
fn exceptional(scores: &Perturbed<'_>, i: usize, epsilon: f32) -> f32 {
    scores.at(i, epsilon)
}

/// 2³²(1 − u), as a float whose bits are read as a number.
#[inline(always)]
fn log2_bits(word: u32) -> f32 {
    (!word as f32).to_bits() as i32 as f32
}

/// height and slope: τ·ε ≤ height − slope·b for every word.
fn ceiling(law: Law<'_>, tau: f32) -> (f32, f32) {
    /// 32 for the scale of 1 − u, 127 for the bias of the exponent; the rest is more than all rounding errors.
    const ZERO: f32 = (32.0 + 127.0) * core::f32::consts::LN_2 + 1e-4;
    const UNIT: f32 = core::f32::consts::LN_2 / 8_388_608.0;
    // In terms of −ln(1 − u), which is above the Gumbel and the logistic ε.
    let (height, slope) = match law {
        Law::None => return (0.0, 0.0),
        // Below 1e-30 the slope would lose digits; no ε reaches 100.
        _ if tau < 1e-30 => return (100.0 * tau, 0.0),
        Law::Gumbel | Law::Logistic => (0.0, 1.0),
        Law::Normal => NORMAL_TANGENT,
        Law::SumOfGamma(_) => (f32::INFINITY, 0.0),
    };
    (tau * (height + slope * ZERO), tau * (slope * UNIT))
}

/// The best so far, of coordinates that come one after another: a heap of positions whose root is the worst. Of equal
/// ranks the one that came first is the better.
struct Best<'a> {
    heap: &'a mut [f32],
    len: usize,
    /// The rank of the root once there are k: what is not above it is not among the best.
    worst: u32,
}

impl<'a> Best<'a> {
    fn new(heap: &'a mut [f32]) -> Self {
        Best { heap, len: 0, worst: LOWEST }
    }

    /// Takes in a position whose rank is above the worst.
    #[inline(always)]
    fn take(&mut self, i: usize, ranks: impl Fn(usize) -> u32 + Copy) {
        if self.len == self.heap.len() {
            sift(self.heap, 0, i, ranks);
        } else {
            if let Some(last) = self.heap.get_mut(self.len) {
                *last = f32::from_bits(i as u32);
            }
            self.len += 1;
            if self.len < self.heap.len() {
                return;
            }
            for at in (0..self.len / 2).rev() {
                if let Some(i) = self.heap.get(at).map(|i| i.to_bits() as usize) {
                    sift(self.heap, at, i, ranks);
                }
            }
        }
        self.worst = self.heap.first().map_or(LOWEST, |root| ranks(root.to_bits() as usize));
    }
}

/// Puts a position into the place `at` or, while a child is worse than it, moves that up and goes down.
#[inline(never)]
fn sift(heap: &mut [f32], mut at: usize, i: usize, ranks: impl Fn(usize) -> u32) {
    let child_at = |heap: &[f32], at: usize| heap.get(at).map(|i| (ranks(i.to_bits() as usize), i.to_bits() as usize));
    let worse = |(a, i): (u32, usize), (b, j): (u32, usize)| a < b || a == b && i > j;
    let key = (ranks(i), i);
    while let Some(left) = child_at(heap, 2 * at + 1) {
        let (mut child, mut worst) = (2 * at + 1, left);
        if let Some(right) = child_at(heap, 2 * at + 2)
            && worse(right, left)
        {
            (child, worst) = (child + 1, right);
        }
        if !worse(worst, key) {
            break;
        }
        if let Some(place) = heap.get_mut(at) {
            *place = f32::from_bits(worst.1 as u32);
        }
        at = child;
    }
    if let Some(place) = heap.get_mut(at) {
        *place = f32::from_bits(i as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No τ·ε, rounded as it is in a score, is above its bound, for ordinary τ and for those where the slope would fail.
    #[test]
    fn bounds_are_bounds() {
        let ends = || (0..1 << 12).flat_map(|w: u32| [w, !w]).chain((0..u32::MAX).step_by(10_007));
        for law in [Law::None, Law::Gumbel, Law::Logistic, Law::Normal] {
            for tau in [0.0, 1e-45, 1e-38, 9e-31, 1.1e-30, 1e-3, 0.7, 1.0, 1.3, 40.0, 1e30, f32::MAX] {
                let (height, slope) = ceiling(law, tau);
                for word in ends() {
                    let (noise, bound) = (tau * law.of(word), height - log2_bits(word) * slope);
                    assert!(bound >= noise || bound.is_nan(), "{law:?}, {tau:e}, {word:#x}: {noise} > {bound}");
                }
            }
        }
    }

    /// Whatever the order in which they come, the best k are kept, and come out by their index.
    #[test]
    fn the_heap_keeps_the_best() {
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
