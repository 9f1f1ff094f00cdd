//! The status that a call returns.

use core::ffi::{CStr, c_char};

use imle::Error;

use crate::float_mode::{call_in_default_mode, in_default_mode};

/// The result of a call: IMLE_OK, or an IMLE_ERR_ code below 0.
///
/// Argument errors (NULL, SHAPE, STRIDE, WORKSPACE, OPTION, OVERLAP, VERSION): no output was written. Data errors
/// (NONFINITE, INFEASIBLE): the rows before the first bad row are complete, that row and all later ones are untouched,
/// and imle_topk_find_bad_row names it if theta, dz or k_row is bad (it does not see the other inputs).
pub type imle_status = i32;

/// Success.
pub const IMLE_OK: imle_status = 0;
/// A pointer that must not be NULL is NULL, no output was asked for, or a pointer is not aligned to its type. An array
/// without elements may be NULL: all arrays if rows = 0, and an index list if K = 0.
pub const IMLE_ERR_NULL: imle_status = -1;
/// The sizes do not fit together: n or samples is 0, k > n, k_row[b] > k, k is not 1 for argmax, n is not k * k or
/// n_row[b] > k for trees, samples > 2^24, rows * samples * n floats exceed the address space, or a function with a
/// baseline got one sample only.
pub const IMLE_ERR_SHAPE: imle_status = -2;
/// A stride is shorter than a row, or the array that it spans exceeds the address space.
pub const IMLE_ERR_STRIDE: imle_status = -3;
/// The workspace is shorter than its _workspace_len function says.
pub const IMLE_ERR_WORKSPACE: imle_status = -4;
/// An option is unknown or out of its range, or two options exclude each other.
pub const IMLE_ERR_OPTION: imle_status = -5;
/// NaN or +inf in theta, or NaN, +inf or -inf in another input.
pub const IMLE_ERR_NONFINITE: imle_status = -6;
/// A row has fewer unmasked entries (theta > -inf) than it has to choose, or its masks leave no tree, or an index list is
/// no state of its row.
pub const IMLE_ERR_INFEASIBLE: imle_status = -7;
/// An output or the workspace overlaps an input or another output.
pub const IMLE_ERR_OVERLAP: imle_status = -8;
/// struct_size is not the size of the struct: it was not set by its _default function, or header and library differ.
pub const IMLE_ERR_VERSION: imle_status = -9;

/// Returns one sentence in English for a status.
///
/// status: what a call returned; any other number is called unknown. The string ends in NUL and lives as long as the
/// program; the pointer is never NULL.
/// Threads: any. Source: this library.
#[unsafe(no_mangle)]
pub extern "C" fn imle_status_message(status: i32) -> *const c_char {
    message(status).as_ptr()
}

fn message(status: imle_status) -> &'static CStr {
    match status {
        IMLE_OK => c"success",
        IMLE_ERR_NULL => c"a required pointer is NULL or a pointer is misaligned",
        IMLE_ERR_SHAPE => c"the sizes do not fit together",
        IMLE_ERR_STRIDE => c"a stride is shorter than a row or spans more than the address space",
        IMLE_ERR_WORKSPACE => c"the workspace is too short",
        IMLE_ERR_OPTION => c"an option is unknown, out of its range or excluded by another",
        IMLE_ERR_NONFINITE => c"a value is not finite (only theta may be -inf)",
        IMLE_ERR_INFEASIBLE => {
            c"the masks of a row leave too few entries or no tree, or an index list is no state of its row"
        }
        IMLE_ERR_OVERLAP => c"an output or the workspace overlaps another argument",
        IMLE_ERR_VERSION => c"struct_size is wrong: use the _default function and the header of this library",
        _ => c"unknown status",
    }
}

/// The reasons to stop a call, as statuses other than IMLE_OK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Refused {
    Null = IMLE_ERR_NULL,
    Shape = IMLE_ERR_SHAPE,
    Stride = IMLE_ERR_STRIDE,
    Workspace = IMLE_ERR_WORKSPACE,
    Option = IMLE_ERR_OPTION,
    NonFinite = IMLE_ERR_NONFINITE,
    Infeasible = IMLE_ERR_INFEASIBLE,
    Overlap = IMLE_ERR_OVERLAP,
    Version = IMLE_ERR_VERSION,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::Shape { .. } | Error::RowK { .. } | Error::RowWords { .. } | Error::Length { .. } => Refused::Shape,
            Error::Stride { .. } => Refused::Stride,
            Error::Workspace { .. } => Refused::Workspace,
            Error::NoOutput => Refused::Null,
            Error::NonFinite { .. } => Refused::NonFinite,
            Error::Infeasible { .. } | Error::NotAState { .. } => Refused::Infeasible,
            // Error::Option, and every other request that the core refuses.
            _ => Refused::Option,
        }
    }
}

/// Runs the body of an exported function, in the default floating-point mode.
#[inline(always)]
pub(crate) fn status(body: impl FnOnce() -> Result<(), Refused>) -> imle_status {
    as_status(in_default_mode(body))
}

/// The same for a body that is one call of a function which is not inlined. Its arguments stay in their registers, where
/// [`status`] stores them and loads them again: a twentieth of the time of a forward pass for ten scores.
#[inline(always)]
pub(crate) fn status_of_call(call: impl FnOnce() -> Result<(), Refused>) -> imle_status {
    as_status(call_in_default_mode(call))
}

#[inline(always)]
fn as_status(result: Result<(), Refused>) -> imle_status {
    match result {
        Ok(()) => IMLE_OK,
        Err(refused) => refused as imle_status,
    }
}
