//! The quantile as a cubic between knots: "From the density to the quantile" in the derivation.

use super::density::Node;
use crate::float::{exp_negative, ln};
use core::f32::consts::LN_2;

/// log₂ of the odds at the first knot. The odds of a word lie from 2⁻³³ to 2³³.
const LOWEST_OCTAVE: i32 = -33;
/// Two for each octave of the odds, and one beyond at either end.
const KNOTS: usize = 134;
/// From one knot to the next, in units of v.
const SPACING: f32 = 0.5 * LN_2;

/// (log₂(1 + f) − f) / (f (1 − f)) on [0, 1]: with it log₂(1 + f) is exact at both ends and within 2.3e-6 between.
const LOG2_1P: [f32; 5] = [0.442_544_94, -0.275_600_28, 0.181_948_76, -0.095_956_3, 0.025_841_37];

/// ε and its slope at every knot.
#[derive(Clone, Debug)]
pub(super) struct Knots {
    epsilon: [f32; KNOTS],
    /// dε/dv · [`SPACING`]
    slope: [f32; KNOTS],
}

/// One knot, to be filled.
struct Knot<'a> {
    v: f32,
    epsilon: &'a mut f32,
    slope: &'a mut f32,
}

impl Knots {
    pub(super) const EMPTY: Knots = Knots { epsilon: [0.0; KNOTS], slope: [0.0; KNOTS] };

    /// Fills every knot from the nodes of the density. `power` is A, `shift` is ε − X.
    #[inline(always)]
    pub(super) fn fill(&mut self, nodes: &[Node], power: f32, shift: f32) {
        let mut points = nodes.iter().map(Point::new);
        let Some(mut left) = points.next() else { return };
        let mut knots = self.iter_mut();
        let tail = LeftTail { x: left.x, ln_u: ln_logistic(left.v), inverse_power: 1.0 / power };
        for knot in knots.by_ref().take(knots_left_of(left.v)) {
            knot.set(|v| tail.at(v), shift);
        }
        let mut knots = knots.peekable();
        for right in points {
            let cubic = Between::new(left, right);
            while let Some(knot) = knots.next_if(|knot| knot.v < right.v) {
                knot.set(|v| cubic.at(v), shift);
            }
            left = right;
        }
    }

    #[inline(always)]
    fn iter_mut(&mut self) -> impl Iterator<Item = Knot<'_>> {
        let values = self.epsilon.iter_mut().zip(&mut self.slope).zip(2 * LOWEST_OCTAVE..);
        values.map(|((epsilon, slope), j)| Knot { v: j as f32 * SPACING, epsilon, slope })
    }

    /// Makes ε ascend, and then every cubic, by slopes of at most three times that of the chord.
    #[inline(always)]
    pub(super) fn make_monotone(&mut self) {
        let mut largest = f32::NEG_INFINITY;
        for epsilon in &mut self.epsilon {
            largest = largest.max(*epsilon);
            *epsilon = largest;
        }
        let chords = || self.epsilon.iter().zip(self.epsilon.iter().skip(1)).map(|(left, right)| right - left);
        for (slope, chord_to_the_right) in self.slope.iter_mut().zip(chords()) {
            *slope = slope.min(3.0 * chord_to_the_right);
        }
        for (slope, chord_to_the_left) in self.slope.iter_mut().skip(1).zip(chords()) {
            *slope = slope.min(3.0 * chord_to_the_left);
        }
    }

    /// ε at a [`position`].
    #[inline(always)]
    pub(super) fn at(&self, position: f32) -> f32 {
        // Adding 1.5·2²³ rounds to the nearest integer, which is then in the last bits.
        const ROUND: f32 = 12_582_912.0;
        let rounded = (position - 0.5) + ROUND;
        let t = position - (rounded - ROUND);
        let j = ((rounded.to_bits() & 0xff) as usize).min(KNOTS - 2);
        let knot = |values: &[f32; KNOTS], j: usize| values.get(j).copied().unwrap_or_default();
        let [left, right] = [j, j + 1].map(|j| (knot(&self.epsilon, j), knot(&self.slope, j)));
        let [c0, c1, c2, c3] = hermite(left, right);
        c0 + t * (c1 + t * (c2 + t * c3))
    }
}

impl Knot<'_> {
    /// Fills it from a curve v → (x, dx/dv).
    #[inline(always)]
    fn set(self, curve: impl Fn(f32) -> (f32, f32), shift: f32) {
        let (x, dx_dv) = curve(self.v);
        *self.epsilon = x + shift;
        *self.slope = dx_dv * SPACING;
    }
}

/// Where odds are among the knots: 2·log₂ of the odds, counted from the first knot.
#[inline(always)]
pub(super) fn position(odds: f32) -> f32 {
    let bits = odds.to_bits();
    let f = f32::from_bits(bits & 0x007f_ffff | 0x3f80_0000) - 1.0;
    let [c0, c1, c2, c3, c4] = LOG2_1P;
    let log2 = f + f * (1.0 - f) * ((((c4 * f + c3) * f + c2) * f + c1) * f + c0);
    let octave = (bits >> 23) as i32 - 127 - LOWEST_OCTAVE;
    2.0 * (octave as f32 + log2)
}

#[inline(always)]
fn knots_left_of(v: f32) -> usize {
    let position = v * (1.0 / SPACING) - (2 * LOWEST_OCTAVE) as f32;
    if position > 0.0 { position as usize + 1 } else { 0 }
}

/// The cubic on [0, 1], by powers, with these (value, slope) at 0 and at 1.
#[inline(always)]
fn hermite((left, left_slope): (f32, f32), (right, right_slope): (f32, f32)) -> [f32; 4] {
    let chord = right - left;
    let cubed = left_slope + right_slope - 2.0 * chord;
    [left, left_slope, chord - left_slope - cubed, cubed]
}

/// A node of the density as a point of the quantile.
#[derive(Clone, Copy)]
struct Point {
    v: f32,
    x: f32,
    dx_dv: f32,
}

impl Point {
    #[inline(always)]
    fn new(&Node { x, density, below, above }: &Node) -> Point {
        Point { v: ln(below / above), x, dx_dv: below / (below + above) * (above / density) }
    }
}

/// The quantile between two points.
struct Between {
    left_v: f32,
    inverse_width: f32,
    cubic: [f32; 4],
}

impl Between {
    #[inline(always)]
    fn new(left: Point, right: Point) -> Between {
        let width = right.v - left.v;
        let cubic = hermite((left.x, left.dx_dv * width), (right.x, right.dx_dv * width));
        Between { left_v: left.v, inverse_width: 1.0 / width, cubic }
    }

    /// x and dx/dv.
    #[inline(always)]
    fn at(&self, v: f32) -> (f32, f32) {
        let [c0, c1, c2, c3] = self.cubic;
        let t = (v - self.left_v) * self.inverse_width;
        (c0 + t * (c1 + t * (c2 + t * c3)), (c1 + t * (2.0 * c2 + t * 3.0 * c3)) * self.inverse_width)
    }
}

/// The quantile left of the first node, where x is proportional to u^(1/A).
struct LeftTail {
    /// Of the first node.
    x: f32,
    /// ln u there.
    ln_u: f32,
    inverse_power: f32,
}

impl LeftTail {
    /// x and dx/dv.
    #[inline(always)]
    fn at(&self, v: f32) -> (f32, f32) {
        let ln_u = ln_logistic(v);
        let x = self.x * exp_negative((ln_u - self.ln_u) * self.inverse_power);
        (x, x * self.inverse_power * (1.0 - exp_negative(ln_u)))
    }
}

/// ln u at the logit v = ln(u/(1 − u)).
#[inline(always)]
fn ln_logistic(v: f32) -> f32 {
    v.min(0.0) - ln(1.0 + exp_negative(-v.abs()))
}
