//! The Sum-of-Gamma law in f64, by an integral over the complex plane, for both tails and any κ and s, s = ∞ included.

use std::f64::consts::{LN_2, PI};

use libm::log;
use num_complex::Complex64;

/// ε = Σ_{i≤s} Gamma(1/κ)/i − ln(s)/κ, `None` for s = ∞.
#[derive(Clone, Copy, Debug)]
pub struct SumOfGamma {
    pub kappa: f64,
    pub terms: Option<u32>,
}

/// P(ε ≤ x) and P(ε > x), the smaller with relative accuracy.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub below: f64,
    pub above: f64,
}

impl SumOfGamma {
    /// ln E e^{tε} = (ln Γ(1 − t) + ln Γ(1 + s) − ln Γ(1 + s − t) − t ln s)/κ for t < 1.
    fn cumulants(&self, t: Complex64) -> Complex64 {
        let head = ln_gamma(1.0 - t);
        let rest = self.terms.map_or(Complex64::ZERO, |s| {
            let s = f64::from(s);
            ln_gamma((1.0 + s).into()) - ln_gamma(1.0 + s - t) - t * log(s)
        });
        (head + rest) / self.kappa
    }

    /// P(ε ≤ x), 0 up to the lower bound.
    pub fn below(&self, x: f64) -> f64 {
        let lowest = self.terms.map_or(f64::NEG_INFINITY, |s| -log(f64::from(s)) / self.kappa);
        if x > lowest { self.at(x).below } else { 0.0 }
    }

    /// t with K'(t) = x, approximately. The derivative along the imaginary axis loses no digits.
    fn saddle(&self, x: f64) -> f64 {
        let steeper = |t: f64| {
            let h = 1e-9 * (1.0 - t);
            self.cumulants(Complex64::new(t, h)).im / h > x
        };
        // Bisection of ln(1 − t).
        let (mut low, mut high) = (1e-12_f64, 1e12_f64);
        for _ in 0..60 {
            let middle = (low * high).sqrt();
            *(if steeper(1.0 - middle) { &mut low } else { &mut high }) = middle;
        }
        1.0 - low
    }

    /// (1/2πi) ∫ e^{K(t) − tx} dt/t on a parabola through the saddle point. It is the upper tail if the parabola crosses
    /// the real axis at t > 0, and minus the lower tail if at t < 0. The trapezoidal rule converges exponentially.
    pub fn at(&self, x: f64) -> Point {
        const NODES: usize = 1600;
        let saddle = self.saddle(x);
        let width = 1.0 - saddle;
        // The parabola must not pass too near to the pole at 0.
        let start = if saddle >= 0.0 { saddle.max(0.05 * width) } else { saddle.min(-0.05 * width) };
        let scale = (self.cumulants(start.into()) - start * x).re;
        // Here e^{K − tx} has vanished: K decays at least like ln t/κ, and for s = ∞ like t ln t/κ.
        let reach = match self.terms {
            Some(s) => 60.0 / (x + log(f64::from(s)) / self.kappa),
            None => 60.0 * self.kappa,
        };
        let end = libm::asinh(10.0 * (4.0 * (reach + 60.0) / width + 100.0).sqrt());
        let step = end / NODES as f64;
        let mut tail = 0.0;
        for node in 0..NODES {
            let theta = step * node as f64;
            let y = 0.1 * libm::sinh(theta);
            let t = start + width * Complex64::new(0.25 * y * y, y);
            let dt = width * Complex64::new(0.5 * y, 1.0) * (0.1 * libm::cosh(theta));
            let value = ((self.cumulants(t) - t * x - scale).exp() * dt / t).im;
            tail += if node == 0 { 0.5 * value } else { value };
        }
        tail *= step / PI * libm::exp(scale);
        if start > 0.0 { Point { below: 1.0 - tail, above: tail } } else { Point { below: -tail, above: 1.0 + tail } }
    }
}

/// ln Γ, continuous in the plane cut along the negative axis: by Stirling's series if Re z is large, else by recurrence
/// or reflection.
fn ln_gamma(z: Complex64) -> Complex64 {
    if z.im < 0.0 {
        return ln_gamma(z.conj()).conj();
    }
    if z.re < -20.0 {
        // Γ(z) Γ(1 − z) = π / sin πz, sin πz = (i/2) e^{−iπz} (1 − e^{2iπz})
        let turn = Complex64::I * PI * z;
        let ln_sine = Complex64::new(-LN_2, 0.5 * PI) - turn + (1.0 - (2.0 * turn).exp()).ln();
        return log(PI) - ln_sine - ln_gamma(1.0 - z);
    }
    let (mut z, mut shift) = (z, Complex64::ZERO);
    while z.re < 12.0 {
        shift += z.ln();
        z += 1.0;
    }
    const BERNOULLI: [f64; 6] =
        [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0];
    let square = 1.0 / (z * z);
    let series = BERNOULLI.iter().rev().fold(Complex64::ZERO, |sum, b| sum * square + b) / z;
    (z - 0.5) * z.ln() - z + 0.5 * log(2.0 * PI) + series - shift
}
