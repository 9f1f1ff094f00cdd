//! The scores of a row, in f32 with each operation rounded once: score = base + (τ·ε), where base is θ or the target θ'.
//! Masks and overflow follow the rule in [`mask`](crate::mask).

use crate::arch::{self, Dispatch, EIGHT, Isa, LANES, SCALAR};
use crate::kernel::reduce::{largest, largest_of, raise};
use crate::mask::{is_masked, keep_mask, raise_unmasked};
use crate::noise::{Gumbel, Law, Normal, SampleWords, Sampler};

/// The numbers that the noise is added to, as a function of θ and dz.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Base {
    /// θ
    Theta,
    /// (α·θ) − (λ·dz); a negative λ gives the other side of the central difference.
    Linear { alpha: f32, lambda: f32 },
    /// θ where dz = 0, else −dz
    Combinatorial,
}

#[inline(always)]
pub(super) fn linear(theta: f32, dz: f32, alpha: f32, lambda: f32) -> f32 {
    alpha * theta - lambda * dz
}

#[inline(always)]
fn combinatorial(theta: f32, dz: f32) -> f32 {
    if dz == 0.0 { theta } else { -dz }
}

/// How a score is made of θ, dz and ε: base + (τ·ε).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Formula<'a> {
    pub base: Base,
    pub noise: Sampler<'a>,
    pub tau: f32,
}

impl Formula<'_> {
    /// θ without noise.
    pub(crate) const THETA: Formula<'static> = Formula { base: Base::Theta, noise: Sampler::None, tau: 0.0 };

    /// Writes the score of each ε to its place. dz is not used if the base is θ.
    #[inline(always)]
    fn write<'s>(&self, theta: &[f32], dz: &[f32], noise_and_places: impl Iterator<Item = (f32, &'s mut f32)>) {
        let tau = self.tau;
        let pairs = noise_and_places.zip(theta);
        match self.base {
            Base::Theta => {
                for ((epsilon, score), &t) in pairs {
                    *score = raise_unmasked(t, t + tau * epsilon);
                }
            }
            Base::Linear { alpha, lambda } => {
                for (((epsilon, score), &t), &d) in pairs.zip(dz) {
                    *score = raise_unmasked(t, keep_mask(t, linear(t, d, alpha, lambda)) + tau * epsilon);
                }
            }
            Base::Combinatorial => {
                for (((epsilon, score), &t), &d) in pairs.zip(dz) {
                    *score = raise_unmasked(t, keep_mask(t, combinatorial(t, d)) + tau * epsilon);
                }
            }
        }
    }

    /// Replaces each ε by its score.
    #[inline(always)]
    fn replace_noise(&self, theta: &[f32], dz: &[f32], scores: &mut [f32]) {
        self.write(theta, dz, scores.iter_mut().map(|score| (*score, score)));
    }

    /// Eight scores. All inputs are passed by value, so the compiler knows that no store changes one.
    #[inline(always)]
    pub(super) fn eight_scores(&self, theta: [f32; EIGHT], dz: [f32; EIGHT], epsilon: [f32; EIGHT]) -> [f32; EIGHT] {
        let mut scores = epsilon;
        self.replace_noise(&theta, &dz, &mut scores);
        scores
    }
}

/// The scores of a row, before they are computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Perturbed<'a> {
    pub theta: &'a [f32],
    /// Empty if the base is θ.
    pub dz: &'a [f32],
    pub formula: Formula<'a>,
}

impl<'a> Perturbed<'a> {
    /// All scores of a sample.
    pub(crate) fn draw(&self, words: SampleWords<'_>, scores: &mut [f32]) {
        if SCALAR {
            self.formula.noise.draw_words(words, scores);
            for (i, score) in scores.iter_mut().enumerate() {
                *score = self.score_of_word(i, score.to_bits());
            }
            return;
        }
        self.formula.noise.draw(words, scores);
        arch::run(ReplaceNoise { perturbed: self, scores });
    }

    /// Numbers that no score exceeds, at a fraction of the cost of the scores: the same arithmetic on upper bounds of ε.
    #[inline(always)]
    pub(super) fn upper_bounds(&self, words: &[f32], bounds: &mut [f32]) {
        let Perturbed { theta, dz, formula } = self;
        match formula.noise {
            // They have the same bounds. So do not link the loop twice.
            Sampler::Gumbel | Sampler::Logistic => formula.write(theta, dz, Gumbel.upper_bounds(words, bounds)),
            Sampler::Normal => formula.write(theta, dz, Normal.upper_bounds(words, bounds)),
            Sampler::None | Sampler::SumOfGamma(_) => {
                bounds.fill(0.0);
                if let Sampler::SumOfGamma(law) = formula.noise {
                    law.write_upper_bounds(words, bounds);
                }
                formula.replace_noise(theta, dz, bounds);
            }
        }
    }

    /// The base of coordinate i, its mask not looked at.
    #[inline(always)]
    pub(super) fn base(&self, i: usize) -> f32 {
        let (t, d) = (value(self.theta, i), value(self.dz, i));
        match self.formula.base {
            Base::Theta => t,
            Base::Linear { alpha, lambda } => linear(t, d, alpha, lambda),
            Base::Combinatorial => combinatorial(t, d),
        }
    }

    /// The score of coordinate i for its ε.
    pub(super) fn score_of_noise(&self, i: usize, epsilon: f32) -> f32 {
        if is_masked(value(self.theta, i)) {
            return f32::NEG_INFINITY;
        }
        let score = self.base(i) + self.formula.tau * epsilon;
        if score > f32::MIN { score } else { f32::MIN }
    }

    /// The score of coordinate i for its word.
    #[inline(always)]
    pub(super) fn score_of_word(&self, i: usize, word: u32) -> f32 {
        self.score_of_noise(i, self.formula.noise.of_word(word))
    }

    /// The largest base, masks not looked at: no base exceeds it. (A base that is NaN has the lowest score.)
    #[inline(always)]
    pub(super) fn largest_base(&self) -> f32 {
        match self.formula.base {
            Base::Theta => largest(self.theta),
            Base::Linear { alpha, lambda } => self.largest_of_bases(|t, d| linear(t, d, alpha, lambda)),
            Base::Combinatorial => self.largest_of_bases(combinatorial),
        }
    }

    #[inline(always)]
    fn largest_of_bases(&self, base: impl Fn(f32, f32) -> f32) -> f32 {
        let ((theta, theta_rest), (dz, dz_rest)) = (self.theta.as_chunks::<LANES>(), self.dz.as_chunks::<LANES>());
        let mut lanes = [f32::MIN; LANES];
        for (theta, dz) in theta.iter().zip(dz) {
            raise(&mut lanes, theta.iter().zip(dz).map(|(&t, &d)| base(t, d)));
        }
        raise(&mut lanes, theta_rest.iter().zip(dz_rest).map(|(&t, &d)| base(t, d)));
        largest_of(&lanes)
    }

    /// The scores of eight positions, which are given as the bits of floats.
    #[inline(always)]
    pub(super) fn eight_scores_at(&self, positions: &[f32; EIGHT], epsilon: [f32; EIGHT]) -> [f32; EIGHT] {
        let theta = gather(self.theta, positions);
        let dz = if let Base::Theta = self.formula.base { theta } else { gather(self.dz, positions) };
        self.formula.eight_scores(theta, dz, epsilon)
    }

    /// The scores of the coordinates from..to.
    #[inline(always)]
    pub(super) fn part(&self, from: usize, to: usize) -> Self {
        let part = |slice: &'a [f32]| slice.get(from..to).unwrap_or_default();
        Perturbed { theta: part(self.theta), dz: part(self.dz), ..*self }
    }
}

struct ReplaceNoise<'a> {
    perturbed: &'a Perturbed<'a>,
    scores: &'a mut [f32],
}

impl Dispatch for ReplaceNoise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) {
        let ReplaceNoise { perturbed: Perturbed { theta, dz, formula }, scores } = self;
        formula.replace_noise(theta, dz, scores);
    }
}

/// The value at a position, −inf if there is none.
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
