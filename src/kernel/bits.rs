//! Sets of at most 64 coordinates as a word: coordinate i is in the set if bit i is 1.

use crate::arch::{self, Dispatch, EIGHT, Isa};

/// The positions of the ones, ascending.
#[inline(always)]
pub(crate) fn positions(mut bits: u64) -> impl Iterator<Item = u32> {
    core::iter::from_fn(move || {
        if bits == 0 {
            return None;
        }
        let i = bits.trailing_zeros();
        bits &= bits - 1;
        Some(i)
    })
}

/// sum[i] += x for every i in the set.
#[inline(always)]
pub(crate) fn add_at(bits: u64, x: f32, sum: &mut [f32]) {
    for i in positions(bits) {
        if let Some(sum) = sum.get_mut(i as usize) {
            *sum += x;
        }
    }
}

/// Writes states of n coordinates with k ones each: z, `[len][n]`, and their lists, `[len]` of `list` entries with
/// `u32::MAX` behind the ones. Either may be empty.
pub(crate) fn write_states(states: &[u64], n: usize, k: usize, z: &mut [f32], lists: &mut [u32], list: usize) {
    arch::run(WriteStates { states, n, k, z, lists, list });
}

struct WriteStates<'a> {
    states: &'a [u64],
    n: usize,
    k: usize,
    z: &'a mut [f32],
    lists: &'a mut [u32],
    list: usize,
}

impl Dispatch for WriteStates<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) {
        let WriteStates { states, n, k, mut z, mut lists, list } = self;
        for &bits in states {
            // Whole eights, where they fit: the state behind this one replaces what is too much.
            let mut left = bits;
            if let Some(eights) = z.as_chunks_mut::<EIGHT>().0.get_mut(..n.div_ceil(EIGHT)) {
                for eight in eights {
                    for (z, bit) in eight.iter_mut().zip([1, 2, 4, 8, 16, 32, 64, 128]) {
                        *z = if left as u32 & bit != 0 { 1.0 } else { 0.0 };
                    }
                    left >>= EIGHT;
                }
            } else {
                write_floats(bits, z);
            }
            z = z.get_mut(n..).unwrap_or_default();
            let (to, rest) = lists.split_at_mut_checked(list).unwrap_or_default();
            let (ones, tail) = to.split_at_mut_checked(k).unwrap_or_default();
            let mut left = bits;
            for slot in ones {
                *slot = left.trailing_zeros();
                left &= left.wrapping_sub(1);
            }
            for slot in tail {
                *slot = u32::MAX;
            }
            lists = rest;
        }
    }
}

/// The four floats that four bits stand for: one load instead of four shifts.
#[rustfmt::skip]
const FOUR_FLOATS: [[f32; 4]; 16] = [
    [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0],
    [0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0],
    [0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0],
    [0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0],
];

/// [`FOUR_FLOATS`] of the first four bits.
#[inline(always)]
fn four_floats(bits: u64) -> [f32; 4] {
    FOUR_FLOATS.get(bits as usize % FOUR_FLOATS.len()).copied().unwrap_or_default()
}

/// out[i] = 1 for every i in the set, else 0.
#[inline(always)]
pub(crate) fn write_floats(mut bits: u64, out: &mut [f32]) {
    let (fours, rest) = out.as_chunks_mut::<4>();
    for four in fours {
        *four = four_floats(bits);
        bits >>= 4;
    }
    for (out, bit) in rest.iter_mut().zip(four_floats(bits)) {
        *out = bit;
    }
}

/// sum[i] += step · (a_i − b_i)
#[inline(always)]
pub(crate) fn add_difference(mut a: u64, mut b: u64, step: f32, sum: &mut [f32]) {
    let (fours, rest) = sum.as_chunks_mut::<4>();
    for four in fours {
        for ((sum, a), b) in four.iter_mut().zip(four_floats(a)).zip(four_floats(b)) {
            *sum += step * (a - b);
        }
        a >>= 4;
        b >>= 4;
    }
    for ((sum, a), b) in rest.iter_mut().zip(four_floats(a)).zip(four_floats(b)) {
        *sum += step * (a - b);
    }
}

/// Writes the positions, ascending, and `u32::MAX` behind them.
#[inline(always)]
pub(crate) fn write_positions(mut bits: u64, out: &mut [u32]) {
    for slot in out {
        *slot = if bits == 0 { u32::MAX } else { bits.trailing_zeros() };
        bits &= bits.wrapping_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::select::FEW;

    #[test]
    fn sets_are_written_element_by_element() {
        let sets = [0, 1, 1 << 63, u64::MAX, 0x8421_0f0f_1234_5678, 0x5555_aaaa_0000_ffff];
        for (a, b) in sets.into_iter().flat_map(|a| sets.map(|b| (a, b))) {
            for n in 0..=FEW {
                let set = |bits: u64| (0..n).map(move |i| bits >> i & 1 == 1);
                let (mut floats, mut sum) = (vec![7.0; n], vec![3.0; n]);
                write_floats(a, &mut floats);
                assert!(floats.into_iter().eq(set(a).map(|one| f32::from(u8::from(one)))));
                add_difference(a, b, 0.5, &mut sum);
                let difference = |(a, b): (bool, bool)| 0.5 * (f32::from(u8::from(a)) - f32::from(u8::from(b)));
                assert!(sum.into_iter().eq(set(a).zip(set(b)).map(|pair| 3.0 + difference(pair))));
                let mut list = vec![7; n];
                write_positions(a, &mut list);
                let ones = (0..64).filter(|i| a >> i & 1 == 1).chain(std::iter::repeat(u32::MAX));
                assert!(list.into_iter().eq(ones.take(n)), "{a:x} {n}");
            }
        }
    }
}
