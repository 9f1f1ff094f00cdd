//! The functions that cannot fail: versions, messages, defaults and lengths of workspace. The checks are in caller.c.

use std::ffi::{CStr, c_char};

use arbitrary::{Result, Unstructured};

unsafe extern "C" {
    // Each returns NULL or what is wrong.
    fn check_texts(status: i32) -> *const c_char;
    fn check_lengths(
        rows: u32,
        n: u32,
        k: u32,
        samples: u32,
        projective: u32,
        single_root: u32,
        expected: *const usize,
    ) -> *const c_char;
    fn check_defaults() -> *const c_char;
}

/// Calls all of them with numbers of the input; an error names the first that is wrong.
pub fn check(u: &mut Unstructured<'_>) -> Result<std::result::Result<(), String>> {
    let (rows, k, samples) = (u.arbitrary()?, size(u)?, u.arbitrary()?);
    // Trees have k² arcs.
    let n = if u.arbitrary()? { k.wrapping_mul(k) } else { size(u)? };
    let (projective, single_root) = (u.int_in_range(0..=2)?, u.int_in_range(0..=2)?);
    let status: i32 = if u.arbitrary()? { u.int_in_range(-10..=1)? } else { u.arbitrary()? };
    let expected = lengths(n, k, projective, single_root);
    let found = unsafe {
        [
            check_texts(status),
            check_lengths(rows, n, k, samples, projective, single_root, expected.as_ptr()),
            check_defaults(),
        ]
    };
    let wrong = found.into_iter().find(|what| !what.is_null());
    let text = |what: *const c_char| unsafe { CStr::from_ptr(what) }.to_string_lossy();
    Ok(wrong.map_or(Ok(()), |what| Err(format!("{}: n {n} k {k} {projective} {single_root} {status}", text(what)))))
}

/// Small sizes and those at the ends of the range.
fn size(u: &mut Unstructured<'_>) -> Result<u32> {
    Ok(match u.int_in_range(0..=7_u8)? {
        0..=5 => u.int_in_range(0..=40)?,
        6 => u32::MAX - u.int_in_range(0..=9)?,
        _ => u.arbitrary()?,
    })
}

/// The floats of workspace by the formulas of imle.h: of top-k, argmax and trees, each for all functions and the exact ones.
fn lengths(n: u32, k: u32, projective: u32, single_root: u32) -> [usize; 6] {
    let (n, k) = (u128::from(n), u128::from(k));
    let valid = n > 0 && k <= n;
    let fits = |floats: u128, good: bool| if good && floats <= isize::MAX as u128 / 4 { floats as usize } else { 0 };
    let square = n > 0 && n == k * k;
    let (projective, good_tree) = (projective == 1, projective <= 1 && single_root <= 1);
    let of_tree = if projective { (6 * k + 6) * k + 1 } else { (5 * k + 14) * k };
    let of_exact_tree = if projective { (15 * k + 120) * k + 144 } else { (10 * k + 100) * k + 48 };
    [
        fits(3 * n, valid),
        fits((n + 12) * (k + 1) + 3 * n + 136, valid),
        fits(3 * n, valid && k == 1),
        fits(n, valid && k == 1),
        fits(of_tree, square && good_tree),
        fits(of_exact_tree, square && good_tree),
    ]
}
