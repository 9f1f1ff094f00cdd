//! One state z, in the form in which it was found.

use crate::arch::SCALAR;
use crate::kernel::lanes::copy;
use crate::kernel::{bits, elementwise, lists};

/// A state in the form in which a solver leaves it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum State<'a> {
    /// z itself.
    Dense(&'a [f32]),
    /// The positions of the ones, ascending, as the bits of floats: the form for few of many.
    Ones(&'a [f32]),
    /// Bit i is z_i: the form for at most 64 coordinates.
    Bits(u64),
}

impl State<'_> {
    /// Writes z, `[N]`.
    #[inline(always)]
    pub(crate) fn write_z(self, out: &mut [f32]) {
        match self {
            State::Dense(z) => copy(z, out),
            State::Ones(ones) => {
                out.fill(0.0);
                lists::add_at(ones, 1.0, out);
            }
            State::Bits(bits) => bits::write_floats(bits, out),
        }
    }

    /// Writes the positions of the ones, ascending, and `u32::MAX` behind them.
    #[inline(always)]
    pub(crate) fn write_list(self, out: &mut [u32]) {
        match self {
            State::Dense(z) => {
                // Branchless compaction: write i always, and advance the cursor only if z_i = 1.
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
            State::Bits(bits) => bits::write_positions(bits, out),
        }
    }

    /// sum += step · z
    #[inline(always)]
    pub(crate) fn accumulate(self, step: f32, sum: &mut [f32]) {
        match self {
            State::Dense(z) => elementwise::accumulate(z, step, sum),
            State::Ones(ones) => lists::add_at(ones, step, sum),
            State::Bits(bits) => bits::add_at(bits, step, sum),
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
                bits::add_difference(z, target, step, sum);
                return u64::from((z ^ target).count_ones());
            }
            (State::Ones(z), State::Ones(target)) => lists::count_common(z, target),
            (State::Ones(ones), State::Dense(z)) | (State::Dense(z), State::Ones(ones)) => {
                lists::values_at(ones, z).filter(|&z| z != 0.0).count()
            }
            (State::Bits(bits), other) | (other, State::Bits(bits)) => {
                bits::positions(bits).filter(|&i| other.has(i)).count()
            }
        };
        self.accumulate(step, sum);
        target.accumulate(-step, sum);
        (self.count() + target.count() - 2 * shared) as u64
    }

    /// True if z_i is 1.
    fn has(self, i: u32) -> bool {
        match self {
            State::Dense(z) => z.get(i as usize).is_some_and(|&z| z != 0.0),
            State::Ones(ones) => ones.iter().any(|one| one.to_bits() == i),
            State::Bits(bits) => bits >> i & 1 == 1,
        }
    }

    /// The number of ones.
    #[inline(always)]
    fn count(self) -> usize {
        match self {
            State::Dense(z) => z.iter().filter(|&&z| z != 0.0).count(),
            State::Ones(ones) => ones.len(),
            State::Bits(bits) => bits.count_ones() as usize,
        }
    }

    /// True if dz ≤ 0 at every one and dz ≥ 0 at every zero. A step against dz then raises the chosen scores and no others,
    /// so it leaves the k largest as they are.
    #[cfg_attr(imle_small, inline(always))]
    pub(crate) fn unchanged_by_step(self, dz: &[f32]) -> bool {
        match self {
            State::Dense(z) => z.iter().zip(dz).all(|(&z, &dz)| if z != 0.0 { dz <= 0.0 } else { dz >= 0.0 }),
            State::Ones(ones) => {
                let mut negative_ones = 0;
                for dz in lists::values_at(ones, dz) {
                    if dz > 0.0 {
                        return false;
                    }
                    negative_ones += usize::from(dz < 0.0);
                }
                let mut negative = dz.iter().filter(|&&dz| dz < 0.0);
                // On small machines a branch costs little, so the loop stops at the first negative dz too many.
                if SCALAR { negative.nth(negative_ones).is_none() } else { negative.count() == negative_ones }
            }
            // Short rows compute all their scores in any case.
            State::Bits(_) => false,
        }
    }
}
