//! Parts of the caller's workspace, and whole numbers in it, which are kept as the bits of floats.

/// The first `len` floats of `rest`, which keeps those after them.
#[inline]
pub(crate) fn take<'a>(rest: &mut &'a mut [f32], len: usize) -> &'a mut [f32] {
    debug_assert!(len <= rest.len(), "{len} floats of {}", rest.len());
    let (taken, others) = core::mem::take(rest).split_at_mut_checked(len).unwrap_or_default();
    *rest = others;
    taken
}

/// Number i; 0 if there is none.
#[inline(always)]
pub(crate) fn number(numbers: &[f32], i: usize) -> usize {
    numbers.get(i).map_or(0, |x| x.to_bits() as usize)
}

/// Number i ← `number`, below 2³².
#[inline(always)]
pub(crate) fn set_number(numbers: &mut [f32], i: usize, number: usize) {
    if let Some(slot) = numbers.get_mut(i) {
        *slot = f32::from_bits(number as u32);
    }
}
