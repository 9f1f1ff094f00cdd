//! The best projective tree, in O(n³) time and O(n²) memory (Eisner 1996).
//!
//! A span (h, e) is a head h with all words from h to e, which descend from it. Arcs and spans are built from short to
//! long:
//!
//! ```text
//! arc(h, d)  = gap(h, d) + max over k of span(h, k) + span(d, k')      k and k' are neighbours between h and d
//! span(h, e) = max over d of arc(h, d) + span(d, e)                    d is the outermost word below h
//! front(m)   = max over d < m of [gap(root, d) + max over k ≤ d of front(k) + span(d, k)] + span(d, m − 1)
//! ```
//!
//! front(m) has the first m words, whose roots may be many. With a single root r it is
//! gap(root, r) + span(r, 0) + span(r, n − 1).
//!
//! Ties: the sums are those above, in f32, and among equal sums the lowest k, d or r. No choice is stored: the way back finds
//! each again.

use super::arcs::{Arcs, line, line_mut, set, value};
use super::gaps::Gaps;
use super::largest::{first_largest_sum, largest_sum};
use crate::arch::{self, Dispatch, Isa};
use crate::kernel::workspace::{number, set_number, take};

/// The floats of workspace.
pub(crate) const fn workspace_len(words: usize) -> usize {
    words.saturating_mul(words).saturating_mul(3).saturating_add(words.saturating_mul(6)).saturating_add(1)
}

/// True if a projective tree avoids the masks; false also if the workspace is too short.
pub(crate) fn has_tree(arcs: Arcs<'_>, single_root: bool, work: &mut [f32]) -> bool {
    run(Map { arcs, single_root, z: &mut [], work })
}

/// Writes the best tree's ones into z, which is 0. False if there is none, or if the workspace is too short.
pub(crate) fn map(arcs: Arcs<'_>, single_root: bool, z: &mut [f32], work: &mut [f32]) -> bool {
    run(Map { arcs, single_root, z, work })
}

#[cfg_attr(imle_small, inline(never))]
fn run(map: Map<'_>) -> bool {
    arch::run(map)
}

struct Map<'a> {
    arcs: Arcs<'a>,
    single_root: bool,
    /// Empty if no tree is asked for.
    z: &'a mut [f32],
    work: &'a mut [f32],
}

impl Dispatch for Map<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) -> bool {
        let Map { arcs, single_root, z, work } = self;
        if arcs.words == 0 {
            return true;
        }
        let Some(mut chart) = Chart::new(arcs, work) else { return false };
        chart.build_spans();
        let best = if single_root { chart.best_root().1 } else { chart.build_front() };
        if best > f32::NEG_INFINITY && !z.is_empty() {
            chart.write_tree(single_root, |head, word| set(z, head * arcs.stride + word, 1.0));
        }
        best > f32::NEG_INFINITY
    }
}

struct Chart<'a> {
    words: usize,
    /// gap(h, d), and then arc(h, d), `[n][n]`.
    arcs: &'a mut [f32],
    /// span(h, e), and the same with e first.
    spans: &'a mut [f32],
    ends: &'a mut [f32],
    /// gap(root, d), and then the best front that ends in d's arc from the root.
    root: &'a mut [f32],
    /// front(m), `[n + 1]`.
    front: &'a mut [f32],
    /// The spans whose arcs are still to be found, as pairs (head, end), `[2n]`, and their number.
    open: &'a mut [f32],
    open_len: usize,
}

impl<'a> Chart<'a> {
    /// None if no arc enters some word.
    #[inline(always)]
    fn new(arcs: Arcs<'_>, work: &'a mut [f32]) -> Option<Self> {
        let n = arcs.words;
        let mut rest = work.get_mut(..workspace_len(n))?;
        let mut take = |len| take(&mut rest, len);
        let chart = Chart {
            words: n,
            arcs: take(n * n),
            spans: take(n * n),
            ends: take(n * n),
            root: take(n),
            front: take(n + 1),
            open: take(2 * n),
            open_len: 0,
        };
        let best = Gaps::new(arcs, take(n))?;
        for (head, (scores, gaps)) in arcs.lines().zip(chart.arcs.chunks_mut(n.max(1))).enumerate() {
            best.of_line(scores, gaps);
            set(chart.root, head, value(gaps, head));
        }
        Some(chart)
    }

    /// Every arc and every span: those that end at `right`, the shortest first, for one `right` after the other.
    #[inline(always)]
    fn build_spans(&mut self) {
        let n = self.words;
        for right in 0..n {
            set(line_mut(self.spans, n, right), right, 0.0);
            set(line_mut(self.ends, n, right), right, 0.0);
            for left in (0..right).rev() {
                let (words, gaps) = (left..right, left + 1..right + 1);
                let part = |matrix, head, range: &core::ops::Range<usize>| part(matrix, n, head, range.clone());
                let inner = largest_sum(part(self.spans, left, &words), part(self.spans, right, &gaps));
                for (head, word) in [(left, right), (right, left)] {
                    let arcs = line_mut(self.arcs, n, head);
                    let arc = value(arcs, word) + inner;
                    set(arcs, word, arc);
                }
                let rightwards = largest_sum(part(self.arcs, left, &gaps), part(self.ends, right, &gaps));
                let leftwards = largest_sum(part(self.arcs, right, &words), part(self.ends, left, &words));
                for (head, end, span) in [(left, right, rightwards), (right, left, leftwards)] {
                    set(line_mut(self.spans, n, head), end, span);
                    set(line_mut(self.ends, n, end), head, span);
                }
            }
        }
    }

    /// Every front; the last one.
    #[inline(always)]
    fn build_front(&mut self) -> f32 {
        let n = self.words;
        set(self.front, 0, 0.0);
        for word in 0..n {
            let words = 0..word + 1;
            let inner = largest_sum(
                self.front.get(words.clone()).unwrap_or_default(),
                part(self.spans, n, word, words.clone()),
            );
            let arc = value(self.root, word) + inner;
            set(self.root, word, arc);
            let front = largest_sum(self.root.get(words.clone()).unwrap_or_default(), part(self.ends, n, word, words));
            set(self.front, word + 1, front);
        }
        value(self.front, n)
    }

    /// The single root, and the sum of its tree.
    #[inline(always)]
    fn best_root(&self) -> (usize, f32) {
        let (n, mut best) = (self.words, (0, f32::NEG_INFINITY));
        for (word, root) in self.root.iter().enumerate() {
            let spans = line(self.spans, n, word);
            let sum = (root + value(spans, 0)) + value(spans, n - 1);
            best = if sum > best.1 { (word, sum) } else { best };
        }
        best
    }

    /// Hands every arc of the best tree to `take`, as (head, word); a root is its own head.
    #[inline(always)]
    fn write_tree(&mut self, single_root: bool, mut take: impl FnMut(usize, usize)) {
        let n = self.words;
        if single_root {
            let (root, _) = self.best_root();
            take(root, root);
            self.open(root, 0);
            self.open(root, n - 1);
        } else {
            let mut front = n;
            while front > 0 {
                let words = 0..front;
                let root = first_largest_sum(
                    self.root.get(words.clone()).unwrap_or_default(),
                    part(self.ends, n, front - 1, words),
                );
                take(root, root);
                self.open(root, front - 1);
                let words = 0..root + 1;
                front = first_largest_sum(
                    self.front.get(words.clone()).unwrap_or_default(),
                    part(self.spans, n, root, words),
                );
                self.open(root, front);
            }
        }
        while self.open_len > 0 {
            self.open_len -= 1;
            let [head, end] = [0, 1].map(|i| number(self.open, 2 * self.open_len + i));
            let words = if end > head { head + 1..end + 1 } else { end..head };
            let start = words.start;
            let word =
                start + first_largest_sum(part(self.arcs, n, head, words.clone()), part(self.ends, n, end, words));
            take(head, word);
            self.open(word, end);
            let (left, right) = (head.min(word), head.max(word));
            let (a, b) = (part(self.spans, n, left, left..right), part(self.spans, n, right, left + 1..right + 1));
            let split = left + first_largest_sum(a, b);
            self.open(left, split);
            self.open(right, split + 1);
        }
    }

    /// A span whose arcs are to be found, if it has any. Spans on the list share no gap between words, so n suffice.
    #[inline(always)]
    fn open(&mut self, head: usize, end: usize) {
        if head != end {
            set_number(self.open, 2 * self.open_len, head);
            set_number(self.open, 2 * self.open_len + 1, end);
            self.open_len += 1;
        }
    }
}

/// A range of line i of a square matrix of n.
#[inline(always)]
fn part(matrix: &[f32], n: usize, i: usize, range: core::ops::Range<usize>) -> &[f32] {
    line(matrix, n, i).get(range).unwrap_or_default()
}
