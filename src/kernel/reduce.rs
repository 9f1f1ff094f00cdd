//! Slices reduced to one number: the largest score and its index, sums, and whether all values are finite.

use crate::arch::{self, Dispatch, FLOAT_UNIT, Isa, LANES, SCALAR};

/// The largest score, −inf if there is none. NaN is ignored.
#[inline(always)]
pub(crate) fn largest(scores: &[f32]) -> f32 {
    let (blocks, rest) = scores.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for block in blocks {
        raise(&mut lanes, block.iter().copied());
    }
    raise(&mut lanes, rest.iter().copied());
    largest_of(&lanes)
}

/// Raises each lane to its value if that is larger.
#[inline(always)]
pub(crate) fn raise(lanes: &mut [f32; LANES], values: impl Iterator<Item = f32>) {
    for (lane, value) in lanes.iter_mut().zip(values) {
        *lane = if value > *lane { value } else { *lane };
    }
}

/// The largest lane.
#[inline(always)]
pub(crate) fn largest_of(lanes: &[f32; LANES]) -> f32 {
    lanes.iter().fold(f32::NEG_INFINITY, |largest, &lane| if lane > largest { lane } else { largest })
}

/// The index of the largest score, by the rule for ties in [`ties`](super::ties): the first one among equals. It is 0 for
/// an empty slice. No score may be NaN.
#[inline(always)]
pub(crate) fn argmax(scores: &[f32]) -> usize {
    let largest = largest(scores);
    let equals = |block: &[f32]| block.iter().fold(false, |found, &score| found | (score == largest));
    let before = scores.as_chunks::<LANES>().0.iter().take_while(|block| !equals(&block[..])).count() * LANES;
    let rest = scores.get(before..).unwrap_or_default();
    before + rest.iter().position(|&score| score == largest).unwrap_or_default()
}

/// Σ a·b in sixteen partial sums, which are added in order.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut add = |a: &[f32], b: &[f32]| {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    };
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        add(a, b);
    }
    add(a_rest, b_rest);
    sums.iter().sum()
}

/// Σ a in sixteen partial sums, which are added in order.
#[inline(always)]
pub(crate) fn sum(a: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let (blocks, rest) = a.as_chunks::<LANES>();
    for block in blocks {
        for (sum, a) in sums.iter_mut().zip(block) {
            *sum += a;
        }
    }
    for (sum, a) in sums.iter_mut().zip(rest) {
        *sum += a;
    }
    sums.iter().sum()
}

/// The sum of N lanes, N a power of two, by halving.
#[inline(always)]
pub(crate) fn total<const N: usize>(lanes: &[f32; N]) -> f32 {
    let mut sums = *lanes;
    let mut half = N / 2;
    while half > 0 {
        for l in 0..half {
            if let [a, b] = [l, l + half].map(|l| sums.get(l).copied().unwrap_or_default())
                && let Some(sum) = sums.get_mut(l)
            {
                *sum = a + b;
            }
        }
        half /= 2;
    }
    sums.first().copied().unwrap_or_default()
}

/// Σ x² over the finite values, in sixteen partial sums of f64, which are added in order. Every square is exact, and 2⁶⁴
/// of them do not overflow.
pub(crate) fn sum_of_squares(values: &[f32]) -> f64 {
    arch::run(SumOfSquares { values })
}

struct SumOfSquares<'a> {
    values: &'a [f32],
}

impl Dispatch for SumOfSquares<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) -> f64 {
        let mut sums = [0.0; LANES];
        let mut add = |values: &[f32]| {
            for (sum, &x) in sums.iter_mut().zip(values) {
                let x = if x.is_finite() { f64::from(x) } else { 0.0 };
                *sum += x * x;
            }
        };
        let (blocks, rest) = self.values.as_chunks::<LANES>();
        blocks.iter().for_each(|block| add(block));
        add(rest);
        sums.iter().sum()
    }
}

/// The bits that +inf has and that every value has that is not finite.
pub(crate) const INFINITE: u32 = f32::INFINITY.to_bits();

/// True if every value is finite.
pub(crate) fn all_finite(values: &[f32]) -> bool {
    if SCALAR {
        return all_finite_or(values, None);
    }
    arch::run(AllFinite { values })
}

/// Reads all values and does not stop at the first bad one: the loop then has no branch, and bad values are rare.
struct AllFinite<'a> {
    values: &'a [f32],
}

impl Dispatch for AllFinite<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) -> bool {
        const MAGNITUDE: u32 = 0x7fff_ffff;
        // Magnitudes are ordered as their bits are.
        self.values.iter().fold(0, |largest, x| largest.max((x.to_bits() & MAGNITUDE) as i32)) < INFINITE as i32
    }
}

/// True if every value is finite or has the bits of `exception`; for machines whose loops go by coordinates.
#[inline(never)]
pub(crate) fn all_finite_or(values: &[f32], exception: Option<f32>) -> bool {
    /// Infinities and NaN without their sign bit are at least this.
    const LIMIT: u32 = INFINITE << 1;
    let good = |value: &f32| {
        let bits = value.to_bits();
        bits << 1 < LIMIT || exception.is_some_and(|exception| bits == exception.to_bits())
    };
    let (blocks, rest) = values.as_chunks::<4>();
    if FLOAT_UNIT {
        // 0 · x is 0 for a finite x and NaN for others: two instructions a value where floats are computed in hardware.
        let zero = |sum: f32, value: &f32| sum + 0.0 * value;
        let sum = rest.iter().fold(blocks.iter().fold(0.0, |sum, block| block.iter().fold(sum, zero)), zero);
        return sum == 0.0 || exception.is_some() && values.iter().all(good);
    }
    blocks.iter().all(|[a, b, c, d]| good(a) && good(b) && good(c) && good(d)) && rest.iter().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One pass that keeps the best so far.
    fn readable(scores: &[f32]) -> usize {
        let better = |best: usize, i: usize| if scores[i] > scores[best] { i } else { best };
        (0..scores.len()).fold(0, better)
    }

    #[test]
    fn the_first_of_the_largest_is_found_at_every_length() {
        for n in 0..70 {
            for kind in 0_usize..6 {
                let scores: Vec<f32> = (0..n)
                    .map(|i| match kind {
                        0 => ((i * 29 + 3) % 67) as f32,
                        1 => ((i * 13) % 3) as f32,
                        2 => -(i as f32),
                        3 => i as f32 * 1e-40,
                        4 => [0.0, -0.0][i % 2],
                        _ => f32::NEG_INFINITY,
                    })
                    .collect();
                assert_eq!(argmax(&scores), readable(&scores), "{scores:?}");
            }
        }
    }
}
