//! The tilt of a row's coins: y_i = (θ_i − γ)/T + ln c with about k heads expected.

use crate::float::{exp_negative, ln, sqrt};
use crate::kernel::level::{self, Kernel, Level};
use crate::kernel::odds::{settle, sums, weigh};
use crate::kernel::select::kth;

/// What the coins of a row have in common.
///
/// γ is the k-th largest θ, so that differences near it are exact; ln c, of order ln n, sets the expected heads.
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
        level::run(Choose { theta, k, temperature, odds })
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

impl Kernel for Choose<'_> {
    type Output = Tilt;

    #[inline(always)]
    fn run<L: Level>(self) -> Tilt {
        let Choose { theta, k, temperature, odds } = self;
        let gamma = if k == 0 { f32::INFINITY } else { kth::<L>(theta, k) };
        let above = weigh(theta, gamma, temperature, odds);
        let c = scale(odds, k as f32 - above, k, theta.len());
        let likely = settle(odds, c);
        Tilt { gamma, temperature, ln_c: ln(c), likely }
    }
}

/// The factor c under which k heads are expected, to within a fraction of their standard deviation.
///
/// Of the coins above γ some show tails, t on average, of the others some heads, b: b(c) − t(c) should be `missing`. As
/// long as coins are unlikely to show those, b is in proportion to c, t to 1/c. So the model is b c^a and t/c^a with
/// the a that has the right derivative, and each step solves it.
#[inline(always)]
fn scale(weights: &[f32], missing: f32, k: usize, n: usize) -> f32 {
    const STEPS: usize = 64;
    // At the upper end at least k − ¼ heads are expected (the k largest have odds ≥ 4k), at the lower end at most k − ½
    // (all but k − 1 have odds ≤ 1/2n).
    let (mut low, mut high) = (0.5 / n as f32, 4.0 * k as f32);
    let mut c = 1.0;
    for _ in 0..STEPS {
        let at = sums(weights, c);
        let excess = at.difference - missing;
        let bound = (1.0 + at.variance) / 16.0;
        if excess * excess <= if bound < 1.0 { bound } else { 1.0 } {
            break;
        }
        if excess > 0.0 {
            high = c;
        } else {
            low = c;
        }
        // b g − t/g = missing, g = (c'/c)^a
        let (twice_b, twice_t) = (at.sum + at.difference, at.sum - at.difference);
        let g = (missing + sqrt(missing * missing + twice_b * twice_t)) / twice_b;
        let step = ln(g) * (at.sum / at.variance);
        let next = if step < 0.0 { c * exp_negative(step) } else { c / exp_negative(-step) };
        c = if low < next && next < high { next } else { sqrt(low * high) };
    }
    c
}
