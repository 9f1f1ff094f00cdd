//! The check that the arrays of a call lie in the address space and that no output overlaps another array.

use crate::status::Refused;

/// The size of a float. The size of every array element is a multiple of it.
pub(crate) const WORD: usize = size_of::<f32>();

/// The place of an array: its address and its length in words. An array at NULL is absent, whatever its length.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub start: usize,
    pub words: usize,
}

impl Span {
    /// The address behind the last word, 0 if the array is absent or has no words. Refuses an array that is misaligned
    /// or that does not lie in the address space.
    #[inline(always)]
    pub(crate) fn end(self) -> Result<usize, Refused> {
        if self.start == 0 {
            return Ok(0);
        }
        if !self.start.is_multiple_of(WORD) {
            return Err(Refused::Null);
        }
        if self.words > isize::MAX as usize / WORD {
            return Err(Refused::Stride);
        }
        let end = self.start.checked_add(self.words * WORD).ok_or(Refused::Stride)?;
        Ok(if self.words == 0 { 0 } else { end })
    }
}

/// Refuses arrays that are misaligned or do not lie in the address space, and outputs that overlap each other or an
/// input. A strided array reaches from its first element to its last, so the gaps between its rows belong to it.
///
/// The first `outputs` arrays are the outputs. `check_arrays!` counts them, so that no body has to.
// RISC-V has one copy, which saves 900 bytes of a program that samples and learns. On Arm one copy would save 400 bytes
// and cost 2 % of the instructions for a row of 16 scores.
#[cfg_attr(target_arch = "riscv32", inline(never))]
#[cfg_attr(not(target_arch = "riscv32"), inline(always))]
pub(crate) fn check_spans<const A: usize>(outputs: usize, arrays: [Span; A]) -> Result<(), Refused> {
    let mut ends = [0; A];
    for (i, array) in arrays.iter().enumerate() {
        let end = array.end()?;
        if let Some(slot) = ends.get_mut(i) {
            *slot = end;
        }
        // An array without words ends at 0, so it overlaps nothing.
        for (output, &output_end) in arrays.iter().zip(&ends).take(outputs.min(i)) {
            if array.start < output_end && output.start < end {
                return Err(Refused::Overlap);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_overlap_nothing_and_inputs_may_overlap_each_other() {
        let (low, high) = (Span { start: 400, words: 3 }, Span { start: 408, words: 3 });
        let apart = Span { start: 412, words: 2 };
        assert_eq!(check_spans(0, [low, high, high]), Ok(()));
        assert_eq!(check_spans(2, [low, apart]), Ok(()));
        for (output, other) in [(low, high), (high, low), (low, low), (high, apart)] {
            assert_eq!(check_spans(1, [output, other]), Err(Refused::Overlap));
            assert_eq!(check_spans(2, [output, other]), Err(Refused::Overlap));
        }
    }
}
