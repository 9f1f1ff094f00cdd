//! A call as data: the memory behind every argument by its name, so that a test can change one argument and compare all.

use std::collections::BTreeMap;

use imle_ffi::*;

use super::functions::{Argument, every_function};

/// The good sizes. N is that of a row whose scores are all computed, or that of a row that is pruned. Argmax gets k = 1.
pub const ROWS: u32 = 3;
pub const NS: [usize; 2] = [6, 200];
pub const K: u32 = 2;
pub const SAMPLES: u32 = 2;

/// The kind of an argument.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Alignment.
    Struct(usize),
    /// A struct that is also an output; its alignment.
    State(usize),
    /// Alignment.
    Input(usize),
    /// Alignment.
    Output(usize),
    Work,
    Number,
}

const KINDS: &[(Kind, &str)] = &[
    (Kind::Struct(4), "shape options adaptive tree_options"),
    (Kind::Struct(8), "key counts parts"),
    (Kind::State(4), "state"),
    (Kind::Input(4), "k_row n_row theta dz dz_or_null lists z_in z_target v weights theta_other y losses"),
    (
        Kind::Output(4),
        "z indices marginals log_partition log_partitions entropy out log_prob kl loss scores noise grad_theta row lambda heads",
    ),
    (Kind::Output(8), "diagnostics sum"),
    (Kind::Work, "work"),
    (Kind::Number, "ld_theta ld_grad ld_v ld_weights ld_other ld_y dz_row_stride dz_sample_stride"),
    (Kind::Number, "work_len theta_len dz_len side temperature"),
];

/// Every argument by its name, with its kind.
pub fn arguments() -> impl Iterator<Item = (&'static str, Kind)> {
    KINDS.iter().flat_map(|&(kind, names)| names.split(' ').map(move |name| (name, kind)))
}

/// Some functions accept any of these outputs and need at least one.
pub const ANY_OF: [&str; 5] = ["z", "indices", "marginals", "log_partition", "entropy"];

impl Kind {
    pub fn of(name: &str) -> Kind {
        arguments().find(|(known, _)| *known == name).expect("a known argument").1
    }

    pub fn is_pointer(self) -> bool {
        self != Kind::Number
    }

    pub fn alignment(self) -> usize {
        match self {
            Kind::Struct(bytes) | Kind::State(bytes) | Kind::Input(bytes) | Kind::Output(bytes) => bytes,
            Kind::Work | Kind::Number => 4,
        }
    }
}

/// A function of the ABI: its arguments in order, and the call.
pub struct Function {
    pub name: &'static str,
    pub arguments: &'static [&'static str],
    call: fn(&Call) -> imle_status,
}

impl Function {
    pub fn may_be_null(&self, name: &str) -> bool {
        let any_output = ["_map", "_sample", "_marginals", "_sample_exact"];
        match name {
            "k_row" | "n_row" | "diagnostics" | "dz_or_null" => true,
            "lists" => self.name.ends_with("_gradient"),
            _ => ANY_OF.contains(&name) && any_output.iter().any(|end| self.name.ends_with(end)),
        }
    }

    pub fn ignores_samples(&self) -> bool {
        let names = ["_map", "_marginals", "_marginals_vjp", "_kl", "_log_partitions", "_log_partitions_vjp"];
        names.iter().any(|end| self.name.ends_with(end))
    }

    /// True if it has a baseline, which needs two samples.
    pub fn compares_samples(&self) -> bool {
        self.arguments.contains(&"losses")
    }

    pub fn is_exact(&self) -> bool {
        self.arguments.contains(&"temperature")
    }

    /// True if it looks for a state, so that a row can be infeasible.
    pub fn chooses(&self) -> bool {
        let every_size = self.name.starts_with("imle_topk_log_partitions");
        self.name.starts_with("imle_topk") && !every_size || self.chooses_one() || self.is_of_trees()
    }

    pub fn is_of_trees(&self) -> bool {
        self.name.starts_with("imle_tree")
    }

    /// The lengths of rows to try: those of squares for trees.
    pub fn ns(&self) -> [usize; 2] {
        if self.is_of_trees() { [9, 196] } else { NS }
    }

    /// The good k for rows of n.
    pub fn k(&self, n: usize) -> u32 {
        match self.chooses_one() {
            true => 1,
            false if self.is_of_trees() => n.isqrt() as u32,
            false => K,
        }
    }

    pub fn chooses_one(&self) -> bool {
        self.name.starts_with("imle_argmax")
    }
}

macro_rules! functions {
    ($($name:ident: $($argument:ident)*;)*) => {
        pub const FUNCTIONS: &[Function] = &[$(Function {
            name: stringify!($name),
            arguments: &[$(stringify!($argument)),*],
            call: |call| unsafe { $name($(call.argument(stringify!($argument)).into()),*) },
        }),*];
    };
}

every_function!(functions);

/// The functions that have an argument.
pub fn having(argument: &'static str) -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter().filter(move |function| function.arguments.contains(&argument))
}

/// Bytes behind each pointer. Every argument is shorter than half of it, which leaves room for another.
fn room(n: usize) -> usize {
    (160 * n).max(4096)
}

/// The arguments of one call.
pub struct Call {
    function: &'static Function,
    pub n: usize,
    memory: BTreeMap<&'static str, Vec<u64>>,
    pointers: BTreeMap<&'static str, *mut u8>,
    numbers: BTreeMap<&'static str, usize>,
    pub side: i32,
    pub temperature: f32,
}

impl Call {
    /// Good arguments.
    pub fn new(function: &'static Function, n: usize) -> Call {
        let memory = arguments().filter(|(_, kind)| kind.is_pointer());
        let mut memory: BTreeMap<_, _> = memory.map(|(name, _)| (name, vec![u64::MAX; room(n) / 8])).collect();
        let pointers = memory.iter_mut().map(|(&name, memory)| (name, memory.as_mut_ptr().cast())).collect();
        let strides =
            ["ld_theta", "ld_grad", "ld_v", "ld_weights", "ld_other", "ld_y", "dz_row_stride"].map(|name| (name, 0));
        let theta_len = ROWS as usize * n;
        let lengths = [("dz_sample_stride", n), ("theta_len", theta_len), ("dz_len", theta_len * SAMPLES as usize)];
        let numbers = strides.into_iter().chain(lengths).collect();
        let mut call = Call { function, n, memory, pointers, numbers, side: 1, temperature: 2.0 };

        let k = function.k(n);
        *call.shape() = imle_shape { rows: ROWS, n: n as u32, k, samples: SAMPLES };
        unsafe { imle_options_default(call.options()) };
        unsafe { imle_tree_options_default(call.tree_options()) };
        for name in ["adaptive", "state"] {
            unsafe { imle_adaptive_default(call.adaptive(name)) };
        }
        call.array::<imle_diagnostics>("counts")[0] = imle_diagnostics { states: 8, unchanged: 3, nonzeros: 10 };
        for name in ["parts", "sum"] {
            let parts = imle_adaptive_parts { theta_squared: 3.0, dz_squared: 0.5, theta_len: 7, theta_nonzero: 6 };
            call.array(name)[0] = parts;
        }
        call.array::<imle_key>("key")[0] =
            imle_key { seed: 1, step: 2, row0: 3, row_ids: std::ptr::null(), sample0: 0, strata: 0 };
        call.array::<u32>("k_row").fill(k);
        call.array::<u32>("n_row").fill(k);
        for name in ["theta", "dz", "dz_or_null", "z_in", "z_target", "v", "weights", "theta_other", "y", "losses"] {
            (0..).zip(call.array::<f32>(name)).for_each(|(i, x)| *x = (i * 77 % 16) as f32 - 8.0);
        }
        (0..).zip(call.array::<u32>("lists")).for_each(|(i, index)| *index = i % k);
        let work_len = match (function.is_exact(), function.chooses_one()) {
            (false, _) => imle_topk_workspace_len,
            (true, false) => imle_topk_exact_workspace_len,
            (true, true) => imle_argmax_exact_workspace_len,
        };
        let of_trees = if function.is_exact() { imle_tree_exact_workspace_len } else { imle_tree_workspace_len };
        let work_len = match function.is_of_trees() {
            true => unsafe { of_trees(&*call.shape(), &*call.tree_options()) },
            false => unsafe { work_len(call.shape()) },
        };
        call.set("work_len", work_len);
        call
    }

    pub fn run(&self) -> imle_status {
        (self.function.call)(self)
    }

    fn argument(&self, name: &str) -> Argument {
        let pointer = self.pointers.get(name).copied().unwrap_or(std::ptr::null_mut());
        let number = self.numbers.get(name).copied().unwrap_or_default();
        Argument { pointer, number, side: self.side, temperature: self.temperature }
    }

    /// The memory of an argument, also if its pointer points elsewhere.
    pub fn array<T>(&mut self, name: &str) -> &mut [T] {
        let memory = self.memory.get_mut(name).expect("a pointer");
        // Any bits are a T, and u64 has the largest alignment.
        unsafe { memory.align_to_mut::<T>().1 }
    }

    pub fn shape(&mut self) -> &mut imle_shape {
        &mut self.array::<imle_shape>("shape")[0]
    }

    pub fn options(&mut self) -> &mut imle_options {
        &mut self.array::<imle_options>("options")[0]
    }

    pub fn tree_options(&mut self) -> &mut imle_tree_options {
        &mut self.array::<imle_tree_options>("tree_options")[0]
    }

    pub fn adaptive(&mut self, name: &str) -> &mut imle_adaptive {
        &mut self.array::<imle_adaptive>(name)[0]
    }

    pub fn set(&mut self, name: &'static str, number: usize) {
        self.numbers.insert(name, number);
    }

    pub fn get_number(&self, name: &str) -> usize {
        self.numbers[name]
    }

    pub fn set_null(&mut self, name: &'static str) {
        self.pointers.insert(name, std::ptr::null_mut());
    }

    pub fn offset(&mut self, name: &'static str, bytes: usize) {
        self.place(name, name, bytes);
    }

    /// Points an argument into the memory of another (or its own).
    pub fn place(&mut self, name: &'static str, into: &str, bytes: usize) {
        if name == "sum" {
            // It is read, too, so it moves with its contents.
            let sum = self.array::<u8>(name)[..size_of::<imle_adaptive_parts>()].to_vec();
            self.array::<u8>(into)[bytes..][..sum.len()].copy_from_slice(&sum);
        }
        let start = self.array::<u8>(into)[bytes..].as_mut_ptr();
        self.pointers.insert(name, start);
    }

    /// The memory of the outputs.
    pub fn outputs(&mut self) -> BTreeMap<&'static str, Vec<u8>> {
        let outputs = arguments().filter(|(_, kind)| matches!(kind, Kind::Output(_) | Kind::State(_)));
        outputs.map(|(name, _)| (name, self.array::<u8>(name).to_vec())).collect()
    }

    /// The bytes of an array argument at the good sizes.
    pub fn extent(&self, name: &str) -> usize {
        let rows = ROWS as usize;
        match name {
            "diagnostics" => size_of::<imle_diagnostics>(),
            "sum" => size_of::<imle_adaptive_parts>(),
            "row" | "lambda" => 4,
            "k_row" | "n_row" => 4 * rows,
            "work" => 4 * self.get_number("work_len"),
            _ => rows * self.row_bytes(name).expect("the others have rows"),
        }
    }

    /// The bytes of a row.
    pub fn row_bytes(&self, name: &str) -> Option<usize> {
        let k = self.function.k(self.n) as usize;
        let samples = if self.function.ignores_samples() { 1 } else { SAMPLES as usize };
        let elements = match name {
            "theta" | "marginals" | "grad_theta" | "v" | "out" | "theta_other" | "y" => self.n,
            "z" | "z_in" | "z_target" | "scores" | "noise" | "dz" | "dz_or_null" => samples * self.n,
            "indices" | "lists" | "heads" => samples * k,
            "log_prob" | "losses" => samples,
            "weights" | "log_partitions" => k + 1,
            "log_partition" | "entropy" | "kl" | "loss" => 1,
            _ => return None,
        };
        Some(4 * elements)
    }
}
