//! The k largest scores of eight columns of at most 64, side by side in the lanes of registers: every step is taken for
//! eight columns at once, and none depends on the scores.
//!
//! The scores come in blocks of sixteen. Each block is sorted by a network of comparators (Batcher's odd–even merges), and
//! the sixteen best so far are merged with it. So a column's k-th largest score is found if it is one of the sixteen
//! largest or one of the sixteen smallest.

use crate::arch::{EIGHT, Isa};

/// The scores of one coordinate in eight columns.
type Eight = [f32; EIGHT];

/// The scores in a block.
const SIXTEEN: usize = 16;

/// True if [`kth_largest`] serves this n and k.
pub(crate) const fn are_served(n: usize, k: usize) -> bool {
    k <= SIXTEEN || n < k + SIXTEEN
}

/// The k-th largest score of each column, 1 ≤ k ≤ n. No score may be NaN.
#[inline(always)]
pub(crate) fn kth_largest<I: Isa>(isa: I, columns: &[Eight], k: usize) -> Eight {
    debug_assert!(1 <= k && k <= columns.len() && are_served(columns.len(), k), "{k} of {}", columns.len());
    // The k-th largest score is the one with the sign changed that is so far from the other end.
    let (sign, place) = if k <= SIXTEEN { (1.0, k) } else { (-1.0, columns.len() - k + 1) };
    let mut blocks = columns.chunks(SIXTEEN);
    let mut best = sorted(isa, blocks.next().unwrap_or_default(), sign);
    for block in blocks {
        let block = sorted(isa, block, sign);
        for (best, other) in best.iter_mut().zip(block.iter().rev()) {
            [*best, _] = isa.order(*best, *other);
        }
        best = sort_halves(isa, best);
    }
    let mut kth = best.get(place - 1).copied().unwrap_or_default();
    for kth in &mut kth {
        *kth *= sign;
    }
    kth
}

/// The scores that reach t in each column, as the bits of a word, if they are k in every column.
#[inline(always)]
pub(crate) fn exactly_k_reach(columns: &[Eight], k: usize, t: &Eight) -> Option<[u64; EIGHT]> {
    let (mut halves, mut counts) = ([[0_u32; EIGHT]; 2], [0_u32; EIGHT]);
    for (half, columns) in halves.iter_mut().zip(columns.chunks(32)) {
        for (column, i) in columns.iter().zip(0..32) {
            for (((bits, count), score), t) in half.iter_mut().zip(&mut counts).zip(column).zip(t) {
                let reached = u32::from(score >= t);
                *bits |= reached << i;
                *count += reached;
            }
        }
    }
    let mut all = true;
    for count in counts {
        all &= count as usize == k;
    }
    if all { Some(join(&halves)) } else { None }
}

/// The k largest scores of each column, as the bits of a word, by the rule for ties. `kth` are the k-th largest.
#[inline(always)]
pub(crate) fn k_largest(columns: &[Eight], k: usize, kth: &Eight) -> [u64; EIGHT] {
    // The number of scores equal to the k-th that are still to be chosen.
    let mut left = [k as u32; EIGHT];
    for column in columns {
        for ((left, score), kth) in left.iter_mut().zip(column).zip(kth) {
            *left -= u32::from(score > kth);
        }
    }
    let mut halves = [[0_u32; EIGHT]; 2];
    for (half, columns) in halves.iter_mut().zip(columns.chunks(32)) {
        for (column, i) in columns.iter().zip(0..32) {
            for (((bits, left), score), kth) in half.iter_mut().zip(&mut left).zip(column).zip(kth) {
                let equal = u32::from(score == kth) & u32::from(*left > 0);
                *left -= equal;
                *bits |= (u32::from(score > kth) | equal) << i;
            }
        }
    }
    join(&halves)
}

/// Words from their lower and upper halves.
#[inline(always)]
fn join([lower, upper]: &[[u32; EIGHT]; 2]) -> [u64; EIGHT] {
    let mut words = [0; EIGHT];
    for ((word, &lower), &upper) in words.iter_mut().zip(lower).zip(upper) {
        *word = u64::from(upper) << 32 | u64::from(lower);
    }
    words
}

/// Puts the larger score first, for each of these pairs of places.
macro_rules! order {
    ($isa:expr, $x:ident: $($a:literal $b:literal),*) => {
        $([$x[$a], $x[$b]] = $isa.order($x[$a], $x[$b]);)*
    };
}

/// At most sixteen scores, each times the sign, in descending order with −inf behind them.
#[inline(always)]
#[rustfmt::skip]
fn sorted<I: Isa>(isa: I, scores: &[Eight], sign: f32) -> [Eight; SIXTEEN] {
    let mut x = [[f32::NEG_INFINITY; EIGHT]; SIXTEEN];
    for (x, scores) in x.iter_mut().zip(scores) {
        for (x, score) in x.iter_mut().zip(scores) {
            *x = sign * score;
        }
    }
    // Fours.
    order!(isa, x: 0 1, 2 3, 4 5, 6 7, 8 9, 10 11, 12 13, 14 15);
    order!(isa, x: 0 2, 1 3, 4 6, 5 7, 8 10, 9 11, 12 14, 13 15);
    order!(isa, x: 1 2, 5 6, 9 10, 13 14);
    // Eights.
    order!(isa, x: 0 4, 1 5, 2 6, 3 7, 8 12, 9 13, 10 14, 11 15);
    order!(isa, x: 2 4, 3 5, 10 12, 11 13);
    order!(isa, x: 1 2, 3 4, 5 6, 9 10, 11 12, 13 14);
    // All sixteen.
    order!(isa, x: 0 8, 1 9, 2 10, 3 11, 4 12, 5 13, 6 14, 7 15);
    order!(isa, x: 4 8, 5 9, 6 10, 7 11);
    order!(isa, x: 2 4, 3 5, 6 8, 7 9, 10 12, 11 13);
    order!(isa, x: 1 2, 3 4, 5 6, 7 8, 9 10, 11 12, 13 14);
    x
}

/// Sorts sixteen scores that fall and rise, or rise and fall.
#[inline(always)]
#[rustfmt::skip]
fn sort_halves<I: Isa>(isa: I, mut x: [Eight; SIXTEEN]) -> [Eight; SIXTEEN] {
    order!(isa, x: 0 8, 1 9, 2 10, 3 11, 4 12, 5 13, 6 14, 7 15);
    order!(isa, x: 0 4, 1 5, 2 6, 3 7, 8 12, 9 13, 10 14, 11 15);
    order!(isa, x: 0 2, 1 3, 4 6, 5 7, 8 10, 9 11, 12 14, 13 15);
    order!(isa, x: 0 1, 2 3, 4 5, 6 7, 8 9, 10 11, 12 13, 14 15);
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{self, Dispatch};

    /// A network that sorts every column of zeros and ones sorts all columns (Knuth 5.3.4, theorem Z).
    struct Networks;

    impl Dispatch for Networks {
        type Output = ();

        #[inline(always)]
        fn run<I: Isa>(self, isa: I) {
            let descends = |x: &[Eight; SIXTEEN]| x.is_sorted_by(|a, b| a.iter().zip(b).all(|(a, b)| a >= b));
            for first in (0_u32..1 << SIXTEEN).step_by(EIGHT) {
                let columns: [Eight; SIXTEEN] =
                    std::array::from_fn(|i| std::array::from_fn(|l| ((first + l as u32) >> i & 1) as f32));
                assert!(descends(&sorted(isa, &columns, 1.0)), "{first}");
            }
            // Ones from one place to another, and the opposite.
            for (from, to) in (0..=SIXTEEN).flat_map(|from| (from..=SIXTEEN).map(move |to| (from, to))) {
                let hill: [Eight; SIXTEEN] = std::array::from_fn(|i| [f32::from((from..to).contains(&i)); EIGHT]);
                assert!(descends(&sort_halves(isa, hill)), "{from}..{to}");
                assert!(descends(&sort_halves(isa, hill.map(|x| x.map(|x| 1.0 - x)))), "{from}..{to}");
            }
        }
    }

    #[test]
    fn networks_sort() {
        arch::run(Networks);
    }

    struct Chosen<'a>(&'a [Eight], usize);

    impl Dispatch for Chosen<'_> {
        type Output = (Eight, [u64; EIGHT], Option<[u64; EIGHT]>);

        #[inline(always)]
        fn run<I: Isa>(self, isa: I) -> Self::Output {
            let kth = kth_largest(isa, self.0, self.1);
            (kth, k_largest(self.0, self.1, &kth), exactly_k_reach(self.0, self.1, &kth))
        }
    }

    /// Against a stable sort, with ties, zeros of both signs and masks, for every n and k that are served.
    #[test]
    fn the_k_largest_are_those_of_a_stable_sort() {
        const SCORES: [f32; 9] = [0.0, -0.0, 1.0, -1.5, 2.5, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, 1e-40];
        let mut state = 1_u32;
        for n in 1..=64 {
            for k in (1..=n).filter(|&k| are_served(n, k)) {
                let columns: Vec<Eight> = (0..n)
                    .map(|i| {
                        std::array::from_fn(|l| {
                            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                            // Even columns have many ties, odd ones few.
                            if l % 2 == 0 {
                                SCORES[(state >> 16) as usize % (2 + l)]
                            } else {
                                (state >> 8) as f32 + i as f32
                            }
                        })
                    })
                    .collect();
                let (kth, chosen, reached) = arch::run(Chosen(&columns, k));
                for l in 0..EIGHT {
                    let mut order: Vec<usize> = (0..n).collect();
                    order.sort_by(|&a, &b| columns[b][l].partial_cmp(&columns[a][l]).unwrap());
                    assert_eq!(kth[l], columns[order[k - 1]][l], "{k} of {n}, column {l}");
                    let expected = order[..k].iter().fold(0, |bits, i| bits | 1_u64 << i);
                    assert_eq!(chosen[l], expected, "{k} of {n}, column {l}");
                    if let Some(reached) = reached {
                        assert_eq!(reached[l], expected, "{k} of {n}, column {l}");
                    }
                }
            }
        }
    }
}
