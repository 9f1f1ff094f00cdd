//! Every function and every argument against every kind of bad input, by a table: the status it gives, and that no
//! output is touched. A function is declared by its argument names, and the name says what an argument is
//! (`ARGUMENTS`); a row of the table changes one argument of every function that has it.

mod call;

use call::{ANY_OF, ARGUMENTS, Call, FUNCTIONS, Function, K, Kind, N, ROWS, SAMPLES};
use imle_ffi::*;

/// Calls and expects a status; after an error every output is what it was.
fn expect(function: &Function, what: &str, status: imle_status, change: impl FnOnce(&mut Call)) {
    let mut call = Call::new(function);
    change(&mut call);
    let before = call.outputs();
    assert_eq!(call.run(), status, "{}: {what}", function.name);
    if status != IMLE_OK {
        assert!(call.outputs() == before, "{}: {what}: an output was written", function.name);
    }
}

/// The functions that have an argument.
fn having(argument: &'static str) -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter().filter(move |function| function.arguments.contains(&argument))
}

fn pointers(function: &Function) -> impl Iterator<Item = &'static str> + '_ {
    ARGUMENTS
        .iter()
        .filter(|(name, kind)| kind.is_pointer() && function.arguments.contains(name))
        .map(|&(name, _)| name)
}

#[test]
fn good_input_is_accepted() {
    for function in FUNCTIONS {
        expect(function, "good input", IMLE_OK, |_| ());
    }
}

#[test]
fn null_is_refused_where_it_is_not_allowed() {
    for function in FUNCTIONS {
        for name in pointers(function) {
            let status = if function.may_be_null(name) { IMLE_OK } else { IMLE_ERR_NULL };
            expect(function, &format!("{name} NULL"), status, |call| call.set_null(name));
        }
        if function.arguments.iter().any(|name| ANY_OF.contains(name)) {
            expect(function, "no output", IMLE_ERR_NULL, |call| {
                ANY_OF.into_iter().for_each(|name| call.set_null(name))
            });
        }
    }
}

#[test]
fn misaligned_pointers_are_refused() {
    for function in FUNCTIONS {
        for name in pointers(function) {
            let kind = Kind::of(name);
            for offset in 1..kind.alignment() {
                let what = format!("{name} {offset} bytes off");
                expect(function, &what, IMLE_ERR_NULL, |call| call.offset(name, offset));
            }
        }
    }
}

/// Every output on every other array: on its first byte, on its last element, and just behind it.
#[test]
fn overlap_is_refused() {
    for function in FUNCTIONS {
        let arrays = || pointers(function).filter(|name| !matches!(Kind::of(name), Kind::Struct(_) | Kind::State(_)));
        for output in arrays().filter(|name| matches!(Kind::of(name), Kind::Output(_) | Kind::Work)) {
            for other in arrays().filter(|&other| other != output) {
                let alignment = Kind::of(output).alignment();
                let extent = Call::extent(function, other);
                let last = (extent - 1) / alignment * alignment;
                let behind = extent.next_multiple_of(alignment);
                for (offset, status) in [(0, IMLE_ERR_OVERLAP), (last, IMLE_ERR_OVERLAP), (behind, IMLE_OK)] {
                    let what = format!("{output} at byte {offset} of {other}");
                    expect(function, &what, status, |call| call.place(output, other, offset));
                }
            }
        }
    }
}

/// An index list of no entries overlaps nothing, wherever it is.
#[test]
fn empty_arrays_overlap_nothing() {
    for function in having("indices").filter(|function| function.arguments.contains(&"k_row")) {
        expect(function, "k = 0", IMLE_OK, |call| {
            call.shape().k = 0;
            call.array::<u32>("k_row").fill(0);
            call.place("indices", "theta", 4);
        });
    }
}

#[test]
fn sizes_out_of_range_are_refused() {
    let max = u32::MAX;
    let shape = |rows, n, k, samples| imle_shape { rows, n, k, samples };
    for function in having("shape") {
        let argmax = function.name.starts_with("imle_argmax");
        for bad in [
            shape(0, 5, 1, 1),
            shape(1, 0, 0, 1),
            shape(1, 0, 1, 1),
            shape(1, 1, 2, 1),
            shape(1, 5, max, 1),
            shape(max, max, 1, 1),
            shape(1 << 31, 1 << 31, 1, 1),
        ] {
            expect(function, &format!("{bad:?}"), IMLE_ERR_SHAPE, |call| *call.shape() = bad);
        }
        if function.compares_samples() {
            expect(function, "one sample", IMLE_ERR_SHAPE, |call| call.shape().samples = 1);
        }
        for samples in [0, (1 << 24) + 1, max] {
            let status = if function.ignores_samples() { IMLE_OK } else { IMLE_ERR_SHAPE };
            expect(function, &format!("{samples} samples"), status, |call| call.shape().samples = samples);
        }
        for k in [0, 2] {
            let status = if argmax { IMLE_ERR_SHAPE } else { IMLE_OK };
            expect(function, &format!("k = {k}"), status, |call| {
                call.shape().k = k;
                call.set_null("k_row");
            });
        }
    }
    for function in having("k_row").filter(|function| !function.name.ends_with("find_bad_row")) {
        for k in [K + 1, max] {
            let row = ROWS as usize - 1;
            expect(function, "k_row above k", IMLE_ERR_SHAPE, |call| call.array::<u32>("k_row")[row] = k);
        }
    }
}

#[test]
fn strides_out_of_range_are_refused() {
    let n = N as usize;
    // Short, beyond usize, and beyond isize::MAX bytes.
    let bad = [1, n - 1, usize::MAX, usize::MAX / 2, isize::MAX as usize / 4, isize::MAX as usize / 8 + 1];
    for name in ["ld_theta", "ld_grad", "ld_v", "ld_other", "ld_y", "dz_row_stride", "dz_sample_stride"] {
        for function in having(name) {
            for stride in bad {
                expect(function, &format!("{name} {stride}"), IMLE_ERR_STRIDE, |call| call.set(name, stride));
            }
        }
    }
}

#[test]
fn a_short_workspace_is_refused() {
    for function in having("work_len") {
        let needed = Call::new(function).get_number("work_len");
        for short in [0, 1, needed - 1] {
            let what = format!("work_len {short}");
            expect(function, &what, IMLE_ERR_WORKSPACE, |call| call.set("work_len", short));
        }
        expect(function, "work_len beyond memory", IMLE_OK, |call| call.set("work_len", usize::MAX));
    }
}

#[test]
fn options_out_of_range_are_refused() {
    const COMBINATORIAL: u32 = IMLE_TARGET_COMBINATORIAL;
    type Change = fn(&mut imle_options);
    let unknown: [Change; 7] = [
        |o| o.noise = 5,
        |o| o.noise = u32::MAX,
        |o| o.target = 2,
        |o| o.target = u32::MAX,
        |o| o.difference = 2,
        |o| o.scale = 2,
        |o| (o.target, o.difference) = (COMBINATORIAL, IMLE_DIFFERENCE_CENTRAL),
    ];
    let out_of_range: [Change; 12] = [
        |o| o.temperature = -1.0,
        |o| o.temperature = f32::NAN,
        |o| o.temperature = f32::INFINITY,
        |o| o.target_temperature = -1.0,
        |o| o.target_temperature = f32::NAN,
        |o| o.target_temperature = f32::INFINITY,
        |o| o.alpha = f32::NAN,
        |o| o.alpha = f32::NEG_INFINITY,
        |o| o.lambda = 0.0,
        |o| o.lambda = -1.0,
        |o| o.lambda = f32::NAN,
        |o| o.lambda = f32::INFINITY,
    ];
    let sum_of_gamma: [Change; 6] = [
        |o| o.sog_terms = 0,
        |o| o.sog_kappa = -1.0,
        |o| o.sog_kappa = 0.5,
        |o| o.sog_kappa = 65_537.0,
        |o| o.sog_kappa = f32::NAN,
        |o| o.sog_kappa = f32::INFINITY,
    ];
    let size = size_of::<imle_options>() as u32;
    for function in having("options") {
        for (i, change) in sum_of_gamma.iter().enumerate() {
            expect(function, &format!("option {i} of Sum-of-Gamma"), IMLE_ERR_OPTION, |call| {
                call.options().noise = IMLE_NOISE_SUM_OF_GAMMA;
                change(call.options());
            });
            expect(function, &format!("option {i} of another law"), IMLE_OK, |call| change(call.options()));
        }
        for (i, change) in unknown.iter().chain(&out_of_range).enumerate() {
            expect(function, &format!("option {i}"), IMLE_ERR_OPTION, |call| change(call.options()));
        }
        for bad in [0, 1, size - 4, size + 4, u32::MAX] {
            let what = format!("struct_size {bad}");
            expect(function, &what, IMLE_ERR_VERSION, |call| call.options().struct_size = bad);
        }
        expect(function, "reserved options", IMLE_OK, |call| {
            (call.options().sog_terms, call.options().sog_kappa) = (u32::MAX, f32::NAN);
        });
    }
    let no_density: [Change; 3] = [|o| o.noise = IMLE_NOISE_NONE, |o| o.temperature = 0.0, |o| o.temperature = 2.9e-39];
    for function in having("options").filter(|function| function.compares_samples()) {
        for (i, change) in no_density.iter().enumerate() {
            expect(function, &format!("no density {i}"), IMLE_ERR_OPTION, |call| change(call.options()));
        }
    }
    for function in having("side") {
        for side in [0, 2, -2, i32::MIN, i32::MAX] {
            expect(function, &format!("side {side}"), IMLE_ERR_OPTION, |call| call.side = side);
        }
        for (side, status) in [(1, IMLE_OK), (-1, IMLE_ERR_OPTION)] {
            expect(function, "combinatorial target", status, |call| {
                call.options().target = COMBINATORIAL;
                call.side = side;
            });
        }
    }
}

#[test]
fn adaptive_states_out_of_range_are_refused() {
    type Change = fn(&mut imle_adaptive);
    const NAN: f32 = f32::NAN;
    const INF: f32 = f32::INFINITY;
    let bad: [Change; 22] = [
        |s| s.rule = 2,
        |s| s.rule = u32::MAX,
        |s| s.a = -1.0,
        |s| s.a = NAN,
        |s| s.a = INF,
        |s| s.a = 0.0,
        |s| s.g = -1.0,
        |s| s.g = NAN,
        |s| s.previous = NAN,
        |s| s.previous = INF,
        |s| s.step = 0.0,
        |s| s.step = NAN,
        |s| s.step = INF,
        |s| s.momentum = 0.5,
        |s| (s.rule, s.momentum) = (IMLE_ADAPTIVE_ADDITIVE, 1.0),
        |s| (s.rule, s.momentum) = (IMLE_ADAPTIVE_ADDITIVE, -0.5),
        |s| s.momentum = NAN,
        |s| s.decay = 1.0,
        |s| s.decay = -0.5,
        |s| s.decay = NAN,
        |s| s.target = 0.0,
        |s| s.target = INF,
    ];
    let size = size_of::<imle_adaptive>() as u32;
    for name in ["adaptive", "state"] {
        for function in having(name) {
            for (i, change) in bad.iter().enumerate() {
                expect(function, &format!("field {i}"), IMLE_ERR_OPTION, |call| change(call.adaptive(name)));
            }
            for bad in [0, 1, size - 4, size + 4, u32::MAX] {
                let what = format!("struct_size {bad}");
                expect(function, &what, IMLE_ERR_VERSION, |call| call.adaptive(name).struct_size = bad);
            }
            expect(function, "additive", IMLE_OK, |call| {
                let additive = call.adaptive(name);
                (additive.rule, additive.a, additive.momentum) = (IMLE_ADAPTIVE_ADDITIVE, 0.0, 0.5);
            });
        }
    }
    for function in having("counts") {
        let nothing = imle_diagnostics { states: 0, unchanged: 0, nonzeros: 0 };
        expect(function, "no states", IMLE_ERR_SHAPE, |call| call.array("counts")[0] = nothing);
    }
}

#[test]
fn lengths_beyond_memory_are_refused() {
    for name in ["theta_len", "dz_len"] {
        for function in having(name) {
            for len in [usize::MAX, isize::MAX as usize / 4 + 1] {
                expect(function, &format!("{name} {len}"), IMLE_ERR_STRIDE, |call| call.set(name, len));
            }
            expect(function, "an empty array", IMLE_OK, |call| call.set(name, 0));
        }
    }
}

#[test]
fn a_temperature_out_of_range_is_refused() {
    // The inverse of the last is not finite.
    let bad = [0.0, -0.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 2.9e-39];
    for function in having("temperature") {
        for temperature in bad {
            let what = format!("temperature {temperature}");
            expect(function, &what, IMLE_ERR_OPTION, |call| call.temperature = temperature);
        }
        for temperature in [3e-39, f32::MAX] {
            expect(function, &format!("temperature {temperature}"), IMLE_OK, |call| call.temperature = temperature);
        }
    }
}

/// Bad data in row 1: row 0 is what it is without, the rest is untouched.
#[test]
fn bad_data_stops_at_its_row() {
    const NAN: f32 = f32::NAN;
    const INF: f32 = f32::INFINITY;
    let n = N as usize;
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
        for function in having(name).filter(asks_for_a_state).filter(names_it) {
            stops_at_row_1(function, status, |call| {
                call.array::<f32>(name)[start..][..bad.len()].copy_from_slice(&bad)
            });
        }
    }
}

/// Index lists that are no states of row 1.
#[test]
fn lists_that_are_no_states_are_refused() {
    for function in having("lists") {
        for index in [N, u32::MAX - 1, u32::MAX] {
            let start = if function.chooses_one() { SAMPLES } else { SAMPLES * K } as usize;
            stops_at_row_1(function, IMLE_ERR_INFEASIBLE, |call| call.array::<u32>("lists")[start] = index);
        }
    }
    for function in having("lists").filter(|function| !function.chooses_one()) {
        let start = (SAMPLES * K) as usize;
        for list in [[1, 1], [2, 1]] {
            let change = |call: &mut Call| call.array::<u32>("lists")[start..][..2].copy_from_slice(&list);
            stops_at_row_1(function, IMLE_ERR_INFEASIBLE, change);
        }
    }
}

fn stops_at_row_1(function: &Function, status: imle_status, change: impl FnOnce(&mut Call)) {
    let mut good = Call::new(function);
    assert_eq!(good.run(), IMLE_OK);
    let mut bad = Call::new(function);
    change(&mut bad);
    let untouched = bad.outputs();
    assert_eq!(bad.run(), status, "{}", function.name);
    for ((name, after), (before, complete)) in bad.outputs().iter().zip(untouched.values().zip(good.outputs().values()))
    {
        // diagnostics and the answer of a check belong to no row
        let row_0 = Call::row_bytes(function, name).unwrap_or(0);
        assert!(after[..row_0] == complete[..row_0], "{}: {name}: row 0 is not complete", function.name);
        assert!(after[row_0..] == before[row_0..], "{}: {name}: written beyond row 0", function.name);
    }
}

#[test]
fn the_first_bad_row_is_named() {
    type Change = fn(&mut Call);
    let n = N as usize;
    assert_eq!((n, SAMPLES), (6, 2), "the changes below know the sizes");
    let changes: [(&str, u32, Change); 7] = [
        ("nothing", ROWS, |_| ()),
        ("NaN in theta", 1, |call| call.array::<f32>("theta")[6] = f32::NAN),
        ("no unmasked entry", 2, |call| call.array::<f32>("theta")[12..].fill(f32::NEG_INFINITY)),
        ("inf in dz", 1, |call| call.array::<f32>("dz_or_null")[23] = f32::INFINITY),
        ("inf in dz, which is not looked at", ROWS, |call| {
            call.array::<f32>("dz_or_null")[23] = f32::INFINITY;
            call.set_null("dz_or_null");
        }),
        ("inf in dz of another sample, shared dz", ROWS, |call| {
            call.array::<f32>("dz_or_null")[23] = f32::INFINITY;
            call.set("dz_sample_stride", 0);
        }),
        ("two bad rows", 0, |call| {
            call.array::<f32>("theta")[6] = f32::NAN;
            call.array::<f32>("dz_or_null")[0] = f32::NAN;
        }),
    ];
    for function in having("row") {
        for (what, row, change) in &changes {
            names_row(function, what, *row, change);
        }
    }
    let k_row: [(&str, u32, Change); 4] = [
        ("k above the shape's", 1, |call| call.array::<u32>("k_row")[1] = 7),
        ("k above the shape's in row 0", 0, |call| call.array::<u32>("k_row")[0] = 7),
        ("before a NaN", 1, |call| {
            call.array::<u32>("k_row")[1] = 7;
            call.array::<f32>("theta")[12] = f32::NAN;
        }),
        ("after a NaN", 0, |call| {
            call.array::<u32>("k_row")[1] = 7;
            call.array::<f32>("theta")[0] = f32::NAN;
        }),
    ];
    for function in having("row").filter(|function| function.arguments.contains(&"k_row")) {
        for (what, row, change) in &k_row {
            names_row(function, what, *row, change);
        }
    }
}

fn names_row(function: &Function, what: &str, row: u32, change: &dyn Fn(&mut Call)) {
    let mut call = Call::new(function);
    change(&mut call);
    assert_eq!(call.run(), IMLE_OK, "{}: {what}", function.name);
    assert_eq!(call.array::<u32>("row")[0], row, "{}: {what}", function.name);
}

#[test]
fn functions_without_a_status_survive_null() {
    unsafe {
        imle_options_default(std::ptr::null_mut());
        imle_adaptive_default(std::ptr::null_mut());
        assert_eq!(imle_topk_workspace_len(std::ptr::null()), 0);
        assert_eq!(imle_argmax_workspace_len(std::ptr::null()), 0);
        assert_eq!(imle_topk_exact_workspace_len(std::ptr::null()), 0);
        assert_eq!(imle_argmax_exact_workspace_len(std::ptr::null()), 0);
    }
}

#[test]
fn workspaces_are_measured() {
    let shape = |rows, n, k, samples| imle_shape { rows, n, k, samples };
    // (n + 12)(k + 1) + 3n + 136 and n for the exact functions
    for (shape, topk, argmax, topk_exact, argmax_exact) in [
        (shape(1, 5, 2, 1), 15, 0, 202, 0),
        (shape(900, 5, 1, 1 << 24), 15, 15, 185, 5),
        (shape(1, 5, 5, 0), 15, 0, 253, 0),
        (shape(1, 5, 0, 1), 15, 0, 168, 0),
        (shape(1, 5, 6, 1), 0, 0, 0, 0),
        (shape(1, 0, 0, 1), 0, 0, 0, 0),
        (shape(0, 5, 1, 1), 0, 0, 0, 0),
        (shape(u32::MAX, u32::MAX, 1, 1), 0, 0, 0, 0),
    ] {
        assert_eq!(unsafe { imle_topk_workspace_len(&shape) }, topk, "{shape:?}");
        assert_eq!(unsafe { imle_argmax_workspace_len(&shape) }, argmax, "{shape:?}");
        assert_eq!(unsafe { imle_topk_exact_workspace_len(&shape) }, topk_exact, "{shape:?}");
        assert_eq!(unsafe { imle_argmax_exact_workspace_len(&shape) }, argmax_exact, "{shape:?}");
    }
    // A batch that can be addressed, with a table that cannot.
    let large = shape(1, u32::MAX, u32::MAX, 1);
    assert_eq!(unsafe { imle_topk_exact_workspace_len(&large) }, 0);
}

#[test]
fn every_status_has_a_message_of_its_own() {
    let message = |status| unsafe { std::ffi::CStr::from_ptr(imle_status_message(status)) };
    let messages: std::collections::BTreeSet<_> = (IMLE_ERR_VERSION..=IMLE_OK).map(message).collect();
    assert_eq!(messages.len(), 10);
    for unknown in [1, -10, i32::MIN, i32::MAX] {
        assert_eq!(message(unknown), c"unknown status");
    }
}
