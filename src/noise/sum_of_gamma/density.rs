//! The density of X = Σ_j Gamma(a w_j)/λ_j, a = 1/κ, on a grid of its own.
//!
//! With c_j = a w_j ∫₀ˣ f(y) e^{−λ_j (x − y)} dy the density satisfies x f(x) = Σ_j c_j(x) (its Laplace transform
//! Π_j (λ_j/(λ_j + t))^{a w_j} has this logarithmic derivative). All terms are positive, so marching to the right keeps
//! relative accuracy, in f32 too. A step from x to x + h divides f and all c by an exponential e^{η(y − x)} that f runs
//! like, and takes what is left of every c for the cubic that obeys c' = a w f − (λ + η) c at x, x + h/2 and x + h
//! (Lobatto's method IIIA, of order four): a rational function of λ, and two equations for the two new values of f.

use crate::arch::EIGHT;
use crate::float::{exp_negative, ln, sqrt};
use crate::kernel::reduce::total;

/// Terms i up to here have a rate of their own.
const EXACT: u32 = 12;
/// Σ_{i>12} 1/i²
const REST: f32 = 0.079_957_43;
/// Euler's constant.
const GAMMA: f32 = 0.577_215_7;
/// 12 or 24 terms of their own, or 12 and three for each factor 3 between 1/12 and 1e-5, and one panel more.
const TERMS: usize = 48;

/// Enough for every (κ, s): the longest march leaves some (see the test).
pub(super) const NODES: usize = 160;

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
    #[inline(always)]
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
    #[inline(always)]
    fn panel(&mut self, a: f32, low: f32, high: f32) {
        const GAUSS: [(f32, f32); 3] = [(0.112_701_67, 5.0 / 18.0), (0.5, 8.0 / 18.0), (0.887_298_3, 5.0 / 18.0)];
        let width = high - low;
        for (point, share) in GAUSS {
            let rate = 1.0 / (low + width * point);
            self.push(rate, a * share * width * rate * rate);
        }
    }

    #[inline(always)]
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
    #[inline(always)]
    pub(super) fn power(&self) -> f32 {
        self.weight.iter().sum()
    }

    #[inline(always)]
    fn terms(&self) -> impl Iterator<Item = (f32, f32)> {
        self.rate.iter().copied().zip(self.weight).take(self.len)
    }

    /// Rates and weights by eights.
    #[inline(always)]
    fn groups(&self) -> impl Iterator<Item = (&[f32; EIGHT], &[f32; EIGHT])> {
        self.rate.as_chunks().0.iter().zip(self.weight.as_chunks().0).take(self.len.div_ceil(EIGHT))
    }

    /// The law from where it begins, by weight or by its smallest scale, to P(X > x) far below 2⁻³³.
    #[inline(always)]
    pub(super) fn march<'a>(&self, nodes: &'a mut [Node; NODES]) -> &'a [Node] {
        const END: f32 = 34.0;
        let mut march = March::new(self);
        let mut len = 0;
        for node in nodes.iter_mut() {
            *node = march.node;
            len += 1;
            if node.x > END {
                break;
            }
            node.above = march.advance(self);
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
    /// c
    state: [f32; TERMS],
    curve: Curve,
}

impl March {
    /// The beginning, and how f runs there: at X = x(t), the mean of the law tilted by e^{−tX}, whose saddle point bounds
    /// P(X < x) by E e^{−tX}·e^{tx}. There f grows like e^{tx}/x, so that c = a w f/(λ + t); with small 1/κ it is a power
    /// of x.
    #[inline(always)]
    fn new(law: &Gammas) -> March {
        const SMALL: f32 = 0.01;
        const UNSEEN: f32 = 1e-6;
        const LOG_MASS: f32 = -40.0;
        let power = law.power();
        let fastest = law.terms().map(|(rate, _)| rate).fold(0.0, f32::max);
        let mut t = (fastest / SMALL).min((power + 1.0) / UNSEEN);
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
        let mut state = [0.0; TERMS];
        for (state, (rate, weight)) in state.iter_mut().zip(law.terms()) {
            *state = factor * weight / (rate + t);
        }
        let bend = 1.0 / (x * x) - 1.0 / variance;
        let curve = Curve { growth: t - 1.0 / x, bend, bent: bend.abs() * x * x };
        let node = Node { x, density: 1.0, below: factor / t, above: 0.0 };
        March { node, state, curve }
    }

    /// One step; ∫ f over it.
    #[inline(always)]
    fn advance(&mut self, law: &Gammas) -> f32 {
        let Node { x, density: f0, below, .. } = self.node;
        let h = self.curve.step(x);
        let eta = self.curve.growth + 0.5 * h * self.curve.bend;
        // x f = Σ c at x + h/2 and x + h, for the two unknown f
        let [known1, known2, once, by_z] = self.sums(law, h, eta);
        let [a0, a1, a2] = integral(h, once + by_z * (1.0 / 6.0), by_z * (1.0 / 24.0));
        let [b0, b1, b2] = integral(h, by_z * (-2.0 / 3.0), once + by_z * (1.0 / 3.0));
        let (known1, known2) = (known1 + a0 * f0, known2 + b0 * f0);
        let (left1, left2) = (x + 0.5 * h - a1, x + h - b2);
        let inverse = 1.0 / (left1 * left2 - a2 * b1);
        let f1 = (known1 * left2 + a2 * known2) * inverse;
        let f2 = (left1 * known2 + b1 * known1) * inverse;

        let zeta = 0.5 * h * eta;
        let up = if zeta > 0.0 { 1.0 / exp_negative(-zeta) } else { exp_negative(zeta) };
        let grown = up * up;
        self.add(law, (h, eta), [f0, f1, f2], grown);
        let mass = h * up * mean([f0, f1, f2], zeta, up);
        self.node = Node { x: x + h, density: f2 * grown, below: below + mass, above: 0.0 };
        self.curve = self.curve.through([f0, f1, f2], h, eta, x + h);
        mass
    }

    /// Σ c at x + h/2 and x + h as far as it is there at x, and Σ a w and Σ z a w, each divided by its [`Term`]'s divisor.
    #[inline(always)]
    fn sums(&self, law: &Gammas, h: f32, eta: f32) -> [f32; 4] {
        // In memory: what compilers keep in registers over a loop they take lane by lane.
        let mut sums = [[[0.0; EIGHT]; 4]; 2];
        for (((rate, weight), state), turn) in law.groups().zip(self.state.as_chunks::<EIGHT>().0).zip(0_usize..) {
            let Some([middle, end, once, by_z]) = sums.get_mut(turn % 2) else { break };
            let sums = middle.iter_mut().zip(end).zip(once.iter_mut().zip(by_z));
            for (((rate, weight), state), ((middle, end), (once, by_z))) in rate.iter().zip(weight).zip(state).zip(sums)
            {
                let Term { z, inverse, to_middle, to_end } = Term::new(rate + eta, h);
                *middle += state * to_middle;
                *end += state * to_end;
                *once += weight * inverse;
                *by_z += weight * inverse * z;
            }
        }
        let [mut sums, odd] = sums;
        for (sum, odd) in sums.as_flattened_mut().iter_mut().zip(odd.as_flattened()) {
            *sum += odd;
        }
        let [middle, end, once, by_z] = &sums;
        [total(middle), total(end), total(once), total(by_z)]
    }

    /// c at x + h, where everything has `grown` by e^{ηh}.
    #[inline(always)]
    fn add(&mut self, law: &Gammas, (h, eta): (f32, f32), [f0, f1, f2]: [f32; 3], grown: f32) {
        let to_middle = h * (5.0 * f0 + 8.0 * f1 - f2) * (1.0 / 24.0);
        let to_end = h * (f0 + 4.0 * f1 + f2) * (1.0 / 6.0);
        let (once, by_z) = (grown * to_end, grown * (to_end - 2.0 * to_middle) * (1.0 / 3.0));
        for ((rate, weight), state) in law.groups().zip(self.state.as_chunks_mut::<EIGHT>().0) {
            for ((rate, weight), state) in rate.iter().zip(weight).zip(state) {
                let Term { z, inverse, to_end, .. } = Term::new(rate + eta, h);
                *state = *state * to_end * grown + weight * inverse * (once + by_z * z);
            }
        }
    }
}

/// How a c with the rate λ + η goes through a step of h.
struct Term {
    /// (λ + η) h
    z: f32,
    /// 1/(1 + z/2 + z²/12): the equations of the cubic have this determinant.
    inverse: f32,
    /// What is left of c at x + h/2,
    to_middle: f32,
    /// and at x + h: e^{−z}, nearly.
    to_end: f32,
}

impl Term {
    #[inline(always)]
    fn new(rate: f32, h: f32) -> Term {
        let z = rate * h;
        let square = z * z * (1.0 / 12.0);
        let inverse = 1.0 / (1.0 + 0.5 * z + square);
        Term { z, inverse, to_middle: (1.0 - 0.5 * square) * inverse, to_end: (1.0 - 0.5 * z + square) * inverse }
    }
}

/// The weights of f at x, x + h/2, x + h in `to_middle` times its integral from x to x + h/2 and `to_end` times that to
/// x + h, f a parabola.
#[inline(always)]
fn integral(h: f32, to_middle: f32, to_end: f32) -> [f32; 3] {
    let (middle, end) = (h * to_middle * (1.0 / 24.0), h * to_end * (1.0 / 6.0));
    [5.0 * middle + end, 8.0 * middle + 4.0 * end, end - middle]
}

/// ½ ∫ p(u) e^{ζu} du from −1 to 1 for the parabola p through three values, `up` = e^ζ, |ζ| little above 2 at most.
#[inline(always)]
fn mean([p0, p1, p2]: [f32; 3], zeta: f32, up: f32) -> f32 {
    // ∫ u e^{ζu} du = ζ Σ 2 ζ²ᵏ/((2k + 1)! (2k + 3)); the other two integrals follow by parts.
    const SERIES: [f32; 6] =
        [2.0 / 3.0, 1.0 / 15.0, 1.0 / 420.0, 1.0 / 22_680.0, 1.0 / 1_995_840.0, 1.0 / 259_459_200.0];
    let square = zeta * zeta;
    let [c0, c1, c2, c3, c4, c5] = SERIES;
    let first = ((((c5 * square + c4) * square + c3) * square + c2) * square + c1) * square + c0;
    let zeroth = (up + 1.0 / up) - square * first;
    let second = zeroth - 2.0 * first;
    0.5 * (p1 * zeroth + 0.5 * (p2 - p0) * (zeta * first) + (0.5 * (p0 + p2) - p1) * second)
}

/// How f runs: its logarithmic derivative, and that one's derivative.
struct Curve {
    growth: f32,
    bend: f32,
    /// |bend| x², or a part of what it was before: f is not at once as plain as it is where its bend changes sign.
    bent: f32,
}

impl Curve {
    /// At x, the end of a step, from what it leaves of f.
    #[inline(always)]
    fn through(&self, [f0, f1, f2]: [f32; 3], h: f32, eta: f32, x: f32) -> Curve {
        let inverse = 1.0 / (h * f2);
        let slope = (3.0 * f2 - 4.0 * f1 + f0) * inverse;
        let bend = 4.0 * (f2 - 2.0 * f1 + f0) * inverse / h - slope * slope;
        let (now, before) = (bend.abs() * x * x, 0.85 * self.bent);
        Curve { growth: eta + slope, bend, bent: if now > before { now } else { before } }
    }

    /// h: a third of x, where f is like a power of x; a quarter of the width of the law, where that is narrow; and at most
    /// what changes f by e⁴.
    #[inline(always)]
    fn step(&self, x: f32) -> f32 {
        let change = 0.25 * x * self.growth;
        x / sqrt(9.0 + change * change + 14.0 * self.bent)
    }
}
