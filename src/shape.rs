//! The sizes of a call: rows B, coordinates N, chosen K, samples S.

use crate::{Error, Rule};

/// The largest S: f32 holds every whole number up to 2²⁴ exactly.
pub const MAX_SAMPLES: u32 = 1 << 24;

/// The sizes of a batch, checked once: B rows of N scores, states of K ones, S samples a row.
///
/// B, N, S ≥ 1, 0 ≤ K ≤ N, S ≤ 2²⁴, and a B·S·N float array is addressable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    rows: u32,
    n: u32,
    k: u32,
    samples: u32,
}

impl Shape {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`Error::Shape`] names the rule that is broken.
    #[inline]
    pub const fn new(rows: u32, n: u32, k: u32, samples: u32) -> Result<Shape, Error> {
        match broken_rule(rows, n, k, samples) {
            None => Ok(Shape { rows, n, k, samples }),
            Some(rule) => Err(Error::Shape { rule }),
        }
    }

    /// B, the rows of the batch.
    #[must_use]
    pub const fn rows(self) -> usize {
        self.rows as usize
    }

    /// N, the coordinates of a row.
    #[must_use]
    pub const fn n(self) -> usize {
        self.n as usize
    }

    /// K, the ones of a state; the largest K if rows differ.
    #[must_use]
    pub const fn k(self) -> usize {
        self.k as usize
    }

    /// S, the samples drawn per row.
    #[must_use]
    pub const fn samples(self) -> usize {
        self.samples as usize
    }

    /// The same rows with one sample each: the shape of a MAP call.
    pub(crate) const fn one_sample(self) -> Shape {
        Shape { samples: 1, ..self }
    }
}

/// The first rule that the sizes break.
const fn broken_rule(rows: u32, n: u32, k: u32, samples: u32) -> Option<Rule> {
    let rule = if rows == 0 || n == 0 || samples == 0 {
        Rule::SizesFromOne
    } else if k > n {
        Rule::KAtMostN
    } else if samples > MAX_SAMPLES {
        Rule::SamplesCountable
    } else if !addressable(rows, n, samples, isize::MAX as usize / size_of::<f32>()) {
        Rule::ElementsAddressable
    } else {
        return None;
    };
    Some(rule)
}

/// True if rows·samples·n elements are at most `limit`.
const fn addressable(rows: u32, n: u32, samples: u32, limit: usize) -> bool {
    const { assert!(usize::BITS >= u32::BITS) };
    let Some(states) = (rows as usize).checked_mul(samples as usize) else { return false };
    match states.checked_mul(n as usize) {
        Some(elements) => elements <= limit,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_32_bit_address_space_is_smaller() {
        let limit = i32::MAX as usize / 4;
        assert!(addressable(1 << 10, 1 << 10, 511, limit));
        assert!(!addressable(1 << 10, 1 << 10, 512, limit), "2^31 bytes");
        assert!(!addressable(1 << 16, 1 << 16, 1, limit), "2^32 elements");
    }
}
