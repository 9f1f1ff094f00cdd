//! The best tree, in O(n²) time and memory (Chu, Liu 1965; Edmonds 1967; dense as in Tarjan 1977; the path of Gabow, Galil,
//! Spencer, Tarjan 1986).
//!
//! Every word takes its best arc. Words whose arcs form a cycle become a group, which takes one arc from outside: an arc into
//! one of its members replaces that member's arc, so it counts with the difference of their scores. Groups of groups do the
//! same, until no cycle is left. Then the groups are opened again, the last one first: the member that a group's arc
//! enters takes this arc, and the other members keep theirs.
//!
//! A path of groups grows from one word on: the next group is the head of the last one's arc. The path ends at the root
//! or at a finished group, and a cycle is found where it comes back to itself.
//!
//! Ties: among equal differences the root's arc comes first, then the lower head, then the lower word. A group's choice
//! depends on its members only, so the order in which cycles are found does not matter.
//!
//! With a single root an arc from the root is taken only by a group that no other arc enters. This is what pairs (number
//! of root arcs, score) compared lexicographically come to, without a penalty: a group in a cycle never holds a root arc,
//! so the difference of two arcs never changes their numbers of root arcs.

use super::arcs::{Arcs, line, line_mut, set, value};
use super::gaps::Gaps;
use super::largest::first_largest;
use crate::arch::{self, Dispatch, EIGHT, Isa, SCALAR};
use crate::kernel::workspace::{number, set_number, take};

/// In place of a group: it is a member of no other.
const NONE: usize = u32::MAX as usize;

/// In place of a position on the path: the group is in the tree.
const DONE: usize = u32::MAX as usize;

/// The floats of workspace.
pub(crate) const fn workspace_len(words: usize) -> usize {
    words.saturating_mul(words).saturating_add(words.saturating_mul(7)).saturating_mul(2)
}

/// Writes the best tree's ones into z, which is 0. False if there is none, or if the workspace is too short.
pub(crate) fn map(arcs: Arcs<'_>, single_root: bool, z: &mut [f32], work: &mut [f32]) -> bool {
    arch::run(Map { arcs, single_root, z, work })
}

struct Map<'a> {
    arcs: Arcs<'a>,
    single_root: bool,
    z: &'a mut [f32],
    work: &'a mut [f32],
}

impl Dispatch for Map<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) -> bool {
        let Map { arcs, single_root, z, work } = self;
        let Some(mut forest) = Forest::new(arcs, work) else { return false };
        if (0..arcs.words).any(|word| !forest.connect(word, single_root)) {
            return false;
        }
        forest.open_groups();
        for (word, head) in forest.head.iter().take(arcs.words).enumerate() {
            set(z, head.to_bits() as usize * arcs.stride + word, 1.0);
        }
        true
    }
}

/// The groups and their arcs. A group stands at the place of one of its words. Its node is a number of its own, at first
/// that of its word, so that members are remembered.
struct Forest<'a> {
    words: usize,
    /// By place: the differences of the arcs from each word into the group, −inf from a member, `[n][n]`.
    gaps: &'a mut [f32],
    /// The words that these arcs enter.
    entries: &'a mut [f32],
    /// By place: the difference of the root's arc, and the word that it enters.
    root: &'a mut [f32],
    root_entry: &'a mut [f32],
    /// By place: the difference of the arc that the group has taken.
    taken: &'a mut [f32],
    /// By place: 1 + the group's position on the path, DONE, or 0.
    position: &'a mut [f32],
    /// By place: the node of the group.
    node: &'a mut [f32],
    /// By word: the place of its group.
    place: &'a mut [f32],
    /// The places of the groups on the path.
    path: &'a mut [f32],
    path_len: usize,
    /// By node: the group that it is a member of, and the arc that it has taken (from the root, if head and entry are the
    /// same), `[2n]`.
    parent: &'a mut [f32],
    head: &'a mut [f32],
    entry: &'a mut [f32],
    /// The number of nodes.
    nodes: usize,
}

impl<'a> Forest<'a> {
    /// Each word alone. None if no arc enters some word.
    #[inline(always)]
    fn new(arcs: Arcs<'_>, work: &'a mut [f32]) -> Option<Self> {
        let n = arcs.words;
        let mut rest = work.get_mut(..workspace_len(n))?;
        let mut take = |len| take(&mut rest, len);
        let forest = Forest {
            words: n,
            gaps: take(n * n),
            entries: take(n * n),
            root: take(n),
            root_entry: take(n),
            taken: take(n),
            position: take(n),
            node: take(n),
            place: take(n),
            path: take(n),
            path_len: 0,
            parent: take(2 * n),
            head: take(2 * n),
            entry: take(2 * n),
            nodes: n,
        };
        let best = Gaps::new(arcs, forest.taken)?;
        for (head, scores) in arcs.lines().enumerate() {
            let gaps = line_mut(forest.entries, n, head);
            best.of_line(scores, gaps);
            set(forest.root, head, value(gaps, head));
            set(gaps, head, f32::NEG_INFINITY);
        }
        transpose(forest.entries, forest.gaps, n);
        for (word, entries) in forest.entries.chunks_mut(n.max(1)).enumerate() {
            entries.fill(f32::from_bits(word as u32));
        }
        for own in [&mut *forest.root_entry, forest.node, forest.place] {
            own.iter_mut().zip(0..).for_each(|(own, word)| *own = f32::from_bits(word));
        }
        forest.position.fill(0.0);
        forest.parent.fill(f32::from_bits(NONE as u32));
        Some(forest)
    }

    /// Grows a path from the word's group until it is connected to the root. False if no arc enters a group.
    #[inline(always)]
    fn connect(&mut self, word: usize, single_root: bool) -> bool {
        let mut here = number(self.place, word);
        while number(self.position, here) != DONE {
            if number(self.position, here) == 0 {
                set_number(self.path, self.path_len, here);
                self.path_len += 1;
                set_number(self.position, here, self.path_len);
            }
            let into = line(self.gaps, self.words, here);
            let head = first_largest(into);
            let (best, root) = (value(into, head), value(self.root, here));
            let is_root = if single_root { best == f32::NEG_INFINITY } else { root >= best };
            if (if is_root { root } else { best }) == f32::NEG_INFINITY {
                return false;
            }
            let node = number(self.node, here);
            if is_root {
                let entry = number(self.root_entry, here);
                set_number(self.head, node, entry);
                set_number(self.entry, node, entry);
                break;
            }
            set_number(self.head, node, head);
            set_number(self.entry, node, number(line(self.entries, self.words, here), head));
            set(self.taken, here, best);
            here = number(self.place, head);
            if !matches!(number(self.position, here), 0 | DONE) {
                self.close_cycle(here);
            }
        }
        self.finish_path();
        true
    }

    /// The groups of the path from `first` on become one, at its place.
    #[inline(always)]
    fn close_cycle(&mut self, first: usize) {
        let (n, group) = (self.words, self.nodes);
        self.nodes += 1;
        let start = number(self.position, first);
        set_number(self.parent, number(self.node, first), group);
        let taken = value(self.taken, first);
        line_mut(self.gaps, n, first).iter_mut().for_each(|gap| *gap -= taken);
        self.root.get_mut(first).into_iter().for_each(|root| *root -= taken);
        for i in start..self.path_len {
            let member = number(self.path, i);
            set_number(self.parent, number(self.node, member), group);
            set_number(self.position, member, 0);
            self.join(first, member);
        }
        self.path_len = start;
        set_number(self.node, first, group);
        let first = f32::from_bits(first as u32).to_bits();
        for (gap, place) in line_mut(self.gaps, n, first as usize).iter_mut().zip(self.place.iter()) {
            *gap = if place.to_bits() == first { f32::NEG_INFINITY } else { *gap };
        }
    }

    /// The arcs into a member become arcs into the group: from each head the better one stays.
    #[inline(always)]
    fn join(&mut self, group: usize, member: usize) {
        let (n, taken) = (self.words, value(self.taken, member));
        let lines = |i: usize| i * n..(i + 1) * n;
        if let Ok([gaps, others]) = self.gaps.get_disjoint_mut([lines(group), lines(member)])
            && let Ok([entries, other_entries]) = self.entries.get_disjoint_mut([lines(group), lines(member)])
        {
            let own = gaps.iter_mut().zip(entries);
            for ((gap, entry), (&mut other, &mut other_entry)) in own.zip(others.iter_mut().zip(other_entries)) {
                keep_better((gap, entry), (other - taken, other_entry));
            }
        }
        let other = (value(self.root, member) - taken, value(self.root_entry, member));
        if let (Some(root), Some(entry)) = (self.root.get_mut(group), self.root_entry.get_mut(group)) {
            keep_better((root, entry), other);
        }
        let (group, member) = (group as u32, member as u32);
        for place in self.place.iter_mut() {
            *place = if place.to_bits() == member { f32::from_bits(group) } else { *place };
        }
    }

    /// The groups of the path are in the tree.
    #[inline(always)]
    fn finish_path(&mut self) {
        for group in self.path.iter().take(self.path_len) {
            set_number(self.position, group.to_bits() as usize, DONE);
        }
        self.path_len = 0;
    }

    /// Hands the arc of each group to the member that it enters.
    #[inline(always)]
    fn open_groups(&mut self) {
        for group in (self.words..self.nodes).rev() {
            let (head, entry) = (number(self.head, group), number(self.entry, group));
            let mut member = entry;
            while let Some(parent) = self.parent.get(member).map(|parent| parent.to_bits() as usize)
                && parent != group
                && parent != NONE
            {
                member = parent;
            }
            set_number(self.head, member, head);
            set_number(self.entry, member, entry);
        }
    }
}

/// Keeps the better of two arcs from the same head: the larger difference, then the lower word.
#[inline(always)]
fn keep_better((gap, entry): (&mut f32, &mut f32), (other, other_entry): (f32, f32)) {
    let better = other > *gap || (other == *gap && other_entry.to_bits() < entry.to_bits());
    *gap = if better { other } else { *gap };
    *entry = if better { other_entry } else { *entry };
}

/// `to` ← the transpose of `from`, both with n lines of n. Squares of eight by eight are exchanged in registers; the last
/// ones may overlap those before.
#[inline(always)]
fn transpose(from: &[f32], to: &mut [f32], n: usize) {
    let Some(last) = n.checked_sub(EIGHT).filter(|_| !SCALAR) else {
        for i in 0..n {
            // Lines are not zipped: a zip divides by their length, which small code does not know to be above 0.
            for (j, &value) in line(from, n, i).iter().enumerate() {
                set(line_mut(to, n, j), i, value);
            }
        }
        return;
    };
    let starts = || (0..n).step_by(EIGHT).map(|start| if start < last { start } else { last });
    for (i, j) in starts().flat_map(|i| starts().map(move |j| (i, j))) {
        let square: [[f32; EIGHT]; EIGHT] = core::array::from_fn(|k| {
            from.get((i + k) * n + j..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default()
        });
        for k in 0..EIGHT {
            if let Some(column) = to.get_mut((j + k) * n + i..).and_then(|rest| rest.first_chunk_mut()) {
                *column = square.map(|line| line.get(k).copied().unwrap_or_default());
            }
        }
    }
}
