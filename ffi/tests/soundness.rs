//! The overlap rule at its edges: the gaps between the rows of an output belong to it, inputs may share memory, and a
//! struct of the call may lie in an output.

mod common;

use std::ptr;

use common::in_c;
use imle_ffi::*;

const ROWS: usize = 3;
const N: usize = 6;
/// The row stride of theta and grad_theta: half of the matrix is gaps.
const LD: usize = 2 * N;
const SPAN: usize = (ROWS - 1) * LD + N;

const SHAPE: imle_shape = imle_shape { rows: ROWS as u32, n: N as u32, k: 2, samples: 1 };
const KEY: imle_key = imle_key { seed: 1, step: 2, row0: 3, row_ids: ptr::null(), sample0: 0, strata: 0 };

/// The gradient of strided rows: theta, dz and grad_theta start at these elements of one array, options and key may lie
/// anywhere.
fn gradient(
    start: *mut f32,
    [theta, dz, grad_theta]: [usize; 3],
    options: *const imle_options,
    key: *const imle_key,
) -> imle_status {
    let mut work = [0.0; 3 * N];
    // SAFETY: the starts leave room for strided rows, so every pointer is that of an array of the call's shape.
    unsafe {
        imle_topk_gradient(
            &SHAPE,
            ptr::null(),
            options,
            key,
            start.add(theta),
            LD,
            start.add(dz),
            LD,
            0,
            ptr::null(),
            start.add(grad_theta),
            LD,
            ptr::null_mut(),
            work.as_mut_ptr(),
            work.len(),
        )
    }
}

#[test]
fn the_gaps_of_an_output_belong_to_it() {
    let mut memory = [0.5; 3 * SPAN];
    let mut call = |starts| gradient(memory.as_mut_ptr(), starts, &in_c::defaults(), &KEY);
    // theta and dz share a matrix, column block beside column block; the gradient has one of its own.
    assert_eq!(call([0, N, 2 * SPAN]), IMLE_OK);
    assert_eq!(call([0, 0, 2 * SPAN]), IMLE_OK);
    // The gradient in the gaps of an input, and an input in the gaps of the gradient.
    assert_eq!(call([0, 2 * SPAN, N]), IMLE_ERR_OVERLAP);
    assert_eq!(call([N, 2 * SPAN, 0]), IMLE_ERR_OVERLAP);
    assert_eq!(call([2 * SPAN, 0, N]), IMLE_ERR_OVERLAP);
}

#[test]
fn options_and_key_may_lie_in_an_output() {
    const TWO: usize = 2 * SPAN;
    let inputs: [f32; TWO] = std::array::from_fn(|i| (i % 7) as f32 - 3.0);
    let mut apart = [0.0; TWO + SPAN + 1];
    apart[..TWO].copy_from_slice(&inputs);
    let mut inside = apart;
    assert_eq!(gradient(apart.as_mut_ptr(), [0, SPAN, TWO], &in_c::defaults(), &KEY), IMLE_OK);

    // The gradient starts where the key starts, and the options follow the key.
    let start = inside.as_mut_ptr();
    // SAFETY: aligned, and both structs fit into the memory of the gradient.
    let (grad_theta, key, options_in_it) = unsafe {
        let grad_theta = TWO + start.add(TWO).align_offset(align_of::<imle_key>());
        let key = start.add(grad_theta).cast::<imle_key>();
        let behind = key.add(1).cast::<imle_options>();
        key.write(KEY);
        behind.write(in_c::defaults());
        (grad_theta, key, behind)
    };
    assert_eq!(gradient(start, [0, SPAN, grad_theta], options_in_it, key), IMLE_OK);
    assert_eq!(inside[grad_theta..][..N], apart[TWO..][..N]);
}
