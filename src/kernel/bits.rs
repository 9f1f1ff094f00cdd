//! Sets of at most 64 coordinates as a word: coordinate i is in the set if bit i is 1.

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

/// The four floats that four bits stand for: one load instead of four shifts.
#[rustfmt::skip]
const FOUR_FLOATS: [[f32; 4]; 16] = [
    [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0],
    [0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0],
    [0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0],
    [0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0],
];

/// out[i] = 1 for every i in the set, else 0.
#[inline(always)]
pub(crate) fn write_floats(mut bits: u64, out: &mut [f32]) {
    let (fours, rest) = out.as_chunks_mut::<4>();
    for four in fours {
        *four = FOUR_FLOATS.get(bits as usize % FOUR_FLOATS.len()).copied().unwrap_or_default();
        bits >>= 4;
    }
    for out in rest {
        *out = (bits & 1) as f32;
        bits >>= 1;
    }
}

/// Writes the positions, ascending, and `u32::MAX` behind them.
#[inline(always)]
pub(crate) fn write_positions(mut bits: u64, out: &mut [u32]) {
    let (ones, tail) = out.split_at_mut_checked(bits.count_ones() as usize).unwrap_or_default();
    for slot in ones {
        *slot = bits.trailing_zeros();
        bits &= bits.wrapping_sub(1);
    }
    tail.fill(u32::MAX);
}
