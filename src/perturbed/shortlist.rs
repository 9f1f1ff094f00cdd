//! The few coordinates whose scores may be among the k largest, for machines whose loops go by coordinates. (x86-64 and
//! AArch64 never run this file, except with the feature `scalar`.)
//!
//! The bounds are whole numbers, in units that are a small part of τ: cores without a float unit form them with shifts and
//! one product. Let p = 1 − u. A law with linear bounds has ε ≤ height + slope·(−ln p). The logarithm is
//! −ln p = −ln 2·log₂ p, and log₂ p is read from a float: its exponent and the first bits of its fraction, taken as one
//! number, are a straight line between powers of 2, which is never above log₂ p and at most 0.0861 below it.
//!
//! So the upper bound exceeds height + slope·(−ln p) by at most slope times 0.060 for the line, 0.005 for keeping 7 bits
//! and 0.043 for the rounded rate in the 16 octaves that have a lower bound: 0.108 in all. The `gap` of each law allows for
//! that.

use super::scores::{Base, Perturbed, linear};
use crate::arch::FLOAT_UNIT;
use crate::float::{exponent, power_of_two};
use crate::kernel::heap::{least, offer};
use crate::noise::{LinearBounds, Sampler};

/// A coordinate on the list: its position and the upper bound of its score, both as the bits of floats.
type Entry = [f32; 2];

/// The coordinates whose scores may be among the k largest.
pub(super) struct Shortlist<'a> {
    row: &'a Perturbed<'a>,
    bounds: Bounds,
    words: &'a [f32],
    /// The k largest lower bounds of scores, as ranks, the least at the root.
    heap: &'a mut [f32],
    /// In the order of their positions.
    list: &'a mut [Entry],
    len: usize,
}

impl<'a> Shortlist<'a> {
    /// `heap` has room for k ranks. None if the noise has no bounds.
    #[inline(always)]
    pub(super) fn new(
        row: &'a Perturbed<'a>,
        words: &'a [f32],
        heap: &'a mut [f32],
        list: &'a mut [Entry],
    ) -> Option<Self> {
        let bounds = Bounds::new(row.formula.noise, row.formula.tau)?;
        Some(Shortlist { row, bounds, words, heap, list, len: 0 })
    }

    /// Fills the list; its length, which is at least k. None if the target has no bounds, or if the list had no room.
    #[inline(always)]
    pub(super) fn run(mut self) -> Option<usize> {
        let &Perturbed { theta, dz, formula } = self.row;
        let (bounds, words) = (self.bounds, self.words);
        self.heap.fill(0.0);
        let mut bar = i32::MIN;
        let mut look = |i: usize, word: &f32, base: f32| {
            let upper = bounds.fixed(base) + bounds.upper(word.to_bits());
            if upper < bar {
                return;
            }
            bar = self.consider(i, upper);
        };
        let words = words.iter().enumerate();
        match formula.base {
            Base::Theta => {
                for ((i, word), &t) in words.zip(theta) {
                    look(i, word, t);
                }
            }
            Base::Linear { alpha, lambda } => {
                for (((i, word), &t), &d) in words.zip(theta).zip(dz) {
                    look(i, word, linear(t, d, alpha, lambda));
                }
            }
            Base::Combinatorial => return None,
        }
        self.drop_below(bar)
    }

    /// Puts a coordinate on the list; the bar that follows.
    #[inline(never)]
    fn consider(&mut self, i: usize, upper: i32) -> i32 {
        let Shortlist { row, bounds, words, heap, list, len } = self;
        let word = words.get(i).map_or(0, |word| word.to_bits());
        if let Some(slot) = list.get_mut(*len) {
            *slot = [i as u32, upper as u32].map(f32::from_bits);
        }
        *len += 1;
        // A score that is out of range may be anywhere beyond it, so it does not raise the bar.
        if upper.abs() < RANGE - NOISE {
            let exact = || bounds.fixed(row.score_of_word(i, word)) - ROUNDING;
            offer(heap, bounds.lower(word, upper).unwrap_or_else(exact) as u32 ^ SIGN);
        }
        (least(heap) ^ SIGN) as i32
    }

    /// Drops the entries whose upper bounds are below the last bar; None if the list had no room for all.
    #[inline(always)]
    fn drop_below(self, bar: i32) -> Option<usize> {
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
}

const SIGN: u32 = 1 << 31;

/// A number from here on stands for itself and all larger ones, and one from −RANGE down for all smaller ones.
const RANGE: i32 = 1 << 29;

/// No τ·ε has a larger upper bound, in units.
const NOISE: i32 = 1 << 24;

/// More than rounding can lose: of a base in units, and of a score, whose floats have 24 bits.
const ROUNDING: i32 = 1 << 8;

/// Bounds of τ·ε, in units of 2^−`exponent`.
#[derive(Clone, Copy)]
struct Bounds {
    exponent: i32,
    /// τ·ε ≤ height − rate·b for every word, where b is log₂ p in 128ths, counted from the least that a float can tell.
    height: i32,
    rate: i32,
    /// τ·ε ≥ upper bound − gap − rise·(2¹⁰·p), while 2³²·p is in `range`.
    gap: i32,
    rise: i32,
    range: (u32, u32),
}

impl Bounds {
    /// None if the law has no linear bounds, or if τ is extreme.
    fn new(noise: Sampler<'_>, tau: f32) -> Option<Self> {
        let LinearBounds { slope, height, gap, rise, range } = noise.linear_bounds()?;
        // Outside, the noise has no unit, or scores may not be finite.
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
            range,
        })
    }

    /// x in fixed point, saturated to ±RANGE; NaN becomes a value beyond RANGE.
    #[inline(always)]
    fn fixed(&self, x: f32) -> i32 {
        if FLOAT_UNIT { converted(x, self.exponent) } else { shifted(x, self.exponent) }
    }

    /// An upper bound of τ·ε.
    #[inline(always)]
    fn upper(&self, word: u32) -> i32 {
        self.height - self.rate * log2_bits(word) as i32
    }

    /// A lower bound of the score with this upper bound; None if the word has none.
    #[inline(always)]
    fn lower(&self, word: u32, upper: i32) -> Option<i32> {
        let (first, last) = self.range;
        let within = !word >= first && !word <= last;
        within.then(|| upper - self.gap - self.rise * ((!word >> 22) as i32 + 1))
    }
}

/// x·2^exponent, saturated, by a conversion. The shift by half the range is there for NaN, which converts to 0.
#[inline(always)]
fn converted(x: f32, exponent: i32) -> i32 {
    ((x * power_of_two(exponent + 1) - (2 * RANGE) as f32) as i32 >> 1) + RANGE
}

/// x·2^exponent, saturated, by shifts.
#[inline(always)]
fn shifted(x: f32, exponent: i32) -> i32 {
    let bits = x.to_bits();
    // 31 is for the leading one of the fraction, 127 for the bias of the exponent.
    let shift = 31 + 127 - ((bits >> 23) & 0xff) as i32 - exponent;
    let magnitude = match shift {
        2..32 => (bits << 8 | SIGN) >> shift,
        32.. => 0,
        _ => RANGE as u32,
    };
    if bits & SIGN == 0 { magnitude as i32 } else { -(magnitude as i32) }
}

/// The exponent and the first 7 bits of the fraction of 2³²·p as a float, taken as one number.
#[inline(always)]
fn log2_bits(word: u32) -> u32 {
    if FLOAT_UNIT { (!word as f32).to_bits() >> 16 } else { leading_bits(!word) }
}

/// The same bits of a whole number, rounded towards 0.
#[inline(always)]
fn leading_bits(mut x: u32) -> u32 {
    if x == 0 {
        return 0;
    }
    // Mostly the loop ends at once. Counting leading zeros takes longer where there is no instruction for it.
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

    /// Every score is between its bounds, for small and large τ and bases, and at most 60 % of the words, which are mostly
    /// from the tails, have no lower bound.
    #[test]
    fn bounds_are_bounds() {
        let ends = || (0..1 << 12).flat_map(|w: u32| [w, !w]).chain((0..u32::MAX).step_by(100_007));
        for noise in [Sampler::Gumbel, Sampler::Logistic, Sampler::Normal] {
            for tau in [1e-30, 1e-3, 0.7, 1.0, 1.3, 40.0, 1e30] {
                let bounds = Bounds::new(noise, tau).unwrap();
                let units = 2f64.powi(bounds.exponent);
                let mut without = 0;
                assert!(bounds.upper(u32::MAX) < NOISE);
                for base in [0.0, -0.3, 1.0, -33.0, 1e3, -2e3, 2345.0].map(|base| base * tau) {
                    for word in ends() {
                        let score = base + tau * noise.of_word(word);
                        let upper = bounds.fixed(base) + bounds.upper(word);
                        let score = f64::from(score) * units;
                        assert!(
                            f64::from(upper) >= score,
                            "{noise:?}, {tau:e}, {base:e}, {word:#x}: {score} > {upper}"
                        );
                        match bounds.lower(word, upper) {
                            None => without += 1,
                            Some(lower) => assert!(
                                f64::from(lower) <= score,
                                "{noise:?}, {tau:e}, {base:e}, {word:#x}: {score} < {lower}"
                            ),
                        }
                    }
                }
                assert!(without <= 7 * ends().count() * 60 / 100, "{noise:?}, {tau:e}: {without}");
            }
        }
        assert!([Sampler::None, Sampler::Gumbel].iter().all(|&noise| Bounds::new(noise, 0.0).is_none()));
    }

    /// Without a float unit the numbers are the same up to rounding.
    #[test]
    fn shifts_do_what_floats_do() {
        let bounds = Bounds::new(Sampler::Gumbel, 1.0).unwrap();
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
