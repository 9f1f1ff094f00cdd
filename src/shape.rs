//! The sizes of a call: rows B, coordinates N, chosen K, samples S.

use crate::{Error, Rule};

/// The largest S: f32 holds every whole number up to 2²⁴ exactly.
pub const MAX_SAMPLES: u32 = 1 << 24;

/// The sizes of a batch: B rows of N scores, states of K ones, S samples a row.
///
/// 0 ≤ K ≤ N, N ≥ 1, 1 ≤ S ≤ 2²⁴, and a B·S·N float array must be addressable. B = 0 is an empty batch: calls check their
/// other arguments and write nothing. Every layer and function checks the sizes that it is given.
///
/// ```
/// use imle::Shape;
/// let shape = Shape { rows: 40, n: 350, k: 10, samples: 1 };
/// assert_eq!(shape.check(), Ok(()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// B, the rows of the batch.
    pub rows: u32,
    /// N, the coordinates of a row.
    pub n: u32,
    /// K, the ones of a state; the largest K if rows differ.
    pub k: u32,
    /// S, the samples drawn per row.
    pub samples: u32,
}

impl Shape {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`Error::Shape`] names the rule that is broken.
    #[inline]
    pub const fn check(self) -> Result<(), Error> {
        match self.broken_rule() {
            None => Ok(()),
            Some(rule) => Err(Error::Shape { rule }),
        }
    }

    /// B, as a length.
    #[must_use]
    pub const fn rows(self) -> usize {
        self.rows as usize
    }

    /// N, as a length.
    #[must_use]
    pub const fn n(self) -> usize {
        self.n as usize
    }

    /// K, as a length.
    #[must_use]
    pub const fn k(self) -> usize {
        self.k as usize
    }

    /// S, as a length.
    #[must_use]
    pub const fn samples(self) -> usize {
        self.samples as usize
    }

    /// The same rows with one sample each: the shape of a MAP call.
    pub(crate) const fn one_sample(self) -> Shape {
        Shape { samples: 1, ..self }
    }

    /// The first rule that the sizes break.
    const fn broken_rule(self) -> Option<Rule> {
        let Shape { rows, n, k, samples } = self;
        let rule = if n == 0 || samples == 0 {
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
