//! Lists of ascending positions, kept as the bits of floats in the caller's workspace.

/// sum[i] += x for every position i.
#[cfg_attr(imle_small, inline(never))]
#[cfg_attr(not(imle_small), inline(always))]
pub(crate) fn add_at(positions: &[f32], x: f32, sum: &mut [f32]) {
    for i in positions {
        if let Some(sum) = sum.get_mut(i.to_bits() as usize) {
            *sum += x;
        }
    }
}

/// The values at the positions.
#[inline(always)]
pub(crate) fn values_at<'a>(positions: &'a [f32], values: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
    positions.iter().filter_map(|i| values.get(i.to_bits() as usize).copied())
}

/// The number of positions that two lists share.
#[inline(always)]
pub(crate) fn count_common(a: &[f32], b: &[f32]) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while let (Some(a), Some(b)) = (a.get(i), b.get(j)) {
        let (a, b) = (a.to_bits(), b.to_bits());
        i += usize::from(a <= b);
        j += usize::from(b <= a);
        count += usize::from(a == b);
    }
    count
}
