//! Sums over the trees without crossing arcs, by Eisner's spans (1996), without a subtraction.
//!
//! Fences stand before, between and behind the words, 0 to n: fence p is before word p. A complete span c_hp is
//! everything from word h to fence p, on one side of h, that descends from h. An arc span i_hd is everything from h to
//! d with the arc from h to d. As sums of products of weights,
//!
//! ```text
//! b_lr = Σ over l < p ≤ r of c_lp c_rp              two neighbours, up to a fence between them
//! i_lr = w_lr b_lr,  i_rl = w_rl b_lr               one gets the other as its head
//! c_lp = Σ over l < m < p of i_lm c_mp              c_l,l+1 = 1
//! c_rp = Σ over p ≤ m < r of i_rm c_mp              c_rr = 1
//! f_0 = 1,  f_p = Σ over r < p of g_r c_rp          words before p, in trees that hang from the root
//! g_r = w_root,r Σ over p ≤ r of f_p c_rp           up to a word r that hangs from the root
//! ```
//!
//! and Z = f_n. The derivatives of Z follow backwards: they are sums of products too. With those of i, marginals are
//! i_hd ∂Z/∂i_hd / Z.

use super::lift::choose;
use crate::kernel::exact::scaled::{Carry, Matrix, Nothing, Scaled};
use crate::kernel::workspace::set_number;

/// The rows of [`Inside::edge`].
const F: usize = 0;
const G: usize = 1;
const D_F: usize = 2;
const D_G: usize = 3;
/// The complete spans to one fence, from the words behind it; and their derivatives.
const COLUMN: usize = 4;
const D_COLUMN: usize = 5;

/// The sums, and the derivatives of f and g.
pub(crate) struct Inside<'a> {
    words: usize,
    c: Matrix<'a>,
    i: Matrix<'a>,
    edge: Matrix<'a>,
}

/// The floats of one array of a square of spans.
const fn square_len(words: usize) -> usize {
    Matrix::len(words, words + 1)
}

/// The floats of one array of [`Inside`].
pub(crate) const fn inside_len(words: usize) -> usize {
    2 * square_len(words) + Matrix::len(6, words + 1)
}

/// The floats of one array for the derivatives of c and i.
pub(crate) const fn outside_len(words: usize) -> usize {
    2 * square_len(words)
}

/// The first `len` floats of each array, and the others.
#[inline(always)]
fn split(memory: [&mut [f32]; 3], len: usize) -> ([&mut [f32]; 3], [&mut [f32]; 3]) {
    let [a, b, c] = memory.map(|floats| floats.split_at_mut_checked(len).unwrap_or_default());
    ([a.0, b.0, c.0], [a.1, b.1, c.1])
}

impl<'a> Inside<'a> {
    /// `memory` are three arrays of [`inside_len`] floats. The third may be empty where nothing is carried.
    #[inline(always)]
    pub(crate) fn new(memory: [&'a mut [f32]; 3], words: usize) -> Self {
        let (c, rest) = split(memory, square_len(words));
        let (i, edge) = split(rest, square_len(words));
        let [c, i, edge] = [c, i, edge].map(|memory| Matrix::new(memory, words + 1));
        Inside { words, c, i, edge }
    }

    /// Computes all sums; Z. `weight` of (h, d) is that of the arc from h to d, or with h = `words` from the root.
    #[inline(always)]
    pub(crate) fn sum<C: Carry>(&mut self, weight: impl Fn(usize, usize) -> Scaled) -> Scaled {
        let Inside { words, c, i, edge } = self;
        let words = *words;
        for h in 0..words {
            c.fill::<C>(h, 0..words + 1, Scaled::ZERO);
            c.fill::<C>(h, h..h + 2, Scaled::ONE);
            i.fill::<C>(h, 0..words + 1, Scaled::ZERO);
        }
        for left in (0..words).rev() {
            edge.set::<C>(COLUMN, left, Scaled::ONE);
            for right in left + 1..words {
                let between = c.dot::<C>(left, (c, right), left + 1..right + 1);
                let arc = weight(left, right).times(between);
                i.set::<C>(left, right, arc);
                i.set::<C>(right, left, weight(right, left).times(between));
                let complete = i.dot::<C>(right, (edge, COLUMN), left..right);
                c.set::<C>(right, left, complete);
                edge.set::<C>(COLUMN, right, complete);
                c.add_row::<C>(left, arc, right, right + 1..words + 1);
            }
            c.normalise::<C>(left, left + 1..words + 1);
        }
        edge.fill::<C>(F, 0..words + 1, Scaled::ZERO);
        edge.set::<C>(F, 0, Scaled::ONE);
        for root in 0..words {
            let g = weight(words, root).times(c.dot::<C>(root, (edge, F), 0..root + 1));
            edge.set::<C>(G, root, g);
            edge.add_row_of::<C>(F, g, (c, root), root + 1..words + 1);
        }
        edge.get::<C>(F, words).normalised()
    }

    /// Computes the derivatives of Z; those with respect to i. `memory` are three arrays of [`outside_len`] floats.
    #[inline(always)]
    pub(crate) fn differentiate<'m, C: Carry>(
        &mut self,
        weight: impl Fn(usize, usize) -> Scaled,
        memory: [&'m mut [f32]; 3],
    ) -> Matrix<'m> {
        let Inside { words, c, i, edge } = self;
        let words = *words;
        let (first, second) = split(memory, square_len(words));
        let [mut d_c, mut d_i] = [first, second].map(|memory| Matrix::new(memory, words + 1));
        for h in 0..words {
            d_c.fill::<C>(h, 0..words + 1, Scaled::ZERO);
            d_i.fill::<C>(h, 0..words + 1, Scaled::ZERO);
        }
        edge.fill::<C>(D_F, 0..words + 1, Scaled::ZERO);
        edge.set::<C>(D_F, words, Scaled::ONE);
        for root in (0..words).rev() {
            let d_g = c.dot::<C>(root, (edge, D_F), root + 1..words + 1);
            edge.set::<C>(D_G, root, d_g);
            d_c.add_row_of::<C>(root, edge.get::<C>(G, root), (edge, D_F), root + 1..words + 1);
            let factor = weight(words, root).times(d_g);
            edge.add_row_of::<C>(D_F, factor, (c, root), 0..root + 1);
            edge.normalise::<C>(D_F, 0..root + 1);
            d_c.add_row_of::<C>(root, factor, (edge, F), 0..root + 1);
        }
        for left in 0..words {
            d_c.normalise::<C>(left, left + 1..words + 1);
            for right in left..words {
                edge.set::<C>(COLUMN, right, c.get::<C>(right, left));
                edge.set::<C>(D_COLUMN, right, d_c.get::<C>(right, left));
            }
            for right in (left + 1..words).rev() {
                let behind = right + 1..words + 1;
                let d_arc = d_c.dot::<C>(left, (c, right), behind.clone());
                d_i.set::<C>(left, right, d_arc);
                d_c.add_row::<C>(right, i.get::<C>(left, right), left, behind);

                let d_complete = edge.get::<C>(D_COLUMN, right).normalised();
                d_i.add_row_of::<C>(right, d_complete, (edge, COLUMN), left..right);
                edge.add_row_of::<C>(D_COLUMN, d_complete, (i, right), left..right);

                let d_other = d_i.get::<C>(right, left).normalised();
                let d_between =
                    weight(left, right).times(d_arc).plus::<C>(weight(right, left).times(d_other)).normalised();
                let fences = left + 1..right + 1;
                d_c.add_row_of::<C>(left, d_between, (c, right), fences.clone());
                d_c.add_row_of::<C>(right, d_between, (c, left), fences);
            }
        }
        d_i
    }

    /// μ in the corner of rows of `stride`.
    #[inline(always)]
    pub(crate) fn write_marginals(&mut self, d_i: &Matrix<'_>, z: Scaled, stride: usize, mu: &mut [f32]) {
        let words = self.words;
        self.edge.fill::<Nothing>(COLUMN, 0..words, z);
        for (h, mu) in mu.chunks_mut(stride.max(1)).take(words).enumerate() {
            let line = mu.get_mut(..words).unwrap_or_default();
            self.i.quotients::<Nothing>(h, (d_i, h), (&self.edge, COLUMN), line);
            if let Some(mu) = mu.get_mut(h) {
                let product = self.edge.get::<Nothing>(G, h).times(self.edge.get::<Nothing>(D_G, h));
                *mu = product.over::<Nothing>(z).value();
            }
        }
    }

    /// The derivatives of ln μ in the corner of rows of `stride`.
    #[inline(always)]
    pub(crate) fn write_slopes(&self, d_i: &Matrix<'_>, z: Scaled, stride: usize, slopes: &mut [f32]) {
        for (h, line) in slopes.chunks_mut(stride.max(1)).take(self.words).enumerate() {
            let pairs = self.i.carried(h).iter().zip(d_i.carried(h));
            for (slope, (inside, outside)) in line.iter_mut().zip(pairs).take(self.words) {
                *slope = (inside + outside) - z.carried;
            }
            if let (Some(slope), Some(g), Some(d_g)) =
                (line.get_mut(h), self.edge.carried(G).get(h), self.edge.carried(D_G).get(h))
            {
                *slope = (g + d_g) - z.carried;
            }
        }
    }

    /// Draws a tree from the top down. The numbers in `uniform` are rows of `stride`; that of the pair (h, j) is for
    /// the complete span from h to j, that of (d, d) for the split of the span of d's arc, and that of (`stride`, j)
    /// for the word that hangs from the root and has j as its last descendant. `heads` get the bits of the heads,
    /// `words` for the root. `stack` has two floats for each word.
    #[inline(always)]
    pub(crate) fn draw(&self, uniform: &[f32], stride: usize, heads: &mut [f32], stack: &mut [f32]) {
        let Inside { words, c, i, edge } = self;
        let (words, get) = (*words, |matrix: &Matrix<'_>, row, column| matrix.get::<Nothing>(row, column));
        let u = |row: usize, column: usize| uniform.get(row * stride + column).copied().unwrap_or_default();
        let mut spans = Stack { entries: stack.as_chunks_mut().0, len: 0 };
        let mut end = words;
        while end > 0 {
            let root = choose(0..end, |r| get(edge, G, r).times(get(c, r, end)), u(stride, end - 1));
            let start = choose(0..root + 1, |p| get(edge, F, p).times(get(c, root, p)), u(root, root));
            set_number(heads, root, words);
            spans.push(root, start);
            spans.push(root, end);
            end = start;
        }
        while let Some((h, fence)) = spans.pop() {
            let (children, last) = if fence > h { (h + 1..fence, fence - 1) } else { (fence..h, fence) };
            let child = choose(children, |m| get(i, h, m).times(get(c, m, fence)), u(h, last));
            set_number(heads, child, h);
            let (left, right) = (h.min(child), h.max(child));
            let split = choose(left + 1..right + 1, |p| get(c, left, p).times(get(c, right, p)), u(child, child));
            spans.push(child, fence);
            spans.push(left, split);
            spans.push(right, split);
        }
    }
}

/// Complete spans that are still to be drawn. Each has an arc of its own, so there are no more than words.
struct Stack<'a> {
    entries: &'a mut [[f32; 2]],
    len: usize,
}

impl Stack<'_> {
    /// Adds the span from a word to a fence, unless it is the word alone.
    #[inline(always)]
    fn push(&mut self, h: usize, fence: usize) {
        if (h..h + 2).contains(&fence) {
            return;
        }
        if let Some(entry) = self.entries.get_mut(self.len) {
            *entry = [h, fence].map(|number| f32::from_bits(number as u32));
            self.len += 1;
        }
    }

    #[inline(always)]
    fn pop(&mut self) -> Option<(usize, usize)> {
        self.len = self.len.checked_sub(1)?;
        let [h, fence] = self.entries.get(self.len)?.map(|number| number.to_bits() as usize);
        Some((h, fence))
    }
}
