//! Loops over the rows and samples of a batch, with the law of each row's noise.

use crate::door::{check_coupling, check_key};
use crate::error::BadRow;
use crate::noise::{BatchWords, MAX_KAPPA, Noise, SUM_OF_GAMMA, SampleWords, Sampler, SumOfGamma};
use crate::views::rows::{block_mut, for_rows};
use crate::{Error, Key, Options, Shape};

/// The words of a batch's noise, if the key fits the batch and the options.
#[inline(always)]
pub(crate) fn noise_words<'a>(shape: Shape, options: &Options, key: &Key<'a>) -> Result<BatchWords<'a>, Error> {
    check_key(key, shape)?;
    Ok(BatchWords::noise(key, check_coupling(options.coupling, key, shape)?))
}

/// Calls `run` for every row with the law of its noise; `k` tells the k of a row.
#[inline(always)]
pub(crate) fn for_rows_with_noise(
    noise: Noise,
    rows: usize,
    k: impl Fn(usize) -> usize,
    mut run: impl FnMut(Sampler<'_>, usize) -> Result<(), BadRow>,
) -> Result<(), Error> {
    match noise {
        Noise::SumOfGamma { kappa, terms } if SUM_OF_GAMMA => {
            let kappa = |b| if kappa == 0.0 { (k(b) as f32).clamp(1.0, MAX_KAPPA) } else { kappa };
            for_rows_with_table(rows, kappa, terms, run)
        }
        // A library without Sum-of-Gamma noise refuses the options that ask for it.
        _ => {
            let sampler = noise.sampler().unwrap_or(Sampler::None);
            for_rows(rows, |b| run(sampler, b))
        }
    }
}

/// Rows that follow one another with the same κ share a table. Not inlined, so that only this law takes its stack.
#[inline(never)]
fn for_rows_with_table(
    rows: usize,
    kappa: impl Fn(usize) -> f32,
    terms: u32,
    mut run: impl FnMut(Sampler<'_>, usize) -> Result<(), BadRow>,
) -> Result<(), Error> {
    let mut first = 0;
    while first < rows {
        let shared = kappa(first);
        let end = (first + 1..rows).find(|&b| kappa(b) != shared).unwrap_or(rows);
        let table = SumOfGamma::new(shared, terms);
        for b in first..end {
            run(Sampler::SumOfGamma(&table), b).map_err(|bad| bad.at(b))?;
        }
        first = end;
    }
    Ok(())
}

/// Writes one array `[B][S][N]`, sample after sample: each row is checked, then `write` fills the block of each of its
/// samples. Such functions have no k of a row, so κ = 0 means the shape's k.
#[inline(always)]
pub(super) fn write_samples(
    shape: Shape,
    options: &Options,
    key: Key<'_>,
    out: &mut [f32],
    check: impl Fn(usize) -> Result<(), BadRow>,
    write: impl Fn(Sampler<'_>, (usize, usize), SampleWords, &mut [f32]),
) -> Result<(), Error> {
    let words = noise_words(shape, options, &key)?;
    for_rows_with_noise(
        options.noise,
        shape.rows(),
        |_| shape.k(),
        |noise, b| {
            check(b)?;
            let words = words.row(b);
            for s in 0..shape.samples() {
                let block = block_mut(out, (b * shape.samples() + s) * shape.n(), shape.n());
                write(noise, (b, s), words.sample(s), block);
            }
            Ok(())
        },
    )
}
