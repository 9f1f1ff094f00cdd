//! The arrays that the functions are given, those of a call checked together.

use imle::{Dz, Moments, Rows, RowsMut, Shape, States};

use crate::abi::imle_diagnostics;
use crate::args::Array;
use crate::spans::check_arrays;
use crate::status::Refused;

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
