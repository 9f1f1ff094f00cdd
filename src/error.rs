//! What can be wrong with a call: which argument, which rule, which row.
//!
//! An error is a few numbers. Its words are here, where it is displayed, and nowhere else: a program that displays none
//! has none of them.

use core::fmt;

/// An argument, by the name that it has in the functions' signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the signatures'")]
#[non_exhaustive]
#[repr(u32)] // a word, as its neighbours are: parts of words are moved one by one
pub enum Argument {
    Theta,
    ThetaOther,
    Dz,
    Y,
    V,
    Losses,
    Indices,
    KRow,
    Z,
    ZTarget,
    Scores,
    Epsilon,
    Marginals,
    LogPartition,
    Entropy,
    LogProb,
    Kl,
    Loss,
    GradTheta,
    Out,
}

impl Argument {
    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Argument::Theta => "theta",
            Argument::ThetaOther => "theta_other",
            Argument::Dz => "dz",
            Argument::Y => "y",
            Argument::V => "v",
            Argument::Losses => "losses",
            Argument::Indices => "indices",
            Argument::KRow => "k_row",
            Argument::Z => "z",
            Argument::ZTarget => "z_target",
            Argument::Scores => "scores",
            Argument::Epsilon => "epsilon",
            Argument::Marginals => "marginals",
            Argument::LogPartition => "log_partition",
            Argument::Entropy => "entropy",
            Argument::LogProb => "log_prob",
            Argument::Kl => "kl",
            Argument::Loss => "loss",
            Argument::GradTheta => "grad_theta",
            Argument::Out => "out",
        }
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A rule for sizes or options; it is displayed as a sentence without its full stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the sentences are below")]
#[non_exhaustive]
#[repr(u32)] // likewise
pub enum Rule {
    SizesFromOne,
    KAtMostN,
    SamplesCountable,
    ElementsAddressable,
    SolverAtMostK,
    WorkspaceAddressable,
    BaselineOfOthers,
    StatesCounted,
    Temperature,
    TargetTemperature,
    Alpha,
    Lambda,
    SumOfGammaBuilt,
    Kappa,
    Terms,
    CombinatorialHasNoCentral,
    CombinatorialHasOneSide,
    NoiseWithDensity,
    TemperatureAboveZero,
    ExactTemperature,
    AdaptiveA,
    AdaptiveG,
    AdaptivePrevious,
    AdaptiveStep,
    AdaptiveMomentum,
    AdaptiveDecay,
    AdaptiveTarget,
}

impl Rule {
    /// The sentence.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Rule::SizesFromOne => "rows, n and samples must be at least 1",
            Rule::KAtMostN => "k must be at most n",
            Rule::SamplesCountable => "samples must be at most 2^24",
            Rule::ElementsAddressable => "rows * samples * n floats must be addressable",
            Rule::SolverAtMostK => "the solver's states must have at most k ones in every row",
            Rule::WorkspaceAddressable => "the workspace must be addressable",
            Rule::BaselineOfOthers => "samples must be at least 2: the baseline is the mean of the others",
            Rule::StatesCounted => "diagnostics must count at least one state",
            Rule::Temperature => "temperature must be finite and at least 0",
            Rule::TargetTemperature => "target_temperature must be finite and at least 0",
            Rule::Alpha => "alpha must be finite",
            Rule::Lambda => "lambda must be finite and greater than 0, and 1/lambda finite",
            Rule::SumOfGammaBuilt => "this build has no Sum-of-Gamma noise",
            Rule::Kappa => "kappa must be 0, or from 1 to 65536",
            Rule::Terms => "the terms of Sum-of-Gamma noise must be at least 1",
            Rule::CombinatorialHasNoCentral => "the combinatorial target has no central difference",
            Rule::CombinatorialHasOneSide => "the combinatorial target has only the minus side",
            Rule::NoiseWithDensity => "the noise must be Gumbel, logistic or normal",
            Rule::TemperatureAboveZero => "temperature must be greater than 0, and 1/temperature finite",
            Rule::ExactTemperature => "temperature must be finite and greater than 0",
            Rule::AdaptiveA => "a must be finite and at least 0, above 0 for the multiplicative rule",
            Rule::AdaptiveG => "g must be finite and at least 0",
            Rule::AdaptivePrevious => "previous must be finite",
            Rule::AdaptiveStep => "step must be finite and above 0",
            Rule::AdaptiveMomentum => "momentum must be at least 0 and below 1, and 0 for the multiplicative rule",
            Rule::AdaptiveDecay => "decay must be at least 0 and below 1",
            Rule::AdaptiveTarget => "target must be finite and above 0",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Why a call was refused.
///
/// Argument errors (all but [`NonFinite`](Error::NonFinite), [`Infeasible`](Error::Infeasible) and
/// [`NotAState`](Error::NotAState)) are found before anything is written. Data errors are found row by row: the rows
/// before the bad one are complete, the bad one and all later ones are untouched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The sizes B, N, K, S do not fit together.
    Shape {
        /// The rule that is broken.
        rule: Rule,
    },
    /// `k_row[row]` exceeds the shape's k.
    RowK {
        /// The first such row.
        row: u32,
    },
    /// A slice is too short.
    Length {
        /// The short argument.
        argument: Argument,
        /// The elements it needs.
        needed: usize,
        /// The elements it has.
        given: usize,
    },
    /// A stride is shorter than a row, or the rows it spans overflow the address space.
    Stride {
        /// The argument that the stride belongs to.
        argument: Argument,
    },
    /// The workspace is too short.
    Workspace {
        /// The floats it needs.
        needed: usize,
        /// The floats it has.
        given: usize,
    },
    /// No output was asked for.
    NoOutput,
    /// An option is out of its range, or two of them exclude each other.
    Option {
        /// The rule that is broken.
        rule: Rule,
    },
    /// Index lists of states whose number of ones the solver does not tell ([`MapSolver::ones`](crate::MapSolver::ones)).
    NoLists,
    /// NaN or +inf in θ, NaN or ±inf in any other input.
    NonFinite {
        /// The argument with the bad value.
        argument: Argument,
        /// The first bad row.
        row: u32,
    },
    /// The row has no state: fewer unmasked entries than k.
    Infeasible {
        /// The first such row.
        row: u32,
    },
    /// An index list is not a state of its row: not ascending, out of range, masked, or of the wrong length.
    NotAState {
        /// The first such row.
        row: u32,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::Shape { rule } => write!(f, "shape: {rule}"),
            Error::RowK { row } => write!(f, "k_row: row {row} has more than the shape's k"),
            Error::Stride { argument } => {
                write!(f, "{argument}: stride shorter than a row, or too long to address")
            }
            Error::Length { argument, needed, given } => {
                write!(f, "{argument}: {given} elements given, {needed} needed")
            }
            Error::Workspace { needed, given } => {
                write!(f, "work: {given} floats given, {needed} needed")
            }
            Error::NoOutput => f.write_str("no output asked for"),
            Error::Option { rule } => write!(f, "options: {rule}"),
            Error::NonFinite { argument, row } => {
                let allowed = if argument == Argument::Theta { " (only -inf, the mask, is allowed)" } else { "" };
                write!(f, "{argument}: row {row} has a value that is not finite{allowed}")
            }
            Error::Infeasible { row } => {
                write!(f, "theta: row {row} has fewer unmasked entries than k")
            }
            Error::NoLists => f.write_str("indices: the solver does not tell how many ones its states have"),
            Error::NotAState { row } => {
                write!(f, "indices: row {row} is not a state of k ascending unmasked positions below n")
            }
        }
    }
}

impl core::error::Error for Error {}

/// What is wrong with the data of a row; [`for_rows`](crate::rows::for_rows) says which row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadRow {
    NonFinite(Argument),
    Infeasible,
    NotAState,
}

impl BadRow {
    pub(crate) fn at(self, b: usize) -> Error {
        let row = b as u32;
        match self {
            BadRow::NonFinite(argument) => Error::NonFinite { argument, row },
            BadRow::Infeasible => Error::Infeasible { row },
            BadRow::NotAState => Error::NotAState { row },
        }
    }
}
