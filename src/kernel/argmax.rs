//! The largest score.

/// The index of the largest score, the lowest one among equals; 0 for an empty slice. Not for NaN.
pub(crate) fn argmax(scores: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (i, &score) in scores.iter().enumerate() {
        if score > best.1 {
            best = (i, score);
        }
    }
    best.0
}
