//! Slices as blocks of lanes.

use crate::arch::LANES;

/// A slice in blocks of lanes, without a copy if it has at least one whole block: the last block then overlaps the one
/// before it.
#[derive(Clone, Copy)]
pub(crate) struct Blocks<'a> {
    pub full: &'a [[f32; LANES]],
    pub last: &'a [f32; LANES],
    /// The number of lanes at the front of `last` that belong to the block before it, or to no value at all.
    pub skip: usize,
}

impl<'a> Blocks<'a> {
    /// `short` is the room for a slice that has no whole block.
    #[inline(always)]
    pub(crate) fn new(values: &'a [f32], short: &'a mut [f32; LANES]) -> Self {
        let (full, rest) = values.as_chunks::<LANES>();
        if full.is_empty() {
            let at = LANES - rest.len();
            copy(rest, short.get_mut(at..).unwrap_or_default());
        }
        Blocks { full, last: values.last_chunk().unwrap_or(short), skip: LANES - rest.len() }
    }
}

/// to ← from, as far as both reach. (`copy_from_slice` panics if the lengths differ.)
#[inline(always)]
pub(crate) fn copy(from: &[f32], to: &mut [f32]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from;
    }
}
