//! The name of a call's noise.

/// The name of a batch's noise. Row b draws ε from a pure function of (seed, step, row0 + b), of the law, and of N (and,
/// for Sum-of-Gamma noise with κ = 0, of the row's k).
///
/// Use one `seed` per run and the training iteration as `step`. A batch that is cut over threads or hosts passes the
/// index of each part's first row as `row0` and gets the bits of the uncut batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Key {
    /// One per run.
    pub seed: u64,
    /// One per training iteration.
    pub step: u64,
    /// The number of the batch's first row; row b is `row0 + b`, modulo 2⁶⁴.
    pub row0: u64,
}
