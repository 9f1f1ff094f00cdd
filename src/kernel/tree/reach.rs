//! Does a tree avoid the masks? O(n²), by searches through the arcs that are not masked.

use super::arcs::{Arcs, set, value};
use crate::kernel::workspace::{number, set_number, take};

/// True if a tree avoids the masks. The workspace has at least 2n floats; the answer is false if it is shorter.
pub(crate) fn has_tree(arcs: Arcs<'_>, single_root: bool, work: &mut [f32]) -> bool {
    let n = arcs.words;
    let Some(mut rest) = work.get_mut(..2 * n) else { return false };
    let (found, seen) = (take(&mut rest, n), take(&mut rest, n));
    if n == 0 {
        return true;
    }
    let mut search = Search { found, seen, count: 0 };
    let has_arc = |from, to| arcs.score(from, to) > f32::NEG_INFINITY;
    let is_root = |word| has_arc(word, word);
    search.clear();
    if !single_root {
        (0..n).filter(|&word| is_root(word)).for_each(|word| search.add(word));
        search.run(n, 0, has_arc);
        return search.count == n;
    }
    // If any word reaches all others, the last one that no search from an earlier word has found does. The words that
    // reach all others are those that reach it.
    let mut last = 0;
    for word in 0..n {
        if value(search.seen, word) == 0.0 {
            let from = search.count;
            last = word;
            search.add(word);
            search.run(n, from, has_arc);
        }
    }
    search.clear();
    search.add(last);
    search.run(n, 0, has_arc);
    if search.count < n {
        return false;
    }
    search.clear();
    search.add(last);
    search.run(n, 0, |from, to| has_arc(to, from));
    search.found.iter().take(search.count).any(|word| is_root(word.to_bits() as usize))
}

/// The words that a search has found, in their order.
struct Search<'a> {
    found: &'a mut [f32],
    /// 1 for a word that was found.
    seen: &'a mut [f32],
    count: usize,
}

impl Search<'_> {
    fn clear(&mut self) {
        self.seen.fill(0.0);
        self.count = 0;
    }

    fn add(&mut self, word: usize) {
        set(self.seen, word, 1.0);
        set_number(self.found, self.count, word);
        self.count += 1;
    }

    /// Goes on from the words found at `from` and later, until nothing new is found.
    fn run(&mut self, n: usize, mut from: usize, has_arc: impl Fn(usize, usize) -> bool) {
        while from < self.count && self.count < n {
            let here = number(self.found, from);
            from += 1;
            for to in 0..n {
                if value(self.seen, to) == 0.0 && has_arc(here, to) {
                    self.add(to);
                }
            }
        }
    }
}
