//! States in the caller's memory: 0/1 floats or lists of the positions of the ones.

use crate::error::BadRow;
use crate::kernel::SCALAR;
use crate::kernel::elementwise::{self, copy};
use crate::rows::{block_mut, check_length};
use crate::{Argument, Error, MapSolver, Shape};

/// Where states go: 0/1 floats, index lists, or both.
#[derive(Debug, Default)]
pub struct States<'a> {
    /// z, `[B][S][N]` (`[B][N]` for MAP): exactly 0 or 1.
    pub z: Option<&'a mut [f32]>,
    /// The positions of the ones, ascending, `[B][S][K]` (`[B][K]` for MAP); the unused tail is `u32::MAX`.
    pub indices: Option<&'a mut [u32]>,
}

impl<'a> States<'a> {
    /// States as 0/1 floats.
    #[must_use]
    pub const fn z(z: &'a mut [f32]) -> Self {
        States { z: Some(z), indices: None }
    }

    /// States as index lists.
    #[must_use]
    pub const fn indices(indices: &'a mut [u32]) -> Self {
        States { z: None, indices: Some(indices) }
    }

    /// States in both forms.
    #[must_use]
    pub const fn both(z: &'a mut [f32], indices: &'a mut [u32]) -> Self {
        States { z: Some(z), indices: Some(indices) }
    }

    pub(crate) fn check(&self, shape: Shape, solver: &impl MapSolver) -> Result<(), Error> {
        let states = shape.rows() * shape.samples();
        if let Some(z) = &self.z {
            check_length(Argument::Z, z, states * shape.n())?;
        }
        if let Some(indices) = &self.indices {
            check_length(Argument::Indices, indices, states * shape.k())?;
            check_lists(shape, solver)?;
        }
        Ok(())
    }

    pub(crate) fn is_none(&self) -> bool {
        self.z.is_none() && self.indices.is_none()
    }

    /// Writes state number `state`.
    #[inline(always)]
    pub(crate) fn put(&mut self, shape: Shape, state: usize, from: State<'_>) {
        if let Some(out) = &mut self.z {
            from.write_z(block_mut(out, state * shape.n(), shape.n()));
        }
        if let Some(out) = &mut self.indices {
            let start = state * shape.k();
            from.write_list(out.get_mut(start..).and_then(|rest| rest.get_mut(..shape.k())).unwrap_or_default());
        }
    }
}

/// A state as a solver leaves it.
#[derive(Clone, Copy, Debug)]
pub enum State<'a> {
    /// z itself.
    Dense(&'a [f32]),
    /// The positions of the ones, ascending, as the bits of floats: few of many.
    Ones(&'a [f32]),
    /// z_i is bit i, of at most 64.
    Bits(u64),
}

/// Four coordinates of a state by their bits.
#[rustfmt::skip]
const FOURS: [[f32; 4]; 16] = [
    [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0],
    [0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0],
    [0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0],
    [0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0],
];

/// The positions of the bits that are set, ascending.
#[inline(always)]
pub(crate) fn positions(mut bits: u64) -> impl Iterator<Item = u32> {
    core::iter::from_fn(move || {
        if bits == 0 {
            return None;
        }
        let i = bits.trailing_zeros();
        bits &= bits - 1;
        Some(i)
    })
}

impl State<'_> {
    #[inline(always)]
    fn write_z(self, out: &mut [f32]) {
        match self {
            State::Dense(z) => copy(z, out),
            State::Ones(ones) => {
                out.fill(0.0);
                elementwise::add_at(ones, 1.0, out);
            }
            State::Bits(bits) => {
                let mut bits = bits;
                let (fours, rest) = out.as_chunks_mut::<4>();
                for four in fours {
                    *four = FOURS.get(bits as usize % FOURS.len()).copied().unwrap_or_default();
                    bits >>= 4;
                }
                for z in rest {
                    *z = (bits & 1) as f32;
                    bits >>= 1;
                }
            }
        }
    }

    #[inline(always)]
    pub(crate) fn write_list(self, out: &mut [u32]) {
        match self {
            State::Dense(z) => {
                // Every position is written, and the next one over it if it is no one: no branch to guess.
                let mut count = 0;
                for (i, &z) in (0..).zip(z) {
                    if let Some(slot) = out.get_mut(count) {
                        *slot = i;
                    }
                    count += usize::from(z != 0.0);
                }
                out.get_mut(count..).unwrap_or_default().fill(u32::MAX);
            }
            State::Ones(ones) => {
                let mut ones = ones.iter().map(|i| i.to_bits());
                for slot in out {
                    *slot = ones.next().unwrap_or(u32::MAX);
                }
            }
            State::Bits(mut bits) => {
                let (ones, tail) = out.split_at_mut_checked(bits.count_ones() as usize).unwrap_or_default();
                for slot in ones {
                    *slot = bits.trailing_zeros();
                    bits &= bits.wrapping_sub(1);
                }
                tail.fill(u32::MAX);
            }
        }
    }

    /// sum += step · z
    #[inline(always)]
    pub(crate) fn accumulate(self, step: f32, sum: &mut [f32]) {
        match self {
            State::Dense(z) => elementwise::accumulate(z, step, sum),
            State::Ones(ones) => elementwise::add_at(ones, step, sum),
            State::Bits(bits) => add_at(bits, step, sum),
        }
    }

    /// sum += step · (z − z'); the number of coordinates where they differ.
    #[inline(always)]
    pub(crate) fn accumulate_difference(self, target: State<'_>, step: f32, sum: &mut [f32]) -> u64 {
        let shared = match (self, target) {
            (State::Dense(z), State::Dense(target)) => {
                return elementwise::accumulate_difference(z, target, step, sum);
            }
            (State::Bits(z), State::Bits(target)) => {
                add_at(z & !target, step, sum);
                add_at(target & !z, -step, sum);
                return u64::from((z ^ target).count_ones());
            }
            (State::Ones(z), State::Ones(target)) => elementwise::common(z, target),
            (State::Ones(ones), State::Dense(z)) | (State::Dense(z), State::Ones(ones)) => {
                elementwise::at(ones, z).filter(|&z| z != 0.0).count()
            }
            (State::Bits(bits), other) | (other, State::Bits(bits)) => {
                positions(bits).filter(|&i| other.has(i)).count()
            }
        };
        self.accumulate(step, sum);
        target.accumulate(-step, sum);
        (self.count() + target.count() - 2 * shared) as u64
    }

    /// Whether z_i is 1.
    fn has(self, i: u32) -> bool {
        match self {
            State::Dense(z) => z.get(i as usize).is_some_and(|&z| z != 0.0),
            State::Ones(ones) => ones.iter().any(|one| one.to_bits() == i),
            State::Bits(bits) => bits >> i & 1 == 1,
        }
    }

    /// How many ones.
    #[inline(always)]
    fn count(self) -> usize {
        match self {
            State::Dense(z) => z.iter().filter(|&&z| z != 0.0).count(),
            State::Ones(ones) => ones.len(),
            State::Bits(bits) => bits.count_ones() as usize,
        }
    }

    /// Whether dz ≤ 0 at every one and dz ≥ 0 at every zero: a step against dz raises what is chosen and nothing else.
    #[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(always))]
    pub(crate) fn has_descended(self, dz: &[f32]) -> bool {
        match self {
            State::Dense(z) => z.iter().zip(dz).all(|(&z, &dz)| if z != 0.0 { dz <= 0.0 } else { dz >= 0.0 }),
            State::Ones(ones) => {
                let mut chosen = 0;
                for i in ones {
                    let dz = dz.get(i.to_bits() as usize).copied().unwrap_or_default();
                    if dz > 0.0 {
                        return false;
                    }
                    chosen += usize::from(dz < 0.0);
                }
                let all = dz.iter().filter(|&&dz| dz < 0.0);
                // One more would do: where it costs a branch anyway, the rest is not looked at.
                if SCALAR { all.enumerate().all(|(i, _)| i < chosen) } else { all.count() == chosen }
            }
            // Of few scores this is asked where their noise is made.
            State::Bits(_) => false,
        }
    }
}

/// sum[i] += x where bit i is set.
#[inline(always)]
fn add_at(bits: u64, x: f32, sum: &mut [f32]) {
    for i in positions(bits) {
        if let Some(sum) = sum.get_mut(i as usize) {
            *sum += x;
        }
    }
}

/// States have lists if it is known how many ones they have.
pub(crate) fn check_lists(shape: Shape, solver: &impl MapSolver) -> Result<(), Error> {
    if (0..shape.rows()).any(|b| solver.ones(b).is_none()) { Err(Error::NoLists) } else { Ok(()) }
}

/// A row's states as index lists of k entries.
#[derive(Clone, Copy)]
pub(crate) struct Lists<'a> {
    /// Of the whole batch.
    pub lists: &'a [u32],
    /// The number of the row's first state in it.
    pub first: usize,
    pub k: usize,
}

impl<'a> Lists<'a> {
    #[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(never))]
    fn get(&self, s: usize) -> &'a [u32] {
        let start = (self.first + s) * self.k;
        self.lists.get(start..).and_then(|rest| rest.get(..self.k)).unwrap_or_default()
    }

    /// As many unmasked positions as a state has ones, ascending, and then nothing; how many these are.
    pub(crate) fn check(self, samples: usize, theta: &[f32], ones: Option<usize>) -> Result<usize, BadRow> {
        let Some(ones) = ones.filter(|&ones| ones <= self.k) else { return Err(BadRow::NotAState) };
        for s in 0..samples {
            let mut least = 0;
            for (at, &i) in self.get(s).iter().enumerate() {
                let unmasked = || theta.get(i as usize).is_some_and(|t| t.to_bits() != f32::NEG_INFINITY.to_bits());
                if if at < ones { i < least || !unmasked() } else { i != u32::MAX } {
                    return Err(BadRow::NotAState);
                }
                least = i.wrapping_add(1);
            }
        }
        Ok(ones)
    }

    /// State s, a bit a coordinate; None unless it is of `ones` positions, ascending, that are set in `unmasked`, and then
    /// nothing.
    #[inline(always)]
    pub(crate) fn bits(self, s: usize, ones: usize, unmasked: u64) -> Option<u64> {
        let (positions, tail) = self.get(s).split_at_checked(ones)?;
        let (mut bits, mut last, mut ascending) = (0, -1, true);
        for &i in positions {
            let i = i64::from(i);
            ascending &= i > last;
            last = i;
            bits |= 1_u64.wrapping_shl(i as u32);
        }
        let good = ascending && last < i64::from(u64::BITS) && bits & !unmasked == 0;
        (good && tail.iter().all(|&i| i == u32::MAX)).then_some(bits)
    }

    /// State s, of so many ones, at the front of `work`, and the rest of it.
    #[inline(always)]
    pub(crate) fn state<'w>(self, s: usize, ones: usize, work: &'w mut [f32]) -> (State<'w>, &'w mut [f32]) {
        let (out, rest) = work.split_at_mut_checked(ones).unwrap_or_default();
        out.iter_mut().zip(self.get(s)).for_each(|(slot, &i)| *slot = f32::from_bits(i));
        (State::Ones(out), rest)
    }

    pub(crate) fn write(self, s: usize, z: &mut [f32]) {
        z.fill(0.0);
        self.add(s, 1.0, z);
    }

    /// sum += factor · z_s
    pub(crate) fn add(self, s: usize, factor: f32, sum: &mut [f32]) {
        for &i in self.get(s) {
            if let Some(sum) = sum.get_mut(i as usize) {
                *sum += factor;
            }
        }
    }
}
