//! C = the dependency trees over the words of a sentence.

use core::num::NonZero;

use super::solver::{MapSolver, Unsolved};
use crate::error::BadRow;
use crate::kernel::corner::Corner;
use crate::kernel::tree::{Arcs, arborescence, check, projective, reach};
use crate::mask::is_masked;
use crate::views::lists::Lists;
use crate::views::rows::{check_length, for_rows};
use crate::{Argument, Error, Rule, Shape};

/// Dependency trees over n words that hang from an outer root: z = 1 at the arcs of the tree with the largest sum of
/// scores.
///
/// θ and z are n×n matrices. Element (h, d) is the arc from head h to word d, and the diagonal element (d, d) is the arc
/// from the root to d. Every state has one arc into each word, so n ones, and no cycle. The shape's k is n, and its n is
/// n². A [projective](Tree::projective) tree has no crossing arcs: every word between h and d descends from h, and no arc
/// passes over a word that hangs from the root. With a [single root](Tree::single_root) one word hangs from the root.
///
/// Sentences of different length share a batch ([`Tree::per_row`]): row b is the upper left corner of `n_row[b]` words.
/// Whatever lies outside is not read, in any input, and it is 0 in z, marginals and gradients. A sentence without words
/// has one state, the empty tree, also with a single root. The noise of an arc depends on h·words + d, so another
/// `words` draws other noise.
///
/// O(n²) (Chu, Liu 1965; Edmonds 1967; Tarjan 1977), with a single root too; projective O(n³) (Eisner 1996). The
/// workspace is 2n² + 14n floats, projective 3n² + 6n + 1, beside the layer's 3n².
///
/// # Ties
/// The rule depends on scores and (h, d) only; −0 equals +0. Each word takes its best arc, among equals that from the root,
/// then that from the lower head. A cycle is a group. It takes one arc from outside by what the arc adds to the sum of
/// the group, s(h, d) − s(the arc that d has taken), among equals an arc from the root, then from the lower head, then into the
/// lower word; with a single root an arc from the root only if there is no other. Groups form groups in the same way.
/// Projective trees are built as `kernel::tree::projective` says, from short spans to long ones; among equal sums the
/// lower place of a split wins. Differences and sums are f32, so scores that differ by less than their rounding count
/// as equal.
///
/// ```
/// use imle::{Imle, Options, Rows, Shape, States, Tree};
///
/// let words = 3;
/// let shape = Shape { rows: 1, n: words * words, k: words, samples: 1 };
/// let layer = Imle::new(shape, Tree::new(words), Options::default())?;
/// let theta = [1.76, 0.40, 0.98, 2.24, 1.87, -0.98, 0.95, -0.15, -0.10];
/// let (mut z, mut work) = ([0.0; 9], vec![0.0; layer.workspace_len()]);
/// layer.map(Rows::contiguous(&theta), States::z(&mut z), &mut work)?;
/// assert_eq!(z, [0., 0., 1., 1., 1., 0., 0., 0., 0.]); // root → word 1 → word 0 → word 2
/// # Ok::<(), imle::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree<'a> {
    words: u32,
    n_row: Option<&'a [u32]>,
    projective: bool,
    single_root: bool,
}

impl<'a> Tree<'a> {
    /// Trees over `words` words in every row.
    #[must_use]
    pub const fn new(words: u32) -> Self {
        Tree { words, n_row: None, projective: false, single_root: false }
    }

    /// Row b has `n_row[b]` words, and its matrices have `words` lines of `words`. A layer checks that every row has a number
    /// of words, and that none is above `words`.
    #[must_use]
    pub const fn per_row(words: u32, n_row: &'a [u32]) -> Self {
        Tree { words, n_row: Some(n_row), projective: false, single_root: false }
    }

    /// Only projective trees.
    #[must_use]
    pub const fn projective(self) -> Self {
        Tree { projective: true, ..self }
    }

    /// Only trees with one arc from the root.
    #[must_use]
    pub const fn single_root(self) -> Self {
        Tree { single_root: true, ..self }
    }

    /// True for trees without crossing arcs.
    #[must_use]
    pub const fn is_projective(&self) -> bool {
        self.projective
    }

    /// True for trees with one arc from the root.
    #[must_use]
    pub const fn has_single_root(&self) -> bool {
        self.single_root
    }

    /// The words of a row; 0 if `n_row` does not reach it, which a layer refuses.
    #[must_use]
    pub fn words(&self, row: usize) -> usize {
        let words = self.n_row.map_or(self.words, |n_row| n_row.get(row).copied().unwrap_or_default());
        words.min(self.words) as usize
    }

    /// The words of a line of θ, by which positions are divided: a type that is never 0 divides without a panic.
    fn divisor(&self) -> NonZero<u32> {
        NonZero::new(self.words).unwrap_or(NonZero::<u32>::MIN)
    }

    /// The head of each word, of states given as lists `[B][S][K]`: `heads[d]` = h for the arc from h to d, d for the arc from
    /// the root, and `u32::MAX` behind the words of the row, `[B][S][K]`. O(B·S·K²).
    ///
    /// # Errors
    /// Argument errors before anything is written; [`Error::NotAState`] with the first row that has a list of no tree.
    pub fn heads(&self, shape: Shape, indices: &[u32], heads: &mut [u32]) -> Result<(), Error> {
        shape.check()?;
        self.check(shape)?;
        let (samples, states, stride) = (shape.samples(), shape.rows() * shape.samples(), self.divisor());
        check_length(Argument::Indices, indices, states * shape.k())?;
        check_length(Argument::Heads, heads, states * shape.k())?;
        for_rows(shape.rows(), |b| {
            let lists = Lists::of_row(indices, b, samples, shape.k());
            for s in 0..samples {
                let (arcs, tail) = lists.get(s).split_at_checked(self.words(b)).unwrap_or_default();
                let ascending = arcs.is_sorted_by(|a, b| a < b) && tail.iter().all(|&i| i == u32::MAX);
                if !ascending || !self.has_list(b, arcs) {
                    return Err(BadRow::NotAState);
                }
            }
            let row = heads.chunks_mut(shape.k().max(1)).skip(b * samples).take(samples);
            for (s, heads) in row.enumerate() {
                heads.fill(u32::MAX);
                for &arc in lists.get(s).iter().take(self.words(b)) {
                    if let Some(head) = heads.get_mut((arc % stride) as usize) {
                        *head = arc / stride;
                    }
                }
            }
            Ok(())
        })
    }

    fn stride(&self) -> usize {
        self.words as usize
    }

    /// The corner of row `row` that is read.
    pub(crate) fn arcs<'s>(&self, row: usize, scores: &'s [f32]) -> Arcs<'s> {
        Arcs { words: self.words(row), stride: self.stride(), scores }
    }
}

impl MapSolver for Tree<'_> {
    fn map(&self, row: usize, scores: &[f32], z: &mut [f32], work: &mut [f32]) -> Result<(), Unsolved> {
        z.fill(0.0);
        let arcs = self.arcs(row, scores);
        let found = match self.projective {
            true => projective::map(arcs, self.single_root, z, work),
            false => arborescence::map(arcs, self.single_root, z, work),
        };
        if found { Ok(()) } else { Err(Unsolved) }
    }

    fn workspace_len(&self, _n: usize) -> usize {
        let words = self.stride();
        if self.projective { projective::workspace_len(words) } else { arborescence::workspace_len(words) }
    }

    fn ones(&self, row: usize) -> Option<usize> {
        Some(self.words(row))
    }

    fn feasible(&self, row: usize, theta: &[f32], work: &mut [f32]) -> bool {
        let arcs = self.arcs(row, theta);
        // Whole lines are looked at, because a loop that ends early takes one score at a time.
        if !arcs.lines().any(|line| line.iter().fold(false, |any, &t| any | is_masked(t))) {
            return true;
        }
        match self.projective {
            true => projective::has_tree(arcs, self.single_root, work),
            false => reach::has_tree(arcs, self.single_root, work),
        }
    }

    fn check(&self, shape: Shape) -> Result<(), Error> {
        if shape.k != self.words || self.words.checked_mul(self.words) != Some(shape.n) {
            return Err(Error::Shape { rule: Rule::TreeIsSquare });
        }
        let Some(n_row) = self.n_row else { return Ok(()) };
        check_length(Argument::NRow, n_row, shape.rows())?;
        match (0..shape.rows).zip(n_row).find(|&(_, &words)| words > self.words) {
            None => Ok(()),
            Some((row, _)) => Err(Error::RowWords { row }),
        }
    }

    fn corner(&self, row: usize) -> Option<Corner> {
        let words = self.words(row);
        (words < self.stride()).then(|| Corner { side: words, stride: self.stride() })
    }

    fn has_list(&self, row: usize, positions: &[u32]) -> bool {
        let (words, stride) = (self.words(row), self.divisor());
        let arcs = positions.iter().map(|&i| ((i / stride) as usize, (i % stride) as usize));
        let head = |word| arcs.clone().find(|&(_, to)| to == word).map(|(head, _)| head);
        arcs.clone().all(|(head, word)| head < words && word < words)
            && check::is_tree(words, (self.projective, self.single_root), head, arcs.clone())
    }

    fn has_z(&self, row: usize, z: &[f32]) -> bool {
        let words = self.words(row);
        let arcs = self.arcs(row, z);
        let head = |word| (0..words).find(|&head| arcs.score(head, word) == 1.0);
        let all = (0..words).filter_map(|word| head(word).map(|head| (head, word)));
        check::is_tree(words, (self.projective, self.single_root), head, all)
    }
}
