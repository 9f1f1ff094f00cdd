//! The density of X by a march from left to right. The derivation explains it and has the names and the equations.

use super::terms::{MAX_TERMS, Terms};
use crate::arch::EIGHT;
use crate::float::{exp_negative, sqrtf};
use crate::kernel::reduce::total;

/// Enough for every (κ, s): a test finds that at least eight remain.
pub(super) const MAX_NODES: usize = 160;

/// The law at x, in the arbitrary unit of the march: `below + above` is probability 1.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Node {
    pub x: f32,
    /// f(x)
    pub density: f32,
    /// ∫ f up to x
    pub below: f32,
    /// ∫ f from x on
    pub above: f32,
}

/// The nodes from the far lower tail, or from an x near 0, to the far upper tail.
#[inline(always)]
pub(super) fn march<'a>(terms: &Terms, nodes: &'a mut [Node; MAX_NODES]) -> &'a [Node] {
    /// P(X > 34) is far below 2⁻³³.
    const END: f32 = 34.0;
    let mut march = March::begin(terms);
    let mut len = 0;
    for node in nodes.iter_mut() {
        *node = march.node;
        len += 1;
        if node.x > END {
            break;
        }
        // For now only the mass up to the next node.
        node.above = march.advance(terms);
    }
    let nodes = nodes.get_mut(..len).unwrap_or_default();
    // f decays like e^(−x) from the last node on: its integral is f.
    let mut above = march.node.density;
    for node in nodes.iter_mut().rev() {
        above += node.above;
        node.above = above;
    }
    nodes
}

/// The march at its last node.
struct March {
    /// `above` is 0: it is not known yet.
    node: Node,
    /// c_j
    c: [f32; MAX_TERMS],
    trend: Trend,
}

impl March {
    #[inline(always)]
    fn begin(terms: &Terms) -> March {
        let power = terms.power();
        let t = first_tilt(terms, power);
        let factor = (power + 1.0) / power;
        let x = factor * terms.tilted_mean(t);
        let mut c = [0.0; MAX_TERMS];
        for (c, (rate, shape)) in c.iter_mut().zip(terms.iter()) {
            *c = factor * shape / (rate + t);
        }
        // x f, the sum of all c, grows like e^(tx), and the t of x falls by 1/variance.
        let curvature = 1.0 / (x * x) - 1.0 / terms.tilted_variance(t);
        let trend = Trend { slope: t - 1.0 / x, curvature, recent_curvature: curvature.abs() * x * x };
        March { node: Node { x, density: 1.0, below: factor / t, above: 0.0 }, c, trend }
    }

    /// One step. Returns its mass.
    #[inline(always)]
    fn advance(&mut self, terms: &Terms) -> f32 {
        let Node { x, density, below, .. } = self.node;
        let h = self.trend.step_length(x);
        let step = Step { x, h, eta: self.trend.slope + 0.5 * h * self.trend.curvature };
        let p = step.solve(&self.sums(terms, step), density);
        let [_, _, p2] = p;

        let zeta = 0.5 * h * step.eta;
        let half_growth = if zeta > 0.0 { 1.0 / exp_negative(-zeta) } else { exp_negative(zeta) };
        let growth = half_growth * half_growth;
        self.carry(terms, step, p, growth);
        let mass = h * half_growth * weighted_mean(p, zeta, half_growth);
        self.node = Node { x: x + h, density: p2 * growth, below: below + mass, above: 0.0 };
        self.trend = self.trend.after(step, p);
        mass
    }

    #[inline(always)]
    fn sums(&self, terms: &Terms, step: Step) -> Sums {
        // The sums are an array in memory, because LLVM does not vectorise this loop with sums in registers. Groups add
        // to two arrays in turn, so that an addition need not wait for the one before.
        let mut sums = [[[0.0; EIGHT]; 4]; 2];
        for (((rates, shapes), c), turn) in terms.groups().zip(self.c.as_chunks::<EIGHT>().0).zip(0_usize..) {
            let Some([middle, end, shape, shape_z]) = sums.get_mut(turn % 2) else { break };
            let lanes = middle.iter_mut().zip(end).zip(shape.iter_mut().zip(shape_z));
            for (((rate, w), c), ((middle, end), (shape, shape_z))) in rates.iter().zip(shapes).zip(c).zip(lanes) {
                let TermStep { z, inverse_determinant, to_middle, to_end } = step.of_term(*rate);
                *middle += c * to_middle;
                *end += c * to_end;
                *shape += w * inverse_determinant;
                *shape_z += w * inverse_determinant * z;
            }
        }
        let [mut sums, odd] = sums;
        for (sum, odd) in sums.as_flattened_mut().iter_mut().zip(odd.as_flattened()) {
            *sum += odd;
        }
        let [middle, end, shape, shape_z] = &sums;
        Sums { middle: total(middle), end: total(end), shape: total(shape), shape_z: total(shape_z) }
    }

    /// Every c at the end of the step: q₂ of (5), times `growth` = e^(ηh).
    #[inline(always)]
    fn carry(&mut self, terms: &Terms, step: Step, [p0, p1, p2]: [f32; 3], growth: f32) {
        let integral1 = step.h * (5.0 * p0 + 8.0 * p1 - p2) * (1.0 / 24.0);
        let integral2 = step.h * (p0 + 4.0 * p1 + p2) * (1.0 / 6.0);
        // (1 + z/3) I₂ − 2z/3 I₁ by powers of z.
        let (by_1, by_z) = (growth * integral2, growth * (integral2 - 2.0 * integral1) * (1.0 / 3.0));
        for ((rates, shapes), c) in terms.groups().zip(self.c.as_chunks_mut::<EIGHT>().0) {
            for ((rate, shape), c) in rates.iter().zip(shapes).zip(c) {
                let TermStep { z, inverse_determinant, to_end, .. } = step.of_term(*rate);
                *c = *c * to_end * growth + shape * inverse_determinant * (by_1 + by_z * z);
            }
        }
    }
}

/// The t whose x is the first node: the largest that no limit of the derivation forbids.
#[inline(always)]
fn first_tilt(terms: &Terms, power: f32) -> f32 {
    /// x, in units of the smallest 1/λ_j.
    const SMALL: f32 = 0.01;
    /// An x that is not seen in ε.
    const UNSEEN: f32 = 1e-6;
    const LN_UNREACHED: f32 = -40.0;
    let mut t = (terms.highest_rate() / SMALL).min((power + 1.0) / UNSEEN);
    while terms.ln_bound_below(t) < LN_UNREACHED {
        t *= 0.6;
    }
    t
}

/// A step from x to x + h, with the η that p and the q_j are free of.
#[derive(Clone, Copy)]
struct Step {
    x: f32,
    h: f32,
    eta: f32,
}

/// The four sums over the terms in the equations for p₁ and p₂.
struct Sums {
    /// Σ q₀ (1 − z²/24)/D
    middle: f32,
    /// Σ q₀ (1 − z/2 + z²/12)/D
    end: f32,
    /// Σ W/D
    shape: f32,
    /// Σ z W/D
    shape_z: f32,
}

/// How (5) takes one q through a step.
struct TermStep {
    z: f32,
    /// 1/D
    inverse_determinant: f32,
    /// (1 − z²/24)/D
    to_middle: f32,
    /// (1 − z/2 + z²/12)/D
    to_end: f32,
}

impl Step {
    #[inline(always)]
    fn of_term(self, rate: f32) -> TermStep {
        let z = (rate + self.eta) * self.h;
        let square = z * z * (1.0 / 12.0);
        let inverse_determinant = 1.0 / (1.0 + 0.5 * z + square);
        let to_middle = (1.0 - 0.5 * square) * inverse_determinant;
        TermStep { z, inverse_determinant, to_middle, to_end: (1.0 - 0.5 * z + square) * inverse_determinant }
    }

    /// p₀, p₁ and p₂. Summed over the terms, (5) is (x + h/2) p₁ = middle + m₀p₀ + m₁p₁ + m₂p₂ and
    /// (x + h) p₂ = end + e₀p₀ + e₁p₁ + e₂p₂.
    #[inline(always)]
    fn solve(self, &Sums { middle, end, shape, shape_z }: &Sums, p0: f32) -> [f32; 3] {
        let Step { x, h, .. } = self;
        let [m0, m1, m2] = self.weights(shape + shape_z * (1.0 / 6.0), shape_z * (1.0 / 24.0));
        let [e0, e1, e2] = self.weights(shape_z * (-2.0 / 3.0), shape + shape_z * (1.0 / 3.0));
        let (known1, known2) = (middle + m0 * p0, end + e0 * p0);
        let (diagonal1, diagonal2) = (x + 0.5 * h - m1, x + h - e2);
        let inverse = 1.0 / (diagonal1 * diagonal2 - m2 * e1);
        [p0, (known1 * diagonal2 + m2 * known2) * inverse, (diagonal1 * known2 + e1 * known1) * inverse]
    }

    /// The weights of p₀, p₁ and p₂ in `by_1` I₁ + `by_2` I₂, by (4).
    #[inline(always)]
    fn weights(self, by_1: f32, by_2: f32) -> [f32; 3] {
        let (by_1, by_2) = (self.h * by_1 * (1.0 / 24.0), self.h * by_2 * (1.0 / 6.0));
        [5.0 * by_1 + by_2, 8.0 * by_1 + 4.0 * by_2, by_2 - by_1]
    }
}

/// ½ ∫ p e^(ζu) du over −1 ≤ u ≤ 1 for the parabola p through three values, with `exp` = e^ζ. |ζ| is hardly above 2.
#[inline(always)]
fn weighted_mean([p0, p1, p2]: [f32; 3], zeta: f32, exp: f32) -> f32 {
    // The integrals M₀, M₁, M₂ of 1, u, u² times e^(ζu). M₁/ζ = Σ 2 ζ²ᵏ/((2k + 1)! (2k + 3)); by parts,
    // M₀ = e^ζ + e^(−ζ) − ζ M₁ and M₂ = M₀ − 2 M₁/ζ.
    const SERIES: [f32; 6] =
        [2.0 / 3.0, 1.0 / 15.0, 1.0 / 420.0, 1.0 / 22_680.0, 1.0 / 1_995_840.0, 1.0 / 259_459_200.0];
    let square = zeta * zeta;
    let [c0, c1, c2, c3, c4, c5] = SERIES;
    let m1_by_zeta = ((((c5 * square + c4) * square + c3) * square + c2) * square + c1) * square + c0;
    let m0 = (exp + 1.0 / exp) - square * m1_by_zeta;
    let m2 = m0 - 2.0 * m1_by_zeta;
    0.5 * (p1 * m0 + 0.5 * (p2 - p0) * (zeta * m1_by_zeta) + (0.5 * (p0 + p2) - p1) * m2)
}

/// How f changes at x.
struct Trend {
    /// (ln f)'
    slope: f32,
    /// (ln f)''
    curvature: f32,
    /// B of the derivation: x² |(ln f)''|, or 85 % of the B before, whichever is larger.
    recent_curvature: f32,
}

impl Trend {
    /// At the end of a step, from its p.
    #[inline(always)]
    fn after(&self, Step { x, h, eta }: Step, [p0, p1, p2]: [f32; 3]) -> Trend {
        let x = x + h;
        let inverse = 1.0 / (h * p2);
        // (ln p)'
        let slope = (3.0 * p2 - 4.0 * p1 + p0) * inverse;
        let curvature = 4.0 * (p2 - 2.0 * p1 + p0) * inverse / h - slope * slope;
        let (now, before) = (curvature.abs() * x * x, 0.85 * self.recent_curvature);
        Trend { slope: eta + slope, curvature, recent_curvature: if now > before { now } else { before } }
    }

    #[inline(always)]
    fn step_length(&self, x: f32) -> f32 {
        let change = 0.25 * x * self.slope;
        x / sqrtf(9.0 + change * change + 14.0 * self.recent_curvature)
    }
}
