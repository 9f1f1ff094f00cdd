//! The target parameters θ' (Niepert, Minervini, Franceschi 2021, section 3.1).

use super::batch::write_samples;
use crate::door::{check_dz_row, check_theta_row};
use crate::noise::Sampler;
use crate::perturbed::scores::{Base, Formula, Perturbed};
use crate::views::rows::check_length;
use crate::{Argument, Dz, Error, Key, Options, Rows, Rule, Shape, Target};

/// The side of θ on which the target lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// αθ − λ dz: the side on which the loss is lower.
    Minus,
    /// αθ + λ dz: the other end of the central difference.
    Plus,
}

impl Options {
    /// θ' + τ' ε, where θ' is formed from θ and dz.
    pub(super) fn target_scores<'a>(&self, side: Side, noise: Sampler<'a>) -> Formula<'a> {
        let &Options { target, alpha, lambda, target_temperature: tau, .. } = self;
        let base = match (target, side) {
            (Target::Combinatorial, _) => Base::Combinatorial,
            (Target::Linear, Side::Minus) => Base::Linear { alpha, lambda },
            (Target::Linear, Side::Plus) => Base::Linear { alpha, lambda: -lambda },
        };
        Formula { base, noise, tau }
    }
}

/// The target scores θ' + τ' ε_s, `[B][S][N]`, with the noise that [`perturb`](crate::perturb()) used for the same key,
/// for a solver that lives outside. A masked score is −inf.
///
/// # Errors
/// Argument errors before anything is written, among them [`Error::Option`] for the combinatorial target on
/// [`Side::Plus`]; [`Error::NonFinite`] with the first bad row.
pub fn target(
    shape: Shape,
    options: &Options,
    key: Key<'_>,
    side: Side,
    theta: Rows<'_>,
    dz: Dz<'_>,
    scores: &mut [f32],
) -> Result<(), Error> {
    shape.check()?;
    options.check()?;
    if (options.target, side) == (Target::Combinatorial, Side::Plus) {
        return Err(Error::Option { rule: Rule::CombinatorialHasOneSide });
    }
    let theta = theta.check(Argument::Theta, shape)?;
    let dz = dz.check(shape)?;
    check_length(Argument::Scores, scores, shape.rows() * shape.samples() * shape.n())?;
    let row = |b| theta.row(b, shape.n());
    write_samples(
        shape,
        options,
        key,
        scores,
        |b| check_theta_row(row(b)).and_then(|()| check_dz_row(dz, b, shape.samples())),
        |noise, (b, s), words, scores| {
            let formula = options.target_scores(side, noise);
            Perturbed { theta: row(b), dz: dz.get(b, s), formula }.draw(words, scores);
        },
    )
}
