//! f32 functions with the same bits on every platform: the order of scores, logarithm, exponential, sums, square roots.
//!
//! They use only +, −, ×, ÷, comparisons and bit operations. Each operation is rounded once and never contracted, so
//! that scalar code, every vector unit and soft-float libraries agree. The square roots are correctly rounded.

/// An integer in the order of the scores: `rank(a) < rank(b)` exactly if a < b, and −0 and +0 have the same rank. The
/// score must not be NaN.
#[inline(always)]
pub(crate) fn rank(score: f32) -> u32 {
    // Adding +0 turns −0 into +0 and changes nothing else.
    let bits = (score + 0.0).to_bits();
    let negative = (bits as i32 >> 31) as u32;
    bits ^ (negative | 0x8000_0000)
}

/// The score that has this rank.
#[inline(always)]
pub(crate) fn unrank(rank: u32) -> f32 {
    let negative = !(rank as i32 >> 31) as u32;
    f32::from_bits(rank ^ (negative | 0x8000_0000))
}

/// ln 2 in two parts. The product of an integer e with the first is exact for |e| < 2¹³.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// (ln(1+f) − f + f²/2) / f³ on [√½ − 1, √2 − 1]: minimax in the relative error of ln(1+f), 6e-9.
const LN_1P: [f32; 8] =
    [0.333_333_3, -0.250_008_2, 0.200_012_27, -0.166_233_57, 0.142_017_57, -0.131_601_83, 0.127_615_78, -0.076_344_974];

/// The e and f with x = 2^e · (1 + f) and √½ ≤ 1 + f < √2. x must be positive and normal.
#[inline(always)]
pub(crate) fn split(x: f32) -> (f32, f32) {
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let bits = x.to_bits().wrapping_sub(SQRT_HALF);
    let e = (bits as i32 >> 23) as f32;
    let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(SQRT_HALF));
    (e, m - 1.0)
}

/// ln(2^e · (1 + f)) for an integer e and √½ ≤ 1 + f ≤ √2: what [`split`] returns, or a more accurate f.
// Inlining is not forced on Arm and RISC-V, because one copy is smaller.
#[cfg_attr(not(imle_small), inline(always))]
pub(crate) fn ln_split(e: f32, f: f32) -> f32 {
    let [c0, c1, c2, c3, c4, c5, c6, c7] = LN_1P;
    let p = ((((((c7 * f + c6) * f + c5) * f + c4) * f + c3) * f + c2) * f + c1) * f + c0;
    let square = f * f;
    let tail = f * square * p + e * LN2_LOW - 0.5 * square;
    e * LN2_HIGH + (f + tail)
}

/// ln x within 1 ulp. x must be positive and normal.
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    let (e, f) = split(x);
    ln_split(e, f)
}

/// −ln m + (m − 1)·ln 2 + 127·ln 2 on [1, 2]: minimax, 6.1e-5.
const MINUS_LN_NEAR: [f32; 5] = [89.078_32, -2.128_024_8, 1.469_94, -0.447_178_6, 0.056_571_767];

/// −ln x within 8e-5, at half the cost of [`ln`]. x must be positive and normal.
#[inline(always)]
pub(crate) fn near_minus_ln(x: f32) -> f32 {
    // The bits as a number are a straight line between powers of 2; the polynomial is the rest.
    const UNIT: f32 = core::f32::consts::LN_2 / 8_388_608.0;
    let m = f32::from_bits(x.to_bits() & 0x007f_ffff | 1_f32.to_bits());
    let [c0, c1, c2, c3, c4] = MINUS_LN_NEAR;
    ((((c4 * m + c3) * m + c2) * m + c1) * m + c0) - x.to_bits() as i32 as f32 * UNIT
}

/// (eʳ − 1 − r) / r² on ±½ ln 2: minimax in the relative error of eʳ, 3e-9.
const EXP: [f32; 5] = [0.499_999_94, 0.166_665_21, 0.041_668_39, 8.368_717e-3, 1.381_459_9e-3];

/// Below this eˣ is subnormal or close to it.
const EXP_LOWEST: f32 = -87.3;

/// Adding 1.5·2²³ and subtracting it again rounds to the nearest integer.
const EXP_ROUND: f32 = 12_582_912.0;

/// eʳ − 1 − r on [−ln 2/2, ln 2/2].
#[inline(always)]
fn exp_tail(r: f32) -> f32 {
    let [c0, c1, c2, c3, c4] = EXP;
    let p = (((c4 * r + c3) * r + c2) * r + c1) * r + c0;
    r * r * p
}

/// eˣ within 1 ulp, for x ≤ 0. Below −87.3, where eˣ is subnormal or close to it, the result is 0.
#[inline(always)]
pub(crate) fn exp_negative(x: f32) -> f32 {
    let inside = if x > EXP_LOWEST { x } else { EXP_LOWEST };
    let rounded = inside * core::f32::consts::LOG2_E + EXP_ROUND;
    let e = rounded - EXP_ROUND;
    let r = (inside - e * LN2_HIGH) - e * LN2_LOW;
    let y = (exp_tail(r) + r) + 1.0;
    // The last bits of `rounded` are those of e: a shift is cheaper than a conversion.
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1_f32.to_bits()));
    if x > EXP_LOWEST { y * power } else { 0.0 }
}

/// e^(x + rest) as two floats, for x ≤ 0 and a `rest` that rounding left out of x: within 1.5e-8 of its value for x >
/// −65, and within 1 ulp of the first float below. 0 where [`exp_negative`] is 0, whatever the rest is.
#[inline(always)]
pub(crate) fn exp_negative_in_two(x: f32, rest: f32) -> (f32, f32) {
    let inside = if x > EXP_LOWEST { x } else { EXP_LOWEST };
    let rounded = inside * core::f32::consts::LOG2_E + EXP_ROUND;
    let e = rounded - EXP_ROUND;
    let (r, r_low) = two_sum(inside - e * LN2_HIGH, -(e * LN2_LOW));
    let (s, s_low) = two_sum(r, exp_tail(r));
    let y = s + 1.0;
    let y_low = (s - (y - 1.0)) + s_low + (r_low + rest) * y;
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1_f32.to_bits()));
    if x > EXP_LOWEST { (y * power, y_low * power) } else { (0.0, 0.0) }
}

/// e^(x + rest) as m·2ᵉ with m from 0.7 to 1.42, for −10⁶ ≤ x ≤ 10⁶ and a `rest` that rounding left out of x: within 2 ulp
/// for |x| ≤ 22,000.
#[inline(always)]
pub(crate) fn exp_scaled(x: f32, rest: f32) -> (f32, i32) {
    let rounded = x * core::f32::consts::LOG2_E + EXP_ROUND;
    let e = rounded - EXP_ROUND;
    let r = ((x - e * LN2_HIGH) - e * LN2_LOW) + rest;
    ((exp_tail(r) + r) + 1.0, rounded.to_bits().wrapping_sub(EXP_ROUND.to_bits()) as i32)
}

/// The e with 2ᵉ ≤ x < 2ᵉ⁺¹, clamped to −126..=126, where both 2ᵉ and 2⁻ᵉ are normal. So x < 2ᵉ⁺² always, and x ≥ 2ᵉ if
/// x is normal. x must be at least 0.
pub(crate) fn exponent(x: f32) -> i32 {
    ((x.to_bits() >> 23) as i32 - 127).clamp(-126, 126)
}

/// 2ᵉ for e from −126 to 127.
pub(crate) fn power_of_two(e: i32) -> f32 {
    f32::from_bits(((e + 127) << 23) as u32)
}

/// A power of two by which scores and their divisor are multiplied before the scores are added, so that the sum overflows
/// only where the quotient does. Sums of 2²⁴ numbers have room, and what becomes subnormal is nothing in the quotient. A
/// divisor below 2⁻²⁴ needs none: the quotient overflows long before the sum.
pub(crate) fn factor_of_sum(divisor: f32) -> f32 {
    power_of_two(-(exponent(divisor) + 24).clamp(0, 126))
}

/// 1/x if ±x is a power of two. Then a product with it is the quotient by x, bit for bit, and takes far less time.
#[inline(always)]
pub(crate) fn exact_inverse(x: f32) -> Option<f32> {
    const FRACTION: u32 = 0x007f_ffff;
    (x.to_bits() & FRACTION == 0 && x.is_normal()).then_some(1.0 / x)
}

/// a + b rounded, and what the rounding left out (Knuth).
#[inline(always)]
pub(crate) fn two_sum(a: f32, b: f32) -> (f32, f32) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// The first twelve digits of x, and the other twelve: the product of two halves is exact.
#[inline(always)]
fn halves(x: f32) -> (f32, f32) {
    let high = f32::from_bits(x.to_bits() & !0xfff);
    (high, x - high)
}

/// (high + low)/divisor rounded, and what the rounding left out.
#[inline(always)]
pub(crate) fn quotient(high: f32, low: f32, divisor: f32) -> (f32, f32) {
    let quotient = high / divisor;
    let ((a, b), (c, d)) = (halves(quotient), halves(divisor));
    let remainder = (((high - a * c) - a * d) - b * c) - b * d;
    (quotient, (remainder + low) / divisor)
}

/// A running sum that also adds up its rounding errors: nearly as accurate as if only the end result were rounded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CompensatedSum {
    high: f32,
    low: f32,
}

impl CompensatedSum {
    #[inline(always)]
    pub(crate) fn add(&mut self, x: f32) {
        let (sum, error) = two_sum(self.high, x);
        self.low += error;
        self.high = sum;
    }

    /// Adds sum/divisor with the part that the division rounds away.
    pub(crate) fn add_quotient(&mut self, sum: CompensatedSum, divisor: f32) {
        let (quotient, rest) = quotient(sum.high, sum.low, divisor);
        self.add(quotient);
        if quotient.is_finite() {
            self.add(rest);
        }
    }

    /// Adds ln(2^e · (1 + f)) with e·ln 2 in two parts; e and f as for [`ln_split`].
    pub(crate) fn add_ln(&mut self, e: f32, f: f32) {
        self.add(e * LN2_HIGH);
        self.add(e * LN2_LOW);
        self.add(ln_split(0.0, f));
    }

    pub(crate) fn of(values: impl Iterator<Item = f32>) -> CompensatedSum {
        let mut sum = CompensatedSum::default();
        values.for_each(|x| sum.add(x));
        sum
    }

    #[inline(always)]
    pub(crate) fn value(self) -> f32 {
        // After an overflow `high` is ±inf and `low` is NaN.
        if self.high.is_finite() { self.high + self.low } else { self.high }
    }
}

/// √x, correctly rounded. x must be 0 or above; NaN and +inf stay as they are. core has no square root.
pub(crate) fn sqrt(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    // x = significand · 2^e with an even e and a significand of 53 or 54 bits.
    let bits = x.to_bits();
    let (fraction, exponent) = (bits & ((1 << 52) - 1), (bits >> 52) as i32);
    let (significand, e) = if exponent == 0 {
        let zeros = fraction.leading_zeros() - 11;
        (fraction << zeros, -1074 - zeros as i32)
    } else {
        (fraction | 1 << 52, exponent - 1075)
    };
    let odd = e & 1;
    // One digit of the root, of 55, for every two digits of the significand, which stands at the left.
    let mut square = significand << (10 + odd);
    let (mut root, mut rest) = (0_u64, 0_u64);
    for _ in 0..55 {
        rest = rest << 2 | square >> 62;
        square <<= 2;
        let step = root << 2 | 1;
        root <<= 1;
        if rest >= step {
            rest -= step;
            root |= 1;
        }
    }
    // The conversion rounds. A last digit stands for all that follow.
    let digits = root << 1 | u64::from(rest != 0);
    digits as f64 * f64::from_bits(((1023 + (e - odd) / 2 - 29) as u64) << 52)
}

/// √x in f32, correctly rounded. As [`sqrt`], and without f64, which many machines have in software only.
pub(crate) fn sqrtf(x: f32) -> f32 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    // x = significand · 2^e.
    let (fraction, exponent) = (x.to_bits() & 0x007f_ffff, (x.to_bits() >> 23) as i32);
    let (significand, e) = if exponent == 0 {
        let zeros = fraction.leading_zeros() - 8;
        (fraction << zeros, -149 - zeros as i32)
    } else {
        (fraction | 0x0080_0000, exponent - 150)
    };
    // The square of the root that follows is significand · 2^(25 + odd), and odd makes the rest of the exponent even.
    let odd = (e - 1) & 1;
    let square = u64::from(significand) << (25 + odd);

    // A guess at the root, of 25 digits: three steps of Newton's method for 1/√scaled, 1 ≤ scaled < 4.
    let scaled = (significand << odd) as f32 * power_of_two(-23);
    let mut inverse = f32::from_bits(0x5f37_59df - (scaled.to_bits() >> 1));
    for _ in 0..3 {
        inverse *= 1.5 - 0.5 * scaled * inverse * inverse;
    }
    let guess = (scaled * inverse * 16_777_216.0) as i64;
    // The guess is at most 10 too large or too small, so the remainder has 31 bits. A fourth step is off by at most 1.
    let rest = (square as i64 - guess * guess) as i32;
    let root = guess + (rest as f32 * inverse * 0.5 * power_of_two(-24)) as i64;
    let too_large = i64::from(root * root > square as i64);
    let too_small = i64::from((root + 1) * (root + 1) <= square as i64);
    let root = root - too_large + too_small;
    // The conversion rounds. A last digit stands for all that follow.
    let digits = root << 1 | i64::from(root * root != square as i64);
    digits as u32 as f32 * power_of_two((e - odd - 27) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_orders_every_kind_of_score() {
        let ascending = [
            f32::NEG_INFINITY,
            f32::MIN,
            -1.0,
            -f32::MIN_POSITIVE,
            -f32::from_bits(1),
            0.0,
            f32::from_bits(1),
            f32::MIN_POSITIVE,
            1.0,
            1.0 + f32::EPSILON,
            f32::MAX,
            f32::INFINITY,
        ];
        assert!(ascending.is_sorted_by(|&a, &b| rank(a) < rank(b)));
        assert_eq!(rank(-0.0), rank(0.0));
        assert!(ascending.iter().all(|&x| unrank(rank(x)) == x));
    }

    #[test]
    fn a_product_with_the_inverse_of_a_power_of_two_is_the_quotient() {
        for divisor in (-126..=127).map(power_of_two) {
            let inverse = exact_inverse(divisor).expect("a power of two");
            for x in (0..f32::INFINITY.to_bits()).step_by(300_007).map(f32::from_bits) {
                assert_eq!((x * inverse).to_bits(), (x / divisor).to_bits(), "{x:e} / {divisor:e}");
            }
        }
        for other in [0.0, f32::from_bits(1), 0.7, 1.0 + f32::EPSILON, 3.0, f32::MAX, f32::INFINITY] {
            assert_eq!(exact_inverse(other), None, "{other}");
        }
    }

    /// Every 61st positive normal float, 34 million of them.
    #[test]
    fn ln_is_within_its_stated_error() {
        let worst = (f32::MIN_POSITIVE.to_bits()..f32::INFINITY.to_bits())
            .step_by(61)
            .map(f32::from_bits)
            .map(|x| {
                let exact = libm::log(f64::from(x));
                let ulp = f64::from(f32::EPSILON) * 2f64.powi(libm::log2(exact.abs().max(1e-37)).floor() as i32);
                ((f64::from(ln(x)) - exact) / ulp).abs()
            })
            .fold(0.0, f64::max);
        assert!(worst <= 1.0, "{worst} ulp");
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn near_ln_is_within_its_stated_error() {
        let worst = (f32::MIN_POSITIVE.to_bits()..f32::INFINITY.to_bits())
            .step_by(61)
            .map(f32::from_bits)
            .map(|x| (f64::from(near_minus_ln(x)) + libm::log(f64::from(x))).abs())
            .fold(0.0, f64::max);
        assert!(worst <= 8e-5, "{worst:e}");
    }

    #[test]
    fn exp_is_within_its_stated_error() {
        let ulps = |got: f32, exact: f64| {
            let ulp = f64::from(f32::EPSILON) * 2f64.powi(libm::log2(exact.abs()).floor() as i32);
            ((f64::from(got) - exact) / ulp).abs()
        };
        let negative = (1..=80_000_000).step_by(37).map(|i| i as f32 * -1.09e-6);
        let exp = negative.map(|x| ulps(exp_negative(x), libm::exp(f64::from(x)))).fold(0.0, f64::max);
        assert!(exp <= 1.0, "exp {exp} ulp");
        assert_eq!((exp_negative(0.0), exp_negative(-88.0), exp_negative(f32::NEG_INFINITY)), (1.0, 0.0, 0.0));
    }

    #[test]
    fn exp_of_a_quotient_is_within_its_stated_error() {
        let worst = (1..=80_000_000)
            .step_by(37)
            .map(|i| {
                let (difference, divisor) = (i as f32 * -7.1e-7, 0.3 + (i % 1013) as f32 * 1e-3);
                let (x, rest) = quotient(difference, 0.0, divisor);
                let (high, low) = exp_negative_in_two(x, rest);
                let exact = libm::exp(f64::from(difference) / f64::from(divisor));
                let error = ((f64::from(high) + f64::from(low)) / exact - 1.0).abs();
                if x > -65.0 {
                    error
                } else if x > EXP_LOWEST {
                    error / 8.0 // an ulp is 1.2e-7 at most
                } else {
                    f64::from(high)
                }
            })
            .fold(0.0, f64::max);
        assert!(worst <= 1.5e-8, "{worst:e}");
        let (x, rest) = quotient(f32::NEG_INFINITY, f32::NAN, 1.0);
        assert_eq!((exp_negative_in_two(0.0, 0.0), exp_negative_in_two(x, rest)), ((1.0, 0.0), (0.0, 0.0)));
    }

    #[test]
    fn exponents_bound_their_float() {
        let positive = (1..f32::INFINITY.to_bits()).step_by(997).map(f32::from_bits);
        for x in positive.chain([0.0, f32::MIN_POSITIVE, f32::MAX]) {
            let scaled = f64::from(x) / 2f64.powi(exponent(x));
            assert!(scaled < 4.0 && (scaled >= 1.0 || !x.is_normal()), "{x}");
            assert_eq!(f64::from(power_of_two(exponent(x))), 2f64.powi(exponent(x)));
        }
    }

    #[test]
    fn a_quotient_and_a_logarithm_lose_no_digits_to_others() {
        let mut value = CompensatedSum::default();
        value.add_quotient(CompensatedSum::of([1e4, 1e-3].into_iter()), 0.7);
        let mut exact = (1e4 + f64::from(1e-3_f32)) / f64::from(0.7_f32);
        let (e, f) = split(3.0);
        value.add_ln(e + 8000.0, f);
        exact += libm::log(3.0) + 8000.0 * core::f64::consts::LN_2;
        value.add(-19_830.0);
        assert!((f64::from(value.value()) - (exact - 19_830.0)).abs() < 1e-6, "{} of {exact}", value.value());
        let mut overflow = CompensatedSum::default();
        overflow.add_quotient(CompensatedSum::of([1e30].into_iter()), 1e-30);
        overflow.add_ln(1.0, 0.0);
        assert_eq!(overflow.value(), f32::INFINITY);
        for divisor in [f32::MAX, 1e38, 1.0, 0.7, 1e-30] {
            let factor = factor_of_sum(divisor);
            let mut of_largest = CompensatedSum::default();
            of_largest.add_quotient(CompensatedSum::of([f32::MAX * factor; 3].into_iter()), divisor * factor);
            let exact = 3.0 * f64::from(f32::MAX) / f64::from(divisor);
            assert_eq!(of_largest.value(), exact as f32, "{divisor:e}");
        }
    }

    #[test]
    fn a_sum_does_not_lose_small_parts() {
        let mut sum = CompensatedSum::default();
        [1e8, 1.0, -1e8, 0.25].into_iter().for_each(|x| sum.add(x));
        assert_eq!(sum.value(), 1.25);
    }

    /// The square roots of the host are correctly rounded, too.
    #[test]
    fn square_roots_are_correctly_rounded() {
        let mut random = 1_u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random ^ random >> 29
        };
        let same = |x: f64, small: f32| {
            assert_eq!(sqrt(x).to_bits(), x.sqrt().to_bits(), "{x:e}");
            assert_eq!(sqrtf(small).to_bits(), small.sqrt().to_bits(), "{small:e}");
        };
        for _ in 0..1_000_000 {
            let small = next() as u32 % f32::INFINITY.to_bits();
            same(f64::from_bits(next() % f64::INFINITY.to_bits()), f32::from_bits(small));
        }
        for (x, small) in [
            (0.0, 0.0),
            (-0.0, -0.0),
            (f64::INFINITY, f32::INFINITY),
            (f64::MAX, f32::MAX),
            (f64::MIN_POSITIVE, f32::MIN_POSITIVE),
            (f64::from_bits(1), f32::from_bits(1)),
            (f64::from_bits((1 << 52) - 1), f32::from_bits((1 << 23) - 1)),
        ] {
            same(x, small);
        }
        for whole in 0..5000_u16 {
            let square = f64::from(whole) * f64::from(whole);
            for ulps in 0..3 {
                let near = |bits: u64| f64::from_bits((bits + ulps).saturating_sub(1));
                same(
                    near(square.to_bits()),
                    f32::from_bits(((square as f32).to_bits() + ulps as u32).saturating_sub(1)),
                );
            }
        }
        assert!(sqrt(f64::NAN).is_nan() && sqrtf(f32::NAN).is_nan());
    }
}
