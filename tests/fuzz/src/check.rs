//! The promises of imle.h, checked for one call.

use imle_ffi::*;

use crate::call::{Array, Call, JUNK, Outcome, Place, row_of};
use crate::definition;
use crate::mode;
use crate::rules;
use crate::table::{Family, Role, role};

/// Words before and behind every array. AddressSanitizer has its own guards and gets none.
pub const GUARD: usize = if cfg!(feature = "no-guards") { 0 } else { 8 };

/// Checks a call; its status. `padding` is the number of masks behind the rows of the calls that it is compared with.
pub fn check(call: &Call, padding: usize) -> Result<imle_status, String> {
    let errors = rules::bad_arguments(call);
    let outcome = call.run(GUARD);
    let status = outcome.status;
    if !outcome.kept_mode {
        return Err("another floating-point mode is set afterwards".into());
    }
    if !errors.is_empty() {
        if !errors.contains(&status) {
            return Err(format!("the status is {status}, the arguments have the errors {errors:?}"));
        }
        untouched(call, outcome, 0, false)?;
        return Ok(status);
    }
    if call.function.family() == Family::Adaptive {
        definition::adaptive(call, &outcome)?;
        let ok = status == IMLE_OK;
        untouched(call, outcome, 0, ok)?;
        return Ok(status);
    }
    let bad = rules::bad_row(call);
    let good_rows = bad.as_ref().map_or(call.rows(), |&(b, _)| b);
    if call.function.short() == "find_bad_row" {
        let found = outcome.output(call, "row").map(|row| row[0] as usize);
        if status != IMLE_OK || found != Some(good_rows) {
            return Err(format!("the status is {status} and the row {found:?}, the first bad row is {good_rows}"));
        }
        untouched(call, outcome, 0, true)?;
        return Ok(status);
    }
    match &bad {
        None if status != IMLE_OK => return Err(format!("the status is {status} for good input")),
        Some((b, errors)) if !errors.contains(&status) => {
            return Err(format!("the status is {status}, row {b} has the errors {errors:?}"));
        }
        _ => (),
    }
    equals_rows_alone(call, &outcome, good_rows, padding, bad.is_none())?;
    untouched(call, outcome, good_rows, bad.is_none())?;
    Ok(status)
}

/// Nothing but the outputs of the good rows and the workspace has changed.
fn untouched(call: &Call, outcome: Outcome, good_rows: usize, ok: bool) -> Result<(), String> {
    let mut may_change = Vec::new();
    for array in &call.arrays {
        let name = array.name;
        match role(name) {
            Role::Work => may_change.push((name, 0..call.number("work_len").min(array.words.len()))),
            Role::State if ok => may_change.push((name, 0..if name == "sum" { 8 } else { 10 })),
            Role::Output => match call.layout(name).filter(|_| call.function.family() != Family::Adaptive) {
                Some(layout) => {
                    may_change.extend((0..good_rows).map(|b| (name, b * layout.stride..b * layout.stride + layout.row)))
                }
                None if ok => may_change.push((name, 0..call.extent_of_answer(name))),
                None => (),
            },
            _ => (),
        }
    }
    match outcome.changed_outside(call, &may_change) {
        Some(place) => Err(format!("a word changed that must not: {place}")),
        None => Ok(()),
    }
}

/// The good rows are equal to the same rows alone, which are checked by the definitions.
fn equals_rows_alone(call: &Call, outcome: &Outcome, good_rows: usize, padding: usize, ok: bool) -> Result<(), String> {
    let mut counts = [0_u64; 3];
    for b in 0..good_rows {
        let alone = alone(call, b, padding);
        let result = alone.run(GUARD);
        let row = || format!("row {b} alone");
        if result.status != IMLE_OK || !result.kept_mode {
            return Err(format!("{}: the status is {}", row(), result.status));
        }
        for array in call.arrays.iter().filter(|array| role(array.name) == Role::Output) {
            let name = array.name;
            if name == "diagnostics" {
                let found = result.diagnostics(&alone).expect("it is asked for");
                (0..3).for_each(|i| counts[i] += found[i]);
                continue;
            }
            let Some(whole) = outcome.output(call, name) else { continue };
            let whole = row_of(whole, call.layout(name).expect("rows"), b);
            let single = result.output(&alone, name).expect("it is asked for");
            equal_items(call, &alone, name, whole, single).map_err(|error| format!("{}: {error}", row()))?;
        }
        definition::check(&alone, &result).map_err(|error| format!("{}: {error}", row()))?;
        let s = b % alone.samples();
        equals_sample_alone(&alone, &result, s).map_err(|error| format!("{}, sample {s} alone: {error}", row()))?;
    }
    match outcome.diagnostics(call).filter(|_| ok) {
        Some(found) if found != counts => {
            Err(format!("diagnostics are {found:?}, those of the rows add up to {counts:?}"))
        }
        _ => Ok(()),
    }
}

/// Compares a row of an output with that of a call of other sizes.
fn equal_items(call: &Call, alone: &Call, name: &str, whole: &[u32], single: &[u32]) -> Result<(), String> {
    let (width, other) = match name {
        "indices" | "heads" => (call.k(), alone.k()),
        "z" | "scores" | "noise" | "marginals" | "out" | "grad_theta" => (call.n(), alone.n()),
        _ => (whole.len(), whole.len()),
    };
    for (s, item) in whole.chunks_exact(width.max(1)).enumerate() {
        let expected = &single[s * other..][..other.min(width)];
        let (head, tail) = item.split_at(expected.len());
        if head != expected || tail.iter().any(|&i| i != u32::MAX) {
            let at = head.iter().zip(expected).position(|(x, y)| x != y);
            return Err(format!("{name} differs in item {s} at {at:?}: {head:x?} and {expected:x?}, {tail:x?} follow"));
        }
    }
    Ok(())
}

/// Row b as a batch of its own, with all outputs, without gaps, k_row and row ids, in the default mode, and with masks
/// behind the row.
fn alone(call: &Call, b: usize, padding: usize) -> Call {
    let function = call.function;
    let is_tree = function.family() == Family::Tree;
    let n = call.n();
    let wide = if is_tree { n } else { n + padding };
    let ones = if function.has("k_row") { call.ones(b) } else { call.k() };
    let mut alone = call.clone();
    alone.mode = mode::DEFAULT;
    alone.key.row0 = call.row_number(b);
    alone.shape = imle_shape { rows: 1, n: wide as u32, k: ones as u32, samples: call.shape.samples };
    alone.numbers.clear();
    alone.set("work_len", alone.floats_needed());
    let shared = call.number("dz_sample_stride") == 0;
    alone.set("dz_sample_stride", if shared { 0 } else { wide });
    let padded = |row: &[u32], filler: u32| -> Vec<u32> {
        row.chunks_exact(n).flat_map(|item| item.iter().copied().chain(std::iter::repeat_n(filler, wide - n))).collect()
    };
    let mask = f32::NEG_INFINITY.to_bits();
    for i in 0..alone.arrays.len() {
        let name = alone.arrays[i].name;
        let words = match name {
            "k_row" | "row_ids" => Vec::new(),
            "theta" | "theta_other" => padded(call.row(name, b), mask),
            "v" | "y" | "z_in" | "z_target" => padded(call.row(name, b), 0),
            "dz" => {
                let samples = if shared { 1 } else { call.samples() };
                (0..samples).flat_map(|s| padded(call.dz(name, b, s), 0)).collect()
            }
            "lists" if call.given(name).is_some() => {
                call.row(name, b).chunks_exact(call.k().max(1)).flat_map(|list| list[..ones].to_vec()).collect()
            }
            "lists" => Vec::new(),
            _ if matches!(role(name), Role::Struct | Role::State) => Vec::new(),
            _ if role(name) == Role::Input => call.row(name, b).to_vec(),
            _ => vec![JUNK; alone.extent(name)],
        };
        let place = match name {
            "k_row" | "row_ids" => Place::Null,
            "lists" | "n_row" => call.arrays[i].place,
            _ => Place::Own,
        };
        alone.arrays[i] = Array { name, words, place, shift: 0 };
    }
    alone
}

/// A sample of a row is the same whatever other samples there are.
fn equals_sample_alone(row: &Call, result: &Outcome, s: usize) -> Result<(), String> {
    let short = row.function.short();
    if !["sample", "sample_exact", "perturb", "target", "noise", "log_prob", "heads"].contains(&short) {
        return Ok(());
    }
    let mut sample = row.clone();
    let (n, k) = (row.n(), row.k());
    if row.options.coupling == IMLE_COUPLING_STRATIFIED && row.key.strata == 0 && row.function.has("options") {
        sample.key.strata = row.shape.samples;
    }
    sample.key.sample0 += s as u32;
    sample.shape.samples = 1;
    for array in &mut sample.arrays {
        array.words = match array.name {
            "dz" if row.number("dz_sample_stride") != 0 => array.words[s * n..][..n].to_vec(),
            "lists" if array.place != Place::Null => array.words[s * k..][..k].to_vec(),
            _ => continue,
        };
    }
    let single = sample.run(GUARD);
    if single.status != IMLE_OK {
        return Err(format!("the status is {}", single.status));
    }
    for array in row.arrays.iter().filter(|array| role(array.name) == Role::Output && array.name != "marginals") {
        let name = array.name;
        let width = match name {
            "indices" | "heads" => k,
            "log_prob" => 1,
            _ => n,
        };
        let whole = &result.output(row, name).expect("it is asked for")[s * width..][..width];
        let alone = &single.output(&sample, name).expect("it is asked for")[..width];
        if whole != alone {
            return Err(format!("{name} differs: {whole:x?} and {alone:x?}"));
        }
    }
    Ok(())
}
