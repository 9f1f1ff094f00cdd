//! Bad values in arrays, for every function that takes the array: the status, the rows that are complete, and the row
//! that is named.

mod common;

use common::calls::{Call, Function, K, NS, ROWS, SAMPLES, having};
use imle_ffi::*;

/// The rows of trees.
const SQUARES: [usize; 2] = [9, 196];

#[test]
fn bad_data_stops_at_its_row() {
    [NS, SQUARES].into_iter().flatten().for_each(bad_data_stops_at_its_row_of);
}

fn bad_data_stops_at_its_row_of(n: usize) {
    const NAN: f32 = f32::NAN;
    const INF: f32 = f32::INFINITY;
    let row = |len: usize, x: f32| vec![x; len];
    for (name, start, bad, status) in [
        ("theta", n + 2, row(1, NAN), IMLE_ERR_NONFINITE),
        ("theta", n, row(1, INF), IMLE_ERR_NONFINITE),
        ("theta", n, row(n, -INF), IMLE_ERR_INFEASIBLE),
        ("theta_other", n + 2, row(1, NAN), IMLE_ERR_NONFINITE),
        ("theta_other", n, row(1, INF), IMLE_ERR_NONFINITE),
        ("theta_other", n, row(n, -INF), IMLE_ERR_INFEASIBLE),
        ("v", 2 * n - 1, row(1, NAN), IMLE_ERR_NONFINITE),
        ("v", n, row(1, -INF), IMLE_ERR_NONFINITE),
        ("weights", K as usize + 1, row(1, NAN), IMLE_ERR_NONFINITE),
        ("weights", 2 * K as usize + 1, row(1, -INF), IMLE_ERR_NONFINITE),
        ("y", 2 * n - 1, row(1, NAN), IMLE_ERR_NONFINITE),
        ("y", n, row(1, -INF), IMLE_ERR_NONFINITE),
        ("losses", SAMPLES as usize, row(1, NAN), IMLE_ERR_NONFINITE),
        ("losses", 2 * SAMPLES as usize - 1, row(1, INF), IMLE_ERR_NONFINITE),
        ("dz", n * SAMPLES as usize, row(1, NAN), IMLE_ERR_NONFINITE),
        ("dz", 2 * n * SAMPLES as usize - 1, row(1, -INF), IMLE_ERR_NONFINITE),
        ("z_in", n * SAMPLES as usize, row(1, INF), IMLE_ERR_NONFINITE),
        ("z_target", n * SAMPLES as usize, row(1, NAN), IMLE_ERR_NONFINITE),
    ] {
        let asks_for_a_state = |function: &&Function| status != IMLE_ERR_INFEASIBLE || function.chooses();
        let names_it = |function: &&Function| !function.name.ends_with("find_bad_row");
        for function in having(name).filter(asks_for_a_state).filter(names_it).filter(|f| f.ns().contains(&n)) {
            stops_at_row_1(function, n, status, |call| {
                call.array::<f32>(name)[start..][..bad.len()].copy_from_slice(&bad)
            });
        }
    }
}

/// The lists of row 1 are not states.
#[test]
fn lists_that_are_no_states_are_refused() {
    for n in [NS, SQUARES].into_iter().flatten() {
        for function in having("lists").filter(|function| function.ns().contains(&n)) {
            for index in [n as u32, u32::MAX - 1, u32::MAX] {
                let start = (SAMPLES * function.k(n)) as usize;
                stops_at_row_1(function, n, IMLE_ERR_INFEASIBLE, |call| call.array::<u32>("lists")[start] = index);
            }
        }
        let several = |function: &&Function| !function.chooses_one() && function.ns().contains(&n);
        for function in having("lists").filter(several) {
            let start = (SAMPLES * function.k(n)) as usize;
            for list in [[1, 1], [2, 1]] {
                let change = |call: &mut Call| call.array::<u32>("lists")[start..][..2].copy_from_slice(&list);
                stops_at_row_1(function, n, IMLE_ERR_INFEASIBLE, change);
            }
        }
    }
}

/// After a change in row 1, the outputs of row 0 are those of the good call, and all others are untouched.
fn stops_at_row_1(function: &'static Function, n: usize, status: imle_status, change: impl FnOnce(&mut Call)) {
    let mut good = Call::new(function, n);
    assert_eq!(good.run(), IMLE_OK);
    let mut bad = Call::new(function, n);
    change(&mut bad);
    let untouched = bad.outputs();
    assert_eq!(bad.run(), status, "{}, n {n}", function.name);
    for ((name, after), (before, complete)) in bad.outputs().iter().zip(untouched.values().zip(good.outputs().values()))
    {
        // Diagnostics and the answer of a check belong to no row.
        let row_0 = good.row_bytes(name).unwrap_or(0);
        assert!(after[..row_0] == complete[..row_0], "{}: {name}: row 0 is not complete", function.name);
        assert!(after[row_0..] == before[row_0..], "{}: {name}: written beyond row 0", function.name);
    }
}

#[test]
fn the_first_bad_row_is_named() {
    type Change = fn(&mut Call);
    let changes: [(&str, u32, Change); 7] = [
        ("nothing", ROWS, |_| ()),
        ("NaN in theta", 1, |call| *first_theta(call, 1) = f32::NAN),
        ("no unmasked entry", 2, |call| {
            let n = call.n;
            call.array::<f32>("theta")[2 * n..].fill(f32::NEG_INFINITY);
        }),
        ("inf in dz", 1, |call| *last_dz_of_row_1(call) = f32::INFINITY),
        ("inf in dz, which is not given", ROWS, |call| {
            *last_dz_of_row_1(call) = f32::INFINITY;
            call.set_null("dz_or_null");
        }),
        ("inf in dz of another sample, shared dz", ROWS, |call| {
            *last_dz_of_row_1(call) = f32::INFINITY;
            call.set("dz_sample_stride", 0);
        }),
        ("two bad rows", 0, |call| {
            *first_theta(call, 1) = f32::NAN;
            call.array::<f32>("dz_or_null")[0] = f32::NAN;
        }),
    ];
    for function in having("row") {
        for (what, row, change) in &changes {
            names_row(function, what, *row, change);
        }
    }
    let k_row: [(&str, u32, Change); 4] = [
        ("k above the shape's", 1, |call| size_of_row(call, 1)),
        ("k above the shape's in row 0", 0, |call| size_of_row(call, 0)),
        ("before a NaN", 1, |call| {
            size_of_row(call, 1);
            *first_theta(call, 2) = f32::NAN;
        }),
        ("after a NaN", 0, |call| {
            size_of_row(call, 1);
            *first_theta(call, 0) = f32::NAN;
        }),
    ];
    for function in having("row").filter(|function| !function.chooses_one()) {
        for (what, row, change) in &k_row {
            names_row(function, what, *row, change);
        }
    }
}

/// Makes k_row and n_row of a row too large.
fn size_of_row(call: &mut Call, row: usize) {
    ["k_row", "n_row"].into_iter().for_each(|name| call.array::<u32>(name)[row] = 77);
}

fn first_theta(call: &mut Call, row: usize) -> &mut f32 {
    let n = call.n;
    &mut call.array::<f32>("theta")[row * n]
}

fn last_dz_of_row_1(call: &mut Call) -> &mut f32 {
    let end = 2 * SAMPLES as usize * call.n;
    &mut call.array::<f32>("dz_or_null")[end - 1]
}

fn names_row(function: &'static Function, what: &str, row: u32, change: &dyn Fn(&mut Call)) {
    for n in function.ns() {
        let mut call = Call::new(function, n);
        change(&mut call);
        assert_eq!(call.run(), IMLE_OK, "{}, n {n}: {what}", function.name);
        assert_eq!(call.array::<u32>("row")[0], row, "{}, n {n}: {what}", function.name);
    }
}
