//! The density of X = Σ_j Gamma(a w_j)/λ_j, a = 1/κ, on a grid of its own.
//!
//! With c_j = ∫₀ˣ f(y) e^{−λ_j (x − y)} dy the density satisfies x f(x) = a Σ_j w_j c_j(x) (its Laplace transform
//! Π_j (λ_j/(λ_j + t))^{a w_j} has this logarithmic derivative). All terms are positive, so marching to the right keeps
//! relative accuracy, in f32 too. A step from x to x + 2δ takes f times an exponential to be a parabola through x, x + δ,
//! x + 2δ, integrates it exactly against every kernel, and solves two equations for the two new values of f.

use crate::float::{exp_negative, ln};
use crate::kernel::elementwise::dot;

/// Terms i up to here have a rate of their own.
const EXACT: u32 = 12;
/// Σ_{i>12} 1/i²
const REST: f32 = 0.079_957_43;
/// Euler's constant.
const GAMMA: f32 = 0.577_215_7;
/// 12 or 24 terms of their own, or 12 and three for each factor 3 between 1/12 and 1e-5, and one panel more.
const TERMS: usize = 48;

/// Steps of equal length.
const SEGMENT: usize = 4;
/// Enough for every (κ, s): the longest march leaves two (see the test).
const SEGMENTS: usize = 52;
pub(super) const NODES: usize = SEGMENTS * SEGMENT + 1;

/// The law at x.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Node {
    pub x: f32,
    /// f(x), in the unit of the whole march: divide by `below + above`.
    pub density: f32,
    /// ∫ f up to x
    pub below: f32,
    /// ∫ f from x on
    pub above: f32,
}

/// The terms of X.
pub(super) struct Gammas {
    len: usize,
    /// λ
    rate: [f32; TERMS],
    /// a w
    weight: [f32; TERMS],
    /// ε − X
    shift: f32,
}

impl Gammas {
    /// Σ_{i≤s} Gamma(1/κ)/i, s = `u32::MAX` for the limit. Beyond a dozen terms the others are summed up by Gauss
    /// quadrature over 1/i, which keeps their cumulants Σ 1/iʳ; what the rates lack in the mean the shift adds.
    pub(super) fn new(kappa: f32, terms: u32) -> Gammas {
        let a = 1.0 / kappa;
        let mut law = Gammas { len: 0, rate: [1.0; TERMS], weight: [0.0; TERMS], shift: -a * ln(terms as f32) };
        if terms <= 2 * EXACT {
            (1..=terms).for_each(|i| law.push(i as f32, a));
            return law;
        }
        (1..=EXACT).for_each(|i| law.push(i as f32, a));
        let inverse = if terms == u32::MAX { 0.0 } else { 1.0 / terms as f32 };
        // Σ 1/i − ln s, and Σ_{i>s} 1/i²
        let mean = a * (GAMMA + inverse * (0.5 - inverse / 12.0));
        let low = inverse / (1.0 + 0.5 * inverse);
        // The law has the width a, or more; below 1e-5 nothing is seen.
        let finest = (0.1 * a).max(1e-5);
        let mut high = REST;
        while high > finest && high > 3.0 * low {
            law.panel(a, high / 3.0, high);
            high /= 3.0;
        }
        law.panel(a, low, high);
        law.shift = mean - law.rate.iter().zip(&law.weight).map(|(rate, weight)| weight / rate).sum::<f32>();
        law
    }

    /// The terms with 1/i from `low` to `high`: ∫ di = ∫ dv/v² by three Gauss points.
    fn panel(&mut self, a: f32, low: f32, high: f32) {
        const GAUSS: [(f32, f32); 3] = [(0.112_701_67, 5.0 / 18.0), (0.5, 8.0 / 18.0), (0.887_298_3, 5.0 / 18.0)];
        let width = high - low;
        for (point, share) in GAUSS {
            let rate = 1.0 / (low + width * point);
            self.push(rate, a * share * width * rate * rate);
        }
    }

    fn push(&mut self, rate: f32, weight: f32) {
        if let (Some(r), Some(w)) = (self.rate.get_mut(self.len), self.weight.get_mut(self.len)) {
            (*r, *w) = (rate, weight);
            self.len += 1;
        }
    }

    /// ε − X
    pub(super) fn shift(&self) -> f32 {
        self.shift
    }

    /// a Σ w: near 0 the distribution function is proportional to x to this power.
    pub(super) fn power(&self) -> f32 {
        self.weight.iter().sum()
    }

    fn terms(&self) -> impl Iterator<Item = (f32, f32)> {
        self.rate.iter().copied().zip(self.weight).take(self.len)
    }

    /// The law from where it begins, by weight or by its smallest scale, to P(X > x) far below 2⁻³³.
    pub(super) fn march<'a>(&self, nodes: &'a mut [Node; NODES]) -> &'a [Node] {
        const END: f32 = 34.0;
        let (mut march, mut curve) = March::new(self);
        let mut len = 0;
        let mut step = f32::INFINITY;
        for segment in nodes.chunks_exact_mut(SEGMENT) {
            if march.node.x > END {
                break;
            }
            step = curve.step(march.node.x).min(2.0 * step);
            let kernel = Kernel::new(self, step, curve.tilt(step));
            let mut last = [0.0; 3];
            for node in segment {
                *node = march.node;
                (last, node.above) = march.advance(&kernel);
                len += 1;
            }
            curve = Curve::through(last, step);
        }
        let nodes = nodes.get_mut(..len).unwrap_or_default();
        // Beyond the last node f decays like e^{−x}.
        let mut above = march.node.density;
        for node in nodes.iter_mut().rev() {
            above += node.above;
            node.above = above;
        }
        nodes
    }
}

/// Where a march has come to.
struct March {
    /// `above` is not known yet.
    node: Node,
    /// a w c
    state: [f32; TERMS],
}

impl March {
    /// The beginning, and how f runs there: at X = x(t), the mean of the law tilted by e^{−tX}, whose saddle point bounds
    /// P(X < x) by E e^{−tX}·e^{tx}. There f grows like e^{tx}/x, so that c = f/(λ + t); with small 1/κ it is a power of x.
    fn new(law: &Gammas) -> (March, Curve) {
        const SMALL: f32 = 0.01;
        const UNSEEN: f32 = 1e-6;
        const LOG_MASS: f32 = -40.0;
        let power = law.power();
        let fastest = law.terms().map(|(rate, _)| rate).fold(0.0, f32::max);
        let mut t = (power + 1.0) / (SMALL / fastest).max(UNSEEN);
        let mean = |t: f32| law.terms().map(|(rate, weight)| weight / (rate + t)).sum::<f32>();
        let log_mass =
            |t: f32| t * mean(t) - law.terms().map(|(rate, weight)| weight * ln(1.0 + t / rate)).sum::<f32>();
        while log_mass(t) < LOG_MASS {
            t *= 0.6;
        }
        // f = 1; the factor makes the power right.
        let factor = (power + 1.0) / power;
        let x = factor * mean(t);
        let variance = law.terms().map(|(rate, weight)| weight / ((rate + t) * (rate + t))).sum::<f32>();
        let mut march = March { node: Node { x, density: 1.0, below: factor / t, above: 0.0 }, state: [0.0; TERMS] };
        for (state, (rate, weight)) in march.state.iter_mut().zip(law.terms()) {
            *state = factor * weight / (rate + t);
        }
        (march, Curve { growth: t - 1.0 / x, bend: 1.0 / (x * x) - 1.0 / variance })
    }

    /// One step of 2δ: f at its beginning, middle and end, and ∫ f.
    fn advance(&mut self, kernel: &Kernel) -> ([f32; 3], f32) {
        let Node { x, density: f0, below, .. } = self.node;
        // x f = a Σ w c at x + δ and x + 2δ, for the two unknown f
        let (x1, x2) = (x + kernel.step, x + 2.0 * kernel.step);
        let [[a0, a1, a2], [b0, b1, b2]] = kernel.sums;
        let state = self.state.get_mut(..kernel.len).unwrap_or_default();
        let [known1, known2] =
            kernel.decay.each_ref().map(|decay| dot(decay.get(..kernel.len).unwrap_or_default(), state));
        let (known1, known2) = (known1 + a0 * f0, known2 + b0 * f0);
        let determinant = (x1 - a1) * (x2 - b2) - a2 * b1;
        let f1 = (known1 * (x2 - b2) + a2 * known2) / determinant;
        let f2 = ((x1 - a1) * known2 + b1 * known1) / determinant;
        let [g0, g1, g2] = &kernel.gain;
        for ((((state, decay), g0), g1), g2) in state.iter_mut().zip(&kernel.decay[1]).zip(g0).zip(g1).zip(g2) {
            *state = decay * *state + (g0 * f0 + g1 * f1 + g2 * f2);
        }
        let [m0, m1, m2] = kernel.mass;
        let mass = m0 * f0 + m1 * f1 + m2 * f2;
        self.node = Node { x: x2, density: f2, below: below + mass, above: 0.0 };
        ([f0, f1, f2], mass)
    }
}

/// How f runs: its logarithmic derivative, and that one's derivative.
struct Curve {
    growth: f32,
    bend: f32,
}

impl Curve {
    /// At the last of three values δ apart.
    fn through(values: [f32; 3], step: f32) -> Curve {
        let [l0, l1, l2] = values.map(ln);
        let bend = (l2 - 2.0 * l1 + l0) / (step * step);
        Curve { growth: (l2 - l1) / step + 0.5 * bend * step, bend }
    }

    /// δ: a small part of x, where f is like a power of x, and of the width of the law, where that is narrow.
    fn step(&self, x: f32) -> f32 {
        let most = (x / 16.0).min(0.5);
        // 0.15/√|bend|
        let square = self.bend.abs() * most * most / (0.15 * 0.15);
        if square > 1.0 { most * exp_negative(-0.5 * ln(square)) } else { most }
    }

    /// The growth in the middle of the next segment.
    fn tilt(&self, step: f32) -> f32 {
        self.growth + self.bend * step * SEGMENT as f32
    }
}

/// The weights of a step of 2δ, the same throughout a segment.
struct Kernel {
    /// The terms.
    len: usize,
    /// δ
    step: f32,
    /// e^{−λδ}, e^{−2λδ}
    decay: [[f32; TERMS]; 2],
    /// What f at x, x + δ, x + 2δ adds to the state at x + 2δ,
    gain: [[f32; TERMS]; 3],
    /// in sum to Σ state at x + δ and at x + 2δ,
    sums: [[f32; 3]; 2],
    /// and to ∫ f up to x + 2δ.
    mass: [f32; 3],
}

impl Kernel {
    /// For f(y) = e^{ηy} times a parabola: what e^{−λ(x − y)} does to the one, e^{−(λ + η)(x − y)} does to the other.
    fn new(law: &Gammas, step: f32, eta: f32) -> Kernel {
        // e^{ηδ} and its inverse
        let up = if eta > 0.0 { 1.0 / exp_negative(-eta * step) } else { exp_negative(eta * step) };
        let down = 1.0 / up;
        // From the parabola's values to those of f: 1, e^{ηδ}, e^{2ηδ} cancel where f was measured.
        let to_middle = |[p0, p1, p2]: [f32; 3]| [p0 * up, p1, p2 * down];
        let to_end = |[p0, p1, p2]: [f32; 3]| [p0 * (up * up), p1 * up, p2];
        let mass = to_end(parabola(eta * step, down)[1]).map(|m| m * step);
        let (decay, gain) = ([[0.0; TERMS]; 2], [[0.0; TERMS]; 3]);
        let mut kernel = Kernel { len: law.len, step, decay, gain, sums: [[0.0; 3]; 2], mass };
        let [once, twice] = &mut kernel.decay;
        let [g0, g1, g2] = &mut kernel.gain;
        let [sum1, sum2] = &mut kernel.sums;
        let gains = g0.iter_mut().zip(g1).zip(g2);
        for ((((rate, weight), once), twice), ((g0, g1), g2)) in law.terms().zip(once).zip(twice).zip(gains) {
            *once = exp_negative(-rate * step);
            *twice = *once * *once;
            let [middle, end] = parabola((rate + eta) * step, *once * down);
            let [middle, end] = [to_middle(middle), to_end(end)].map(|parts| parts.map(|part| part * (weight * step)));
            [*g0, *g1, *g2] = end;
            sum1.iter_mut().zip(middle).for_each(|(sum, part)| *sum += part);
            sum2.iter_mut().zip(end).for_each(|(sum, part)| *sum += part);
        }
        kernel
    }
}

/// ∫₀ᵗ p(y) e^{−z(t − y)} dy for t = 1 and t = 2 as weights of p(0), p(1), p(2), p a parabola; `decay` = e^{−z}.
fn parabola(z: f32, decay: f32) -> [[f32; 3]; 2] {
    let [j0, j1, j2] = moments(z, decay);
    let first = [j0 - 1.5 * j1 + 0.5 * j2, 2.0 * j1 - j2, 0.5 * (j2 - j1)];
    let second = [0.5 * (j2 - j1), j0 - j2, 0.5 * (j1 + j2)];
    let [mut a, b] = [first, second];
    for (a, b) in a.iter_mut().zip(b) {
        *a = *a * decay + b;
    }
    [first, a]
}

/// ∫₀¹ yᵏ e^{−z(1 − y)} dy for k = 0, 1, 2.
fn moments(z: f32, decay: f32) -> [f32; 3] {
    if z < 1.0 {
        // 2 Σ (−z)ⁿ/(n + 3)!, then downwards, where nothing cancels
        const INVERSE: [f32; 8] =
            [1.0 / 4.0, 1.0 / 5.0, 1.0 / 6.0, 1.0 / 7.0, 1.0 / 8.0, 1.0 / 9.0, 1.0 / 10.0, 1.0 / 11.0];
        let j2 = INVERSE.iter().rev().fold(1.0, |sum, inverse| 1.0 - z * inverse * sum) * (1.0 / 3.0);
        let j1 = 0.5 * (1.0 - z * j2);
        [1.0 - z * j1, j1, j2]
    } else {
        let inverse = 1.0 / z;
        let j0 = (1.0 - decay) * inverse;
        let j1 = (1.0 - j0) * inverse;
        [j0, j1, (1.0 - 2.0 * j1) * inverse]
    }
}
