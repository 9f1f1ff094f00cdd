//! Draws of a tree, from what the elimination leaves.
//!
//! Words come back one by one, in the order 0, 1, …, in which [`eliminate`](super::elimination::eliminate) took the
//! last of them first. In a tree on the root and the words below k, each arc from h to d stands for one of several:
//! with the weights at the time when k was the next to go,
//!
//! ```text
//! w_hd + (w_hk/s_k) w_kd + …                     the arc itself, or the way from h by k to d
//! ```
//!
//! So word k comes back in two steps. Each d whose arc goes by k gets the head k. Then k gets a head h among the words
//! that are not below one of these d, in proportion to w_hk. This is a draw in proportion to the weights of the trees
//! that have k too: let the words below the d with head k be the sets S_1, S_2, …, let M be all others, and Q the
//! shares w_hk/s_k. The arcs by k came from heads that closed no cycle among the S_i, and by Cayley's formula for
//! forests, such heads have the probability Q(M) (Q(M) + ΣQ(S_i))^(…) = Q(M) together; a head of k in M has the same.
//!
//! The words by which an arc goes are ascending. So the next of them, or none, is drawn at once when the arc is made.

use core::ops::Range;

use crate::kernel::exact::scaled::{Matrix, Nothing, Scaled};
use crate::kernel::workspace::{number, set_number};

/// One of the numbers of `range`, in proportion to its term, for a u from 0 to 1. Some term must be above 0.
///
/// The terms are stacked with the largest on top. So a small u has the digits that rare events need.
#[inline(always)]
pub(crate) fn choose(range: Range<usize>, term: impl Fn(usize) -> Scaled, u: f32) -> usize {
    let (mut best, mut top) = (range.start, Scaled::ZERO);
    for i in range.clone() {
        let term = term(i);
        if (term.e, term.m) > (top.e, top.m) {
            (best, top) = (i, term);
        }
    }
    let others = || range.clone().filter(|&i| i != best);
    let share = |i: usize| {
        let term = term(i);
        Scaled { e: term.e.wrapping_sub(top.e), ..term }.value()
    };
    let sum: f32 = others().map(share).sum();
    let (goal, mut below) = (u * (sum + top.m), 0.0);
    for i in others() {
        below += share(i);
        if below >= goal {
            return i;
        }
    }
    best
}

/// The memory of a draw: three arrays with an element for each word, and an array of uniform numbers like θ.
pub(crate) struct Draw<'a> {
    /// The heads, as the bits of floats; `words` for the root.
    pub heads: &'a mut [f32],
    /// The next word by which the arc to this word goes.
    pub by: &'a mut [f32],
    /// For each word one of the three values below: it is below an arc that goes by k, or it is not, or nobody knows yet.
    pub below: &'a mut [f32],
    /// Rows of `stride` numbers from 0 to 1.
    pub uniform: &'a [f32],
    pub stride: usize,
}

/// The values of [`Draw::below`].
const UNKNOWN: usize = 0;
const FREE: usize = 1;
const BELOW: usize = 2;

impl Draw<'_> {
    #[inline(always)]
    fn u(&self, row: usize, column: usize) -> f32 {
        self.uniform.get(row * self.stride + column).copied().unwrap_or_default()
    }

    /// Draws a tree. `weights` are those of the arcs, and `w` is what the elimination of all words has left of them.
    ///
    /// The word of the pair (k, d) with d < k is for the arc from k to d, if k gets d; that of (k, k) for the head of
    /// k, and that of (0, k) for the first arc to k. Word 0 has no choice of a head.
    #[inline(always)]
    pub(crate) fn run(&mut self, words: usize, weights: &Matrix<'_>, w: &Matrix<'_>) {
        for k in 0..words {
            self.mark_below(k, words);
            for d in 0..k {
                if number(self.by, d) == k {
                    self.set_head(d, k, k, self.u(k, d), (words, weights, w));
                }
            }
            let share = |h: usize| match number(self.below, h) {
                _ if h == k => w.get::<Nothing>(words, k),
                BELOW => Scaled::ZERO,
                _ => w.get::<Nothing>(h, k),
            };
            let chosen = choose(0..k + 1, share, self.u(k, k));
            let head = if chosen == k { words } else { chosen };
            self.set_head(k, head, k, self.u(0, k), (words, weights, w));
        }
    }

    /// Gives d the head h, when the words up to k are there, and finds the next word by which this arc goes.
    #[inline(always)]
    fn set_head(
        &mut self,
        d: usize,
        h: usize,
        k: usize,
        u: f32,
        (words, weights, w): (usize, &Matrix<'_>, &Matrix<'_>),
    ) {
        let way = |j: usize| {
            if j == k {
                weights.get::<Nothing>(h, d).normalised()
            } else {
                w.get::<Nothing>(h, j).times(w.get::<Nothing>(j, d))
            }
        };
        set_number(self.heads, d, h);
        set_number(self.by, d, choose(k..words, way, u));
    }

    /// Marks the words before k that are below an arc by k.
    #[inline(always)]
    fn mark_below(&mut self, k: usize, words: usize) {
        let go_by_k = self.by.iter().take(k).filter(|by| by.to_bits() as usize == k).count();
        let mark = if go_by_k == 0 { FREE } else { UNKNOWN };
        (0..k).for_each(|h| set_number(self.below, h, mark));
        for start in 0..k {
            // Up to a word that is marked, and once more to mark the way.
            let mut h = start;
            let mark = loop {
                if h == words {
                    break FREE;
                }
                if number(self.by, h) == k {
                    break BELOW;
                }
                match number(self.below, h) {
                    UNKNOWN => h = number(self.heads, h),
                    mark => break mark,
                }
            };
            let mut h = start;
            while h != words && number(self.below, h) == UNKNOWN {
                set_number(self.below, h, mark);
                if number(self.by, h) == k {
                    break;
                }
                h = number(self.heads, h);
            }
        }
    }
}
