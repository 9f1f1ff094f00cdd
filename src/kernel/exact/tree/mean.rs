//! From slopes to covariances.

/// The corner of a row of arcs: `words` lines, which are `stride` long.
#[derive(Clone, Copy)]
pub(crate) struct Corner {
    pub words: usize,
    pub stride: usize,
}

impl Corner {
    #[inline(always)]
    fn at(self, values: &[f32], h: usize, d: usize) -> f32 {
        values.get(h * self.stride + d).copied().unwrap_or_default()
    }

    /// The head of the likeliest arc to d.
    #[inline(always)]
    fn likeliest(self, mu: &[f32], d: usize) -> usize {
        (1..self.words).fold(0, |best, h| if self.at(mu, h, d) > self.at(mu, best, d) { h } else { best })
    }
}

/// v_hd ← v_hd − Σ_h μ_hd v_hd in the corner. Every tree has one arc to each word, so this changes ⟨v, z⟩ by a constant, and
/// with it no covariance. What is left is small where a tree dominates: it is formed from the differences to the v of the
/// likeliest arc, so that it has all its digits. Arcs that have no probability get 0.
#[inline(always)]
pub(crate) fn centre_columns(corner: Corner, mu: &[f32], v: &mut [f32]) {
    for d in 0..corner.words {
        let origin = corner.at(v, corner.likeliest(mu, d), d);
        let (mut total, mut weighted) = (0.0, 0.0);
        for h in 0..corner.words {
            total += corner.at(mu, h, d);
            weighted += corner.at(mu, h, d) * (corner.at(v, h, d) - origin);
        }
        let mean = if total > 0.0 { weighted / total } else { 0.0 };
        for h in 0..corner.words {
            let possible = corner.at(mu, h, d) > 0.0;
            if let Some(v) = v.get_mut(h * corner.stride + d) {
                *v = if possible { (*v - origin) - mean } else { 0.0 };
            }
        }
    }
}

/// v_hd ← μ_hd (v_hd + slope_hd − slope of t_d)/`divisor` in the corner, 0 outside. `slopes` of a line are those of what the
/// weight is multiplied with, and those of the t_d.
///
/// A column of a covariance has the sum 0. So the likeliest arc gets what the others leave: where it is nearly certain, its
/// own slopes cancel to the last digit.
#[inline(always)]
pub(crate) fn covariances<'s>(
    corner: Corner,
    mu: &[f32],
    slopes: impl Fn(usize) -> (&'s [f32], &'s [f32]),
    divisor: f32,
    v: &mut [f32],
) {
    let lines = v.chunks_mut(corner.stride.max(1)).zip(mu.chunks(corner.stride.max(1))).enumerate();
    for (h, (v, mu)) in lines {
        let inside = if h < corner.words { corner.words } else { 0 };
        let (v, outside) = v.split_at_mut_checked(inside).unwrap_or_default();
        outside.fill(0.0);
        let (factor, sum) = slopes(h);
        for ((v, mu), (factor, sum)) in v.iter_mut().zip(mu).zip(factor.iter().zip(sum)) {
            *v = if *mu > 0.0 { mu * (*v + (factor - sum)) / divisor } else { 0.0 };
        }
    }
    for d in 0..corner.words {
        let best = corner.likeliest(mu, d);
        let others: f32 = (0..corner.words).filter(|&h| h != best).map(|h| corner.at(v, h, d)).sum();
        if let Some(v) = v.get_mut(best * corner.stride + d) {
            *v = 0.0 - others;
        }
    }
}
