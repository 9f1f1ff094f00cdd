//! What can be wrong with a call: which argument, which row.

use core::fmt;

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
        rule: &'static str,
    },
    /// `k_row[row]` exceeds the shape's k.
    RowK {
        /// The first such row.
        row: u32,
    },
    /// A stride is shorter than a row, or the rows it spans overflow the address space.
    Stride {
        /// The argument that the stride belongs to.
        argument: &'static str,
    },
    /// A slice is too short.
    Length {
        /// The short argument.
        argument: &'static str,
        /// The elements it needs.
        needed: usize,
        /// The elements it has.
        given: usize,
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
        rule: &'static str,
    },
    /// NaN or +inf in θ, NaN or ±inf in any other input.
    NonFinite {
        /// The argument with the bad value.
        argument: &'static str,
        /// The first bad row.
        row: u32,
    },
    /// The row has no state: fewer unmasked entries than k.
    Infeasible {
        /// The first such row.
        row: u32,
    },
    /// Index lists of states whose number of ones the solver does not tell ([`MapSolver::ones`](crate::MapSolver::ones)).
    NoLists,
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
                let allowed = if argument == "theta" { " (only -inf, the mask, is allowed)" } else { "" };
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
