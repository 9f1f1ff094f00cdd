//! The tilt of a row's coins: y_i = (θ_i − γ)/T + ln c with about k heads expected.

use crate::arch::{self, Dispatch, Isa};
use crate::float::{exp_negative, ln, sqrt};
use crate::kernel::odds::{Sums, sums, tilt, weigh};
use crate::kernel::select::near_kth;

/// What the coins of a row have in common.
///
/// γ is at most [`WIDTH`] temperatures above the k-th largest θ, so that differences near it lose nothing; ln c, of order
/// ln n, sets the expected heads.
#[derive(Clone, Copy)]
pub(super) struct Tilt {
    pub gamma: f32,
    pub temperature: f32,
    pub ln_c: f32,
    /// How many coins are more likely to show heads.
    pub likely: usize,
}

impl Tilt {
    /// Tilts the coins of a row; `odds` ← the odds of each coin's less likely side, negative where that is tails.
    ///
    /// k is at most the unmasked entries. For k = 0 no θ is chosen, γ is +inf, and every coin shows tails.
    pub(super) fn new(theta: &[f32], k: usize, temperature: f32, odds: &mut [f32]) -> Tilt {
        arch::run(Choose { theta, k, temperature, odds })
    }

    /// ln(p/q) of a coin.
    #[inline(always)]
    pub(super) fn y(self, theta: f32) -> f32 {
        (theta - self.gamma) / self.temperature + self.ln_c
    }
}

struct Choose<'a> {
    theta: &'a [f32],
    k: usize,
    temperature: f32,
    odds: &'a mut [f32],
}

impl Dispatch for Choose<'_> {
    type Output = Tilt;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Tilt {
        let Choose { theta, k, temperature, odds } = self;
        let gamma = if k == 0 { f32::INFINITY } else { near_kth(isa, theta, k, WIDTH * temperature) };
        weigh(theta, gamma, temperature, odds);
        // At the lower end at most k − ½ heads are expected (all but k − 1 have odds ≤ 1/2n), at the upper end at least
        // k − ¼ (the k largest have odds ≥ 4k).
        let (mut low, mut high) = (0.5 / theta.len() as f32, 4.0 * E_TO_WIDTH * k as f32);
        let (mut c, mut steps) = (1.0, 0..STEPS);
        let at = loop {
            let at = sums(odds);
            let missing = k as f32 - at.likely as f32;
            let excess = at.difference - missing;
            // About a third of a standard deviation, or of a head.
            if excess * excess <= (1.0 + at.variance) / 8.0 || steps.next().is_none() {
                break at;
            }
            if excess > 0.0 {
                high = c;
            } else {
                low = c;
            }
            let next = c * factor(&at, missing);
            let next = if low < next && next < high { next } else { sqrt(low * high) };
            tilt(odds, next / c);
            c = next;
        };
        Tilt { gamma, temperature, ln_c: ln(c), likely: at.likely }
    }
}

/// Temperatures.
const WIDTH: f32 = 2.0;

const E_TO_WIDTH: f32 = 7.4;

const STEPS: u32 = 64;

/// The factor on the odds of heads under which k heads are expected, about.
///
/// Of the coins more likely to show heads some show tails, t on average, of the others some heads, b: b − t should be
/// `missing`. As long as coins are unlikely to show those, b is in proportion to the odds of heads, t to those of tails.
/// So the model is b g^a and t/g^a with the a that has the right derivative.
#[inline(always)]
fn factor(at: &Sums, missing: f32) -> f32 {
    // b h − t/h = missing, h = g^a
    let (twice_b, twice_t) = (at.sum + at.difference, at.sum - at.difference);
    let h = (missing + sqrt(missing * missing + twice_b * twice_t)) / twice_b;
    let step = ln(h) * (at.sum / at.variance);
    if step < 0.0 { exp_negative(step) } else { 1.0 / exp_negative(-step) }
}
