//! One pass over coordinates: scores, targets, differences.
//!
//! Each operation rounds once. Masked coordinates (θ = −inf) have the score −inf and are the only ones that do: a
//! score that overflows downwards, or has no value because two infinities met, counts as the lowest finite float.

use super::argmax::{largest, largest_of, raise};
use super::level::{self, Kernel, Level};
use super::{EIGHT, LANES, SCALAR, streaming};
use crate::float::CompensatedSum;
use crate::noise::{Gumbel, Law, Logistic, Normal, Stream, UpperBound};

// Selections are between constants only: where a value is chosen or not, compilers move its load behind the choice, and a
// loop of such loads is slow.

/// The least that the score of a coordinate can be, or its score if that is more; a mask's score is at most −inf.
#[inline(always)]
fn least_of(theta: f32, score: f32) -> f32 {
    let least = if theta == f32::NEG_INFINITY { f32::NEG_INFINITY } else { f32::MIN };
    if score > least { score } else { least }
}

/// −inf for a mask, whatever αθ makes of it, else the base.
#[inline(always)]
fn base_of(theta: f32, base: f32) -> f32 {
    let most = if theta == f32::NEG_INFINITY { f32::NEG_INFINITY } else { f32::INFINITY };
    if most < base { most } else { base }
}

/// What the noise is added to.
#[derive(Clone, Copy, Debug)]
pub enum Base<'a> {
    /// θ
    Theta,
    /// αθ − λ dz; a negative λ gives the other side of the central difference.
    Linear { dz: &'a [f32], alpha: f32, lambda: f32 },
    /// θ where dz = 0, else −dz
    Combinatorial { dz: &'a [f32] },
}

impl<'a> Base<'a> {
    /// dz, where it matters.
    #[inline(always)]
    pub(crate) fn dz(self) -> &'a [f32] {
        match self {
            Base::Theta => &[],
            Base::Linear { dz, .. } | Base::Combinatorial { dz } => dz,
        }
    }
}

/// The scores of a row: base + τ·ε.
#[derive(Clone, Copy, Debug)]
pub struct Perturbed<'a> {
    pub theta: &'a [f32],
    pub base: Base<'a>,
    pub law: Law<'a>,
    pub tau: f32,
}

impl<'a> Perturbed<'a> {
    /// All scores of one sample.
    pub(crate) fn fill(&self, stream: &mut Stream, scores: &mut [f32]) {
        if SCALAR {
            return streaming::fill(self, stream, scores);
        }
        level::run(Fill { perturbed: self, stream, scores });
    }

    /// scores: ε → base + τ·ε
    #[cfg_attr(target_arch = "x86_64", inline(always))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(never))]
    pub(crate) fn form(&self, scores: &mut [f32]) {
        self.form_from(scores.iter_mut().map(|score| (*score, score)));
    }

    /// Words → bounds that no score of theirs exceeds, for a fraction of the cost.
    #[cfg_attr(target_arch = "x86_64", inline(always))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(never))]
    pub(crate) fn bound(&self, words: &[f32], bounds: &mut [f32]) {
        match self.law {
            Law::Gumbel => self.bound_by(&Gumbel, words, bounds),
            Law::Logistic => self.bound_by(&Logistic, words, bounds),
            Law::Normal => self.bound_by(&Normal, words, bounds),
            Law::None => {
                bounds.fill(0.0);
                self.form(bounds);
            }
            Law::SumOfGamma(table) => {
                table.bound_all(words, bounds);
                self.form(bounds);
            }
        }
    }

    #[inline(always)]
    fn bound_by(&self, law: &impl UpperBound, words: &[f32], bounds: &mut [f32]) {
        self.form_from(words.iter().map(|word| law.upper_bound(word.to_bits())).zip(bounds));
    }

    /// Pairs of an ε and where its score goes.
    #[inline(always)]
    fn form_from<'s>(&self, pairs: impl Iterator<Item = (f32, &'s mut f32)>) {
        let tau = self.tau;
        let pairs = pairs.zip(self.theta);
        match self.base {
            Base::Theta => {
                for ((epsilon, score), &t) in pairs {
                    *score = least_of(t, t + tau * epsilon);
                }
            }
            Base::Linear { dz, alpha, lambda } => {
                for (((epsilon, score), &t), &d) in pairs.zip(dz) {
                    *score = least_of(t, base_of(t, linear(t, d, alpha, lambda)) + tau * epsilon);
                }
            }
            Base::Combinatorial { dz } => {
                for (((epsilon, score), &t), &d) in pairs.zip(dz) {
                    *score = least_of(t, base_of(t, combinatorial(t, d)) + tau * epsilon);
                }
            }
        }
    }

    /// The score of coordinate i for its ε.
    #[inline(never)]
    pub(crate) fn at(&self, i: usize, epsilon: f32) -> f32 {
        let (t, d) = (value(self.theta, i), value(self.base.dz(), i));
        let base = match self.base {
            Base::Theta => t,
            Base::Linear { alpha, lambda, .. } => linear(t, d, alpha, lambda),
            Base::Combinatorial { .. } => combinatorial(t, d),
        };
        least_of(t, base_of(t, base) + self.tau * epsilon)
    }

    /// What no base exceeds: the largest of them, masks not looked at. Where there is no value the score is the lowest.
    #[inline(always)]
    pub(super) fn highest_base(&self) -> f32 {
        match self.base {
            Base::Theta => largest(self.theta),
            Base::Linear { dz, alpha, lambda } => self.largest_with(dz, |t, d| linear(t, d, alpha, lambda)),
            Base::Combinatorial { dz } => self.largest_with(dz, combinatorial),
        }
    }

    /// The largest base of θ and dz.
    #[inline(always)]
    fn largest_with(&self, dz: &[f32], base: impl Fn(f32, f32) -> f32) -> f32 {
        let ((theta, theta_rest), (dz, dz_rest)) = (self.theta.as_chunks::<LANES>(), dz.as_chunks::<LANES>());
        let mut lanes = [f32::MIN; LANES];
        for (theta, dz) in theta.iter().zip(dz) {
            raise(&mut lanes, theta.iter().zip(dz).map(|(&t, &d)| base(t, d)));
        }
        raise(&mut lanes, theta_rest.iter().zip(dz_rest).map(|(&t, &d)| base(t, d)));
        largest_of(&lanes)
    }

    /// Eight scores from their θ, dz and ε, all by value: compilers need not fear that one is stored over another.
    #[inline(always)]
    pub(crate) fn eight(&self, theta: [f32; EIGHT], dz: [f32; EIGHT], epsilon: [f32; EIGHT]) -> [f32; EIGHT] {
        let mut scores = epsilon;
        self.with(&theta, &dz).form(&mut scores);
        scores
    }

    /// The scores at eight positions.
    #[inline(always)]
    pub(crate) fn eight_at(&self, positions: &[f32; EIGHT], epsilon: [f32; EIGHT]) -> [f32; EIGHT] {
        let theta = gather(self.theta, positions);
        let dz = if let Base::Theta = self.base { theta } else { gather(self.base.dz(), positions) };
        self.eight(theta, dz, epsilon)
    }

    /// The coordinates from..to.
    #[inline(always)]
    pub(crate) fn part(&self, from: usize, to: usize) -> Self {
        let part = |slice: &'a [f32]| slice.get(from..to).unwrap_or_default();
        self.with(part(self.theta), part(self.base.dz()))
    }

    /// The same for coordinates with these θ and dz.
    #[inline(always)]
    pub(crate) fn with<'p>(&self, theta: &'p [f32], dz: &'p [f32]) -> Perturbed<'p>
    where
        'a: 'p,
    {
        let base = match self.base {
            Base::Theta => Base::Theta,
            Base::Linear { alpha, lambda, .. } => Base::Linear { dz, alpha, lambda },
            Base::Combinatorial { .. } => Base::Combinatorial { dz },
        };
        Perturbed { theta, base, ..*self }
    }
}

struct Fill<'a> {
    perturbed: &'a Perturbed<'a>,
    stream: &'a mut Stream,
    scores: &'a mut [f32],
}

impl Kernel for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        self.perturbed.law.fill(self.stream, self.scores);
        self.perturbed.form(self.scores);
    }
}

#[inline(always)]
pub(super) fn linear(theta: f32, dz: f32, alpha: f32, lambda: f32) -> f32 {
    alpha * theta - lambda * dz
}

#[inline(always)]
fn combinatorial(theta: f32, dz: f32) -> f32 {
    if dz == 0.0 { theta } else { -dz }
}

/// The value of a coordinate that exists.
#[inline(always)]
fn value(values: &[f32], i: usize) -> f32 {
    values.get(i).copied().unwrap_or(f32::NEG_INFINITY)
}

/// The values at eight positions.
#[inline(always)]
fn gather(values: &[f32], positions: &[f32; EIGHT]) -> [f32; EIGHT] {
    let mut gathered = [0.0; EIGHT];
    for (gathered, position) in gathered.iter_mut().zip(positions) {
        *gathered = value(values, position.to_bits() as usize);
    }
    gathered
}

/// to ← from, as far as both reach: `copy_from_slice` has a panic for slices of different lengths.
#[inline(always)]
pub(crate) fn copy(from: &[f32], to: &mut [f32]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from;
    }
}

/// sum += step · z
#[inline(always)]
pub(crate) fn accumulate(z: &[f32], step: f32, sum: &mut [f32]) {
    for (sum, &z) in sum.iter_mut().zip(z) {
        *sum += step * z;
    }
}

/// 0 where θ is masked.
pub(crate) fn zero_masked(theta: &[f32], values: &mut [f32]) {
    for (value, &t) in values.iter_mut().zip(theta) {
        *value = if t == f32::NEG_INFINITY { 0.0 } else { *value };
    }
}

/// sum += step · (z − z'); the number of coordinates where they differ.
#[inline(always)]
pub(crate) fn accumulate_difference(z: &[f32], z_target: &[f32], step: f32, sum: &mut [f32]) -> u64 {
    let mut nonzeros = 0;
    for ((sum, &z), &target) in sum.iter_mut().zip(z).zip(z_target) {
        *sum += step * (z - target);
        nonzeros += u64::from(z != target);
    }
    nonzeros
}

/// sum[i] += x for every position i.
#[cfg_attr(any(target_arch = "arm", target_arch = "riscv32"), inline(never))]
#[cfg_attr(not(any(target_arch = "arm", target_arch = "riscv32")), inline(always))]
pub(crate) fn add_at(positions: &[f32], x: f32, sum: &mut [f32]) {
    for i in positions {
        if let Some(sum) = sum.get_mut(i.to_bits() as usize) {
            *sum += x;
        }
    }
}

/// The values at the positions.
#[inline(always)]
pub(crate) fn at<'a>(positions: &'a [f32], values: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
    positions.iter().filter_map(|i| values.get(i.to_bits() as usize).copied())
}

/// How many positions two ascending lists share.
#[inline(always)]
pub(crate) fn common(a: &[f32], b: &[f32]) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while let (Some(a), Some(b)) = (a.get(i), b.get(j)) {
        let (a, b) = (a.to_bits(), b.to_bits());
        i += usize::from(a <= b);
        j += usize::from(b <= a);
        count += usize::from(a == b);
    }
    count
}

/// x · factor
#[inline(always)]
pub(crate) fn scale(values: &mut [f32], factor: f32) {
    for value in values {
        *value *= factor;
    }
}

/// x / divisor: rounds once, where a factor 1/divisor would round twice.
#[inline(always)]
pub(crate) fn divide(values: &mut [f32], divisor: f32) {
    for value in values {
        *value /= divisor;
    }
}

/// Σ a·b in sixteen partial sums, added in order.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut add = |a: &[f32], b: &[f32]| {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    };
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        add(a, b);
    }
    add(a_rest, b_rest);
    sums.iter().sum()
}

/// Σ a in sixteen partial sums, added in order.
#[inline(always)]
pub(crate) fn sum(a: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let (blocks, rest) = a.as_chunks::<LANES>();
    for block in blocks {
        for (sum, a) in sums.iter_mut().zip(block) {
            *sum += a;
        }
    }
    for (sum, a) in sums.iter_mut().zip(rest) {
        *sum += a;
    }
    sums.iter().sum()
}

/// The sum of all lanes.
#[inline(always)]
pub(crate) fn total<const N: usize>(lanes: &[f32; N]) -> f32 {
    let mut sums = *lanes;
    let mut half = N / 2;
    while half > 0 {
        for l in 0..half {
            if let [a, b] = [l, l + half].map(|l| sums.get(l).copied().unwrap_or_default())
                && let Some(sum) = sums.get_mut(l)
            {
                *sum = a + b;
            }
        }
        half /= 2;
    }
    sums.first().copied().unwrap_or_default()
}

/// The largest |x| of the finite values.
pub(crate) fn largest_magnitude(values: &[f32]) -> f32 {
    const SIGN: u32 = 1 << 31;
    // Magnitudes are ordered as their bits are.
    let bits = values.iter().map(|x| if x.is_finite() { x.to_bits() & !SIGN } else { 0 });
    f32::from_bits(bits.fold(0, u32::max))
}

/// Σ (factor · x)² over the finite values.
pub(crate) fn sum_of_squares(values: &[f32], factor: f32) -> f32 {
    // Short sums of one block after another: the error does not grow with the length.
    let block = |block: &[f32]| {
        let mut sums = [0.0; LANES];
        for values in block.chunks(LANES) {
            for (sum, &x) in sums.iter_mut().zip(values) {
                let scaled = if x.is_finite() { factor * x } else { 0.0 };
                *sum += scaled * scaled;
            }
        }
        sums.iter().sum()
    };
    CompensatedSum::of(values.chunks(64 * LANES).map(block)).value()
}

/// Whether at least k coordinates are not masked; None if a θ is NaN or +inf.
pub(crate) fn unmasked(theta: &[f32], k: usize) -> Option<bool> {
    if SCALAR {
        let enough = || theta.iter().filter(|&&t| t != f32::NEG_INFINITY).take(k).count() == k;
        return streaming::good(theta, true).then(enough);
    }
    let masks = if finite(theta) { 0 } else { level::run(Masks { theta })? };
    Some(k + masks <= theta.len())
}

/// How many θ are masked; None if others are not finite.
struct Masks<'a> {
    theta: &'a [f32],
}

impl Kernel for Masks<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run<L: Level>(self) -> Option<usize> {
        let masks = self.theta.iter().fold(0, |masks, &t| masks + u32::from(t == f32::NEG_INFINITY));
        let infinite = self.theta.iter().fold(0, |all, t| all + u32::from(t.to_bits() & INFINITE == INFINITE));
        if masks == infinite { Some(masks as usize) } else { None }
    }
}

/// The bits of +inf: those that all values have that are not finite.
const INFINITE: u32 = f32::INFINITY.to_bits();

/// Whether every value is finite.
pub(crate) fn finite(values: &[f32]) -> bool {
    if SCALAR {
        return streaming::good(values, false);
    }
    level::run(Finite { values })
}

/// Reads all values rather than stopping at the first bad one: the loop has no branch, and bad values are rare.
struct Finite<'a> {
    values: &'a [f32],
}

impl Kernel for Finite<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<L: Level>(self) -> bool {
        const MAGNITUDE: u32 = 0x7fff_ffff;
        // Magnitudes are ordered as their bits are.
        self.values.iter().fold(0, |largest, x| largest.max((x.to_bits() & MAGNITUDE) as i32)) < INFINITE as i32
    }
}
