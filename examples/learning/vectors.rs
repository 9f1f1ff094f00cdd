//! Two loops over vectors.

/// into += factor · row
pub fn add(into: &mut [f32], factor: f32, row: &[f32]) {
    for (into, &x) in into.iter_mut().zip(row) {
        *into += factor * x;
    }
}

/// Eight partial sums, so that the compiler can use vector registers. The length must be a multiple of eight.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    debug_assert!(a.len() == b.len() && a.len().is_multiple_of(8));
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum()
}
