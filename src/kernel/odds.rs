//! The coins of a row: their odds, and the sums over them that choose the tilt.

use super::polynomial::load;
use crate::arch::{Isa, LANES};
use crate::float::exp_negative;
use crate::kernel::reduce::total;

/// The sign of a float, as its bit.
const SIGN: u32 = 1 << 31;

/// `odds` ← e^{−|y|} for y = (θ − γ)/T, negative where θ > γ: the odds of each coin's less likely side, negative where
/// that is tails.
#[inline(always)]
pub(crate) fn weigh(theta: &[f32], gamma: f32, temperature: f32, odds: &mut [f32]) {
    for (odds, &theta) in odds.iter_mut().zip(theta) {
        let y = (theta - gamma) / temperature;
        let sign = if theta > gamma { SIGN } else { 0 };
        *odds = f32::from_bits(exp_negative(-y.abs()).to_bits() | sign);
    }
}

/// Multiplies the odds of heads by `factor`; where that makes the less likely side the other one, the odds are its.
#[inline(always)]
pub(crate) fn tilt(odds: &mut [f32], factor: f32) {
    let inverse = 1.0 / factor;
    for odds in odds {
        let x = odds.abs() * if odds.is_sign_negative() { inverse } else { factor };
        let turned = if x > 1.0 { SIGN } else { 0 };
        let r = if x > 1.0 { 1.0 / x } else { x };
        *odds = f32::from_bits(r.to_bits() | (odds.to_bits() & SIGN) ^ turned);
    }
}

/// Sums over coins: how many are more likely to show heads, and of the probabilities u = r/(1 + r) of each coin's less
/// likely side: u with the sign of the odds, u itself, and u(1 − u).
pub(crate) struct Sums {
    pub likely: usize,
    pub difference: f32,
    pub sum: f32,
    pub variance: f32,
}

#[inline(always)]
pub(crate) fn sums(odds: &[f32]) -> Sums {
    let (mut likely, [mut difference, mut sum, mut variance]) = ([0; LANES], [[0.0; LANES]; 3]);
    let (full, rest) = odds.as_chunks::<LANES>();
    for &block in full.iter().chain([&load(rest, 0.0)]) {
        let sums = likely.iter_mut().zip(&mut difference).zip(&mut sum).zip(&mut variance);
        for ((((likely, difference), sum), variance), odds) in sums.zip(&block) {
            let (r, sign) = (odds.abs(), odds.to_bits() & SIGN);
            let other = 1.0 / (1.0 + r);
            let u = r * other;
            *likely += sign >> 31;
            *difference += f32::from_bits(u.to_bits() | sign);
            *sum += u;
            *variance += u * other;
        }
    }
    Sums {
        likely: likely.iter().sum::<u32>() as usize,
        difference: total(&difference),
        sum: total(&sum),
        variance: total(&variance),
    }
}

/// The odds and the v of the coins whose odds are negative, in their order; there has to be room for them.
#[inline(always)]
pub(crate) fn gather_negative<'a, I: Isa>(
    isa: I,
    odds: &[f32],
    v: &[f32],
    [room, room_v]: [&'a mut [f32]; 2],
) -> [&'a [f32]; 2] {
    let mut count = 0;
    let (full, rest) = odds.as_chunks::<LANES>();
    for (number, block) in full.iter().chain([&load(rest, 0.0)]).enumerate() {
        let mut marks = *block;
        for mark in &mut marks {
            *mark = if mark.is_sign_negative() { 1.0 } else { 0.0 };
        }
        let mut negative = isa.at_least(&marks, 1.0);
        while negative != 0 {
            let i = LANES * number + negative.trailing_zeros() as usize;
            negative &= negative - 1;
            if let (Some(&odds), Some(to)) = (odds.get(i), room.get_mut(count)) {
                *to = odds;
            }
            if let (Some(&v), Some(to)) = (v.get(i), room_v.get_mut(count)) {
                *to = v;
            }
            count += 1;
        }
    }
    [room.get(..count).unwrap_or_default(), room_v.get(..count).unwrap_or_default()]
}
