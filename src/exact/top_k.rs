//! k-subsets in closed form, O(nk) time and n(k+1) + O(n) memory.
//!
//! p(z; θ) on k-subsets is the law of n independent coin tosses given that k of them are heads: with any tilt t,
//! ⟨z, θ⟩/T = Σ z_i y_i + kt for y_i = θ_i/T − t, and e^{Σ z_i y_i} is proportional to Π p_i^{z_i} q_i^{1−z_i} with
//! p_i = 1/(1+e^{−y_i}), q_i = 1 − p_i. So elementary symmetric polynomials become probabilities of the number of heads
//! S (the Poisson-binomial law):
//!
//! ```text
//! F_i(j) = Pr(i tosses have j heads)               F_{i+1}(j) = q_i F_i(j) + p_i F_i(j−1)
//! G_i(j) = Pr(the tosses from i on have k−j)       G_i(j)     = q_i G_{i+1}(j) + p_i G_{i+1}(j+1)
//! A      = Σ ln(1+e^{y_i}) + ln Pr(S = k) + kt
//! μ_i    = p_i Σ_j F_i(j) G_{i+1}(j+1) / Pr(S = k)
//! ```
//!
//! The tilt is chosen so that about k heads are expected; then Pr(S = k) is of order 1/√n, nothing that matters
//! overflows or underflows, every term is positive, and no logarithm stands in the O(nk) part. (Elementary symmetric
//! polynomials in logarithms, the usual way, cost two transcendental functions a cell.)

use core::cell::Cell;

use super::{Distribution, RowDistribution};
use crate::float::{Sum, exp_negative, ln};
use crate::kernel::{elementwise, select};
use crate::noise::{self, Stream};
use crate::rows::block;
use crate::{Shape, TopK};

/// What the coins of a row have in common: y_i = (θ_i − γ)/T − δ.
///
/// γ is the k-th largest θ, so that differences near it are exact; δ, of order ln n, sets the expected heads.
#[derive(Clone, Copy)]
struct Tilt {
    gamma: f32,
    temperature: f32,
    delta: f32,
}

impl Tilt {
    /// The tilt under which k heads are expected, to within a half; k is at most the unmasked entries. For k = 0 no θ is
    /// chosen, γ is +inf, and every coin shows tails.
    fn new(theta: &[f32], k: usize, temperature: f32, scratch: &mut [f32]) -> Tilt {
        select::map(theta, k, scratch);
        let chosen = theta.iter().zip(scratch.iter()).filter(|&(_, &z)| z != 0.0);
        let gamma = chosen.fold(f32::INFINITY, |least, (&t, _)| if t < least { t } else { least });
        let mut tilt = Tilt { gamma, temperature, delta: 0.0 };
        // At the lower end at least k − ½ heads are expected (the k largest have y ≥ ln 2k), at the upper end at most
        // k − ½ (all but k − 1 have y ≤ −ln 2n). Newton's step where it stays inside, else the middle.
        let (mut low, mut high) = (-ln(2.0 * k as f32), ln(2.0 * theta.len() as f32));
        const STEPS: usize = 64;
        for _ in 0..STEPS {
            let (mut heads, mut variance) = (0.0, 0.0);
            for &t in theta {
                let (p, q) = coin(tilt.y(t));
                heads += p;
                variance += p * q;
            }
            let excess = heads - k as f32;
            if (-0.5..=0.5).contains(&excess) {
                break;
            }
            if excess > 0.0 {
                low = tilt.delta
            } else {
                high = tilt.delta
            }
            let newton = tilt.delta + excess / variance;
            tilt.delta = if low < newton && newton < high { newton } else { 0.5 * (low + high) };
        }
        tilt
    }

    fn y(self, theta: f32) -> f32 {
        (theta - self.gamma) / self.temperature - self.delta
    }
}

/// The weights (p, q) of a coin, in proportion e^{y} : 1, each with full relative precision.
fn coin(y: f32) -> (f32, f32) {
    let likely = likely(y);
    let unlikely = likely * exp_negative(-y.abs());
    if y < 0.0 { (unlikely, likely) } else { (likely, unlikely) }
}

/// max(p, q) = 1/(1 + e^{−|y|}). What matters is not that p + q is 1 to the last bit but that the logarithm of the same
/// float is taken out of A again.
fn likely(y: f32) -> f32 {
    1.0 / (1.0 + exp_negative(-y.abs()))
}

/// The memory of one row: F_i(0..=k) for i = 0..n, four arrays of n, two of k + 1.
struct Work<'a> {
    table: &'a mut [f32],
    p: &'a mut [f32],
    q: &'a mut [f32],
    mu: &'a mut [f32],
    nu: &'a mut [f32],
    tail: &'a mut [f32],
    tail_v: &'a mut [f32],
}

impl<'a> Work<'a> {
    const fn len(n: usize, k: usize) -> Option<usize> {
        match (k + 1).checked_mul(n + 2) {
            Some(len) => len.checked_add(4 * n),
            None => None,
        }
    }

    /// `work` was checked to hold `len` floats.
    fn new(work: &'a mut [f32], n: usize, k: usize) -> Self {
        let mut rest = work;
        let mut take = |len| {
            let (taken, others) = core::mem::take(&mut rest).split_at_mut_checked(len).unwrap_or_default();
            rest = others;
            taken
        };
        Work {
            table: take(n * (k + 1)),
            p: take(n),
            q: take(n),
            mu: take(n),
            nu: take(n),
            tail: take(k + 1),
            tail_v: take(k + 1),
        }
    }

    /// Tilts the coins of a row for k heads.
    fn toss(&mut self, theta: &[f32], k: usize, temperature: f32) -> Tilt {
        let tilt = Tilt::new(theta, k, temperature, self.p);
        for ((p, q), &t) in self.p.iter_mut().zip(self.q.iter_mut()).zip(theta) {
            (*p, *q) = coin(tilt.y(t));
        }
        tilt
    }

    /// Fills the table with F_0..F_{n−1}; Pr(S = k).
    fn forward(&mut self, k: usize) -> f32 {
        let mut rows = TableRows { table: self.table, width: k + 1 };
        let mut from = rows.next().unwrap_or_default();
        from.fill(0.0);
        if let Some(none) = from.first_mut() {
            *none = 1.0;
        }
        let mut coins = self.p.iter().zip(self.q.iter());
        for (to, (&p, &q)) in rows.zip(coins.clone()) {
            toss_one(from, to, p, q);
            from = to;
        }
        let (&p, &q) = coins.next_back().unwrap_or((&0.0, &1.0));
        toss_one(from, self.tail, p, q);
        self.tail.last().copied().unwrap_or_default()
    }

    /// Every μ_i and ν_i = 1 − μ_i, each with full relative precision, from the table that `forward` made.
    fn backward(&mut self, k: usize) {
        start_tail(self.tail);
        let marginals = self.mu.iter_mut().zip(self.nu.iter_mut());
        for (i, ((mu, nu), (&p, &q))) in marginals.zip(self.p.iter().zip(self.q.iter())).enumerate().rev() {
            let row = block(self.table, i * (k + 1), k + 1);
            let heads = p * elementwise::dot(block(row, 0, k), block(self.tail, 1, k));
            let tails = q * elementwise::dot(row, self.tail);
            let total = heads + tails;
            (*mu, *nu) = (heads / total, tails / total);
            untoss_one(self.tail, p, q);
        }
    }
}

/// The rows of the table, first to last.
struct TableRows<'a> {
    table: &'a mut [f32],
    width: usize,
}

impl<'a> Iterator for TableRows<'a> {
    type Item = &'a mut [f32];

    fn next(&mut self) -> Option<&'a mut [f32]> {
        let (row, rest) = core::mem::take(&mut self.table).split_at_mut_checked(self.width)?;
        self.table = rest;
        Some(row)
    }
}

/// F_{i+1} from F_i.
fn toss_one(from: &[f32], to: &mut [f32], p: f32, q: f32) {
    let mut one_less = 0.0;
    for (to, &from) in to.iter_mut().zip(from) {
        *to = q * from + p * one_less;
        one_less = from;
    }
}

/// G_n: the tosses from n on, none, have k − j = 0 heads.
fn start_tail(tail: &mut [f32]) {
    tail.fill(0.0);
    if let Some(last) = tail.last_mut() {
        *last = 1.0;
    }
}

/// G_i from G_{i+1}, in place.
fn untoss_one(tail: &mut [f32], p: f32, q: f32) {
    let cells = Cell::from_mut(tail).as_slice_of_cells();
    let one_more = cells.iter().skip(1).map(Cell::get).chain(core::iter::once(0.0));
    for (g, one_more) in cells.iter().zip(one_more) {
        g.set(q * g.get() + p * one_more);
    }
}

/// −Σ_z r(z) ln p(z) for any r with marginals (mu, 1 − mu = nu): the entropy for r = p, a log-probability for a single
/// state, and the difference of two is a KL divergence. Each term is at least 0, so little cancels.
fn cross_entropy<'a>(
    theta: &[f32],
    tilt: Tilt,
    ln_heads: f32,
    moments: impl Iterator<Item = (&'a f32, &'a f32)>,
) -> f32 {
    let mut sum = Sum::default();
    sum.add(ln_heads);
    for (&theta, (&mu, &nu)) in theta.iter().zip(moments) {
        let y = tilt.y(theta);
        sum.add(-ln(likely(y)));
        let unlikely = if y > 0.0 { nu } else { mu };
        if unlikely > 0.0 {
            if y.is_infinite() {
                return f32::INFINITY;
            }
            sum.add(unlikely * y.abs());
        }
    }
    sum.value().max(0.0)
}

/// A = Σ ln(1+e^{y_i}) + ln Pr(S = k) + k(γ/T + δ). What is large, Σ_{y>0} y_i + k(γ/T + δ), is summed as scores.
fn log_partition(theta: &[f32], k: usize, tilt: Tilt, ln_heads: f32) -> f32 {
    let (mut scores, mut rest, mut surplus) = (Sum::default(), Sum::default(), k as i64);
    rest.add(ln_heads);
    for &t in theta {
        let y = tilt.y(t);
        rest.add(-ln(likely(y)));
        if y > 0.0 {
            scores.add(t);
            surplus -= 1;
        }
    }
    for _ in 0..surplus.unsigned_abs() {
        scores.add(if surplus > 0 { tilt.gamma } else { -tilt.gamma });
    }
    rest.add(surplus as f32 * tilt.delta);
    rest.add(scores.value() / tilt.temperature);
    rest.value()
}

/// A distribution over the k-subsets of one row, ready to be asked: the coins are tossed, F is in the table.
pub struct Coins<'a> {
    theta: &'a [f32],
    k: usize,
    tilt: Tilt,
    ln_heads: f32,
    work: Work<'a>,
}

impl<'a> Coins<'a> {
    fn new(theta: &'a [f32], k: usize, temperature: f32, work: Work<'a>) -> Self {
        let tilt = Tilt { gamma: 0.0, temperature, delta: 0.0 };
        let mut row = Coins { theta, k, tilt, ln_heads: 0.0, work };
        row.toss(theta);
        row
    }

    /// Makes this the distribution of other scores; `mu` and `nu` stay.
    fn toss(&mut self, theta: &'a [f32]) {
        self.theta = theta;
        self.tilt = self.work.toss(theta, self.k, self.tilt.temperature);
        // Expected heads are k to within a half, so this is far from ln 0.
        self.ln_heads = ln(self.work.forward(self.k));
    }

    /// −Σ r ln p for the r whose marginals are in `mu` and, taken from 1, in `nu`.
    fn cross_entropy(&self) -> f32 {
        cross_entropy(self.theta, self.tilt, self.ln_heads, self.work.mu.iter().zip(self.work.nu.iter()))
    }
}

impl<'a> RowDistribution<'a> for Coins<'a> {
    fn log_partition(&self) -> f32 {
        log_partition(self.theta, self.k, self.tilt, self.ln_heads)
    }

    fn marginals(&mut self) -> &[f32] {
        self.work.backward(self.k);
        self.work.mu
    }

    fn entropy(&self) -> f32 {
        self.cross_entropy()
    }

    fn log_prob(&mut self, state: impl FnOnce(&mut [f32])) -> f32 {
        state(self.work.mu);
        for (nu, &z) in self.work.nu.iter_mut().zip(self.work.mu.iter()) {
            *nu = 1.0 - z;
        }
        -self.cross_entropy()
    }

    fn kl(&mut self, other: &'a [f32]) -> f32 {
        self.marginals();
        let entropy = self.cross_entropy();
        self.toss(other);
        (self.cross_entropy() - entropy).max(0.0)
    }

    /// z ~ p, valid until the next call: walks the table from the last coin back. With j heads left among the coins
    /// 0..=i, coin i shows heads with probability p_i F_i(j−1) / (q_i F_i(j) + p_i F_i(j−1)).
    fn draw(&mut self, stream: &mut Stream) -> &[f32] {
        let Work { table, p, q, mu: odds, nu: z, .. } = &mut self.work;
        stream.fill(odds, &noise::Odds);
        let mut left = self.k;
        for (i, ((z, &odds), (&p, &q))) in z.iter_mut().zip(odds.iter()).zip(p.iter().zip(q.iter())).enumerate().rev() {
            let (tails, heads) = match block(table, i * (self.k + 1), left + 1) {
                [.., one_less, here] => (q * here, p * one_less),
                _ => (1.0, 0.0),
            };
            // u < heads/(heads + tails), in odds; what is left must fit into the coins that are left.
            let chosen = tails < heads * odds || left > i;
            *z = if chosen { 1.0 } else { 0.0 };
            left -= usize::from(chosen);
        }
        z
    }

    /// v ← Cov_p(z) v.
    ///
    /// (Cov v)_i = E[z_i ⟨v,z⟩] − μ_i E⟨v,z⟩. The terms of E[z_i ⟨v,z⟩] from later coins come from one sweep with
    /// Ġ_i(j) = E[Σ_{l≥i} v_l z_l; the tosses from i on have k−j heads]; those from earlier coins from the same sweep
    /// over the reversed row. So one table is enough.
    fn covariance(&mut self, v: &mut [f32]) {
        // Cov 1 = 0, so any shift of v is allowed; this one, close to E⟨v,z⟩/k, leaves little to cancel.
        let heads = Sum::of(self.work.p.iter().copied()).value();
        let weighted =
            Sum::of(self.work.p.iter().zip(v.iter()).map(|(p, v)| if *p > 0.0 { p * v } else { 0.0 })).value();
        let shift = if heads > 0.0 { weighted / heads } else { 0.0 };
        self.work.backward(self.k);
        let mean = Sum::of(self.work.mu.iter().zip(v.iter()).map(|(mu, v)| mu * (v - shift))).value();
        // From here on nu holds the shifted v, and v the sum.
        for ((v, shifted), &mu) in v.iter_mut().zip(self.work.nu.iter_mut()).zip(self.work.mu.iter()) {
            *shifted = *v - shift;
            *v = mu * (*shifted - mean);
        }
        self.work.add_later_coins(self.k, v);
        self.work.reverse();
        v.reverse();
        self.work.forward(self.k);
        self.work.add_later_coins(self.k, v);
        v.reverse();
    }
}

impl Work<'_> {
    fn reverse(&mut self) {
        self.p.reverse();
        self.q.reverse();
        self.nu.reverse();
    }

    /// out_i += E[z_i Σ_{l>i} v_l z_l], v in `nu`.
    fn add_later_coins(&mut self, k: usize, out: &mut [f32]) {
        start_tail(self.tail);
        self.tail_v.fill(0.0);
        let coins = self.p.iter().zip(self.q.iter()).zip(self.nu.iter());
        for (i, (out, ((&p, &q), &v))) in out.iter_mut().zip(coins).enumerate().rev() {
            let row = block(self.table, i * (k + 1), k + 1);
            let heads = p * elementwise::dot(block(row, 0, k), block(self.tail, 1, k));
            let tails = q * elementwise::dot(row, self.tail);
            let later = p * elementwise::dot(block(row, 0, k), block(self.tail_v, 1, k));
            *out += later / (heads + tails);
            untoss_one(self.tail_v, p, q);
            for (g_v, &one_more) in self.tail_v.iter_mut().zip(self.tail.iter().skip(1)) {
                *g_v += p * v * one_more;
            }
            untoss_one(self.tail, p, q);
        }
    }
}

impl Distribution for TopK<'_> {
    type Row<'a> = Coins<'a>;

    fn workspace_len(shape: Shape) -> Option<usize> {
        Work::len(shape.n(), shape.k())
    }

    fn row<'a>(&self, b: usize, theta: &'a [f32], temperature: f32, work: &'a mut [f32]) -> Coins<'a> {
        let k = self.k(b);
        Coins::new(theta, k, temperature, Work::new(work, theta.len(), k))
    }
}
