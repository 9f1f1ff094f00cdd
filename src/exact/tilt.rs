//! The tilt of a row's coins: y_i = (θ_i − γ)/T + ln c with about k heads expected.

use crate::arch::{self, Dispatch, Isa};
use crate::float::{exp_negative, ln, sqrtf};
use crate::kernel::exact::odds::{self, Expected};
use crate::kernel::select::near_kth;

/// γ is at most this many temperatures above the k-th largest θ.
const WIDTH: f32 = 2.0;

/// At least e to the power of [`WIDTH`].
const E_TO_WIDTH: f32 = 7.4;

/// Half the inverse of a number that no n exceeds. It is a constant, and not 0.5/n, so that −inf behind the scores of a row
/// changes no bit.
const LOWEST_C: f32 = 1.0 / (1_u64 << 33) as f32;

/// A guard against a search without end. No test reaches it: every step narrows the bracket, and the model in [`step`] is
/// so close that a search over random rows with n up to 20,000 met none that takes more than 12 steps. If it were reached,
/// precision would suffer; and an h too large for the memory of the polynomials fails an assertion there.
const MOST_STEPS: u32 = 64;

/// The parameters that the coins of a row have in common.
///
/// γ lies near the k-th largest θ, so that differences near it lose nothing; ln c, of order ln n, sets the expected heads.
#[derive(Clone, Copy)]
pub(super) struct Tilt {
    pub gamma: f32,
    pub temperature: f32,
    pub ln_c: f32,
    /// How many coins are more likely to show heads.
    pub h: usize,
}

impl Tilt {
    /// Tilts the coins of a row. `odds` ← the odds of each coin's less likely side, negative where that is tails.
    ///
    /// At least k entries are not masked. For k = 0 no θ is chosen, γ is +inf, and every coin shows tails.
    pub(super) fn new(theta: &[f32], k: usize, temperature: f32, odds: &mut [f32]) -> Tilt {
        arch::run(TiltCoins { odds, theta, temperature, k })
    }

    /// ln(p/q) of a coin.
    #[inline(always)]
    pub(super) fn y(self, theta: f32) -> f32 {
        (theta - self.gamma) / self.temperature + self.ln_c
    }
}

struct TiltCoins<'a> {
    odds: &'a mut [f32],
    theta: &'a [f32],
    temperature: f32,
    k: usize,
}

impl Dispatch for TiltCoins<'_> {
    type Output = Tilt;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Tilt {
        let TiltCoins { odds, theta, temperature, k } = self;
        let gamma = if k == 0 { f32::INFINITY } else { near_kth(isa, theta, k, WIDTH * temperature) };
        odds::from_scores(theta, gamma, temperature, odds);
        let (c, h) = expect_heads(k, odds);
        Tilt { gamma, temperature, ln_c: ln(c), h }
    }
}

/// Multiplies the odds of heads by a c such that about k heads are expected. Returns c and h.
#[inline(always)]
fn expect_heads(k: usize, odds: &mut [f32]) -> (f32, usize) {
    // With c at the lower end at most k − ½ heads are expected (all but k − 1 coins have odds ≤ 1/2n), at the upper end at
    // least k − ¼ (the k largest have odds ≥ 4k).
    let (mut low, mut high) = (LOWEST_C, 4.0 * E_TO_WIDTH * k as f32);
    let (mut c, mut steps) = (1.0, 0..MOST_STEPS);
    loop {
        let expected = Expected::new(odds);
        let missing = k as f32 - expected.h as f32;
        let excess = expected.difference - missing;
        // About a third of a standard deviation, or of a head.
        if excess * excess <= (1.0 + expected.variance) / 8.0 || steps.next().is_none() {
            return (c, expected.h);
        }
        if excess > 0.0 {
            high = c;
        } else {
            low = c;
        }
        let next = c * step(&expected, missing);
        let next = if low < next && next < high { next } else { sqrtf(low * high) };
        odds::tilt(odds, next / c);
        c = next;
    }
}

/// The factor on the odds of heads under which about k heads are expected: `missing` = k − h rare heads more than rare
/// tails.
///
/// As long as rare sides are unlikely, the expected rare heads are in proportion to the odds of heads, the expected rare
/// tails to those of tails. So the model for a factor g is heads · g^a − tails/g^a = missing, with the a that gives it the
/// right derivative at g = 1.
#[inline(always)]
fn step(expected: &Expected, missing: f32) -> f32 {
    let (twice_heads, twice_tails) = (expected.sum + expected.difference, expected.sum - expected.difference);
    let g_to_a = (missing + sqrtf(missing * missing + twice_heads * twice_tails)) / twice_heads;
    let ln_g = ln(g_to_a) * (expected.sum / expected.variance);
    if ln_g < 0.0 { exp_negative(ln_g) } else { 1.0 / exp_negative(-ln_g) }
}
