//! The name of a call's noise.

/// The name of a batch's noise. Sample s of row b is sample number `sample0` + s of row number `row0` + b, or
/// `row0 + row_ids[b]` if the rows have ids. Its ε are a pure function of the seed, the step, these two numbers and the
/// coordinate, of the law, and of nothing else: neither of B, N and S nor of the other rows. (For Sum-of-Gamma noise with
/// κ = 0 the law depends on the row's k.)
///
/// Use one `seed` per run and the training iteration as `step`. Then the rest names the part of the batch that a call
/// works on, and any cut over threads, hosts or micro-batches gives the states of the uncut batch:
///
/// - Rows that follow one another: the index of the part's first row as `row0`.
/// - Rows that were shuffled, or that a sampler gave to this rank: the number of each example in `row_ids`.
/// - Some samples of each row: the number of the part's first sample as `sample0`.
///
/// ```
/// use imle::Key;
/// let key = Key { seed: 42, step: 7, ..Key::default() };
/// let rank_1 = Key { row_ids: Some(&[1, 3, 5, 7]), ..key };
/// # assert_eq!(rank_1.seed, 42);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Key<'a> {
    /// One per run.
    pub seed: u64,
    /// One per training iteration.
    pub step: u64,
    /// The number of the batch's first row; row b is `row0 + b`, modulo 2⁶⁴.
    pub row0: u64,
    /// The numbers of rows that do not follow one another, at least B of them; row b is `row0 + row_ids[b]`, modulo 2⁶⁴.
    pub row_ids: Option<&'a [u64]>,
    /// The number of the first sample; `sample0` + S is at most 2²⁸.
    pub sample0: u32,
    /// The number of strata of [`Coupling::Stratified`](crate::Coupling::Stratified) noise: the S of the whole batch if this
    /// call draws only some of its samples, at least `sample0` + S. 0 means the S of this call. Independent noise has none: 0.
    pub strata: u32,
}

/// The number of row b. The door has seen that it has an id, if rows have ids.
#[inline(always)]
pub(crate) fn row_number(row0: u64, row_ids: Option<&[u64]>, b: usize) -> u64 {
    let id = match row_ids {
        None => b as u64,
        Some(ids) => ids.get(b).copied().unwrap_or_default(),
    };
    row0.wrapping_add(id)
}
