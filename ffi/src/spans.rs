//! Where the arrays of a call are: each in the address space, and no output in the way of another array.

use crate::status::Refused;

/// The size of a float, of which all arrays' elements are multiples.
pub(crate) const WORD: usize = size_of::<f32>();

/// Where an array is: so many words from `start`. NULL has none, whatever it says.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub start: usize,
    pub words: usize,
}

impl Span {
    /// How many bytes it has, once it is known that it is aligned and lies in the address space.
    fn check(self) -> Result<usize, Refused> {
        if self.start == 0 {
            Ok(0)
        } else if !self.start.is_multiple_of(WORD) {
            Err(Refused::Null)
        } else if self.words <= isize::MAX as usize / WORD && self.start.checked_add(self.words * WORD).is_some() {
            Ok(self.words * WORD)
        } else {
            Err(Refused::Stride)
        }
    }
}

/// Refuses arrays that are misaligned or do not lie in the address space, and outputs that overlap each other or an
/// input. The outputs come first. A strided array counts from its first element to its last, with what lies between its
/// rows.
pub(crate) fn check_arrays(outputs: usize, arrays: &[Span]) -> Result<(), Refused> {
    for (i, array) in arrays.iter().enumerate() {
        let bytes = array.check()?;
        let overlaps = |output: &Span| {
            let distance = array.start.wrapping_sub(output.start);
            output.start != 0
                && output.words != 0
                && (distance < output.words * WORD || distance.wrapping_neg() < bytes)
        };
        if bytes != 0 && arrays.get(..outputs.min(i)).unwrap_or_default().iter().any(overlaps) {
            return Err(Refused::Overlap);
        }
    }
    Ok(())
}
