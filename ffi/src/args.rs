//! From C pointers to checked views: every pointer that is dereferenced is dereferenced here.
//!
//! Two steps. First every pointer becomes an [`Array`], which knows its address and length and looks at nothing; all
//! of a call's arrays are checked together, and no output may overlap another array. Only then do they become slices: the
//! outputs last, when all else is read, for a struct of the call's may lie in one.
//!
//! What cannot be checked is the caller's promise (see the crate's "Safety"): that non-null pointers point to as many
//! elements as the manual says, and that no other thread interferes. The functions here are given nothing but pointers
//! that come with that promise, so they are safe; each unsafe block says what it adds.

use imle::{Dz, Key, Moments, Options, Rows, RowsMut, Shape, States, dz_span, rows_span};

use crate::abi::{imle_diagnostics, imle_key, imle_options, imle_shape};
use crate::spans::{Span, WORD, check_arrays};
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

/// Rows to be written.
pub(crate) struct RowArray {
    array: Array<f32>,
    ld: usize,
}

impl RowArray {
    /// Call `check_arrays` first.
    pub(crate) fn view_mut<'a>(self) -> RowsMut<'a> {
        RowsMut::strided(self.array.view_mut(), self.ld)
    }
}

/// States to be written.
pub(crate) struct StateArrays {
    z: Array<f32>,
    indices: Array<u32>,
}

impl StateArrays {
    /// Call `check_arrays` first.
    pub(crate) fn view_mut<'a>(self) -> States<'a> {
        States { z: self.z.view_mut_if_any(), indices: self.indices.view_mut_if_any() }
    }
}

/// What the forward functions are given.
pub(crate) struct Forward<'a> {
    pub k_row: Option<&'a [u32]>,
    pub theta: Rows<'a>,
    pub states: StateArrays,
    pub marginals: Array<f32>,
    pub work: Array<f32>,
}

impl Forward<'_> {
    // Inlined on small machines, as the calls are that it is for: there the copies of what is handed over weigh more.
    #[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(always))]
    pub(crate) fn check(
        shape: Shape,
        k_row: *const u32,
        (theta, ld_theta): (*const f32, usize),
        (z, indices): (*mut f32, *mut u32),
        marginals: *mut f32,
        work: Array<f32>,
    ) -> Result<Self, Refused> {
        let states = shape.rows() * shape.samples();
        let k_row = Array::optional(k_row, shape.rows())?;
        let theta = Array::rows(shape, theta, ld_theta)?;
        let z = Array::optional(z, states * shape.n())?;
        let indices = Array::optional(indices, states * shape.k())?;
        let marginals = Array::optional(marginals, shape.rows() * shape.n())?;
        check_arrays(4, &[z.span(), indices.span(), marginals.span(), work.span(), k_row.span(), theta.span()])?;
        Ok(Forward {
            k_row: k_row.view_if_any(),
            theta: Rows::strided(theta.view(), ld_theta),
            states: StateArrays { z, indices },
            marginals,
            work,
        })
    }
}

/// What the gradients are given.
pub(crate) struct Backward<'a> {
    pub k_row: Option<&'a [u32]>,
    pub theta: Rows<'a>,
    pub dz: Dz<'a>,
    pub indices: Option<&'a [u32]>,
    pub grad_theta: RowArray,
    pub diagnostics: Array<imle_diagnostics>,
    pub work: Array<f32>,
}

impl Backward<'_> {
    #[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(always))]
    pub(crate) fn check(
        shape: Shape,
        k_row: *const u32,
        (theta, ld_theta): (*const f32, usize),
        (dz, dz_row_stride, dz_sample_stride): (*const f32, usize, usize),
        indices: *const u32,
        (grad_theta, ld_grad): (*mut f32, usize),
        diagnostics: *mut imle_diagnostics,
        work: Array<f32>,
    ) -> Result<Self, Refused> {
        let k_row = Array::optional(k_row, shape.rows())?;
        let theta = Array::rows(shape, theta, ld_theta)?;
        let dz = Array::gradients(shape, dz, dz_row_stride, dz_sample_stride)?;
        let indices = Array::optional(indices, shape.rows() * shape.samples() * shape.k())?;
        let grad_theta = Array::rows(shape, grad_theta, ld_grad)?;
        let diagnostics = Array::optional(diagnostics, 1)?;
        check_arrays(
            3,
            &[
                grad_theta.span(),
                diagnostics.span(),
                work.span(),
                k_row.span(),
                theta.span(),
                dz.span(),
                indices.span(),
            ],
        )?;
        Ok(Backward {
            k_row: k_row.view_if_any(),
            theta: Rows::strided(theta.view(), ld_theta),
            dz: Dz::strided(dz.view(), dz_row_stride, dz_sample_stride),
            indices: indices.view_if_any(),
            grad_theta: RowArray { array: grad_theta, ld: ld_grad },
            diagnostics,
            work,
        })
    }
}

/// What the check of a batch is given.
pub(crate) struct Inputs<'a> {
    pub k_row: Option<&'a [u32]>,
    pub theta: Rows<'a>,
    pub dz: Option<Dz<'a>>,
    /// The answer.
    pub row: &'a mut [u32],
}

impl Inputs<'_> {
    pub(crate) fn check(
        shape: Shape,
        k_row: *const u32,
        (theta, ld_theta): (*const f32, usize),
        (dz, dz_row_stride, dz_sample_stride): (*const f32, usize, usize),
        row: *mut u32,
    ) -> Result<Self, Refused> {
        let k_row = Array::optional(k_row, shape.rows())?;
        let theta = Array::rows(shape, theta, ld_theta)?;
        let dz = match dz.is_null() {
            true => Array::optional(dz, 0)?,
            false => Array::gradients(shape, dz, dz_row_stride, dz_sample_stride)?,
        };
        let row = Array::required(row, 1)?;
        check_arrays(1, &[row.span(), k_row.span(), theta.span(), dz.span()])?;
        Ok(Inputs {
            k_row: k_row.view_if_any(),
            theta: Rows::strided(theta.view(), ld_theta),
            dz: dz.view_if_any().map(|dz| Dz::strided(dz, dz_row_stride, dz_sample_stride)),
            row: row.view_mut(),
        })
    }
}

/// What the marginals are given.
pub(crate) struct Expected<'a> {
    pub k_row: Option<&'a [u32]>,
    pub theta: Rows<'a>,
    pub moments: Moments<'a>,
    pub work: &'a mut [f32],
}

impl Expected<'_> {
    pub(crate) fn check(
        shape: Shape,
        k_row: *const u32,
        (theta, ld_theta): (*const f32, usize),
        (marginals, log_partition, entropy): (*mut f32, *mut f32, *mut f32),
        work: Array<f32>,
    ) -> Result<Self, Refused> {
        let k_row = Array::optional(k_row, shape.rows())?;
        let theta = Array::rows(shape, theta, ld_theta)?;
        let marginals = Array::optional(marginals, shape.rows() * shape.n())?;
        let log_partition = Array::optional(log_partition, shape.rows())?;
        let entropy = Array::optional(entropy, shape.rows())?;
        check_arrays(
            4,
            &[marginals.span(), log_partition.span(), entropy.span(), work.span(), k_row.span(), theta.span()],
        )?;
        Ok(Expected {
            k_row: k_row.view_if_any(),
            theta: Rows::strided(theta.view(), ld_theta),
            moments: Moments {
                marginals: marginals.view_mut_if_any(),
                log_partition: log_partition.view_mut_if_any(),
                entropy: entropy.view_mut_if_any(),
            },
            work: work.view_mut(),
        })
    }
}

/// What a function of two arrays of rows is given: theta, and v or the scores of another distribution.
pub(crate) struct Pair<'a> {
    pub k_row: Option<&'a [u32]>,
    pub theta: Rows<'a>,
    pub other: Rows<'a>,
    pub out: &'a mut [f32],
    pub work: &'a mut [f32],
}

impl Pair<'_> {
    pub(crate) fn check(
        shape: Shape,
        k_row: *const u32,
        (theta, ld_theta): (*const f32, usize),
        (other, ld_other): (*const f32, usize),
        (out, out_len): (*mut f32, usize),
        work: Array<f32>,
    ) -> Result<Self, Refused> {
        let k_row = Array::optional(k_row, shape.rows())?;
        let theta = Array::rows(shape, theta, ld_theta)?;
        let other = Array::rows(shape, other, ld_other)?;
        let out = Array::required(out, out_len)?;
        check_arrays(2, &[out.span(), work.span(), k_row.span(), theta.span(), other.span()])?;
        Ok(Pair {
            k_row: k_row.view_if_any(),
            theta: Rows::strided(theta.view(), ld_theta),
            other: Rows::strided(other.view(), ld_other),
            out: out.view_mut(),
            work: work.view_mut(),
        })
    }
}

/// What the log-probabilities of states are given.
pub(crate) struct Listed<'a> {
    pub k_row: Option<&'a [u32]>,
    pub theta: Rows<'a>,
    pub indices: &'a [u32],
    pub log_prob: &'a mut [f32],
    pub work: &'a mut [f32],
}

impl Listed<'_> {
    pub(crate) fn check(
        shape: Shape,
        k_row: *const u32,
        (theta, ld_theta): (*const f32, usize),
        indices: *const u32,
        log_prob: *mut f32,
        work: Array<f32>,
    ) -> Result<Self, Refused> {
        let states = shape.rows() * shape.samples();
        let k_row = Array::optional(k_row, shape.rows())?;
        let theta = Array::rows(shape, theta, ld_theta)?;
        let indices = Array::required(indices, states * shape.k())?;
        let log_prob = Array::required(log_prob, states)?;
        check_arrays(2, &[log_prob.span(), work.span(), k_row.span(), theta.span(), indices.span()])?;
        Ok(Listed {
            k_row: k_row.view_if_any(),
            theta: Rows::strided(theta.view(), ld_theta),
            indices: indices.view(),
            log_prob: log_prob.view_mut(),
            work: work.view_mut(),
        })
    }
}

/// What the Fenchel-Young losses are given.
pub(crate) struct Observed<'a> {
    pub k_row: Option<&'a [u32]>,
    pub theta: Rows<'a>,
    pub y: Rows<'a>,
    pub loss: Array<f32>,
    pub grad_theta: RowArray,
    pub work: Array<f32>,
}

impl Observed<'_> {
    pub(crate) fn check(
        shape: Shape,
        k_row: *const u32,
        (theta, ld_theta): (*const f32, usize),
        (y, ld_y): (*const f32, usize),
        loss: *mut f32,
        (grad_theta, ld_grad): (*mut f32, usize),
        work: Array<f32>,
    ) -> Result<Self, Refused> {
        let k_row = Array::optional(k_row, shape.rows())?;
        let theta = Array::rows(shape, theta, ld_theta)?;
        let y = Array::rows(shape, y, ld_y)?;
        let loss = Array::required(loss, shape.rows())?;
        let grad_theta = Array::rows(shape, grad_theta, ld_grad)?;
        check_arrays(3, &[loss.span(), grad_theta.span(), work.span(), k_row.span(), theta.span(), y.span()])?;
        Ok(Observed {
            k_row: k_row.view_if_any(),
            theta: Rows::strided(theta.view(), ld_theta),
            y: Rows::strided(y.view(), ld_y),
            loss,
            grad_theta: RowArray { array: grad_theta, ld: ld_grad },
            work,
        })
    }
}

/// What the score functions of listed states are given.
pub(crate) struct Scored<'a> {
    pub k_row: Option<&'a [u32]>,
    pub theta: Rows<'a>,
    pub indices: &'a [u32],
    pub losses: &'a [f32],
    pub grad_theta: RowsMut<'a>,
}

impl Scored<'_> {
    pub(crate) fn check(
        shape: Shape,
        k_row: *const u32,
        (theta, ld_theta): (*const f32, usize),
        indices: *const u32,
        losses: *const f32,
        (grad_theta, ld_grad): (*mut f32, usize),
    ) -> Result<Self, Refused> {
        let states = shape.rows() * shape.samples();
        let k_row = Array::optional(k_row, shape.rows())?;
        let theta = Array::rows(shape, theta, ld_theta)?;
        let indices = Array::required(indices, states * shape.k())?;
        let losses = Array::required(losses, states)?;
        let grad_theta = Array::rows(shape, grad_theta, ld_grad)?;
        check_arrays(1, &[grad_theta.span(), k_row.span(), theta.span(), indices.span(), losses.span()])?;
        Ok(Scored {
            k_row: k_row.view_if_any(),
            theta: Rows::strided(theta.view(), ld_theta),
            indices: indices.view(),
            losses: losses.view(),
            grad_theta: RowsMut::strided(grad_theta.view_mut(), ld_grad),
        })
    }
}
