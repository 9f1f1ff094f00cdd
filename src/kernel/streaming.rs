//! The same results on cores without vector units: one coordinate after another.
//!
//! A coordinate takes one step of its lane's generator, a bound above its score and one comparison with the bar, the
//! worst of the k best so far; nearly all are below it. Only the others have their score computed. The k best are a heap
//! with the worst at its root, so that in the worst order n scores are computed and n·log k steps taken. The order of
//! visiting, lane after lane, changes nothing: all scores differ, for among equals the lower index is the better.
//!
//! The bound: ε ≤ height − slope·b, b the bits of the float nearest to 2³²(1 − u), read as a number: log₂ of a float is at
//! least a straight line through its bits. τ is in height and slope, and then the score's own arithmetic follows:
//! rounding is monotone, so the bound holds to the last bit.

use super::elementwise::{Base, Perturbed, linear};
use crate::float::{rank, unrank};
use crate::noise::{Law, Stream};

/// The k largest of the perturbed scores, equal scores by lower index, at the front of `work` (3·n floats, or what a state
/// of this kind has left of them). At least k coordinates are not masked.
#[inline(never)]
pub(crate) fn choose(scores: &Perturbed<'_>, k: usize, stream: &mut Stream, work: &mut [f32]) {
    if k == 0 {
        return scores.law.skip(stream, scores.theta.len());
    }
    let mut search = Search { scores, best: Best::new(k, work) };
    search.run(stream);
    search.best.sort(0);
    flatten(k, work);
}

/// Keys → positions, at the front.
fn flatten(k: usize, work: &mut [f32]) {
    for j in 0..k {
        let index = work.get(2 * j).map_or(0, |low| !low.to_bits());
        if let Some(position) = work.get_mut(j) {
            *position = f32::from_bits(index);
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
    let mut best = Best::new(k, work);
    // Above −inf, and so is NaN of either sign.
    let height = |t: f32| raw_rank(t).wrapping_sub(LOWEST);
    let mut bar = 0;
    for (i, &t) in theta.iter().enumerate() {
        if height(t) > bar {
            if t.is_nan() || t == f32::INFINITY {
                return false;
            }
            best.offer(key(t, i));
            // Among equals the first come first.
            bar = best.root().map_or(0, |root| ((root >> 32) as u32).wrapping_sub(LOWEST));
        }
    }
    if best.len < k {
        return false;
    }
    best.sort(0);
    flatten(k, work);
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
    // 0 · x is 0 for a finite x: two instructions where there is a unit for floats.
    let zero = |sum: f32, value: &f32| sum + 0.0 * value;
    if cfg!(any(target_abi = "eabihf", target_feature = "f"))
        && rest.iter().fold(blocks.iter().fold(0.0, |sum, block| block.iter().fold(sum, zero)), zero) == 0.0
    {
        return true;
    }
    blocks.iter().all(|[a, b, c, d]| good(a) && good(b) && good(c) && good(d)) && rest.iter().all(good)
}

/// All scores of one sample.
pub(crate) fn fill(perturbed: &Perturbed<'_>, stream: &mut Stream, scores: &mut [f32]) {
    stream.visit(scores.len(), |i, word| {
        if let Some(score) = scores.get_mut(i) {
            *score = perturbed.at(i, perturbed.law.of(word));
        }
    });
}

/// z = 1 for the k largest scores, equal scores by lower index, else 0. k above n counts as n. Not for NaN.
pub(crate) fn map(scores: &[f32], k: usize, z: &mut [f32]) {
    let n = scores.len();
    let k = k.min(n);
    // The smaller of both parts fits into z while it is looked for.
    let (few, one) = if k <= n / 2 { (k, 1.0) } else { (n - k, 0.0) };
    let flip = if one == 1.0 { 0 } else { u32::MAX };
    let mut best = Best::new(few, z);
    for (i, &score) in scores.iter().enumerate() {
        best.offer(key(score, i) ^ (u64::from(flip) << 32 | u64::from(flip)));
    }
    best.sort(flip);
    flatten(few, z);
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
    best: Best<'a>,
}

impl Search<'_> {
    #[inline(always)]
    fn run(&mut self, stream: &mut Stream) {
        let &Perturbed { theta, base, .. } = self.scores;
        let n = theta.len();
        let dz = match base {
            Base::Theta => &[],
            Base::Linear { dz, .. } | Base::Combinatorial { dz } => dz.get(..n).unwrap_or_default(),
        };
        let pairs = |i: usize| theta.get(i).zip(dz.get(i)).map_or((f32::NAN, 0.0), |(&t, &d)| (t, d));
        match base {
            Base::Theta => self.pass(stream, |i| theta.get(i).copied().unwrap_or(f32::NAN)),
            Base::Linear { alpha, lambda, .. } if dz.len() == n => self.pass(stream, |i| {
                let (t, d) = pairs(i);
                linear(t, d, alpha, lambda)
            }),
            // Few need it: every score is computed.
            _ => self.pass(stream, |_| f32::NAN),
        }
    }

    #[inline(always)]
    fn pass(&mut self, stream: &mut Stream, base: impl Fn(usize) -> f32) {
        let (height, slope) = ceiling(self.scores.law, self.scores.tau);
        let mut bar = f32::NEG_INFINITY;
        stream.visit(self.scores.theta.len(), |i, word| {
            let base = base(i);
            let bound = base + (height - log2_bits(word) * slope);
            // A bound that is no number says nothing.
            if bound < bar {
                return;
            }
            bar = self.consider(i, word, base);
        });
    }

    /// Computes a score; the bar that follows.
    #[inline(never)]
    fn consider(&mut self, i: usize, word: u32, base: f32) -> f32 {
        let epsilon = self.scores.law.of(word);
        let score = base + self.scores.tau * epsilon;
        // A base that is a finite number is not that of a mask.
        let plain = base.is_finite() && score > f32::MIN;
        let score = if plain { score } else { self.scores.at(i, epsilon) };
        if score > f32::NEG_INFINITY {
            self.best.offer(key(score, i));
        }
        match self.best.root() {
            // Scores below the lowest float count as that, and their bounds may be lower.
            Some(root) if root >> 32 > u64::from(rank(f32::MIN)) => unrank((root >> 32) as u32),
            _ => f32::NEG_INFINITY,
        }
    }
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

/// The order of scores, and among equals of indices: no two are equal, the better is the larger.
#[inline(always)]
fn key(score: f32, i: usize) -> u64 {
    u64::from(rank(score)) << 32 | u64::from(!(i as u32))
}

/// The best so far: a heap whose root is the worst of them. Keys are two words each.
struct Best<'a> {
    heap: &'a mut [[f32; 2]],
    len: usize,
}

impl<'a> Best<'a> {
    /// Room for k.
    fn new(k: usize, work: &'a mut [f32]) -> Self {
        let (pairs, _) = work.as_chunks_mut::<2>();
        Best { heap: pairs.get_mut(..k).unwrap_or_default(), len: 0 }
    }

    /// The worst of the k best, once there are k.
    #[inline(always)]
    fn root(&self) -> Option<u64> {
        if self.len < self.heap.len() { None } else { self.heap.first().map(word) }
    }

    /// Takes in a key that is among the k best so far.
    #[inline(always)]
    fn offer(&mut self, key: u64) {
        if let Some(root) = self.root() {
            if key > root {
                sift(self.heap, 0, key);
            }
            return;
        }
        if let Some(last) = self.heap.get_mut(self.len) {
            *last = pair(key);
            self.len += 1;
        }
        if self.len == self.heap.len() {
            heapify(self.heap);
        }
    }

    /// Keys by ascending index; `flip` is what the indices were combined with.
    fn sort(&mut self, flip: u32) {
        for [low, rank] in &mut *self.heap {
            (*low, *rank) = (f32::from_bits(low.to_bits() ^ flip), 0.0);
        }
        heapify(self.heap);
        for end in (1..self.heap.len()).rev() {
            let Some((last, rest)) = self.heap.get_mut(..=end).and_then(|heap| heap.split_last_mut()) else { break };
            let key = word(last);
            if let Some(first) = rest.first() {
                *last = *first;
            }
            sift(rest, 0, key);
        }
    }
}

#[inline(always)]
fn word(&[low, high]: &[f32; 2]) -> u64 {
    u64::from(high.to_bits()) << 32 | u64::from(low.to_bits())
}

#[inline(always)]
fn pair(key: u64) -> [f32; 2] {
    [key as u32, (key >> 32) as u32].map(f32::from_bits)
}

#[inline(never)]
fn heapify(heap: &mut [[f32; 2]]) {
    for at in (0..heap.len() / 2).rev() {
        if let Some(key) = heap.get(at).map(word) {
            sift(heap, at, key);
        }
    }
}

/// Puts a key into the place `at` or, while a child is worse than it, moves that up and goes down.
#[inline(never)]
fn sift(heap: &mut [[f32; 2]], mut at: usize, key: u64) {
    while let Some(left) = heap.get(2 * at + 1).map(word) {
        let (mut child, mut worst) = (2 * at + 1, left);
        if let Some(right) = heap.get(2 * at + 2).map(word)
            && right < left
        {
            (child, worst) = (child + 1, right);
        }
        if key <= worst {
            break;
        }
        if let Some(place) = heap.get_mut(at) {
            *place = pair(worst);
        }
        at = child;
    }
    if let Some(place) = heap.get_mut(at) {
        *place = pair(key);
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
