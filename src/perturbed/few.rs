//! Rows of at most 64 scores: all of them are computed, a state is a word, and several samples of a row are found in one
//! call: eight of them side by side (`abreast`), or a few one after another (`alone`). Most choices are made by scores that
//! are only near the exact ones (`near`).

mod abreast;
mod alone;
mod near;
mod row;

use super::scores::Formula;
use crate::arch::{self, EIGHT};
use crate::kernel::columns;
use crate::kernel::select::FEW;
use crate::noise::RowWords;
use abreast::{Abreast, Memory};
use row::Listed;
pub(crate) use row::{Few, First, Pair, are_few};

/// Fewer samples than this are found one after another: eight side by side cost as much as four.
const WORTH_EIGHT: usize = 5;

/// Half of the longest row.
const HALF: usize = FEW / 2;

impl Few<'_> {
    /// The states of the samples from `from` on, one for each element of `states`. The base of the scores is θ.
    pub(crate) fn sample(&self, scores: &Formula<'_>, words: &RowWords, from: usize, states: &mut [u64]) {
        let (eights, rest) = states.split_at_mut_checked(self.abreast(words, states.len())).unwrap_or_default();
        let last = from + eights.len();
        if !eights.is_empty() {
            // Short rows get less memory, because clearing it takes time.
            if self.theta.len() <= HALF {
                self.sample_abreast(scores, words, from, eights, &mut Memory::<HALF>::new());
            } else {
                self.sample_abreast(scores, words, from, eights, &mut Memory::<FEW>::new());
            }
        }
        if !rest.is_empty() {
            arch::run(alone::Sample { row: *self, scores, words, from: last, states: rest });
        }
    }

    #[inline(always)]
    fn sample_abreast<const N: usize>(
        &self,
        scores: &Formula<'_>,
        words: &RowWords,
        from: usize,
        states: &mut [u64],
        memory: &mut Memory<N>,
    ) {
        let mut row = Abreast::new(*self, words, scores.noise, memory);
        for (s, states) in (from..).step_by(EIGHT).zip(states.chunks_mut(EIGHT)) {
            row.draw(s);
            for (state, z) in states.iter_mut().zip(row.choose(scores)) {
                *state = z;
            }
        }
    }

    /// z and z' of the samples from `from` on, one pair for each element of `states`. False
    /// if a dz is not finite or a list is not a state of the row.
    pub(crate) fn pairs(&self, pair: &Pair<'_>, words: &RowWords, from: usize, states: &mut [[u64; 2]]) -> bool {
        let (eights, rest) = states.split_at_mut_checked(self.abreast(words, states.len())).unwrap_or_default();
        let last = from + eights.len();
        let are_good = if eights.is_empty() {
            true
        } else if self.theta.len() <= HALF {
            self.pairs_abreast(pair, words, from, eights, &mut Memory::<HALF>::new())
        } else {
            self.pairs_abreast(pair, words, from, eights, &mut Memory::<FEW>::new())
        };
        are_good && (rest.is_empty() || arch::run(alone::Pairs { row: *self, pair, words, from: last, states: rest }))
    }

    #[inline(always)]
    fn pairs_abreast<const N: usize>(
        &self,
        pair: &Pair<'_>,
        words: &RowWords,
        from: usize,
        states: &mut [[u64; 2]],
        memory: &mut Memory<N>,
    ) -> bool {
        let mut row = Abreast::new(*self, words, pair.target.noise, memory);
        for (s, states) in (from..).step_by(EIGHT).zip(states.chunks_mut(EIGHT)) {
            if !row.set_dz(pair.dz, pair.b, s, states.len()) {
                return false;
            }
            row.draw(s);
            let z = match pair.z {
                First::Chosen(scores) => row.choose(&scores),
                First::Listed(lists) => {
                    let Some(listed) = arch::run(Listed { row: *self, lists, s, samples: states.len() }) else {
                        return false;
                    };
                    listed
                }
            };
            let z_target = row.choose(&pair.target);
            for ((state, z), z_target) in states.iter_mut().zip(z).zip(z_target) {
                *state = [z, z_target];
            }
        }
        true
    }

    /// The number of samples, out of `samples`, that are found eight at a time. The rest are found one after another.
    fn abreast(&self, words: &RowWords, samples: usize) -> usize {
        if !words.are_independent() || !columns::are_served(self.theta.len(), self.k) {
            return 0;
        }
        let rest = samples % EIGHT;
        if rest < WORTH_EIGHT { samples - rest } else { samples }
    }
}
