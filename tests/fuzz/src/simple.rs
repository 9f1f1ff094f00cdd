//! The functions that cannot fail: versions, messages, defaults and lengths of workspace.

use std::ffi::CStr;
use std::ptr;

use arbitrary::{Result, Unstructured};
use imle_ffi::*;

/// Calls all of them with numbers of the input; an error names the first that is wrong.
pub fn check(u: &mut Unstructured<'_>) -> Result<std::result::Result<(), String>> {
    let shape = imle_shape { rows: u.arbitrary()?, n: size(u)?, k: size(u)?, samples: u.arbitrary()? };
    let (projective, single_root) = (u.int_in_range(0..=2)?, u.int_in_range(0..=2)?);
    let tree = imle_tree_options { struct_size: 12, projective, single_root };
    let status: i32 = u.arbitrary()?;
    Ok(check_numbers(shape, tree, status))
}

/// Small sizes and those at the ends of the range.
fn size(u: &mut Unstructured<'_>) -> Result<u32> {
    Ok(match u.int_in_range(0..=7_u8)? {
        0..=5 => u.int_in_range(0..=40)?,
        6 => u32::MAX - u.int_in_range(0..=9)?,
        _ => u.arbitrary()?,
    })
}

fn check_numbers(shape: imle_shape, tree: imle_tree_options, status: i32) -> std::result::Result<(), String> {
    let wrong = |what: &str| Err(format!("{what}: {shape:?}, {tree:?}, {status}"));
    let text = |text: *const std::ffi::c_char| unsafe { CStr::from_ptr(text) }.to_bytes().is_ascii();
    if !text(imle_status_message(status)) || !text(imle_version()) || !text(imle_kernel()) || imle_abi_version() != 2 {
        return wrong("a text or the version");
    }
    let (n, k) = (u128::from(shape.n), u128::from(shape.k));
    let valid = n > 0 && k <= n;
    let fits = |floats: u128, good: bool| if good && floats <= isize::MAX as u128 / 4 { floats as usize } else { 0 };
    let square = n > 0 && n == k * k;
    let (projective, good_tree) = (tree.projective == 1, tree.projective <= 1 && tree.single_root <= 1);
    let of_tree = if projective { (6 * k + 6) * k + 1 } else { (5 * k + 14) * k };
    let of_exact_tree = if projective { (15 * k + 120) * k + 144 } else { (10 * k + 100) * k + 48 };
    let expected = [
        fits(3 * n, valid),
        fits(3 * n, valid && k == 1),
        fits((n + 12) * (k + 1) + 3 * n + 136, valid),
        fits(n, valid && k == 1),
        fits(of_tree, square && good_tree),
        fits(of_exact_tree, square && good_tree),
    ];
    let found = unsafe {
        [
            imle_topk_workspace_len(&shape),
            imle_argmax_workspace_len(&shape),
            imle_topk_exact_workspace_len(&shape),
            imle_argmax_exact_workspace_len(&shape),
            imle_tree_workspace_len(&shape, &tree),
            imle_tree_exact_workspace_len(&shape, &tree),
        ]
    };
    if found != expected {
        return wrong(&format!("lengths of workspace {found:?}, not {expected:?}"));
    }
    let of_null = unsafe { [imle_topk_workspace_len(ptr::null()), imle_tree_workspace_len(&shape, ptr::null())] };
    if of_null != [0, 0] {
        return wrong("the workspace of NULL");
    }
    defaults().map_or(Ok(()), wrong)
}

/// The first struct whose default is wrong; NULL and misaligned pointers do nothing.
fn defaults() -> Option<&'static str> {
    // Two structs long, so that a misaligned one fits.
    let mut memory = [u32::MAX; 26];
    let start = memory.as_mut_ptr().cast::<u8>();
    unsafe {
        imle_options_default(ptr::null_mut());
        imle_tree_options_default(ptr::null_mut());
        imle_adaptive_default(ptr::null_mut());
        imle_options_default(start.add(1).cast());
        imle_tree_options_default(start.add(2).cast());
        imle_adaptive_default(start.add(3).cast());
    }
    if memory != [u32::MAX; 26] {
        return Some("a default was written to a misaligned pointer");
    }
    let start = memory.as_mut_ptr();
    unsafe { imle_options_default(start.cast()) };
    let one = 1.0_f32.to_bits();
    if memory[..13] != [48, 1, one, one, one, one, 0, 0, 0, 10, 0, 0, u32::MAX] {
        return Some("the default options");
    }
    memory.fill(u32::MAX);
    unsafe { imle_tree_options_default(memory.as_mut_ptr().cast()) };
    if memory[..4] != [12, 0, 0, u32::MAX] {
        return Some("the default options of trees");
    }
    memory.fill(u32::MAX);
    unsafe { imle_adaptive_default(memory.as_mut_ptr().cast()) };
    let (step, decay) = (0.15_f32.to_bits(), 0.9_f32.to_bits());
    let good = memory[..11] == [40, 1, one, one, 0, step, 0, decay, one, one, u32::MAX];
    (!good).then_some("the default of the adaptive lambda")
}
