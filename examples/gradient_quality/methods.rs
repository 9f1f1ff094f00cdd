//! The estimators with their settings, and the figures that were published for them.

use imle::{Coupling, Difference, Noise, Options, Scale};

use crate::estimator::{Draw, Estimator, Lambda, Samples};
use crate::problem::Kind;

#[derive(Clone, Copy)]
pub struct Method {
    pub name: &'static str,
    pub estimator: Estimator,
    /// S. The loss and dz are evaluated once for each sample.
    pub samples: u32,
}

fn method(name: &'static str, estimator: Estimator, samples: u32) -> Method {
    Method { name, estimator, samples }
}

/// The noise of the paper: κ = k, ten terms.
const SUM_OF_GAMMA: Noise = Noise::SumOfGamma { kappa: 0.0, terms: 10 };

fn forward(noise: Noise) -> Options {
    Options { noise, ..Options::default() }
}

fn central(noise: Noise) -> Options {
    Options { noise, difference: Difference::Central, ..Options::default() }
}

/// The paper's Algorithm 1: a fixed λ, dz of each sample, c = 1.
fn algorithm_1(options: Options, lambda: f32) -> Estimator {
    let options = Options { scale: Scale::None, ..options };
    Estimator::ImplicitMle { options, lambda: Lambda::Fixed(lambda), dz: Samples::Own }
}

/// λ = a ‖θ‖/‖dz‖, c = 1/λ.
pub fn relative(options: Options, a: f32, dz: Samples) -> Estimator {
    Estimator::ImplicitMle { options, lambda: Lambda::Relative(a), dz }
}

/// c = 1/λ, dz of each sample.
fn implicit(noise: Noise, lambda: Lambda) -> Estimator {
    Estimator::ImplicitMle { options: forward(noise), lambda, dz: Samples::Own }
}

fn adaptive(target: f32) -> Estimator {
    Estimator::ImplicitMle { options: central(Noise::Gumbel), lambda: Lambda::Adaptive { target }, dz: Samples::Own }
}

fn central_own() -> Estimator {
    relative(central(Noise::Gumbel), 2.0, Samples::Own)
}

fn central_mean() -> Estimator {
    relative(central(Noise::Gumbel), 2.0, Samples::Mean)
}

/// Both for I-MLE and for drawing samples.
fn stratified(temperature: f32) -> Options {
    let coupling = Coupling::Stratified;
    Options { coupling, temperature, target_temperature: temperature, ..central(Noise::Logistic) }
}

fn stratified_mean(a: f32) -> Estimator {
    relative(stratified(1.0), a, Samples::Mean)
}

fn stratified_simple() -> Estimator {
    Estimator::Simple(Draw::Perturbed(stratified(1.0)))
}

fn stratified_corrected() -> Estimator {
    Estimator::UnbiasedSimple(Draw::Perturbed(stratified(1.0)), Samples::Mean)
}

const STRAIGHT_THROUGH: Estimator = Estimator::StraightThrough(Draw::Exact);
const SIMPLE: Estimator = Estimator::Simple(Draw::Exact);
const UNBIASED: Estimator = Estimator::UnbiasedSimple(Draw::Exact, Samples::Own);
const CORRECTED: Estimator = Estimator::UnbiasedSimple(Draw::Exact, Samples::Mean);

pub struct Descent {
    pub method: Method,
    pub rate: f32,
    /// Mean and standard deviation of the gap after 5, 10, 20 and 49 updates, over 100 repeats.
    pub published: Option<[(f64, f64); 4]>,
}

fn descent(method: Method, rate: f32, published: Option<[(f64, f64); 4]>) -> Descent {
    Descent { method, rate, published }
}

/// One sample per update, as in the paper. A rate that was not published is the best of .05, .1, …, 3, judged by the
/// mean gap after 10, 20 and 49 updates.
pub fn descents() -> Vec<Descent> {
    vec![
        descent(
            method("I-MLE, SoG, λ = 2", algorithm_1(forward(SUM_OF_GAMMA), 2.0), 1),
            0.75,
            Some([(1.376, 0.479), (0.575, 0.387), (0.320, 0.290), (0.181, 0.188)]),
        ),
        descent(
            method("I-MLE, Gumbel, λ = 2", algorithm_1(forward(Noise::Gumbel), 2.0), 1),
            0.75,
            Some([(1.069, 0.503), (0.513, 0.387), (0.351, 0.364), (0.301, 0.360)]),
        ),
        descent(
            method("straight-through, Gumbel", Estimator::StraightThrough(Draw::Perturbed(forward(Noise::Gumbel))), 1),
            0.019,
            Some([(3.497, 0.074), (2.349, 0.131), (1.020, 0.112), (0.754, 0.110)]),
        ),
        descent(
            method("SIMPLE", SIMPLE, 1),
            0.5,
            Some([(1.448, 0.255), (0.530, 0.195), (0.357, 0.171), (0.315, 0.196)]),
        ),
        descent(
            method("exact gradient", Estimator::Exact, 1),
            0.5,
            Some([(1.462, 0.0), (0.161, 0.0), (0.009, 0.0), (0.001, 0.0)]),
        ),
        descent(method("I-MLE, logistic, λ = 2", algorithm_1(forward(Noise::Logistic), 2.0), 1), 0.75, None),
        descent(method("I-MLE, Gumbel, central, λ = 2", algorithm_1(central(Noise::Gumbel), 2.0), 1), 1.0, None),
        descent(method("I-MLE, Gumbel, central, adaptive λ, target 1", adaptive(1.0), 1), 1.5, None),
    ]
}

/// At about equal cost: at most 12 MAP solves or 8 exact samples per update. For each row, λ and rate are the best of a
/// grid, judged as above: λ is 0.5, 1 or 2 (fixed, or in ‖θ‖/‖dz‖ at the start), and rates are powers of 2.
pub fn equal_cost() -> Vec<Descent> {
    vec![
        descent(method("I-MLE, SoG", implicit(SUM_OF_GAMMA, Lambda::Fixed(2.0)), 6), 4.0, None),
        descent(method("I-MLE, Gumbel", implicit(Noise::Gumbel, Lambda::Fixed(1.0)), 6), 2.0, None),
        descent(method("I-MLE, logistic", implicit(Noise::Logistic, Lambda::Fixed(1.0)), 6), 1.0, None),
        descent(method("I-MLE, Gumbel, central", central_own(), 4), 2.0, None),
        descent(method("I-MLE, Gumbel, central, mean dz", central_mean(), 4), 8.0, None),
        descent(method("I-MLE, stratified, central, mean dz", stratified_mean(2.0), 4), 8.0, None),
        descent(method("score function of normal noise", Estimator::Perturbed(Noise::Normal), 12), 0.5, None),
        descent(method("SIMPLE", SIMPLE, 4), 4.0, None),
        descent(method("SIMPLE, stratified", stratified_simple(), 4), 16.0, None),
        descent(method("score function, leave-one-out", Estimator::ScoreFunction, 8), 1.0, None),
        descent(method("unbiased SIMPLE", UNBIASED, 8), 1.0, None),
        descent(method("unbiased SIMPLE, mean dz", CORRECTED, 8), 2.0, None),
        descent(method("unbiased SIMPLE, mean dz, stratified", stratified_corrected(), 8), 1.0, None),
    ]
}

/// The same on the regression.
pub fn regression() -> Vec<Descent> {
    vec![
        descent(method("I-MLE, SoG", implicit(SUM_OF_GAMMA, Lambda::Relative(0.5)), 6), 0.25, None),
        descent(method("I-MLE, Gumbel", implicit(Noise::Gumbel, Lambda::Relative(1.0)), 6), 0.5, None),
        descent(method("I-MLE, logistic", implicit(Noise::Logistic, Lambda::Relative(2.0)), 6), 1.0, None),
        descent(method("I-MLE, Gumbel, central", central_own(), 4), 1.0, None),
        descent(
            method("I-MLE, Gumbel, central, mean dz", relative(central(Noise::Gumbel), 0.5, Samples::Mean), 4),
            1.0,
            None,
        ),
        descent(method("I-MLE, stratified, central, mean dz", stratified_mean(1.0), 4), 2.0, None),
        descent(method("score function of normal noise", Estimator::Perturbed(Noise::Normal), 12), 0.25, None),
        descent(method("SIMPLE", SIMPLE, 4), 2.0, None),
        descent(method("SIMPLE, stratified", stratified_simple(), 4), 2.0, None),
        descent(method("score function, leave-one-out", Estimator::ScoreFunction, 8), 0.5, None),
        descent(method("unbiased SIMPLE", UNBIASED, 8), 1.0, None),
        descent(method("unbiased SIMPLE, mean dz", CORRECTED, 8), 1.0, None),
        descent(method("unbiased SIMPLE, mean dz, stratified", stratified_corrected(), 8), 1.0, None),
    ]
}

/// Bias and error as published.
pub type Published = Option<(f64, f64)>;

/// One gradient at a fixed θ.
pub fn quality() -> Vec<(Method, Published)> {
    vec![
        (method("straight-through, exact samples", STRAIGHT_THROUGH, 1), Some((0.190, 0.336))),
        (method("I-MLE, SoG, λ = 2.5", algorithm_1(forward(SUM_OF_GAMMA), 2.5), 1), Some((0.460, 0.579))),
        (method("I-MLE, Gumbel, λ = 2.5", algorithm_1(forward(Noise::Gumbel), 2.5), 1), Some((0.280, 0.558))),
        (method("I-MLE, Gumbel, central, λ = 2.5", algorithm_1(central(Noise::Gumbel), 2.5), 1), Some((0.183, 0.403))),
        (method("SIMPLE", SIMPLE, 1), Some((0.037, 0.247))),
        (method("score function, leave-one-out", Estimator::ScoreFunction, 8), Some((0.0001, 0.300))),
        (method("I-MLE, logistic, λ = 2.5", algorithm_1(forward(Noise::Logistic), 2.5), 1), None),
        (method("I-MLE, Gumbel, central, adaptive λ, target 1", adaptive(1.0), 1), None),
        (method("I-MLE, Gumbel, central, adaptive λ, target 5", adaptive(5.0), 1), None),
        (method("score function of normal noise", Estimator::Perturbed(Noise::Normal), 8), None),
        (method("unbiased SIMPLE", UNBIASED, 8), None),
    ]
}

/// One gradient on several kinds of problem, at about equal cost as above.
pub struct General {
    pub name: &'static str,
    pub samples: u32,
    /// On each kind of problem, the setting with the least error counts.
    pub settings: Vec<Estimator>,
}

fn one_of(name: &'static str, samples: u32, settings: impl Into<Vec<Estimator>>) -> General {
    General { name, samples, settings: settings.into() }
}

fn five_lambdas(options: Options) -> [Estimator; 5] {
    [0.25, 0.5, 1.0, 2.0, 4.0].map(|a| relative(options, a, Samples::Own))
}

pub fn general() -> Vec<General> {
    vec![
        one_of("straight-through, exact samples", 4, [STRAIGHT_THROUGH]),
        one_of("I-MLE, SoG, best of five λ", 6, five_lambdas(forward(SUM_OF_GAMMA))),
        one_of("I-MLE, Gumbel, best of five λ", 6, five_lambdas(forward(Noise::Gumbel))),
        one_of("I-MLE, Gumbel, central", 4, [central_own()]),
        one_of("I-MLE, Gumbel, central, mean dz", 4, [central_mean()]),
        one_of("I-MLE, stratified, central, mean dz", 4, [stratified_mean(2.0)]),
        one_of("I-MLE, stratified, central, mean dz, τ = .8", 4, [relative(stratified(0.8), 2.0, Samples::Mean)]),
        one_of(
            "I-MLE, stratified, central, mean dz, λ of each row *",
            4,
            [Estimator::ImplicitMle { options: stratified(1.0), lambda: Lambda::OfEachRow, dz: Samples::Mean }],
        ),
        one_of(
            "I-MLE, stratified, forward, mean dz",
            6,
            [relative(Options { difference: Difference::Forward, ..stratified(1.0) }, 2.0, Samples::Mean)],
        ),
        one_of("Rao–Blackwell, stratified *", 4, [Estimator::Conditional(stratified(1.0))]),
        one_of("Rao–Blackwell, stratified *", 12, [Estimator::Conditional(stratified(1.0))]),
        one_of("score function of normal noise", 12, [Estimator::Perturbed(Noise::Normal)]),
        one_of("SIMPLE", 4, [SIMPLE]),
        one_of("SIMPLE, stratified", 4, [stratified_simple()]),
        one_of("SIMPLE, stratified", 8, [stratified_simple()]),
        one_of("score function, leave-one-out", 8, [Estimator::ScoreFunction]),
        one_of("unbiased SIMPLE", 8, [UNBIASED]),
        one_of("unbiased SIMPLE, mean dz", 8, [CORRECTED]),
        one_of("unbiased SIMPLE, mean dz, stratified", 8, [stratified_corrected()]),
    ]
}

pub const KINDS: [Kind; 4] = [
    Kind::Distance { n: 10, k: 5 },
    Kind::Network { n: 20, k: 5 },
    Kind::Regression { n: 100, k: 10 },
    Kind::Distance { n: 100, k: 10 },
];

/// The curves over λ; each sample has its own dz.
pub fn over_lambda() -> [(&'static str, Options); 4] {
    [
        ("I-MLE, SoG", forward(SUM_OF_GAMMA)),
        ("I-MLE, Gumbel", forward(Noise::Gumbel)),
        ("I-MLE, Gumbel, central", central(Noise::Gumbel)),
        ("I-MLE, logistic, central", central(Noise::Logistic)),
    ]
}

/// The curves over S.
pub fn over_samples() -> [(&'static str, Estimator); 8] {
    [
        ("I-MLE, Gumbel", relative(forward(Noise::Gumbel), 1.0, Samples::Own)),
        ("I-MLE, Gumbel, central", central_own()),
        ("I-MLE, Gumbel, central, mean dz", central_mean()),
        ("I-MLE, stratified, central, mean dz", stratified_mean(2.0)),
        ("SIMPLE", SIMPLE),
        ("SIMPLE, stratified", stratified_simple()),
        ("unbiased SIMPLE", UNBIASED),
        ("unbiased SIMPLE, mean dz", CORRECTED),
    ]
}
