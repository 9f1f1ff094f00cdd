//! Rows of scores that are hard for the closed forms.

/// Nearly normal scores from a small generator that shares nothing with the library's.
pub fn scores(seed: u64, n: usize, scale: f32) -> Vec<f32> {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as f64 + 0.5) / f64::from(1_u32 << 31)
    };
    (0..n).map(|_| scale * ((0..12).map(|_| uniform()).sum::<f64>() - 6.0) as f32).collect()
}

/// Scores that are hard for the closed forms: normal, wide, all equal, groups of equals, masks, one that dominates.
pub fn hard_rows(n: usize) -> Vec<(&'static str, Vec<f32>)> {
    let normal = scores(1, n, 1.0);
    let mut masked = scores(2, n, 3.0);
    masked.iter_mut().skip(1).step_by(3).for_each(|t| *t = f32::NEG_INFINITY);
    let mut one_huge = scores(3, n, 1.0);
    one_huge[n / 2] = 80.0;
    vec![
        ("normal", normal.clone()),
        ("span of 160", (0..n).map(|i| 80.0 - 160.0 * i as f32 / n as f32).collect()),
        ("all equal", vec![0.7; n]),
        ("groups", normal.iter().map(|t| t.round() * 2.0).collect()),
        ("two values", (0..n).map(|i| if i % 2 == 0 { -80.0 } else { 80.0 }).collect()),
        ("masked", masked),
        ("one huge", one_huge),
    ]
}

pub fn unmasked(theta: &[f32]) -> usize {
    theta.iter().filter(|t| t.is_finite()).count()
}
