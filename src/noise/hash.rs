//! Hashes of 32-bit words, from which the lanes of a row's noise are seeded.

use crate::arch::{LANES, SCALAR};

/// The first digits of π after the point: constants with nothing up the sleeve, which rand's generators use too.
pub(super) static NOISE_CONSTANTS: [u32; 4] = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];

/// The next digits of π: exact samples hash with constants of their own, so that they do not depend on the noise.
pub(super) static EXACT_CONSTANTS: [u32; 4] = [0xa409_3822, 0x299f_31d0, 0x082e_fa98, 0xec4e_6c89];

/// 2³² divided by the golden ratio. Its multiples tell the lanes apart.
const GOLDEN: u32 = 0x9e37_79b9;

/// A constant for the number i, counted from 0. All numbers below 2³² − 1 have different ones, and none has 0.
#[inline(always)]
pub(super) const fn distinct(i: u32) -> u32 {
    GOLDEN.wrapping_mul(i.wrapping_add(1))
}

/// A constant for a lane. All lanes of a row's samples have different ones, because samples have numbers below 2²⁸.
#[inline(always)]
pub(super) const fn lane_constant(sample: u32, lane: u32) -> u32 {
    distinct(sample.wrapping_mul(LANES as u32).wrapping_add(lane))
}

/// Hashes 64 more bits into four words. Each word then depends on every bit that was hashed. For the same seed and step,
/// different rows below 2³² give different words, all four of them.
#[cfg_attr(imle_small, inline(never))]
#[cfg_attr(not(imle_small), inline(always))]
pub(super) fn absorb(hashes: &mut [u32; 4], constants: &[u32; 4], bits: u64) {
    for (hash, constant) in hashes.iter_mut().zip(constants) {
        *hash = absorb_into(*hash, *constant, bits);
    }
}

/// The same for the seed and the step, which a call hashes once and waits for: one word after another in registers, which
/// takes more instructions and less time. x86-64 compilers make a vector of the four words of [`absorb`], and its products
/// take three times as long.
#[inline(always)]
pub(super) fn absorb_in_registers(hashes: &mut [u32; 4], constants: &[u32; 4], bits: u64) {
    #[inline(never)]
    fn absorb_one(hash: u32, constant: u32, bits: u64) -> u32 {
        absorb_into(hash, constant, bits)
    }
    if SCALAR {
        return absorb(hashes, constants, bits);
    }
    for (hash, constant) in hashes.iter_mut().zip(constants) {
        *hash = absorb_one(*hash, *constant, bits);
    }
}

/// Hashes 64 more bits into one word.
#[inline(always)]
fn absorb_into(hash: u32, constant: u32, bits: u64) -> u32 {
    // The high word comes first, so that the last step is a bijection of the row's low word.
    let hash = mix((hash ^ (bits >> 32) as u32).wrapping_add(constant));
    mix((hash ^ bits as u32).wrapping_add(constant))
}

/// A bijection of 32-bit words in which every input bit flips every output bit with probability ½: multiplications and
/// xor-shifts with the constants that Wellons' search found ("triple32", bias 0.02).
#[inline(always)]
pub(super) fn mix(x: u32) -> u32 {
    let x = (x ^ x >> 17).wrapping_mul(0xed5a_d4bb);
    let x = (x ^ x >> 11).wrapping_mul(0xac4c_1b51);
    let x = (x ^ x >> 15).wrapping_mul(0x3184_8bab);
    x ^ x >> 14
}
