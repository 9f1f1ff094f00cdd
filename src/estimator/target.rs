//! The target parameters θ' (Niepert, Minervini, Franceschi 2021, section 3.1).

use crate::kernel::elementwise::{Base, Perturbed};
use crate::noise::Source;
use crate::rows::{block_mut, check_dz_row, check_length, check_theta_row};
use crate::{Argument, Dz, Error, Key, Options, Rows, Rule, Shape, Target};

/// On which side of θ the target lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// αθ − λ dz: where the loss is lower.
    Minus,
    /// αθ + λ dz: the other end of the central difference.
    Plus,
}

impl Options {
    /// θ' and τ'
    pub(super) fn target<'a>(&self, side: Side, dz: &'a [f32]) -> (Base<'a>, f32) {
        let &Options { target, alpha, lambda, target_temperature, .. } = self;
        let base = match (target, side) {
            (Target::Combinatorial, _) => Base::Combinatorial { dz },
            (Target::Linear, Side::Minus) => Base::Linear { dz, alpha, lambda },
            (Target::Linear, Side::Plus) => Base::Linear { dz, alpha, lambda: -lambda },
        };
        (base, target_temperature)
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
    key: Key,
    side: Side,
    theta: Rows<'_>,
    dz: Dz<'_>,
    scores: &mut [f32],
) -> Result<(), Error> {
    options.check()?;
    if (options.target, side) == (Target::Combinatorial, Side::Plus) {
        return Err(Error::Option { rule: Rule::CombinatorialHasOneSide });
    }
    let theta = theta.check(Argument::Theta, shape)?;
    let dz = dz.check(shape)?;
    check_length(Argument::Scores, scores, shape.rows() * shape.samples() * shape.n())?;
    let source = Source::noise(key);
    options.noise.for_rows(
        shape.rows(),
        |_| shape.k(),
        |law, b| {
            let theta = theta.row(b, shape.n());
            check_theta_row(theta)?;
            check_dz_row(dz, b, shape.samples())?;
            let mut stream = source.row(b, shape.samples());
            for s in 0..shape.samples() {
                let scores = block_mut(scores, (b * shape.samples() + s) * shape.n(), shape.n());
                let (base, tau) = options.target(side, dz.get(b, s));
                Perturbed { theta, base, law, tau }.fill(&mut stream, scores);
            }
            Ok(())
        },
    )
}
