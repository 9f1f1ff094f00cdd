//! The lanes that loops are written over, and the operations that each instruction set implements.

/// True on a small machine: it has no vector unit for f32, so loops go by coordinates and not by lanes.
///
/// Small machines are also short of flash and stack. `build.rs` names them `imle_small` for attributes:
/// `inline(never)` then marks code that would otherwise be duplicated, and `inline(always)` marks calls whose arguments
/// or result would go through memory. Each was measured with `tests/embedded/table.py`. On all other machines
/// `inline(always)` marks code that must be compiled for the instruction set of its caller.
pub(crate) const SCALAR: bool = cfg!(imle_small);

/// True if the machine computes with f32 in hardware.
pub(crate) const FLOAT_UNIT: bool =
    cfg!(any(target_abi = "eabihf", target_feature = "f", not(any(target_arch = "arm", target_arch = "riscv32"))));

/// The lanes that loops are written over, and the words in a block of noise.
pub(crate) const LANES: usize = 16;

/// Half of the lanes: AVX2 works on this many at once.
pub(crate) const EIGHT: usize = LANES / 2;

/// [`Isa::exceeded_by`] compares lanes with this many scores in one turn of its loop.
pub(crate) const FOUR: usize = 4;

/// [`Isa::exceeded_by`] takes at most this many groups of [`EIGHT`] lanes: their bits fill a word.
pub(crate) const RANKED: usize = 4;

/// A computation that is compiled for every instruction set.
///
/// `run`, and every function that is to be compiled for the same instruction set, must be `#[inline(always)]`.
pub(crate) trait Dispatch {
    /// The result.
    type Output;
    /// False if vectors of more than eight floats do not make it faster. It then has no copy for them.
    #[allow(dead_code, reason = "only machines with such vectors ask")]
    const WIDE: bool = true;
    /// Computes it with the instructions that `isa` stands for.
    fn run<I: Isa>(self, isa: I) -> Self::Output;
}

/// A computation as a function.
#[inline(never)]
fn compiled<I: Isa, D: Dispatch>(isa: I, computation: D) -> D::Output {
    computation.run(isa)
}

/// An instruction set, as a token: whoever holds one may use its instructions.
pub(crate) trait Isa: Copy {
    /// Runs a computation in a function of its own, which all callers with this instruction set share. It costs a call and
    /// saves a copy of the code, so it is for what is long, or rare.
    #[inline(always)]
    fn apart<D: Dispatch>(self, computation: D) -> D::Output {
        compiled(self, computation)
    }

    /// A mask over the lanes: those that are at least t.
    fn at_least(self, block: &[f32; LANES], t: f32) -> u32;

    /// The larger of two numbers in every lane, and the smaller. No lane may be NaN.
    #[inline(always)]
    fn order(self, a: [f32; EIGHT], b: [f32; EIGHT]) -> [[f32; EIGHT]; 2] {
        let (mut larger, mut smaller) = (a, b);
        for (a, b) in larger.iter_mut().zip(&mut smaller) {
            (*a, *b) = if *a > *b { (*a, *b) } else { (*b, *a) };
        }
        [larger, smaller]
    }

    /// Rows as columns.
    #[inline(always)]
    fn transpose(self, rows: [&[f32; EIGHT]; EIGHT]) -> [[f32; EIGHT]; EIGHT] {
        let mut columns = [[0.0; EIGHT]; EIGHT];
        for (l, row) in rows.into_iter().enumerate() {
            for (column, &x) in columns.iter_mut().zip(row) {
                if let Some(place) = column.get_mut(l) {
                    *place = x;
                }
            }
        }
        columns
    }

    /// The ones of `set` for which the bit of `bits` with the number of that one, counted from the lowest, is 1.
    #[inline(always)]
    fn deposit(self, mut bits: u64, mut set: u64) -> u64 {
        let mut deposited = 0;
        while bits != 0 {
            deposited |= (set & set.wrapping_neg()) & (bits & 1).wrapping_neg();
            set &= set.wrapping_sub(1);
            bits >>= 1;
        }
        deposited
    }

    /// Two bit masks over the lanes: lanes exceeded by fewer than k of the scores, and lanes exceeded by fewer than k − 1.
    /// There are at most [`RANKED`] groups of lanes.
    #[inline(always)]
    fn exceeded_by(self, scores: &[[f32; FOUR]], lanes: &[[f32; EIGHT]], k: i32) -> [u32; 2] {
        let (mut fewer, mut fewer_still) = (0, 0);
        for (lanes, shift) in lanes.iter().zip((0..).step_by(EIGHT)) {
            let mut above = [0; EIGHT];
            for &score in scores.as_flattened() {
                for (above, &lane) in above.iter_mut().zip(lanes) {
                    *above += i32::from(score > lane);
                }
            }
            for (lane, above) in above.into_iter().enumerate() {
                fewer |= u32::from(above < k) << (shift + lane);
                fewer_still |= u32::from(above < k - 1) << (shift + lane);
            }
        }
        [fewer, fewer_still]
    }
}
