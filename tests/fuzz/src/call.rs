//! A call as data, and how it is run: every array in memory of its own, with guards before and behind it.

use std::fmt;
use std::ops::Range;

use imle_ffi::*;

use crate::caller;
use crate::mode;
use crate::table::{Argument, Family, Function, Role, alignment, role};

/// Guards, gaps, outputs and the workspace are filled with this word. As a float it is NaN, and as an index it is beyond
/// every array.
pub const JUNK: u32 = 0x7fc0_beef;

/// The memory behind a pointer argument.
#[derive(Clone, Debug)]
pub struct Array {
    pub name: &'static str,
    /// The array with the gaps between its rows. Structs are in the call, and this is empty.
    pub words: Vec<u32>,
    pub place: Place,
    /// Moves the array by as many words, even ones for arrays of 8 bytes, so that vectors are not always aligned.
    pub shift: usize,
}

/// Where a pointer points.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Place {
    Own,
    Null,
    /// Bytes behind its own array: misaligned.
    Off(usize),
    /// Into the memory of another array: the word of it.
    Into(&'static str, usize),
}

#[derive(Clone)]
pub struct Call {
    pub function: &'static Function,
    pub shape: imle_shape,
    pub options: imle_options,
    pub tree_options: imle_tree_options,
    /// Its `row_ids` is set when the call runs.
    pub key: imle_key,
    pub adaptive: imle_adaptive,
    pub counts: imle_diagnostics,
    pub parts: imle_adaptive_parts,
    pub numbers: Vec<(&'static str, usize)>,
    pub side: i32,
    pub temperature: f32,
    pub arrays: Vec<Array>,
    pub mode: u32,
}

/// The words of a row in an array, and the words from one row to the next.
#[derive(Clone, Copy)]
pub struct Layout {
    pub row: usize,
    pub stride: usize,
}

impl Call {
    pub fn number(&self, name: &str) -> usize {
        self.numbers.iter().find(|(known, _)| *known == name).map_or(0, |&(_, number)| number)
    }

    pub fn set(&mut self, name: &'static str, number: usize) {
        self.numbers.retain(|&(known, _)| known != name);
        self.numbers.push((name, number));
    }

    pub fn array(&self, name: &str) -> Option<&Array> {
        self.arrays.iter().find(|array| array.name == name)
    }

    pub fn array_mut(&mut self, name: &str) -> Option<&mut Array> {
        self.arrays.iter_mut().find(|array| array.name == name)
    }

    /// The array if its pointer is not NULL.
    pub fn given(&self, name: &str) -> Option<&Array> {
        self.array(name).filter(|array| array.place != Place::Null)
    }

    pub fn rows(&self) -> usize {
        self.shape.rows as usize
    }

    pub fn n(&self) -> usize {
        self.shape.n as usize
    }

    pub fn k(&self) -> usize {
        self.shape.k as usize
    }

    pub fn samples(&self) -> usize {
        if self.function.ignores_samples() { 1 } else { self.shape.samples as usize }
    }

    /// The ones of row b: k_row or n_row, if there is one.
    pub fn ones(&self, b: usize) -> usize {
        ["k_row", "n_row"].iter().find_map(|name| self.given(name)).map_or(self.k(), |array| array.words[b] as usize)
    }

    /// The number of row b in the noise.
    pub fn row_number(&self, b: usize) -> u64 {
        let id = self
            .given("row_ids")
            .map_or(b as u64, |ids| u64::from(ids.words[2 * b]) | u64::from(ids.words[2 * b + 1]) << 32);
        self.key.row0.wrapping_add(id)
    }

    /// The rows of an array that has rows, dz excepted.
    pub fn layout(&self, name: &str) -> Option<Layout> {
        let (n, k, samples) = (self.n(), self.k(), self.samples());
        let (row, stride) = match name {
            "theta" => (n, "ld_theta"),
            "grad_theta" => (n, "ld_grad"),
            "v" => (n, "ld_v"),
            "theta_other" => (n, "ld_other"),
            "y" => (n, "ld_y"),
            "weights" => (k + 1, "ld_weights"),
            "log_partitions" => (k + 1, ""),
            "marginals" | "out" => (n, ""),
            "z" | "z_in" | "z_target" | "scores" | "noise" => (samples * n, ""),
            "indices" | "lists" | "heads" => (samples * k, ""),
            "log_prob" | "losses" => (samples, ""),
            "log_partition" | "entropy" | "kl" | "loss" | "k_row" | "n_row" => (1, ""),
            "row_ids" => (2, ""),
            _ => return None,
        };
        let stride = self.number(stride);
        Some(Layout { row, stride: if stride == 0 { row } else { stride } })
    }

    /// The strides of dz: from row to row, and from sample to sample.
    pub fn dz_strides(&self) -> (usize, usize) {
        let (row, sample) = (self.number("dz_row_stride"), self.number("dz_sample_stride"));
        let contiguous = if sample == 0 { self.n() } else { self.samples().saturating_mul(sample) };
        (if row == 0 { contiguous } else { row }, sample)
    }

    /// The words of an array with the gaps between its rows.
    pub fn extent(&self, name: &str) -> usize {
        let Some(last) = self.rows().checked_sub(1) else { return self.without_rows(name).unwrap_or(0) };
        if let Some(words) = self.without_rows(name) {
            return words;
        }
        if name.starts_with("dz") {
            let (row, sample) = self.dz_strides();
            let last_sample = if sample == 0 { 0 } else { self.samples() - 1 };
            return last
                .saturating_mul(row)
                .saturating_add(last_sample.saturating_mul(sample))
                .saturating_add(self.n());
        }
        let Layout { row, stride } = self.layout(name).expect("the others have rows");
        last.saturating_mul(stride).saturating_add(row)
    }

    /// The words of an output that has no rows.
    pub fn extent_of_answer(&self, name: &str) -> usize {
        self.without_rows(name).expect("an output without rows")
    }

    fn without_rows(&self, name: &str) -> Option<usize> {
        Some(match name {
            "diagnostics" => size_of::<imle_diagnostics>() / 4,
            "row" | "lambda" => 1,
            "work" => self.number("work_len"),
            "theta" if self.function.family() == Family::Adaptive => self.number("theta_len"),
            "dz" if self.function.family() == Family::Adaptive => self.number("dz_len"),
            _ => return None,
        })
    }

    /// The words of row b of an array that has rows.
    pub fn row(&self, name: &str, b: usize) -> &[u32] {
        row_of(&self.array(name).expect("an array of the call").words, self.layout(name).expect("rows"), b)
    }

    /// dz of a sample.
    pub fn dz(&self, name: &str, b: usize, s: usize) -> &[u32] {
        let (row, sample) = self.dz_strides();
        &self.array(name).expect("dz").words[b * row + s * sample..][..self.n()]
    }

    /// The floats of workspace that the function needs, by the macros of the header.
    pub fn floats_needed(&self) -> usize {
        // No product overflows, whatever a fault has put into the shape.
        let (n, k) = (self.n().min(1 << 24), self.k().min(1 << 24));
        let projective = self.tree_options.projective == 1;
        match (self.function.family(), self.function.is_exact()) {
            (Family::TopK | Family::Argmax, false) => 3 * n,
            (Family::TopK, true) => (n + 12) * (k + 1) + 3 * n + 136,
            (Family::Argmax, true) => n,
            (_, false) if projective => (6 * k + 6) * k + 1,
            (_, false) => (5 * k + 14) * k,
            (_, true) if projective => (15 * k + 120) * k + 144,
            (_, true) => (10 * k + 100) * k + 48,
        }
    }

    /// Runs the call. `guard` is the number of words before and behind every array.
    pub fn run(&self, guard: usize) -> Outcome {
        // The memory of every array is as long as its own words and the arrays that are placed into it.
        let mut memory: Vec<Memory> = self.arrays.iter().map(|array| self.memory_of(array, guard)).collect();
        let addresses: Vec<*mut u32> = memory.iter_mut().map(Memory::array).collect();
        let index = |name: &str| self.arrays.iter().position(|array| array.name == name);
        let pointer = |i: usize| -> *mut u8 {
            match self.arrays[i].place {
                Place::Own => addresses[i].cast(),
                Place::Null => std::ptr::null_mut(),
                Place::Off(bytes) => addresses[i].cast::<u8>().wrapping_add(bytes),
                Place::Into(other, word) => {
                    addresses[index(other).expect("an array of the call")].wrapping_add(word).cast()
                }
            }
        };
        let row_ids = index("row_ids").map_or(std::ptr::null(), |i| pointer(i).cast_const().cast());
        for (array, memory) in self.arrays.iter().zip(&mut memory) {
            if matches!(role(array.name), Role::Struct | Role::State) {
                memory.fill(&caller::words_of(self, array.name, row_ids));
            }
        }
        let arguments: Vec<Argument> = (self.function.arguments.iter())
            .map(|&name| {
                let pointer = index(name).map_or(std::ptr::null_mut(), pointer);
                Argument { pointer, number: self.number(name), side: self.side, temperature: self.temperature }
            })
            .collect();
        let before: Vec<Vec<u32>> = memory.iter().map(|memory| memory.words().to_vec()).collect();
        let (status, kept_mode) = mode::with(self.mode, || unsafe { (self.function.call)(arguments.as_ptr()) });
        let after = memory.iter().map(|memory| memory.words().to_vec()).collect();
        let starts = memory.iter().map(|memory| memory.start).collect();
        Outcome { status, kept_mode, before, after, starts }
    }

    fn memory_of(&self, array: &Array, guard: usize) -> Memory {
        let visitors = self.arrays.iter().filter(|other| matches!(other.place, Place::Into(at, _) if at == array.name));
        let room: usize = visitors.map(|other| other.words.len() + 2).sum();
        let own = match role(array.name) {
            Role::Struct | Role::State => caller::words_of(self, array.name, std::ptr::null()).len(),
            _ => array.words.len(),
        };
        // Without guards the words end where the memory ends.
        let shift = if guard == 0 { own % 2 * usize::from(alignment(array.name) == 4) } else { array.shift };
        let len = (2 * guard + shift + own + room).div_ceil(2);
        let filler = u64::from(JUNK) << 32 | u64::from(JUNK);
        let mut memory = Memory { memory: vec![filler; len], start: guard + shift };
        memory.fill(&array.words);
        memory
    }

    /// Where an array starts: the array whose memory it is in, and the word after the start of that array. None if it is
    /// NULL or misaligned.
    pub fn placed(&self, name: &'static str) -> Option<(&'static str, usize)> {
        match self.array(name)?.place {
            Place::Own => Some((name, 0)),
            Place::Into(other, word) => Some((other, word)),
            Place::Null | Place::Off(_) => None,
        }
    }
}

/// The text that a report shows of a failing call.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}\n{:?}\n{:?}\n{:?}", self.shape, self.options, self.key, self.tree_options)?;
        writeln!(f, "{:?} side {} temperature {} mode {:x}", self.numbers, self.side, self.temperature, self.mode)?;
        for Array { name, words, place, .. } in &self.arrays {
            let floats: Vec<f32> = words.iter().take(40).map(|&word| f32::from_bits(word)).collect();
            match *name {
                "k_row" | "n_row" | "lists" | "row_ids" => writeln!(f, "{name} {place:?} {words:?}")?,
                _ if role(name) == Role::Input => writeln!(f, "{name} {place:?} {floats:?}")?,
                _ => writeln!(f, "{name} {place:?}")?,
            }
        }
        Ok(())
    }
}

pub fn row_of(words: &[u32], layout: Layout, b: usize) -> &[u32] {
    &words[b * layout.stride..][..layout.row]
}

struct Memory {
    memory: Vec<u64>,
    /// The word where the array starts.
    start: usize,
}

impl Memory {
    fn words(&self) -> &[u32] {
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().cast(), 2 * self.memory.len()) }
    }

    fn array(&mut self) -> *mut u32 {
        self.memory.as_mut_ptr().cast::<u32>().wrapping_add(self.start)
    }

    fn fill(&mut self, words: &[u32]) {
        let all: &mut [u32] =
            unsafe { std::slice::from_raw_parts_mut(self.memory.as_mut_ptr().cast(), 2 * self.memory.len()) };
        all[self.start..][..words.len()].copy_from_slice(words);
    }
}

/// The result of a call: its status, and the memory of all its arrays, guards included, before and after.
pub struct Outcome {
    pub status: imle_status,
    /// False if the floating-point mode is another one than before.
    pub kept_mode: bool,
    before: Vec<Vec<u32>>,
    after: Vec<Vec<u32>>,
    starts: Vec<usize>,
}

impl Outcome {
    /// The words of an output from its pointer on, guards included. None if it is NULL.
    pub fn output(&self, call: &Call, name: &'static str) -> Option<&[u32]> {
        let (owner, word) = call.placed(name)?;
        let i = call.arrays.iter().position(|array| array.name == owner)?;
        Some(&self.after[i][self.starts[i] + word..])
    }

    /// The numbers of the diagnostics: states, unchanged, nonzeros. None if it is NULL.
    pub fn diagnostics(&self, call: &Call) -> Option<[u64; 3]> {
        self.output(call, "diagnostics").map(caller::diagnostics)
    }

    /// The first array with a word that changed outside the ranges that may change. A range is an array and its words.
    pub fn changed_outside(mut self, call: &Call, may_change: &[(&'static str, Range<usize>)]) -> Option<String> {
        for (name, range) in may_change {
            let Some((owner, word)) = call.placed(name) else { continue };
            let i = call.arrays.iter().position(|array| array.name == owner).expect("an array of the call");
            let range = self.starts[i] + word + range.start..self.starts[i] + word + range.end;
            self.before[i][range.clone()].fill(0);
            self.after[i][range].fill(0);
        }
        for (i, array) in call.arrays.iter().enumerate() {
            if let Some(at) = self.before[i].iter().zip(&self.after[i]).position(|(before, after)| before != after) {
                return Some(format!("{}, word {}", array.name, at as i64 - self.starts[i] as i64));
            }
        }
        None
    }
}
