//! Which estimators are run, with which settings, and what was published of them.

use imle::{Difference, Noise, Options, Scale};

use crate::estimator::{Draw, Estimator, Lambda, Samples};
use crate::problem::Kind;

#[derive(Clone, Copy)]
pub struct Method {
    pub name: &'static str,
    pub estimator: Estimator,
    /// S, which is also how often the loss and dz are evaluated.
    pub samples: u32,
}

const fn method(name: &'static str, estimator: Estimator, samples: u32) -> Method {
    Method { name, estimator, samples }
}

/// The noise of the paper: κ = k, ten terms.
const SUM_OF_GAMMA: Noise = Noise::SumOfGamma { kappa: 0.0, terms: 10 };

const fn with_noise(noise: Noise) -> Options {
    let mut options = gumbel();
    options.noise = noise;
    options
}

const fn gumbel() -> Options {
    Options {
        noise: Noise::Gumbel,
        temperature: 1.0,
        target_temperature: 1.0,
        alpha: 1.0,
        lambda: 1.0,
        target: imle::Target::Linear,
        difference: Difference::Forward,
        scale: Scale::InverseLambda,
    }
}

const fn central(mut options: Options) -> Options {
    options.difference = Difference::Central;
    options
}

/// The paper's Algorithm 1: a fixed λ, dz of each sample, c = 1.
const fn algorithm_1(mut options: Options, lambda: f32) -> Estimator {
    options.scale = Scale::None;
    Estimator::ImplicitMle { options, lambda: Lambda::Fixed(lambda), dz: Samples::Own }
}

/// λ = a ‖θ‖/‖dz‖, c = 1/λ.
pub const fn relative(options: Options, a: f32, dz: Samples) -> Estimator {
    Estimator::ImplicitMle { options, lambda: Lambda::Relative(a), dz }
}

/// c = 1/λ, dz of each sample.
const fn implicit(noise: Noise, lambda: Lambda) -> Estimator {
    Estimator::ImplicitMle { options: with_noise(noise), lambda, dz: Samples::Own }
}

const fn adaptive(target: f32) -> Estimator {
    Estimator::ImplicitMle { options: central(gumbel()), lambda: Lambda::Adaptive { target }, dz: Samples::Own }
}

const STRAIGHT_THROUGH: Estimator = Estimator::StraightThrough(Draw::Exact);
const SIMPLE: Estimator = Estimator::Simple(Draw::Exact);
const CENTRAL: Estimator = relative(central(gumbel()), 2.0, Samples::Own);
const CENTRAL_MEAN: Estimator = relative(central(gumbel()), 2.0, Samples::Mean);
const STRATIFIED: Estimator = Estimator::StratifiedImplicitMle(Lambda::Relative(2.0));
const STRATIFIED_SIMPLE: Estimator = Estimator::Simple(Draw::Stratified);

pub struct Descent {
    pub method: Method,
    pub rate: f32,
    /// Mean and standard deviation of the gap after 5, 10, 20 and 49 updates, over 100 repeats.
    pub published: Option<[(f64, f64); 4]>,
}

const fn descent(method: Method, rate: f32, published: Option<[(f64, f64); 4]>) -> Descent {
    Descent { method, rate, published }
}

/// As in the paper, one sample an update. Rates without a publication are the best of .05, .1, …, 3, judged by the mean
/// gap after 10, 20 and 49 updates.
pub const DESCENTS: [Descent; 8] = [
    descent(
        method("I-MLE, SoG, λ = 2", algorithm_1(with_noise(SUM_OF_GAMMA), 2.0), 1),
        0.75,
        Some([(1.376, 0.479), (0.575, 0.387), (0.320, 0.290), (0.181, 0.188)]),
    ),
    descent(
        method("I-MLE, Gumbel, λ = 2", algorithm_1(gumbel(), 2.0), 1),
        0.75,
        Some([(1.069, 0.503), (0.513, 0.387), (0.351, 0.364), (0.301, 0.360)]),
    ),
    descent(
        method("straight-through, Gumbel", Estimator::StraightThrough(Draw::Perturbed(gumbel())), 1),
        0.019,
        Some([(3.497, 0.074), (2.349, 0.131), (1.020, 0.112), (0.754, 0.110)]),
    ),
    descent(method("SIMPLE", SIMPLE, 1), 0.5, Some([(1.448, 0.255), (0.530, 0.195), (0.357, 0.171), (0.315, 0.196)])),
    descent(
        method("exact gradient", Estimator::Exact, 1),
        0.5,
        Some([(1.462, 0.0), (0.161, 0.0), (0.009, 0.0), (0.001, 0.0)]),
    ),
    descent(method("I-MLE, logistic, λ = 2", algorithm_1(with_noise(Noise::Logistic), 2.0), 1), 0.75, None),
    descent(method("I-MLE, Gumbel, central, λ = 2", algorithm_1(central(gumbel()), 2.0), 1), 1.0, None),
    descent(method("I-MLE, Gumbel, central, adaptive λ, target 1", adaptive(1.0), 1), 1.5, None),
];

/// At about equal cost: at most 12 MAP solves, or 8 exact samples, an update. λ and rate are the best of a grid for each
/// row, λ 0.5, 1 or 2 (fixed or in ‖θ‖/‖dz‖ at the start), rates powers of 2, judged as above.
pub const EQUAL_COST: [Descent; 11] = [
    descent(method("I-MLE, SoG", implicit(SUM_OF_GAMMA, Lambda::Fixed(2.0)), 6), 4.0, None),
    descent(method("I-MLE, Gumbel", implicit(Noise::Gumbel, Lambda::Fixed(1.0)), 6), 2.0, None),
    descent(method("I-MLE, logistic", implicit(Noise::Logistic, Lambda::Fixed(1.0)), 6), 1.0, None),
    descent(method("I-MLE, Gumbel, central", CENTRAL, 4), 2.0, None),
    descent(method("I-MLE, Gumbel, central, mean dz", CENTRAL_MEAN, 4), 8.0, None),
    descent(method("I-MLE, stratified, central, mean dz *", STRATIFIED, 4), 4.0, None),
    descent(method("score function of normal noise", Estimator::Perturbed(Noise::Normal), 12), 0.5, None),
    descent(method("SIMPLE", SIMPLE, 4), 4.0, None),
    descent(method("SIMPLE, stratified *", STRATIFIED_SIMPLE, 4), 8.0, None),
    descent(method("score function, leave-one-out", Estimator::ScoreFunction, 8), 1.0, None),
    descent(method("score function and SIMPLE *", Estimator::Corrected, 8), 1.0, None),
];

/// The same on the regression.
pub const REGRESSION: [Descent; 11] = [
    descent(method("I-MLE, SoG", implicit(SUM_OF_GAMMA, Lambda::Relative(0.5)), 6), 0.25, None),
    descent(method("I-MLE, Gumbel", implicit(Noise::Gumbel, Lambda::Relative(1.0)), 6), 0.5, None),
    descent(method("I-MLE, logistic", implicit(Noise::Logistic, Lambda::Relative(2.0)), 6), 1.0, None),
    descent(method("I-MLE, Gumbel, central", CENTRAL, 4), 1.0, None),
    descent(method("I-MLE, Gumbel, central, mean dz", relative(central(gumbel()), 0.5, Samples::Mean), 4), 1.0, None),
    descent(
        method("I-MLE, stratified, central, mean dz *", Estimator::StratifiedImplicitMle(Lambda::Relative(0.5)), 4),
        2.0,
        None,
    ),
    descent(method("score function of normal noise", Estimator::Perturbed(Noise::Normal), 12), 0.25, None),
    descent(method("SIMPLE", SIMPLE, 4), 2.0, None),
    descent(method("SIMPLE, stratified *", STRATIFIED_SIMPLE, 4), 2.0, None),
    descent(method("score function, leave-one-out", Estimator::ScoreFunction, 8), 1.0, None),
    descent(method("score function and SIMPLE *", Estimator::Corrected, 8), 1.0, None),
];

/// Bias and error as published.
pub type Published = Option<(f64, f64)>;

/// One gradient at a fixed θ.
pub const QUALITY: [(Method, Published); 11] = [
    (method("straight-through, exact samples", STRAIGHT_THROUGH, 1), Some((0.190, 0.336))),
    (method("I-MLE, SoG, λ = 2.5", algorithm_1(with_noise(SUM_OF_GAMMA), 2.5), 1), Some((0.460, 0.579))),
    (method("I-MLE, Gumbel, λ = 2.5", algorithm_1(gumbel(), 2.5), 1), Some((0.280, 0.558))),
    (method("I-MLE, Gumbel, central, λ = 2.5", algorithm_1(central(gumbel()), 2.5), 1), Some((0.183, 0.403))),
    (method("SIMPLE", SIMPLE, 1), Some((0.037, 0.247))),
    (method("score function, leave-one-out", Estimator::ScoreFunction, 8), Some((0.0001, 0.300))),
    (method("I-MLE, logistic, λ = 2.5", algorithm_1(with_noise(Noise::Logistic), 2.5), 1), None),
    (method("I-MLE, Gumbel, central, adaptive λ, target 1", adaptive(1.0), 1), None),
    (method("I-MLE, Gumbel, central, adaptive λ, target 5", adaptive(5.0), 1), None),
    (method("score function of normal noise", Estimator::Perturbed(Noise::Normal), 8), None),
    (method("score function and SIMPLE *", Estimator::Corrected, 8), None),
];

/// One gradient on several kinds of problem, at about equal cost as above.
pub struct General {
    pub name: &'static str,
    pub samples: u32,
    /// Of several settings the one with the least error on a kind of problem counts.
    pub settings: &'static [Estimator],
}

const fn general(name: &'static str, samples: u32, settings: &'static [Estimator]) -> General {
    General { name, samples, settings }
}

const fn over_lambda(options: Options) -> [Estimator; 5] {
    [
        relative(options, 0.25, Samples::Own),
        relative(options, 0.5, Samples::Own),
        relative(options, 1.0, Samples::Own),
        relative(options, 2.0, Samples::Own),
        relative(options, 4.0, Samples::Own),
    ]
}

pub const GENERAL: [General; 11] = [
    general("straight-through, exact samples", 4, &[STRAIGHT_THROUGH]),
    general("I-MLE, SoG, best of five λ", 6, &over_lambda(with_noise(SUM_OF_GAMMA))),
    general("I-MLE, Gumbel, best of five λ", 6, &over_lambda(gumbel())),
    general("I-MLE, Gumbel, central", 4, &[CENTRAL]),
    general("I-MLE, Gumbel, central, mean dz", 4, &[CENTRAL_MEAN]),
    general("I-MLE, stratified, central, mean dz *", 4, &[STRATIFIED]),
    general("score function of normal noise", 12, &[Estimator::Perturbed(Noise::Normal)]),
    general("SIMPLE", 4, &[SIMPLE]),
    general("SIMPLE, stratified *", 4, &[STRATIFIED_SIMPLE]),
    general("score function, leave-one-out", 8, &[Estimator::ScoreFunction]),
    general("score function and SIMPLE *", 8, &[Estimator::Corrected]),
];

pub const KINDS: [Kind; 4] = [
    Kind::Distance { n: 10, k: 5 },
    Kind::Network { n: 20, k: 5 },
    Kind::Regression { n: 100, k: 10 },
    Kind::Distance { n: 100, k: 10 },
];

/// What the curves over λ show, each sample with its own dz.
pub const OVER_LAMBDA: [(&str, Options); 4] = [
    ("I-MLE, SoG", with_noise(SUM_OF_GAMMA)),
    ("I-MLE, Gumbel", gumbel()),
    ("I-MLE, Gumbel, central", central(gumbel())),
    ("I-MLE, logistic, central", central(with_noise(Noise::Logistic))),
];

/// What the curves over S show.
pub const OVER_SAMPLES: [(&str, Estimator); 7] = [
    ("I-MLE, Gumbel", relative(gumbel(), 1.0, Samples::Own)),
    ("I-MLE, Gumbel, central", CENTRAL),
    ("I-MLE, Gumbel, central, mean dz", CENTRAL_MEAN),
    ("I-MLE, stratified, central, mean dz *", STRATIFIED),
    ("SIMPLE", SIMPLE),
    ("SIMPLE, stratified *", STRATIFIED_SIMPLE),
    ("score function and SIMPLE *", Estimator::Corrected),
];
