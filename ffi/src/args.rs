//! From C pointers to slices. This is the only file that dereferences a pointer.
//!
//! An array changes its type on the way. [`Array`] is an address and a length; it reads nothing. [`check_arrays!`]
//! checks all arrays of a call together and turns each into an [`Output`] or an [`Input`], and only these become
//! slices. An array that was not checked cannot become a slice, and an array that was listed as an input cannot be
//! written. Neither compiles.
//!
//! A body makes slices of its outputs last, when it has read everything else: a struct of the call may lie in an
//! output.

use core::marker::PhantomData;

use crate::spans::{Span, WORD};
use crate::status::Refused;

/// The types that C may hand over. The trait is sealed: nothing outside this crate can name it.
///
/// # Safety
/// Any initialised bytes are a value of the type: it is an integer, a float or a `repr(C)` struct of these.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: a float.
unsafe impl Plain for f32 {}
// SAFETY: an integer.
unsafe impl Plain for u32 {}
// SAFETY: an integer.
unsafe impl Plain for u64 {}

/// A NULL or misaligned pointer points to nothing.
fn usable<T>(pointer: *const T) -> bool {
    !pointer.is_null() && pointer.is_aligned()
}

/// Reads a struct.
///
/// # Safety
/// - A pointer that is aligned and not NULL points to a T.
/// - No other thread writes that T during the call.
pub(crate) unsafe fn read<T: Plain>(pointer: *const T) -> Result<T, Refused> {
    if !usable(pointer) {
        return Err(Refused::Null);
    }
    // SAFETY: the pointer is aligned and not NULL, so it points to a T by the contract above; any bytes are a T.
    Ok(unsafe { pointer.read() })
}

/// Reads a struct that starts with its size.
///
/// # Safety
/// - A pointer that is aligned and not NULL points to a u32, and if that is the size of T, to a T.
/// - No other thread writes that T during the call.
pub(crate) unsafe fn read_sized<T: Plain>(pointer: *const T) -> Result<T, Refused> {
    // SAFETY: the contract above. The size comes first, because a struct of another header may be shorter than T.
    if unsafe { read(pointer.cast::<u32>()) }? as usize != size_of::<T>() {
        return Err(Refused::Version);
    }
    // SAFETY: the contract above.
    unsafe { read(pointer) }
}

/// Writes a struct, unless the pointer is NULL or misaligned.
///
/// # Safety
/// - A pointer that is aligned and not NULL points to a T that may be written.
/// - No other thread reads or writes that T during the call.
pub(crate) unsafe fn write<T: Plain>(pointer: *mut T, value: T) {
    if usable(pointer) {
        // SAFETY: the pointer is aligned and not NULL, so it points to a writable T by the contract above.
        unsafe { pointer.write(value) }
    }
}

/// An array argument before the check: an address and a length, and nothing is known about either. The array is absent
/// if the address is NULL.
pub(crate) struct Array<T> {
    start: *mut T,
    len: usize,
}

impl<T: Plain> Array<T> {
    /// The address of an array that the check refuses, because it is misaligned.
    const REFUSED: *mut T = core::ptr::without_provenance_mut(1);
    /// The address of an array that has no elements and no address of its own.
    const EMPTY: *mut T = core::ptr::dangling_mut();

    /// An array that may be absent.
    pub(crate) fn optional(start: *const T, len: usize) -> Self {
        const { assert!(size_of::<T>().is_multiple_of(WORD) && align_of::<T>().is_multiple_of(WORD)) };
        // The check knows the alignment of words only.
        let aligned = align_of::<T>() == WORD || start.is_aligned();
        Array { start: if aligned { start.cast_mut() } else { Self::REFUSED }, len }
    }

    /// An array that must be there, unless it has no elements.
    pub(crate) fn required(start: *const T, len: usize) -> Self {
        let missing = if len == 0 { Self::EMPTY } else { Self::REFUSED };
        Self::optional(if start.is_null() { missing } else { start }, len)
    }

    #[inline(always)]
    pub(crate) fn span(&self) -> Span {
        Span { start: self.start.addr(), words: self.len.saturating_mul(size_of::<T>() / WORD) }
    }

    /// The array as an input, for [`check_arrays!`].
    ///
    /// # Safety
    /// - `check_spans` accepted the array together with all other arrays of the call, and it is not among the outputs.
    /// - If it is there, it holds `len` elements that nothing writes while `self` lives.
    #[inline(always)]
    pub(crate) unsafe fn input(&self) -> Input<'_, T> {
        debug_assert!(self.span().end().is_ok(), "an array that was not checked");
        Input { start: self.start, len: self.len, array: PhantomData }
    }

    /// The array as an output, for [`check_arrays!`].
    ///
    /// # Safety
    /// - `check_spans` accepted the array together with all other arrays of the call, and it is among the outputs.
    /// - If it is there, it holds `len` elements that may be written, and nothing else, no second `Output` either,
    ///   reads or writes them while `self` lives.
    #[inline(always)]
    pub(crate) unsafe fn output(&self) -> Output<'_, T> {
        debug_assert!(self.span().end().is_ok(), "an array that was not checked");
        Output { start: self.start, len: self.len, array: PhantomData }
    }
}

/// An array that was checked and may be read. It and its slices live no longer than its [`Array`].
pub(crate) struct Input<'a, T> {
    start: *const T,
    len: usize,
    array: PhantomData<&'a Array<T>>,
}

impl<'a, T: Plain> Input<'a, T> {
    /// The elements of an array that is required.
    #[inline(always)]
    pub(crate) fn slice(self) -> &'a [T] {
        let slice = self.slice_if_any();
        debug_assert!(slice.is_some(), "an array that is required is absent");
        slice.unwrap_or_default()
    }

    /// The elements, if the array is there.
    #[inline(always)]
    pub(crate) fn slice_if_any(self) -> Option<&'a [T]> {
        // SAFETY: the array is aligned, not NULL, at most isize::MAX bytes long, and does not wrap around the address
        // space. Its elements are readable and nothing writes them meanwhile: this is the contract of `Array::input`.
        (!self.start.is_null()).then(|| unsafe { core::slice::from_raw_parts(self.start, self.len) })
    }
}

/// An array that was checked and may be written. It and its slice live no longer than its [`Array`].
pub(crate) struct Output<'a, T> {
    start: *mut T,
    len: usize,
    array: PhantomData<&'a Array<T>>,
}

impl<'a, T: Plain> Output<'a, T> {
    /// The elements of an array that is required.
    #[inline(always)]
    pub(crate) fn slice(self) -> &'a mut [T] {
        let slice = self.slice_if_any();
        debug_assert!(slice.is_some(), "an array that is required is absent");
        slice.unwrap_or_default()
    }

    /// The elements, if the array is there.
    #[inline(always)]
    pub(crate) fn slice_if_any(self) -> Option<&'a mut [T]> {
        // SAFETY: as for an input. Besides, nothing else reads or writes the elements meanwhile: this is the contract
        // of `Array::output`, and `self` is consumed, so there is no second slice.
        (!self.start.is_null()).then(|| unsafe { core::slice::from_raw_parts_mut(self.start, self.len) })
    }
}

/// Checks all arrays of a call together, which are variables of type [`Array`], and gives each variable its new type:
/// [`Output`] or [`Input`]. Returns from the body with an error if an array is misaligned or not addressable, or if an
/// output overlaps another array.
///
/// # Safety
/// The caller of the body keeps the contract of the C ABI for each of the arrays. (The word `unsafe` in front stands
/// for the unsafe block around the call.)
macro_rules! check_arrays {
    (unsafe outputs: [$($output:ident),*], inputs: [$($input:ident),*]) => {
        const OUTPUTS: usize = [$(stringify!($output)),*].len();
        $crate::spans::check_spans(OUTPUTS, [$($output.span(),)* $($input.span()),*])?;
        // SAFETY: the line above checks every array; the rest is the contract of the C ABI.
        $(let $output = unsafe { $output.output() };)*
        // SAFETY: as above.
        $(let $input = unsafe { $input.input() };)*
    };
}
pub(crate) use check_arrays;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "an array that is required is absent")]
    fn an_absent_array_is_no_empty_slice() {
        let absent = Array::<f32>::optional(core::ptr::null(), 3);
        // SAFETY: an array at NULL passes the check and has no elements.
        unsafe { absent.output() }.slice();
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "an array that was not checked")]
    fn an_array_that_fails_the_check_is_no_slice() {
        let misaligned = Array::<f32>::optional(core::ptr::without_provenance(2), 1);
        // SAFETY: none; the assertion stops it before anything is read.
        unsafe { misaligned.input() };
    }
}
