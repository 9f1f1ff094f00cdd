//! Bounds of scores from above and below, for machines whose loops go by coordinates: in floats where the machine
//! computes with them in hardware, else in whole numbers.
//!
//! Let p = 1 − u. A law with linear bounds has ε ≤ height + slope·(−ln p). The logarithm is −ln p = −ln 2·log₂ p, and
//! log₂ p is read from a float: its exponent and its fraction, taken as one number, are a straight line between powers of
//! 2, which is never above log₂ p and at most 0.0861 below it. So the upper bound exceeds height + slope·(−ln p) by at most
//! slope times 0.0597, and by what the arithmetic adds.

use crate::float::{exponent, power_of_two, unrank};
use crate::noise::{LinearBounds, Sampler};

/// Bounds of base + τ·ε.
pub(super) trait Bounds: Copy {
    /// Bounds are compared with <. A bound that is not in range is only a bound from above.
    type Bound: Copy + PartialOrd;

    /// None if the law has no linear bounds, or if τ is extreme: the noise then has no unit, or scores may not be finite.
    fn new(noise: Sampler<'_>, tau: f32) -> Option<Self>;

    /// An upper bound of a score. The word is given by its complement, 2³²·p.
    fn upper(&self, base: f32, p: u32) -> Self::Bound;

    /// True if the numbers near this upper bound tell scores apart.
    fn in_range(&self, upper: Self::Bound) -> bool;

    /// A lower bound of the score with this upper bound, which is in range; None if the word has none.
    fn lower(&self, upper: Self::Bound, p: u32) -> Option<Self::Bound>;

    /// A lower bound of a score that was computed. Its upper bound is in range.
    fn lower_of_score(&self, score: f32) -> Self::Bound;

    fn to_bits(bound: Self::Bound) -> u32;

    fn from_bits(bits: u32) -> Self::Bound;

    /// Whole numbers above 0 that are in the order of the bounds.
    fn rank(bound: Self::Bound) -> u32;

    /// The bound that has this rank. No bound is below that of rank 0.
    fn of_rank(rank: u32) -> Self::Bound;
}

/// 127 for the bias of a float's exponent, and 32 because a word is in units of 2⁻³².
const OCTAVES: u32 = 127 + 32;

/// Bounds in floats. The float x stands for the score x + height.
///
/// Rounding: |rate·bits| and the height are below 160 octaves, or 111·τ. Each of at most eight operations rounds one of
/// these or a number near the bound, and ε is off by 7e-6. Together they change a bound x, or the score that it stands for,
/// by less than E(x) = 2⁻²²·(|x| + 256·τ). Let k scores have lower bounds of at least x, and another one an upper bound y
/// with y + E(y) < x − E(x): then it is below the k. So 2·E of the largest x in range is taken from every lower bound, and
/// upper bounds are left as they are. (x − E(x) rises with x, and y + E(y) with y, also out of range.)
#[derive(Clone, Copy)]
pub(super) struct InFloats {
    /// τ·ε ≤ height − rate·b, where b are the bits of 2³²·p as a float, taken as a number.
    height: f32,
    rate: f32,
    /// τ·ε ≥ upper bound − gap − rise·(2³²·p) while 2³²·p is in `range`, and upper bound − gap − far above it.
    gap: f32,
    rise: f32,
    far: f32,
    range: (u32, u32),
    /// The bits of the largest float in range.
    most: u32,
}

/// Bounds in range are at most this much, in units of τ.
const MOST: f32 = 8192.0;

impl Bounds for InFloats {
    type Bound = f32;

    fn new(noise: Sampler<'_>, tau: f32) -> Option<Self> {
        const ROUNDING: f32 = 2.0 * (MOST + 256.0) / (1 << 22) as f32;
        let LinearBounds { slope, height, gap, rise, far, range } = linear_bounds(noise, tau)?;
        let octave = slope * core::f32::consts::LN_2 * tau;
        Some(InFloats {
            height: height * tau + octave * OCTAVES as f32,
            rate: octave * (1.0 / (1 << 23) as f32),
            gap: (gap + 0.0598 * slope + ROUNDING) * tau,
            rise: rise * tau * (1.0 / 4_294_967_296.0),
            far: far * tau,
            range,
            most: (MOST * tau).to_bits(),
        })
    }

    #[inline(always)]
    fn upper(&self, base: f32, p: u32) -> f32 {
        base - self.rate * (p as f32).to_bits() as i32 as f32
    }

    #[inline(always)]
    fn in_range(&self, upper: f32) -> bool {
        upper.to_bits() << 1 <= self.most << 1
    }

    #[inline(always)]
    fn lower(&self, upper: f32, p: u32) -> Option<f32> {
        let (first, last) = self.range;
        let below = if p <= last { self.rise * p as f32 } else { self.far };
        (p >= first).then_some(upper - self.gap - below)
    }

    #[inline(always)]
    fn lower_of_score(&self, score: f32) -> f32 {
        score - self.height - self.gap
    }

    #[inline(always)]
    fn to_bits(bound: f32) -> u32 {
        bound.to_bits()
    }

    #[inline(always)]
    fn from_bits(bits: u32) -> f32 {
        f32::from_bits(bits)
    }

    #[inline(always)]
    fn rank(bound: f32) -> u32 {
        let bits = bound.to_bits();
        bits ^ ((bits as i32 >> 31) as u32 | SIGN)
    }

    /// The float of rank 0 is NaN, and no float is below it.
    #[inline(always)]
    fn of_rank(rank: u32) -> f32 {
        unrank(rank)
    }
}

/// Bounds in whole numbers, in units of 2^−`exponent`, a small part of τ. They are formed by shifts and one product.
///
/// The upper bound exceeds height + slope·(−ln p) by at most slope times 0.060 for the line, 0.005 for keeping 7 bits and
/// 0.043 for the rounded rate in the 16 octaves that have a lower bound: 0.108 in all.
#[derive(Clone, Copy)]
pub(super) struct InWholeNumbers {
    exponent: i32,
    /// τ·ε ≤ height − rate·b for every word, where b is log₂ p in 128ths, counted from the least that a float can tell.
    height: i32,
    rate: i32,
    /// τ·ε ≥ upper bound − gap − rise·(2¹⁰·p) while 2³²·p is in `range`, and upper bound − gap − far above it.
    gap: i32,
    rise: i32,
    far: i32,
    range: (u32, u32),
}

const SIGN: u32 = 1 << 31;

/// A number from here on stands for itself and all larger ones, and one from −RANGE down for all smaller ones.
const RANGE: i32 = 1 << 29;

/// No τ·ε has a larger upper bound, in units.
const NOISE: i32 = 1 << 24;

/// More than rounding can lose: of a base in units, and of a score, whose floats have 24 bits.
const ROUNDING: i32 = 1 << 8;

impl InWholeNumbers {
    /// x·2^exponent, saturated to ±RANGE; NaN becomes a value beyond it.
    #[inline(always)]
    fn fixed(&self, x: f32) -> i32 {
        let bits = x.to_bits();
        // 31 is for the leading one of the fraction, 127 for the bias of the exponent.
        let shift = 31 + 127 - ((bits >> 23) & 0xff) as i32 - self.exponent;
        let magnitude = match shift {
            2..32 => (bits << 8 | SIGN) >> shift,
            32.. => 0,
            _ => RANGE as u32,
        };
        if bits & SIGN == 0 { magnitude as i32 } else { -(magnitude as i32) }
    }
}

impl Bounds for InWholeNumbers {
    type Bound = i32;

    fn new(noise: Sampler<'_>, tau: f32) -> Option<Self> {
        let LinearBounds { slope, height, gap, rise, far, range } = linear_bounds(noise, tau)?;
        let octave = slope * core::f32::consts::LN_2 * tau;
        // An octave is from 2¹⁵ to 2¹⁶ units.
        let exponent = 15 - exponent(octave);
        let units = |x: f32| (x * power_of_two(exponent)) as i32 + ROUNDING;
        let rate = (octave * power_of_two(exponent - 7)) as i32 + 1;
        Some(InWholeNumbers {
            exponent,
            height: units(height * tau) + rate * (OCTAVES << 7) as i32,
            rate,
            gap: units((gap + 0.11 * slope) * tau),
            rise: units(rise * tau) >> 10,
            far: units(far * tau),
            range,
        })
    }

    #[inline(always)]
    fn upper(&self, base: f32, p: u32) -> i32 {
        self.fixed(base) + self.height - self.rate * leading_bits(p) as i32
    }

    #[inline(always)]
    fn in_range(&self, upper: i32) -> bool {
        upper.abs() < RANGE - NOISE
    }

    #[inline(always)]
    fn lower(&self, upper: i32, p: u32) -> Option<i32> {
        let (first, last) = self.range;
        let below = if p <= last { self.rise * ((p >> 22) as i32 + 1) } else { self.far };
        (p >= first).then_some(upper - self.gap - below)
    }

    #[inline(always)]
    fn lower_of_score(&self, score: f32) -> i32 {
        self.fixed(score) - ROUNDING
    }

    #[inline(always)]
    fn to_bits(bound: i32) -> u32 {
        bound as u32
    }

    #[inline(always)]
    fn from_bits(bits: u32) -> i32 {
        bits as i32
    }

    #[inline(always)]
    fn rank(bound: i32) -> u32 {
        bound as u32 ^ SIGN
    }

    #[inline(always)]
    fn of_rank(rank: u32) -> i32 {
        (rank ^ SIGN) as i32
    }
}

/// The linear bounds of a law, if it has them, for a τ that is not extreme.
#[inline(always)]
fn linear_bounds(noise: Sampler<'_>, tau: f32) -> Option<LinearBounds> {
    noise.linear_bounds().filter(|_| (1e-30..=1e30).contains(&tau))
}

/// The exponent and the first 7 bits of the fraction of x as a float, rounded towards 0, taken as one number.
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

    /// Every score is between its bounds, for small and large τ and bases, and few words have no lower bound: those of the
    /// upper tail, a part in a thousand of all, are nearly half of the words here. `value` tells the f64 that a bound stands
    /// for, and `rounding` how much of the lower bounds is kept for rounding errors, in units of τ.
    fn check<B: Bounds>(value: impl Fn(&B, B::Bound) -> f64, rounding: f64) {
        let ends = || (0..1 << 12).flat_map(|w: u32| [w, !w]).chain((0..u32::MAX).step_by(100_007));
        for noise in [Sampler::Gumbel, Sampler::Logistic, Sampler::Normal] {
            for tau in [1e-30, 1e-3, 0.7, 1.0, 1.3, 40.0, 1e30] {
                let bounds = B::new(noise, tau).unwrap();
                let mut without = 0;
                for base in [0.0, -0.3, 1.0, -33.0, 1e3, -2e3, 2345.0].map(|base| base * tau) {
                    for word in ends() {
                        let score = base + tau * noise.of_word(word);
                        let upper = bounds.upper(base, !word);
                        let half = 0.5 * rounding * f64::from(tau);
                        assert!(bounds.in_range(upper));
                        let above = value(&bounds, upper) - f64::from(score);
                        assert!(above >= -half, "{noise:?}, {tau:e}, {base:e}, {word:#x}: {above:e}");
                        for (lower, most) in
                            [(bounds.lower(upper, !word), f64::INFINITY), (Some(bounds.lower_of_score(score)), 0.5)]
                        {
                            without += usize::from(lower.is_none());
                            let below = lower.map_or(half, |lower| f64::from(score) - value(&bounds, lower));
                            let most = most * f64::from(tau);
                            assert!(
                                (half..=most).contains(&below),
                                "{noise:?}, {tau:e}, {base:e}, {word:#x}: {below:e}"
                            );
                        }
                    }
                }
                assert!(without <= 7 * (1 << 12) * 11 / 10, "{noise:?}, {tau:e}: {without}");
            }
        }
        for (noise, tau) in [(Sampler::None, 1.0), (Sampler::Gumbel, 0.0), (Sampler::Gumbel, 1e31)] {
            assert!(B::new(noise, tau).is_none());
        }
    }

    #[test]
    fn bounds_in_floats_are_bounds() {
        check::<InFloats>(|bounds, x| f64::from(x) + f64::from(bounds.height), 2.0 * (8192.0 + 256.0) / 2f64.powi(22));
    }

    #[test]
    fn bounds_in_whole_numbers_are_bounds() {
        check::<InWholeNumbers>(|bounds, x| f64::from(x) / 2f64.powi(bounds.exponent), 0.0);
    }

    /// Ranks are in the order of the bounds, and rank 0 is below all.
    #[test]
    fn ranks_are_in_order() {
        let ascending = [f32::MIN, -3.5, -1e-40, 0.0, 1e-40, 7.0, 7.000_001, f32::MAX];
        assert!(ascending.is_sorted_by(|&a, &b| 0 < InFloats::rank(a) && InFloats::rank(a) < InFloats::rank(b)));
        assert!(ascending.iter().all(|&x| InFloats::of_rank(InFloats::rank(x)) == x));
        assert!(InFloats::of_rank(0).is_nan());
        let ascending = [1 - RANGE, -3, 0, 3, RANGE];
        assert!(ascending.is_sorted_by(|&a, &b| InWholeNumbers::rank(a) < InWholeNumbers::rank(b)));
        assert!(ascending.iter().all(|&x| InWholeNumbers::of_rank(InWholeNumbers::rank(x)) == x));
    }

    /// Shifts find the whole number and the logarithm that floats have.
    #[test]
    fn shifts_do_what_floats_do() {
        let bounds = InWholeNumbers::new(Sampler::Gumbel, 1.0).unwrap();
        for bits in (0..=u32::MAX).step_by(1009) {
            let x = f32::from_bits(bits);
            let (exact, shifted) = (f64::from(x) * 2f64.powi(bounds.exponent), bounds.fixed(x));
            if exact.abs() < f64::from(RANGE) {
                assert!((exact - f64::from(shifted)).abs() < 1.0, "{x:e}: {exact} {shifted}");
            } else {
                assert!(shifted.abs() >= RANGE && (x.is_nan() || (shifted < 0) == (x < 0.0)), "{x:e}: {shifted}");
            }
            let (float, shifted) = ((bits as f32).to_bits() >> 16, leading_bits(bits));
            assert!(float == shifted || float == shifted + 1, "{bits}: {float} {shifted}");
        }
        assert_eq!(leading_bits(0), 0);
    }
}
