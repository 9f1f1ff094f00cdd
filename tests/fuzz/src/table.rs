//! The functions of the ABI, by the names of their arguments.

use imle_ffi::imle_status;

#[path = "../../../ffi/tests/common/functions.rs"]
mod functions;

pub use functions::Argument;
use functions::every_function;

/// A function of calls.h, which calls one of the ABI with these arguments.
type InC = unsafe extern "C" fn(*const Argument) -> imle_status;

/// A function that takes arrays or changes a struct.
pub struct Function {
    pub name: &'static str,
    pub arguments: &'static [&'static str],
    pub call: InC,
}

macro_rules! table {
    ($($name:ident: $($argument:ident)*;)*) => {
        mod in_c {
            use super::{Argument, imle_status};

            unsafe extern "C" {
                $(#[link_name = concat!("call_", stringify!($name))]
                pub fn $name(arguments: *const Argument) -> imle_status;)*
            }
        }

        pub const FUNCTIONS: &[Function] = &[$(Function {
            name: stringify!($name),
            arguments: &[$(stringify!($argument)),*],
            call: in_c::$name,
        }),*];
    };
}
every_function!(table);

/// The functions that cannot fail; `simple` checks them.
pub const SIMPLE: [&str; 13] = [
    "imle_status_message",
    "imle_abi_version",
    "imle_version",
    "imle_kernel",
    "imle_options_default",
    "imle_tree_options_default",
    "imle_adaptive_default",
    "imle_topk_workspace_len",
    "imle_argmax_workspace_len",
    "imle_tree_workspace_len",
    "imle_topk_exact_workspace_len",
    "imle_argmax_exact_workspace_len",
    "imle_tree_exact_workspace_len",
];

/// The function of a name.
pub fn function(name: &str) -> &'static Function {
    FUNCTIONS.iter().find(|function| function.name == name).expect("a function of the table")
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    TopK,
    Argmax,
    Tree,
    /// Functions for states of any kind.
    Any,
    /// Functions of the adaptive lambda, which have no shape.
    Adaptive,
}

/// Some functions accept any of these outputs and need at least one.
pub const ANY_OF: [&str; 5] = ["z", "indices", "marginals", "log_partition", "entropy"];

/// The role of an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Struct,
    Input,
    Output,
    /// A struct that is read and written.
    State,
    Work,
    Number,
}

impl Function {
    pub fn family(&self) -> Family {
        match self.name.split('_').nth(1) {
            Some("topk") => Family::TopK,
            Some("argmax") => Family::Argmax,
            Some("tree") => Family::Tree,
            Some("adaptive") => Family::Adaptive,
            _ => Family::Any,
        }
    }

    /// The name without `imle_` and the family.
    pub fn short(&self) -> &'static str {
        let name = self.name.trim_start_matches("imle_");
        ["topk_", "argmax_", "tree_", "adaptive_"].iter().find_map(|family| name.strip_prefix(family)).unwrap_or(name)
    }

    pub fn has(&self, argument: &str) -> bool {
        self.arguments.contains(&argument)
    }

    pub fn is_exact(&self) -> bool {
        self.has("temperature")
    }

    pub fn ignores_samples(&self) -> bool {
        ["map", "marginals", "marginals_vjp", "kl", "log_partitions", "log_partitions_vjp"].contains(&self.short())
    }

    /// True if it computes all sizes up to k, so that every k has an answer.
    pub fn takes_every_size(&self) -> bool {
        self.short().starts_with("log_partitions")
    }

    /// True if a row can be infeasible.
    pub fn chooses(&self) -> bool {
        !self.takes_every_size() && matches!(self.family(), Family::TopK | Family::Argmax | Family::Tree)
    }

    pub fn may_be_null(&self, name: &str) -> bool {
        match name {
            "k_row" | "n_row" | "diagnostics" | "dz_or_null" | "row_ids" => true,
            "lists" => self.short() == "gradient",
            "z" | "indices" => ["map", "sample", "sample_exact"].contains(&self.short()),
            "marginals" => ["sample", "marginals"].contains(&self.short()),
            "log_partition" | "entropy" => true,
            _ => false,
        }
    }
}

pub fn role(name: &str) -> Role {
    match name {
        "shape" | "options" | "tree_options" | "key" | "adaptive" | "counts" | "parts" => Role::Struct,
        "state" | "sum" => Role::State,
        "work" => Role::Work,
        "side" | "temperature" | "work_len" | "theta_len" | "dz_len" | "dz_row_stride" | "dz_sample_stride" => {
            Role::Number
        }
        _ if name.starts_with("ld_") => Role::Number,
        "z" | "indices" | "marginals" | "log_partition" | "log_partitions" | "entropy" | "out" | "log_prob" | "kl"
        | "loss" | "scores" | "noise" | "grad_theta" | "row" | "lambda" | "heads" | "diagnostics" => Role::Output,
        _ => Role::Input,
    }
}

/// The alignment of a pointer in bytes.
pub fn alignment(name: &str) -> usize {
    if ["key", "counts", "parts", "sum", "diagnostics", "row_ids"].contains(&name) { 8 } else { 4 }
}
