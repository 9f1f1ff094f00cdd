//! The largest score.

use super::LANES;

/// The largest score, −inf if there is none. NaN is passed over.
#[inline(always)]
pub(super) fn largest(scores: &[f32]) -> f32 {
    let (blocks, rest) = scores.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for block in blocks {
        raise(&mut lanes, block.iter().copied());
    }
    raise(&mut lanes, rest.iter().copied());
    largest_of(&lanes)
}

/// Each lane becomes its value if that is larger.
#[inline(always)]
pub(super) fn raise(lanes: &mut [f32; LANES], values: impl Iterator<Item = f32>) {
    for (lane, value) in lanes.iter_mut().zip(values) {
        *lane = if value > *lane { value } else { *lane };
    }
}

/// The largest lane.
#[inline(always)]
pub(super) fn largest_of(lanes: &[f32; LANES]) -> f32 {
    lanes.iter().fold(f32::NEG_INFINITY, |largest, &lane| if lane > largest { lane } else { largest })
}

/// The index of the largest score, the lowest one among equals; 0 for an empty slice. Not for NaN.
#[inline(always)]
pub(crate) fn argmax(scores: &[f32]) -> usize {
    let largest = largest(scores);
    let equals = |block: &[f32]| block.iter().fold(false, |found, &score| found | (score == largest));
    let before = scores.as_chunks::<LANES>().0.iter().take_while(|block| !equals(&block[..])).count() * LANES;
    let rest = scores.get(before..).unwrap_or_default();
    before + rest.iter().position(|&score| score == largest).unwrap_or_default()
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
