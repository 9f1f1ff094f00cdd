//! The C side of the fuzzer, src/caller.c, which lays out the structs and calls the functions.

use crate::call::Call;

/// Writes a struct, of which it has the fields in the order of their declaration, and returns its size.
type Put = unsafe extern "C" fn(*mut u32, *const u64) -> usize;

unsafe extern "C" {
    fn put_shape(at: *mut u32, fields: *const u64) -> usize;
    fn put_options(at: *mut u32, fields: *const u64) -> usize;
    fn put_tree_options(at: *mut u32, fields: *const u64) -> usize;
    fn put_key(at: *mut u32, fields: *const u64, row_ids: *const u64) -> usize;
    fn put_adaptive(at: *mut u32, fields: *const u64) -> usize;
    fn put_parts(at: *mut u32, fields: *const u64) -> usize;
    fn put_diagnostics(at: *mut u32, fields: *const u64) -> usize;
    fn get_diagnostics(at: *const u32, fields: *mut u64);
}

/// A field as C takes it: a whole number, or the bits of a float.
trait Field {
    fn number(self) -> u64;
}

impl Field for u32 {
    fn number(self) -> u64 {
        self.into()
    }
}

impl Field for u64 {
    fn number(self) -> u64 {
        self
    }
}

impl Field for f32 {
    fn number(self) -> u64 {
        self.to_bits().into()
    }
}

impl Field for f64 {
    fn number(self) -> u64 {
        self.to_bits()
    }
}

macro_rules! fields {
    ($value:expr, $($field:ident)*) => {
        vec![$($value.$field.number()),*]
    };
}

/// The words of a struct of a call, whose key has these row ids.
pub fn words_of(call: &Call, name: &str, row_ids: *const u64) -> Vec<u32> {
    if name == "key" {
        let fields = fields!(call.key, seed step row0 sample0 strata);
        return laid_out(|at| unsafe { put_key(at, fields.as_ptr(), row_ids) });
    }
    let (put, fields): (Put, Vec<u64>) = match name {
        "shape" => (put_shape, fields!(call.shape, rows n k samples)),
        "options" => (
            put_options,
            fields!(call.options, struct_size noise temperature target_temperature alpha lambda target difference scale
                sog_terms sog_kappa coupling),
        ),
        "tree_options" => (put_tree_options, fields!(call.tree_options, struct_size projective single_root)),
        "adaptive" | "state" => {
            (put_adaptive, fields!(call.adaptive, struct_size rule a g previous step momentum decay target theta_floor))
        }
        "parts" | "sum" => (put_parts, fields!(call.parts, theta_squared dz_squared theta_len theta_nonzero)),
        _ => (put_diagnostics, fields!(call.counts, states unchanged nonzeros)),
    };
    laid_out(|at| unsafe { put(at, fields.as_ptr()) })
}

fn laid_out(put: impl FnOnce(*mut u32) -> usize) -> Vec<u32> {
    // As many words as the longest struct has.
    let mut words = vec![0; 12];
    let size = put(words.as_mut_ptr());
    words.truncate(size / 4);
    words
}

/// The numbers of diagnostics: states, unchanged, nonzeros.
pub fn diagnostics(words: &[u32]) -> [u64; 3] {
    let mut numbers = [0; 3];
    unsafe { get_diagnostics(words.as_ptr(), numbers.as_mut_ptr()) };
    numbers
}
