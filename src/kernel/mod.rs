//! Loops over slices: no options, no errors.

pub(crate) mod argmax;
pub(crate) mod elementwise;
pub(crate) mod exact;
pub(crate) mod few;
pub(crate) mod level;
pub(crate) mod perturbed_select;
pub(crate) mod select;
mod shortlist;
pub(crate) mod streaming;
mod threshold;

/// Whether this machine has no vector unit for f32, so that loops go by coordinates, not by lanes.
///
/// There flash and stack are short too. What 32-bit Arm and RISC-V never inline, all over the crate, is what would be
/// copied to several callers; what they always inline is a call whose arguments or result would go through memory. Each
/// was measured (`tests/embedded/table.py`).
pub(crate) const SCALAR: bool = cfg!(any(feature = "scalar", target_arch = "arm", target_arch = "riscv32"));

/// Whether there is a unit for floats.
const FLOAT_UNIT: bool =
    cfg!(any(target_abi = "eabihf", target_feature = "f", not(any(target_arch = "arm", target_arch = "riscv32"))));

/// Words a block, and the lanes that loops are written over.
pub(crate) const LANES: usize = 16;

/// Half of them: what AVX2 does at once.
pub(crate) const EIGHT: usize = LANES / 2;

/// A slice in blocks of lanes, without a copy where there is a whole block: the last block overlaps the one before.
#[derive(Clone, Copy)]
pub(crate) struct Blocks<'a> {
    pub full: &'a [[f32; LANES]],
    pub last: &'a [f32; LANES],
    /// The first lanes of `last` belong to the block before, or to none: so many.
    pub skip: usize,
}

impl<'a> Blocks<'a> {
    /// `short` is room for a slice that has no whole block.
    #[inline(always)]
    pub(crate) fn new(values: &'a [f32], short: &'a mut [f32; LANES]) -> Self {
        let (full, rest) = values.as_chunks::<LANES>();
        if full.is_empty() {
            let at = LANES - rest.len();
            elementwise::copy(rest, short.get_mut(at..).unwrap_or_default());
        }
        Blocks { full, last: values.last_chunk().unwrap_or(short), skip: LANES - rest.len() }
    }
}
