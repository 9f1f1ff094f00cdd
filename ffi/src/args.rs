//! From C pointers to checked views: every pointer that is dereferenced is dereferenced here.
//!
//! Two steps. First every pointer becomes an [`Array`], which knows its address and length and looks at nothing; all
//! of a call's arrays are checked together, and no output may overlap another array. Only then do they become slices: the
//! outputs last, when all else is read, for a struct of the call's may lie in one.
//!
//! What cannot be checked is the caller's promise (see the crate's "Safety"): that non-null pointers point to as many
//! elements as the manual says, and that no other thread interferes. The functions here are given nothing but pointers
//! that come with that promise, so they are safe; each unsafe block says what it adds.

use imle::{Key, Options, Shape, dz_span, rows_span};

use crate::abi::{imle_key, imle_options, imle_shape};
use crate::spans::{Span, WORD};
use crate::status::Refused;

/// NULL and misaligned pointers are no pointers.
fn usable<T>(pointer: *const T) -> Result<*const T, Refused> {
    if pointer.is_null() || !pointer.is_aligned() { Err(Refused::Null) } else { Ok(pointer) }
}

/// A struct of integers and floats.
pub(crate) fn read<T: Copy>(pointer: *const T) -> Result<T, Refused> {
    let pointer = usable(pointer)?;
    // SAFETY: aligned and not NULL, so it points to a T, by the caller's promise; integers and floats hold any bits.
    Ok(unsafe { pointer.read() })
}

/// A struct that starts with its size.
pub(crate) fn sized<T: Copy>(pointer: *const T) -> Result<T, Refused> {
    // The size comes first: a struct of another header may be shorter than ours.
    if read(pointer.cast::<u32>())? as usize != size_of::<T>() {
        return Err(Refused::Version);
    }
    read(pointer)
}

/// Writes a struct, unless there is none.
pub(crate) fn write<T: Copy>(pointer: *mut T, value: T) {
    if usable(pointer.cast_const()).is_ok() {
        // SAFETY: aligned and not NULL, so it points to a writable T, by the caller's promise.
        unsafe { pointer.write(value) }
    }
}

/// The sizes of a batch.
pub(crate) fn shape(shape: *const imle_shape) -> Result<Shape, Refused> {
    let imle_shape { rows, n, k, samples } = read(shape)?;
    Ok(Shape::new(rows, n, k, samples)?)
}

/// The sizes of a batch whose samples do not matter.
pub(crate) fn shape_of_map(shape: *const imle_shape) -> Result<Shape, Refused> {
    let imle_shape { rows, n, k, samples: _ } = read(shape)?;
    Ok(Shape::new(rows, n, k, 1)?)
}

/// The key of a batch.
pub(crate) fn key(key: *const imle_key) -> Result<Key, Refused> {
    Ok(read(key)?.into())
}

/// The options. The core checks their ranges.
pub(crate) fn options(options: *const imle_options) -> Result<Options, Refused> {
    sized(options)?.to_core()
}

/// An array of the caller's, of which nothing is known before `check_arrays`. Absent if the pointer is NULL.
pub(crate) struct Array<T> {
    start: *mut T,
    len: usize,
}

impl<T> Array<T> {
    /// An array that may be absent.
    pub(crate) fn optional(start: *const T, len: usize) -> Result<Self, Refused> {
        const { assert!(size_of::<T>().is_multiple_of(WORD) && align_of::<T>().is_multiple_of(WORD)) };
        // What `check_arrays` does not see.
        if align_of::<T>() > WORD && !start.is_aligned() {
            return Err(Refused::Null);
        }
        Ok(Array { start: start.cast_mut(), len })
    }

    /// An array that may not be absent.
    pub(crate) fn required(start: *const T, len: usize) -> Result<Self, Refused> {
        if start.is_null() { Err(Refused::Null) } else { Self::optional(start, len) }
    }

    pub(crate) fn span(&self) -> Span {
        Span { start: self.start.addr(), words: self.len.saturating_mul(size_of::<T>() / WORD) }
    }

    /// The elements. Call `check_arrays` first.
    pub(crate) fn view<'a>(self) -> &'a [T] {
        self.view_if_any().unwrap_or_default()
    }

    /// The elements, if the array is there. Call `check_arrays` first.
    pub(crate) fn view_if_any<'a>(self) -> Option<&'a [T]> {
        // SAFETY: aligned, not NULL, at most isize::MAX bytes and not across the end of the address space. It holds
        // `len` elements of any bits, valid for T (integers and floats), that nothing writes during the call: by the
        // caller's promise, and because no output overlaps it.
        (!self.start.is_null()).then(|| unsafe { core::slice::from_raw_parts(self.start, self.len) })
    }

    /// The elements, to be written. Call `check_arrays` first.
    pub(crate) fn view_mut<'a>(self) -> &'a mut [T] {
        self.view_mut_if_any().unwrap_or_default()
    }

    /// The elements, to be written, if the array is there. Call `check_arrays` first.
    pub(crate) fn view_mut_if_any<'a>(self) -> Option<&'a mut [T]> {
        // SAFETY: as for `view_if_any`; besides, nothing else reads it during the call: by the caller's promise, and
        // because it overlaps no other array of the call. `self` is consumed, so this is the only slice of it.
        (!self.start.is_null()).then(|| unsafe { core::slice::from_raw_parts_mut(self.start, self.len) })
    }
}

impl Array<f32> {
    /// `[B][N]`.
    #[inline(always)]
    pub(crate) fn rows(shape: Shape, start: *const f32, ld: usize) -> Result<Self, Refused> {
        Self::required(start, rows_span(shape, ld).ok_or(Refused::Stride)?)
    }

    /// `[B][S][N]`, or one gradient for all samples of a row.
    #[inline(always)]
    pub(crate) fn gradients(
        shape: Shape,
        start: *const f32,
        row_stride: usize,
        sample_stride: usize,
    ) -> Result<Self, Refused> {
        Self::required(start, dz_span(shape, row_stride, sample_stride).ok_or(Refused::Stride)?)
    }
}

/// The part of the workspace that is used.
pub(crate) fn workspace(needed: usize, work: *mut f32, work_len: usize) -> Result<Array<f32>, Refused> {
    if !work.is_null() && work_len < needed { Err(Refused::Workspace) } else { Array::required(work, needed) }
}
