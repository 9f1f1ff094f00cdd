//! The few coordinates whose scores may be among the k largest, for cores without vector units.
//!
//! The bounds are whole numbers, of a unit that is a small part of τ: cores without a unit for floats form them by shifts
//! and one product. With p = 1 − u, ε ≤ height − slope·ln 2·log₂ p, and the exponent and the fraction of p, read as one
//! number, are a straight line between powers of 2, never above log₂ p and at most 0.0861 below it.

use super::FLOAT_UNIT;
use super::elementwise::{Base, Perturbed, linear};
use super::streaming::{least, offer};
use crate::float::{exponent, power_of_two};
use crate::noise::{Law, NORMAL_TANGENT};

/// The coordinates whose scores may be among the k largest.
pub(super) struct Shortlist<'a> {
    scores: &'a Perturbed<'a>,
    bounds: Bounds,
    words: &'a [f32],
    /// The k largest of the bounds below scores, by their ranks, the least at the root.
    heap: &'a mut [f32],
    /// Positions, ascending, with the bounds above their scores.
    list: &'a mut [[f32; 2]],
    len: usize,
}

impl<'a> Shortlist<'a> {
    /// `heap` is room for k ranks. None where there are no bounds.
    #[inline(always)]
    pub(super) fn new(
        scores: &'a Perturbed<'a>,
        words: &'a [f32],
        heap: &'a mut [f32],
        list: &'a mut [[f32; 2]],
    ) -> Option<Self> {
        let bounds = Bounds::new(scores.law, scores.tau)?;
        Some(Shortlist { scores, bounds, words, heap, list, len: 0 })
    }

    /// The length of the list, at least k; None where the target has no bounds or the list no room.
    #[inline(always)]
    pub(super) fn run(mut self) -> Option<usize> {
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
        // In terms of −ln p, p = 1 − u, which is above the Gumbel and the logistic ε. Its bound is above it by 0.060 for the
        // line, 0.005 for 7 bits and 0.043 for the rounded rate in the 16 octaves that have a bound below: 0.108. It is
        // above the Gumbel ε by p at most, up to p = 7/8, and above the logistic one by 2.4 p; the normal tangent is above
        // Φ⁻¹ by 0.33 + 0.6 p at most, from p = 2⁻¹⁰ to ½.
        let ((slope, height), gap, rise, words) = match law {
            Law::None | Law::SumOfGamma(_) => return None,
            Law::Gumbel => ((1.0, 0.0), 0.12, 1.0, (1 << 16, 7 << 29)),
            Law::Logistic => ((1.0, 0.0), 0.12, 2.4, (1 << 16, 7 << 29)),
            Law::Normal => (NORMAL_TANGENT, 0.38, 0.6, (1 << 22, 1 << 31)),
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
}
