//! Every function and every argument against every kind of bad argument, by a table: the status, and that no output is
//! written. A function is declared by the names of its arguments, and the name says what an argument is (`arguments`). A
//! row of the table changes one argument of every function that has it. tests/bad_data.rs has the bad values in arrays.

mod common;

use common::bad_options::bad_options;
use common::calls::{ANY_OF, Call, FUNCTIONS, Function, K, Kind, ROWS, arguments, having};
use common::{in_c, trees};
use imle::Noise;
use imle_ffi::*;

/// Calls with a short row and with a long one, and expects a status. After an error every output is what it was.
fn expect(function: &'static Function, what: &str, status: imle_status, change: impl Fn(&mut Call)) {
    for n in function.ns() {
        let mut call = Call::new(function, n);
        change(&mut call);
        let before = call.outputs();
        assert_eq!(call.run(), status, "{}, n {n}: {what}", function.name);
        if status != IMLE_OK {
            assert!(call.outputs() == before, "{}, n {n}: {what}: an output was written", function.name);
        }
    }
}

fn pointers(function: &Function) -> impl Iterator<Item = &'static str> + '_ {
    let is_pointer = |&(name, kind): &(&str, Kind)| kind.is_pointer() && function.arguments.contains(&name);
    arguments().filter(is_pointer).map(|(name, _)| name)
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

/// Every output overlaps every other array, in its first byte or in its last element, or lies just behind it.
#[test]
fn overlap_is_refused() {
    // From the extent of the other array and the alignment of the output.
    type Place = fn(usize, usize) -> usize;
    let places: [(Place, imle_status); 3] = [
        (|_, _| 0, IMLE_ERR_OVERLAP),
        (|extent, alignment| (extent - 1) / alignment * alignment, IMLE_ERR_OVERLAP),
        (|extent, alignment| extent.next_multiple_of(alignment), IMLE_OK),
    ];
    for function in FUNCTIONS {
        let arrays = || pointers(function).filter(|name| !matches!(Kind::of(name), Kind::Struct(_) | Kind::State(_)));
        for output in arrays().filter(|name| matches!(Kind::of(name), Kind::Output(_) | Kind::Work)) {
            for other in arrays().filter(|&other| other != output) {
                for (i, (place, status)) in places.into_iter().enumerate() {
                    expect(function, &format!("{output} at place {i} of {other}"), status, |call| {
                        call.place(output, other, place(call.extent(other), Kind::of(output).alignment()));
                    });
                }
            }
        }
    }
}

/// The first argument is checked first, so a wrong k is named whatever else is wrong.
#[test]
fn argmax_names_a_wrong_k_before_all_other_faults() {
    for function in having("shape").filter(|function| function.chooses_one()) {
        for k in [0, 2] {
            let wrong_k = |call: &mut Call| call.shape().k = k;
            let outputs = || pointers(function).filter(|name| matches!(Kind::of(name), Kind::Output(_) | Kind::Work));
            for output in outputs() {
                expect(function, &format!("k = {k}, {output} overlaps theta"), IMLE_ERR_SHAPE, |call| {
                    wrong_k(call);
                    call.place(output, "theta", 0);
                });
            }
            for name in pointers(function).filter(|&name| name != "shape") {
                expect(function, &format!("k = {k}, {name} is NULL"), IMLE_ERR_SHAPE, |call| {
                    wrong_k(call);
                    call.set_null(name);
                });
            }
            if function.arguments.contains(&"options") {
                expect(function, &format!("k = {k}, wrong options"), IMLE_ERR_SHAPE, |call| {
                    wrong_k(call);
                    call.options().struct_size = 0;
                });
            }
        }
    }
}

/// A call for no rows needs no array and no workspace and writes nothing but counts of zero.
#[test]
fn a_batch_without_rows_is_empty() {
    let no_rows = |call: &mut Call| {
        call.shape().rows = 0;
        call.set("work_len", 0);
        for (name, kind) in arguments() {
            if kind.is_pointer() && !matches!(kind, Kind::Struct(_)) && name != "row" && name != "diagnostics" {
                call.set_null(name);
            }
        }
    };
    for function in having("shape") {
        for n in function.ns() {
            let mut call = Call::new(function, n);
            no_rows(&mut call);
            let mut expected = call.outputs();
            assert_eq!(call.run(), IMLE_OK, "{}", function.name);
            for (name, bytes) in [("row", 4), ("diagnostics", size_of::<imle_diagnostics>())] {
                if function.arguments.contains(&name) {
                    expected.get_mut(name).unwrap()[..bytes].fill(0);
                }
            }
            assert!(call.outputs() == expected, "{}: wrote an output", function.name);
        }
        expect(function, "no diagnostics", IMLE_OK, |call| {
            no_rows(call);
            call.set_null("diagnostics");
        });
        expect(function, "no rows and no n", IMLE_ERR_SHAPE, |call| {
            no_rows(call);
            call.shape().n = 0;
        });
        expect(function, "no rows and k above n", IMLE_ERR_SHAPE, |call| {
            no_rows(call);
            call.shape().k = call.shape().n + 1;
        });
    }
    for function in having("options") {
        expect(function, "no rows and a wrong struct_size", IMLE_ERR_VERSION, |call| {
            no_rows(call);
            call.options().struct_size = 0;
        });
        expect(function, "no rows and an unknown law", IMLE_ERR_OPTION, |call| {
            no_rows(call);
            call.options().noise = u32::MAX;
        });
        expect(function, "no rows and lambda = 0", IMLE_ERR_OPTION, |call| {
            no_rows(call);
            call.options().lambda = 0.0;
        });
    }
    for function in having("temperature") {
        expect(function, "no rows and temperature 0", IMLE_ERR_OPTION, |call| {
            no_rows(call);
            call.temperature = 0.0;
        });
    }
}

/// An index list without entries overlaps nothing, wherever its pointer points.
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
            let status = if argmax || function.is_of_trees() { IMLE_ERR_SHAPE } else { IMLE_OK };
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
    for function in having("n_row").filter(|function| !function.name.ends_with("find_bad_row")) {
        for above in [1, u32::MAX] {
            let row = ROWS as usize - 1;
            expect(function, "n_row above the words", IMLE_ERR_SHAPE, |call| {
                let words = call.shape().k;
                call.array::<u32>("n_row")[row] = words.saturating_add(above);
            });
        }
        expect(function, "n is not the square of the words", IMLE_ERR_SHAPE, |call| call.shape().n -= 1);
    }
}

#[test]
fn strides_out_of_range_are_refused() {
    // Too short, beyond usize, and beyond isize::MAX bytes.
    type Stride = fn(usize) -> usize;
    let bad: [Stride; 6] = [
        |_| 1,
        |n| n - 1,
        |_| usize::MAX,
        |_| usize::MAX / 2,
        |_| isize::MAX as usize / 4,
        |_| isize::MAX as usize / 8 + 1,
    ];
    let names = ["ld_theta", "ld_grad", "ld_v", "ld_weights", "ld_other", "ld_y", "dz_row_stride", "dz_sample_stride"];
    for name in names {
        for function in having(name) {
            for (i, stride) in bad.iter().enumerate() {
                expect(function, &format!("{name} {i}"), IMLE_ERR_STRIDE, |call| {
                    let row = if name == "ld_weights" { K as usize + 1 } else { call.n };
                    call.set(name, stride(row));
                });
            }
        }
    }
}

#[test]
fn a_short_workspace_is_refused() {
    type Length = fn(usize) -> usize;
    let short: [Length; 3] = [|_| 0, |_| 1, |needed| needed - 1];
    for function in having("work_len") {
        for (i, short) in short.iter().enumerate() {
            expect(function, &format!("work_len {i}"), IMLE_ERR_WORKSPACE, |call| {
                call.set("work_len", short(call.get_number("work_len")));
            });
        }
        expect(function, "work_len beyond memory", IMLE_OK, |call| call.set("work_len", usize::MAX));
    }
}

#[test]
fn options_out_of_range_are_refused() {
    const COMBINATORIAL: u32 = IMLE_TARGET_COMBINATORIAL;
    type Change = fn(&mut imle_options);
    let unknown: [Change; 8] = [
        |o| o.noise = 5,
        |o| o.noise = u32::MAX,
        |o| o.target = 2,
        |o| o.target = u32::MAX,
        |o| o.difference = 2,
        |o| o.scale = 2,
        |o| o.coupling = 2,
        |o| (o.target, o.difference) = (COMBINATORIAL, IMLE_DIFFERENCE_CENTRAL),
    ];
    let size = size_of::<imle_options>() as u32;
    for function in having("options") {
        for (bad, rule) in bad_options() {
            let options = in_c::options(&bad);
            expect(function, rule.text(), IMLE_ERR_OPTION, |call| *call.options() = options);
            if matches!(bad.noise, Noise::SumOfGamma { .. }) {
                let of_another_law = imle_options { noise: IMLE_NOISE_GUMBEL, ..options };
                expect(function, "unused options", IMLE_OK, |call| *call.options() = of_another_law);
            }
        }
        for (i, change) in unknown.iter().enumerate() {
            expect(function, &format!("option {i}"), IMLE_ERR_OPTION, |call| change(call.options()));
        }
        for bad in [0, 1, size - 4, size + 4, u32::MAX] {
            let what = format!("struct_size {bad}");
            expect(function, &what, IMLE_ERR_VERSION, |call| call.options().struct_size = bad);
        }
        expect(function, "unused options", IMLE_OK, |call| {
            (call.options().sog_terms, call.options().sog_kappa) = (u32::MAX, f32::NAN);
        });
    }
    let size = size_of::<imle_tree_options>() as u32;
    for function in having("tree_options") {
        for bad in [2, u32::MAX] {
            expect(function, "projective", IMLE_ERR_OPTION, |call| call.tree_options().projective = bad);
            expect(function, "single_root", IMLE_ERR_OPTION, |call| call.tree_options().single_root = bad);
        }
        for bad in [0, 1, size - 4, size + 4, u32::MAX] {
            let what = format!("struct_size {bad} of the tree options");
            expect(function, &what, IMLE_ERR_VERSION, |call| call.tree_options().struct_size = bad);
        }
        expect(function, "one root", IMLE_OK, |call| call.tree_options().single_root = 1);
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
    let bad: [Change; 25] = [
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
        |s| s.theta_floor = -1.0,
        |s| s.theta_floor = NAN,
        |s| s.theta_floor = INF,
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
    for name in ["parts", "sum"] {
        for function in having(name) {
            for bad in [-f64::from_bits(1), f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                type Sum = fn(&mut imle_adaptive_parts) -> &mut f64;
                for sum in [(|parts| &mut parts.theta_squared) as Sum, |parts| &mut parts.dz_squared] {
                    let what = format!("a sum of {bad}");
                    expect(function, &what, IMLE_ERR_NONFINITE, |call| *sum(&mut call.array(name)[0]) = bad);
                }
            }
        }
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
            expect(function, "no array", IMLE_OK, |call| {
                call.set(name, 0);
                call.set_null(name.trim_end_matches("_len"));
            });
        }
    }
}

#[test]
fn a_temperature_out_of_range_is_refused() {
    // The last has no finite inverse.
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

#[test]
fn functions_without_a_status_survive_null() {
    unsafe {
        imle_options_default(std::ptr::null_mut());
        imle_adaptive_default(std::ptr::null_mut());
        imle_tree_options_default(std::ptr::null_mut());
        let options = in_c::tree_options(trees::Kind { projective: false, single_root: false });
        assert_eq!(imle_tree_workspace_len(std::ptr::null(), &options), 0);
        let shape = imle_shape { rows: 1, n: 9, k: 3, samples: 1 };
        assert_eq!(imle_tree_workspace_len(&shape, std::ptr::null()), 0);
        assert_eq!(imle_tree_exact_workspace_len(std::ptr::null(), &options), 0);
        assert_eq!(imle_tree_exact_workspace_len(&shape, std::ptr::null()), 0);
        assert_eq!(imle_topk_workspace_len(std::ptr::null()), 0);
        assert_eq!(imle_argmax_workspace_len(std::ptr::null()), 0);
        assert_eq!(imle_topk_exact_workspace_len(std::ptr::null()), 0);
        assert_eq!(imle_argmax_exact_workspace_len(std::ptr::null()), 0);
    }
}

#[test]
fn workspaces_are_measured() {
    const MOST: usize = u32::MAX as usize;
    let shape = |rows, n, k, samples| imle_shape { rows, n, k, samples };
    // For the exact functions, (n + 12)(k + 1) + 3n + 136 for top-k and n for argmax.
    for (shape, topk, argmax, topk_exact, argmax_exact) in [
        (shape(1, 5, 2, 1), 15, 0, 202, 0),
        (shape(900, 5, 1, 1 << 24), 15, 15, 185, 5),
        (shape(1, 5, 5, 0), 15, 0, 253, 0),
        (shape(1, 5, 0, 1), 15, 0, 168, 0),
        (shape(1, 5, 6, 1), 0, 0, 0, 0),
        (shape(1, 0, 0, 1), 0, 0, 0, 0),
        (shape(0, 5, 1, 1), 15, 15, 185, 5),
        (shape(u32::MAX, u32::MAX, 1, u32::MAX), 3 * MOST, 3 * MOST, 5 * MOST + 160, MOST),
    ] {
        assert_eq!(unsafe { imle_topk_workspace_len(&shape) }, topk, "{shape:?}");
        assert_eq!(unsafe { imle_argmax_workspace_len(&shape) }, argmax, "{shape:?}");
        assert_eq!(unsafe { imle_topk_exact_workspace_len(&shape) }, topk_exact, "{shape:?}");
        assert_eq!(unsafe { imle_argmax_exact_workspace_len(&shape) }, argmax_exact, "{shape:?}");
    }
    for (shape, lens, exact_lens) in [
        (shape(7, 9, 3, 0), [87, 73], [438, 639]),
        (shape(1, 1, 1, 1), [19, 13], [158, 279]),
        (shape(1, 90_000, 300, 1), [454_200, 541_801], [930_048, 1_386_144]),
        (shape(1, 8, 3, 1), [0, 0], [0, 0]),
        (shape(1, 9, 9, 1), [0, 0], [0, 0]),
        (shape(1, 0, 0, 1), [0, 0], [0, 0]),
    ] {
        for single_root in [false, true] {
            let options = |projective| in_c::tree_options(trees::Kind { projective, single_root });
            let len = |projective| unsafe { imle_tree_workspace_len(&shape, &options(projective)) };
            let exact_len = |projective| unsafe { imle_tree_exact_workspace_len(&shape, &options(projective)) };
            assert_eq!([false, true].map(len), lens, "{shape:?}");
            assert_eq!([false, true].map(exact_len), exact_lens, "{shape:?}");
        }
    }
    // The batch is addressable, but the table of the exact functions is not.
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

/// The key's array is an input like any other, and its numbers have their ranges.
#[test]
fn keys_are_checked() {
    let shape = imle_shape { rows: 2, n: 4, k: 1, samples: 3 };
    let ids = [5_u64, 9, 7];
    let good = imle_key { seed: 1, step: 2, row0: 3, row_ids: ids.as_ptr(), sample0: 0, strata: 0 };
    let independent = in_c::defaults();
    let stratified = imle_options { coupling: IMLE_COUPLING_STRATIFIED, ..independent };
    let noise = |options: &imle_options, key: &imle_key| {
        let mut noise = [7.0_f32; 24];
        let status = unsafe { imle_noise(&shape, options, key, noise.as_mut_ptr()) };
        assert!(status == IMLE_OK || noise == [7.0; 24], "{status}: an output was written");
        status
    };
    assert_eq!(noise(&independent, &good), IMLE_OK);
    let misaligned = ids.as_ptr().cast::<u8>().wrapping_add(4).cast();
    assert_eq!(noise(&independent, &imle_key { row_ids: misaligned, ..good }), IMLE_ERR_NULL);
    let mut overlapping = [0_u64; 12];
    let key = imle_key { row_ids: overlapping.as_ptr(), ..good };
    let status = unsafe { imle_noise(&shape, &independent, &key, overlapping.as_mut_ptr().cast()) };
    assert_eq!((status, overlapping), (IMLE_ERR_OVERLAP, [0; 12]));
    for (options, sample0, strata, expected) in [
        (&independent, (1 << 28) - 3, 0, IMLE_OK),
        (&independent, (1 << 28) - 2, 0, IMLE_ERR_SHAPE),
        (&independent, u32::MAX, 0, IMLE_ERR_SHAPE),
        (&independent, 0, 3, IMLE_ERR_OPTION),
        (&stratified, 0, 0, IMLE_OK),
        (&stratified, 4, 7, IMLE_OK),
        (&stratified, 5, 7, IMLE_ERR_SHAPE),
        (&stratified, 1, 0, IMLE_ERR_SHAPE),
    ] {
        assert_eq!(noise(options, &imle_key { sample0, strata, ..good }), expected, "{sample0} {strata}");
    }
}
