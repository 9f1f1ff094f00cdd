//! Every bad option.

use imle::{Difference, Noise, Options, Rule, Target};

/// Each bad option with the rule that it breaks.
pub fn bad_options() -> Vec<(Options, Rule)> {
    let good = Options::default();
    let mut bad = Vec::new();
    for x in [-1.0, -0.5, -f32::from_bits(1), f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        bad.push((Options { temperature: x, ..good }, Rule::Temperature));
        bad.push((Options { target_temperature: x, ..good }, Rule::TargetTemperature));
        bad.push((Options { lambda: x, ..good }, Rule::Lambda));
    }
    // 1/λ must be finite too.
    for x in [0.0, -0.0, f32::from_bits(1)] {
        bad.push((Options { lambda: x, ..good }, Rule::Lambda));
    }
    for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        bad.push((Options { alpha: x, ..good }, Rule::Alpha));
    }
    for kappa in [-1.0, 0.5, 0.99, f32::NAN, 65_537.0, f32::INFINITY] {
        bad.push((sum_of_gamma(kappa, 10), Rule::Kappa));
    }
    bad.push((sum_of_gamma(0.0, 0), Rule::Terms));
    bad.push((sum_of_gamma(5.0, 0), Rule::Terms));
    let combinatorial = Options { target: Target::Combinatorial, difference: Difference::Central, ..good };
    bad.push((combinatorial, Rule::CombinatorialHasNoCentral));
    if !cfg!(feature = "sum-of-gamma") {
        bad.push((sum_of_gamma(0.0, 10), Rule::SumOfGammaBuilt));
        let is_sum = |options: &Options| matches!(options.noise, Noise::SumOfGamma { .. });
        bad.iter_mut().filter(|(options, _)| is_sum(options)).for_each(|(_, rule)| *rule = Rule::SumOfGammaBuilt);
    }
    bad
}

/// Options at the ends of their ranges.
pub fn good_options() -> Vec<Options> {
    let good = Options::default();
    let mut options = vec![good, Options { temperature: 0.0, target_temperature: -0.0, ..good }];
    if cfg!(feature = "sum-of-gamma") {
        let ends = [(0.0, 10), (-0.0, 1), (1.0, 1), (65_536.0, Noise::ALL_TERMS)];
        options.extend(ends.map(|(kappa, terms)| sum_of_gamma(kappa, terms)));
    }
    options
}

fn sum_of_gamma(kappa: f32, terms: u32) -> Options {
    Options { noise: Noise::SumOfGamma { kappa, terms }, ..Options::default() }
}
