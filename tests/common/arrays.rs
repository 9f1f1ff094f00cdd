//! The arrays of a call, and how they are compared.

/// The content of outputs, workspace and gaps before a call. It is NaN, so a result that was computed from it shows.
pub const JUNK: f32 = f32::NAN;

pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

pub fn floats(bits: &[u32]) -> Vec<f32> {
    bits.iter().map(|&bits| f32::from_bits(bits)).collect()
}

/// Rows of n with `gap` elements of junk after each.
pub fn spread(rows: &[f32], n: usize, gap: usize) -> Vec<f32> {
    rows.chunks(n).flat_map(|row| row.iter().copied().chain(vec![JUNK; gap])).collect()
}

/// The rows alone. It fails if a gap is no longer junk.
pub fn without_gaps(spread: &[f32], n: usize, gap: usize) -> Vec<f32> {
    let rows = || spread.chunks(n + gap);
    assert!(rows().all(|row| row[n..].iter().all(|x| x.to_bits() == JUNK.to_bits())), "a gap was written");
    rows().flat_map(|row| &row[..n]).copied().collect()
}
