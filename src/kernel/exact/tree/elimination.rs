//! Sums over the spanning trees of a directed graph: matrix–tree theorem, by elimination without a subtraction.
//!
//! A graph of n words and a root; w_hd is the weight of the arc from h to d, and no arc leads to the root. A word k is
//! eliminated as Grassmann, Taksar and Heyman do it with Markov chains: with s_k, the sum of the weights of all arcs to
//! k,
//!
//! ```text
//! w_hd ← w_hd + (w_hk/s_k) w_kd        for every h and d that are left, h ≠ d
//! ```
//!
//! The weights of the trees on what is left, times s_k, have the same sum Z as before. So Z is the product of all s_k,
//! and the last of them, that of word d, is the weight of its arc from the root when only d is left. A tree is found by
//! a walk from each word to its head, which goes from k to h with probability w_hk/s_k. With t_d, the last s_k when d
//! comes last, and the probability q_hd that this walk reaches the root from h before it meets d,
//!
//! ```text
//! μ_dd = r_d/t_d        μ_hd = w_hd q_hd/t_d        q_kd = Σ_h (w_hk/s_k) q_hd over the h that were left, q_root = 1
//! ```
//!
//! Each word must come last once. Divide and conquer does it in 1.3 n³ steps: eliminate one half of the words, and go
//! on in the same way with the other half; then exchange the halves.

use core::ops::Range;

use super::floats::{eliminate_word, substitute_word};
use crate::kernel::exact::scaled::{Carry, Matrix, Scaled};

/// The words of a part, 0..size, that are eliminated, and in which order.
#[derive(Clone, Copy)]
pub(crate) enum Eliminated {
    /// The first words, in ascending order.
    First(usize),
    /// The last words, in descending order.
    Last(usize),
}

impl Eliminated {
    /// The first or the second half of a part.
    #[inline(always)]
    fn half(size: usize, second: bool) -> Eliminated {
        if second { Eliminated::Last(size - size / 2) } else { Eliminated::First(size / 2) }
    }

    #[inline(always)]
    fn count(self) -> usize {
        match self {
            Eliminated::First(count) | Eliminated::Last(count) => count,
        }
    }

    /// The word that is eliminated in step t, and the words that are left after it.
    #[inline(always)]
    fn step(self, size: usize, t: usize) -> (usize, Range<usize>) {
        match self {
            Eliminated::First(_) => (t, t + 1..size),
            Eliminated::Last(_) => (size - 1 - t, 0..size - 1 - t),
        }
    }

    /// The words that are left in the end.
    #[inline(always)]
    fn left(self, size: usize) -> Range<usize> {
        match self {
            Eliminated::First(count) => count..size,
            Eliminated::Last(count) => 0..size - count,
        }
    }
}

/// Eliminates words from a graph. `w` has a row for each head, the last one for the root, and a column for each word.
/// The diagonal, which has the arcs from words to themselves, is never used.
///
/// In place of w_hk the column of an eliminated word k then has w_hk/s_k, and its row the w_kd of that time. `each` is
/// shown every s_k.
///
/// If the root is `rare`, its arcs are infinitely lighter than those of words. They do not count in the s_k of a word
/// that leaves others, and their weights are relative to one another.
#[inline(always)]
pub(crate) fn eliminate<C: Carry>(
    w: &mut Matrix<'_>,
    size: usize,
    which: Eliminated,
    rare: bool,
    mut each: impl FnMut(Scaled),
) {
    for t in 0..which.count() {
        let (k, left) = which.step(size, t);
        let counted = if rare && !left.is_empty() { left.len() } else { left.len() + 1 };
        if C::IS_FLOAT {
            each(Scaled { m: eliminate_word(w, k, &left, size, counted), e: 0, carried: 0.0 });
            continue;
        }
        let heads = || left.clone().chain([size]);
        let s = heads().take(counted).fold(Scaled::ZERO, |s, h| s.plus::<C>(w.get::<C>(h, k)));
        let s = if C::EXPONENTS { s.normalised() } else { s };
        each(s);
        w.normalise::<C>(k, left.clone());
        for h in heads() {
            let weight = w.get::<C>(h, k);
            if weight.m > 0.0 {
                let share = weight.over::<C>(s);
                w.set::<C>(h, k, share);
                w.add_row::<C>(h, share, k, left.clone());
            }
        }
    }
}

/// The rows q_k of the words that were eliminated in a part that begins with word `first`. `q` has the rows of those
/// that were left, in the columns of these same words, and gets the others there.
#[inline(always)]
fn substitute<C: Carry>(q: &mut Matrix<'_>, w: &mut Matrix<'_>, first: usize, size: usize, which: Eliminated) {
    let left = which.left(size);
    let columns = first + left.start..first + left.end;
    for t in (0..which.count()).rev() {
        let (k, left) = which.step(size, t);
        if C::IS_FLOAT {
            substitute_word(q, w, (first, k), &left, size, &columns);
            continue;
        }
        q.fill::<C>(first + k, columns.clone(), w.get::<C>(size, k));
        for h in left {
            let share = w.get::<C>(h, k);
            if share.m > 0.0 {
                q.add_row::<C>(first + k, share, first + h, columns.clone());
            }
        }
        q.normalise::<C>(first + k, columns.clone());
    }
}

/// The parts that can be inside one another: each is at most half of the one around it, rounded up.
const LEVELS: usize = usize::BITS as usize + 1;

/// A part of the words that is divided.
#[derive(Clone, Copy, Default)]
struct Part {
    /// Its first word.
    first: usize,
    size: usize,
    /// Where its matrix begins in the memory.
    at: usize,
    /// The halves that have come last.
    done: usize,
}

impl Part {
    #[inline(always)]
    fn end(self) -> usize {
        self.at + Matrix::len(self.size + 1, self.size)
    }
}

/// The floats of one of the three arrays that [`each_last`] works in.
pub(crate) const fn levels_len(words: usize) -> usize {
    let (mut size, mut len) = (words, 0);
    while size > 1 {
        len += Matrix::len(size + 1, size);
        size = size.div_ceil(2);
    }
    len + Matrix::len(2, 1)
}

/// The matrix of a part, and the memory behind it.
#[inline(always)]
fn matrix<'m>(memory: &'m mut [&mut [f32]; 3], part: Part) -> (Matrix<'m>, [&'m mut [f32]; 3]) {
    let [m, e, carried] = memory.each_mut().map(|floats| {
        let (own, behind) = floats.split_at_mut_checked(part.end()).unwrap_or_default();
        (own.get_mut(part.at..).unwrap_or_default(), behind)
    });
    (Matrix::new([m.0, e.0, carried.0], part.size), [m.1, e.1, carried.1])
}

/// Lets each word come last: writes q_hd for all words h ≠ d, 0 for h = d, and t_d into row `words` of `q`.
///
/// `load` writes the weights into a matrix as [`eliminate`] takes it, and `rare` has the same meaning as there. `memory`
/// are three arrays of [`levels_len`] floats.
#[inline(always)]
pub(crate) fn each_last<C: Carry>(
    words: usize,
    rare: bool,
    load: impl Fn(&mut Matrix<'_>),
    mut memory: [&mut [f32]; 3],
    q: &mut Matrix<'_>,
) {
    // A stack of parts, each a half of the one before it, in place of a recursion.
    let mut parts = [Part::default(); LEVELS];
    let mut depth = 0_usize;
    if let Some(all) = parts.first_mut() {
        all.size = words;
    }
    loop {
        let around = depth.checked_sub(1).and_then(|outer| parts.get(outer)).copied();
        let Some(part) = parts.get_mut(depth) else { return };
        let Part { first, size, done, .. } = *part;
        if size > 1 && done > 0 {
            // A half has come last. Now the other half follows from it.
            let mut own = matrix(&mut memory, *part).0;
            substitute::<C>(q, &mut own, first, size, Eliminated::half(size, done == 1));
        }
        if done < 2 {
            match around {
                None => load(&mut matrix(&mut memory, *part).0),
                Some(around) => {
                    let (from, [m, e, carried]) = matrix(&mut memory, around);
                    Matrix::new([m, e, carried], size).copy_part::<C>(&from, first - around.first, size, around.size);
                }
            }
        }
        let mut own = matrix(&mut memory, *part).0;
        if size <= 1 {
            q.set::<C>(words, first, own.get::<C>(size, 0));
            q.set::<C>(first, first, Scaled::ZERO);
        } else if done < 2 {
            let half = Eliminated::half(size, done == 0);
            eliminate::<C>(&mut own, size, half, rare, |_| {});
            part.done += 1;
            let (left, at) = (half.left(size), part.end());
            depth += 1;
            if let Some(inner) = parts.get_mut(depth) {
                *inner = Part { first: first + left.start, size: left.len(), at, done: 0 };
            }
            continue;
        }
        match depth.checked_sub(1) {
            None => return,
            Some(outer) => depth = outer,
        }
    }
}
