//! The reasons to refuse a call: an argument, a rule, a row.
//!
//! An error is a few numbers. Its words are used only where it is displayed, so a program that displays none does not link
//! them.

use core::fmt;

/// Defines an enum that has a text for each of its values. The text is displayed, and it is the documentation too.
macro_rules! texts {
    ($(#[$enum:meta])* $name:ident, $(#[$method:meta])* $text:ident, $($value:ident = $words:literal,)*) => {
        $(#[$enum])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u32)] // A whole word, like the fields next to it: compilers move parts of words one by one.
        pub enum $name {
            $(#[doc = $words] $value,)*
        }

        impl $name {
            $(#[$method])*
            #[must_use]
            pub const fn $text(self) -> &'static str {
                match self {
                    $($name::$value => $words,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.$text())
            }
        }
    };
}

texts! {
    /// An argument, by the name that it has in the functions' signatures.
    Argument,
    /// The name.
    name,
    Theta = "theta",
    ThetaOther = "theta_other",
    Dz = "dz",
    Y = "y",
    V = "v",
    Losses = "losses",
    Indices = "indices",
    Heads = "heads",
    KRow = "k_row",
    NRow = "n_row",
    RowIds = "row_ids",
    Z = "z",
    ZTarget = "z_target",
    Scores = "scores",
    Epsilon = "epsilon",
    Marginals = "marginals",
    LogPartition = "log_partition",
    LogPartitions = "log_partitions",
    Entropy = "entropy",
    LogProb = "log_prob",
    Kl = "kl",
    Loss = "loss",
    GradTheta = "grad_theta",
    Out = "out",
    Parts = "parts",
}

texts! {
    /// A rule for sizes or options; it is displayed as a sentence without its full stop.
    Rule,
    /// The sentence.
    text,
    SizesFromOne = "n and samples must be at least 1",
    KAtMostN = "k must be at most n",
    SamplesCountable = "samples must be at most 2^24",
    ElementsAddressable = "rows * samples * n floats must be addressable",
    SolverAtMostK = "the solver's states must have at most k ones in every row",
    SolverFits = "the solver was made for another n or for fewer rows",
    OneHotHasKOne = "k must be 1 for one-hot states",
    TreeIsSquare = "k must be the number of words of a tree, and n its square",
    SamplesNumbered = "sample0 + samples must be at most 2^28",
    SamplesWithinStrata = "sample0 + samples must be at most strata",
    WorkspaceAddressable = "the workspace must be addressable",
    BaselineOfOthers = "samples must be at least 2: the baseline is the mean of the others",
    Temperature = "temperature must be finite and at least 0",
    TargetTemperature = "target_temperature must be finite and at least 0",
    Alpha = "alpha must be finite",
    Lambda = "lambda must be finite and greater than 0, and 1/lambda finite",
    SumOfGammaBuilt = "this build has no Sum-of-Gamma noise",
    Kappa = "kappa must be 0, or from 1 to 65536",
    Terms = "the terms of Sum-of-Gamma noise must be at least 1",
    StratifiedBuilt = "this build has no stratified noise",
    IndependentHasNoStrata = "strata must be 0 for independent noise",
    NoiseIndependent = "the noise must be independent",
    CombinatorialHasNoCentral = "the combinatorial target has no central difference",
    CombinatorialHasOneSide = "the combinatorial target has only the minus side",
    NoiseWithDensity = "the noise must be Gumbel, logistic or normal",
    TemperatureAboveZero = "temperature must be greater than 0, and 1/temperature finite",
    AdaptiveA = "a must be finite and at least 0, above 0 for the multiplicative rule",
    AdaptiveG = "g must be finite and at least 0",
    AdaptivePrevious = "previous must be finite",
    AdaptiveStep = "step must be finite and above 0",
    AdaptiveMomentum = "momentum must be at least 0 and below 1, and 0 for the multiplicative rule",
    AdaptiveDecay = "decay must be at least 0 and below 1",
    AdaptiveTarget = "target must be finite and above 0",
    AdaptiveThetaFloor = "theta_floor must be finite and at least 0",
}

/// Why a call was refused.
///
/// Argument errors (all but [`NonFinite`](Error::NonFinite), [`Infeasible`](Error::Infeasible),
/// [`NotAState`](Error::NotAState) and [`Unsolved`](Error::Unsolved)) are found before anything is written. Data errors are
/// found row by row: the rows before the bad one are complete, the bad one and all later ones are untouched.
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
    /// `n_row[row]` exceeds the words of the shape.
    RowWords {
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
    /// The call asks for no output.
    NoOutput,
    /// An option is out of its range, or two of them exclude each other.
    Option {
        /// The rule that is broken.
        rule: Rule,
    },
    /// Index lists need a solver that tells how many ones its states have at most
    /// ([`MapSolver::max_ones`](crate::MapSolver::max_ones)).
    NoLists,
    /// NaN or +inf in θ, NaN or ±inf in any other input.
    NonFinite {
        /// The argument with the bad value.
        argument: Argument,
        /// The first bad row.
        row: u32,
    },
    /// The row has no state: fewer unmasked entries than k, or no tree that avoids the masks.
    Infeasible {
        /// The first such row.
        row: u32,
    },
    /// A given state is not one of its row. An index list is not ascending, out of range, masked, or of the wrong length; or a
    /// z is neither 0 nor 1, is 1 at a mask, or has the wrong number of ones.
    NotAState {
        /// The first such row.
        row: u32,
    },
    /// The solver gave up on a row ([`Unsolved`](crate::Unsolved)). Unlike after other data errors, the outputs of this row
    /// are unspecified.
    Unsolved {
        /// The first such row.
        row: u32,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::Shape { rule } => write!(f, "shape: {rule}"),
            Error::RowK { row } => write!(f, "k_row: row {row} has more than the shape's k"),
            Error::RowWords { row } => write!(f, "n_row: row {row} has more words than the shape"),
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
            Error::NonFinite { argument: Argument::Parts, .. } => {
                f.write_str("parts: a sum of squares is negative or not finite")
            }
            Error::NonFinite { argument, row } => {
                let allowed = if argument == Argument::Theta { " (only -inf, the mask, is allowed)" } else { "" };
                write!(f, "{argument}: row {row} has a value that is not finite{allowed}")
            }
            Error::Infeasible { row } => {
                write!(f, "theta: row {row} has fewer unmasked entries than k, or no tree without a masked one")
            }
            Error::NoLists => f.write_str("indices: the solver does not tell how many ones its states have"),
            Error::NotAState { row } => {
                write!(
                    f,
                    "indices or z: row {row} has no such state, which chooses ascending unmasked positions below n"
                )
            }
            Error::Unsolved { row } => write!(f, "theta: the solver gave up on row {row}"),
        }
    }
}

impl core::error::Error for Error {}

/// A fault in the data of a row, before it is known which row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadRow {
    NonFinite(Argument),
    Infeasible,
    NotAState,
    Unsolved,
}

impl BadRow {
    pub(crate) fn at(self, b: usize) -> Error {
        let row = b as u32;
        match self {
            BadRow::NonFinite(argument) => Error::NonFinite { argument, row },
            BadRow::Infeasible => Error::Infeasible { row },
            BadRow::NotAState => Error::NotAState { row },
            BadRow::Unsolved => Error::Unsolved { row },
        }
    }
}
