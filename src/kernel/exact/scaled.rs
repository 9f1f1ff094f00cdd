//! Numbers ≥ 0 of any size, m·2^e, alone and in matrices.
//!
//! The weight of a structure is a product of many factors, and the only structure that a row allows may weigh e^−16000
//! of what its best arcs would. f32 ends at e^−87, so every number has an exponent of its own. Nothing is ever
//! subtracted, so every result has a small *relative* error, whatever the sizes are.
//!
//! A number may carry a third float, which tells more about the sum of products that it stands for ([`Carry`]). Where
//! all numbers are known to be in the range of f32, exponents are left out ([`Plain`]), and every digit is the same.

use core::marker::PhantomData;
use core::ops::Range;

use crate::arch::EIGHT;
use crate::float::ln;
use crate::kernel::lanes::copy;

/// A third float that numbers carry along. Products add it and quotients subtract it; sums mix it.
pub(crate) trait Carry: Copy {
    /// False if there is nothing.
    const ANYTHING: bool = true;
    /// False if matrices have floats in place of m, and no exponents.
    const EXPONENTS: bool = true;
    /// True if a number is nothing but a float.
    const IS_FLOAT: bool = !Self::EXPONENTS && !Self::ANYTHING;

    /// That of a sum, from those of its two terms and the shares of these in it, which add up to 1.
    fn mix(carried: [f32; 2], shares: [f32; 2]) -> f32;
}

/// No third float: the matrices have no room for it.
#[derive(Clone, Copy)]
pub(crate) struct Nothing;

impl Carry for Nothing {
    const ANYTHING: bool = false;

    #[inline(always)]
    fn mix(_: [f32; 2], _: [f32; 2]) -> f32 {
        0.0
    }
}

/// The derivative of the logarithm in some direction: for a sum, the mean over its terms.
#[derive(Clone, Copy)]
pub(crate) struct Slope;

impl Carry for Slope {
    #[inline(always)]
    fn mix([a, b]: [f32; 2], [p, q]: [f32; 2]) -> f32 {
        p * a + q * b
    }
}

/// The entropy of the terms of a sum, in nats, if a term is drawn in proportion to its size. A weight has 0.
#[derive(Clone, Copy)]
pub(crate) struct Entropy;

impl Carry for Entropy {
    #[inline(always)]
    fn mix(carried: [f32; 2], shares: [f32; 2]) -> f32 {
        let [p, q] = shares.map(|x| -x * ln(if x > f32::MIN_POSITIVE { x } else { f32::MIN_POSITIVE }));
        Slope::mix(carried, shares) + (p + q)
    }
}

/// The same without exponents: numbers are floats, and e is 0. A power of two changes no digit of a sum, product or
/// quotient. So the results are the same, bit for bit, if no number and no share of a sum is below 2⁻¹²⁶ or overflows.
#[derive(Clone, Copy)]
pub(crate) struct Plain<C>(PhantomData<C>);

impl<C: Carry> Carry for Plain<C> {
    const ANYTHING: bool = C::ANYTHING;
    const EXPONENTS: bool = false;

    #[inline(always)]
    fn mix(carried: [f32; 2], shares: [f32; 2]) -> f32 {
        C::mix(carried, shares)
    }
}

/// The exponent of 0: far below that of any other number.
const ZERO: i32 = -(1 << 29);

/// Exponents are stored as the bits of floats, shifted by this much. These floats are then normal ones, which every
/// machine moves without a change.
const SHIFT: i32 = 1 << 30;

/// 2^e, 0 for e below −126. e is at most 127.
#[inline(always)]
fn power(e: i32) -> f32 {
    let e = if e > -127 { e } else { -127 };
    f32::from_bits((e.wrapping_add(127) << 23) as u32)
}

/// m·2^e ≥ 0, and what it carries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scaled {
    pub m: f32,
    pub e: i32,
    pub carried: f32,
}

impl Scaled {
    pub(crate) const ZERO: Scaled = Scaled { m: 0.0, e: ZERO, carried: 0.0 };
    pub(crate) const ONE: Scaled = Scaled { m: 1.0, e: 0, carried: 0.0 };

    /// With m from 1 to 2.
    #[inline(always)]
    pub(crate) fn normalised(self) -> Scaled {
        let (m, e) = normalise::<Nothing>(self.m, self.e);
        Scaled { m, e, ..self }
    }

    #[inline(always)]
    pub(crate) fn times(self, other: Scaled) -> Scaled {
        let carried = self.carried + other.carried;
        Scaled { m: self.m * other.m, e: self.e.wrapping_add(other.e), carried }.normalised()
    }

    /// The quotient by a number that is not 0.
    #[inline(always)]
    pub(crate) fn over<C: Carry>(self, divisor: Scaled) -> Scaled {
        let carried = self.carried - divisor.carried;
        let (m, e) = normalise::<C>(self.m / divisor.m, self.e.wrapping_sub(divisor.e));
        Scaled { m, e, carried }
    }

    #[inline(always)]
    pub(crate) fn plus<C: Carry>(self, other: Scaled) -> Scaled {
        let ((m, e), carried) = add::<C>((self.m, self.e, self.carried), (other.m, other.e, other.carried));
        Scaled { m, e, carried }
    }

    /// As a float, which it must not exceed.
    #[inline(always)]
    pub(crate) fn value(self) -> f32 {
        self.m * power(if self.e < 127 { self.e } else { 127 })
    }
}

#[inline(always)]
fn normalise<C: Carry>(m: f32, e: i32) -> (f32, i32) {
    if !C::EXPONENTS {
        return (m, e);
    }
    let bits = m.to_bits();
    let one_to_two = f32::from_bits(bits & 0x007f_ffff | 1_f32.to_bits());
    let scaled = e.wrapping_add((bits >> 23) as i32 - 127);
    if m > 0.0 { (one_to_two, scaled) } else { (0.0, ZERO) }
}

/// A sum of two numbers (m, e, carried).
#[inline(always)]
fn add<C: Carry>((m, e, carried): (f32, i32, f32), (n, f, other): (f32, i32, f32)) -> ((f32, i32), f32) {
    let top = if e > f { e } else { f };
    let (a, b) = if C::EXPONENTS { (m * power(e.wrapping_sub(top)), n * power(f.wrapping_sub(top))) } else { (m, n) };
    let sum = a + b;
    let carried = if C::ANYTHING {
        // Both shares are quotients: 1 less a share near 1 has no digits.
        let whole = if sum > f32::MIN_POSITIVE { sum } else { f32::MIN_POSITIVE };
        C::mix([carried, other], [a / whole, b / whole])
    } else {
        0.0
    };
    ((sum, top), carried)
}

/// `len` floats from `start` on.
#[inline(always)]
fn block(floats: &[f32], start: usize, len: usize) -> &[f32] {
    floats.get(start..).and_then(|rest| rest.get(..len)).unwrap_or_default()
}

pub(crate) type Block = [f32; EIGHT];

/// Eight numbers side by side.
#[derive(Clone, Copy)]
struct Eight {
    m: Block,
    e: [i32; EIGHT],
    carried: Block,
}

impl Eight {
    const ZERO: Eight = Eight { m: [0.0; EIGHT], e: [ZERO; EIGHT], carried: [0.0; EIGHT] };

    #[inline(always)]
    fn all(x: Scaled) -> Eight {
        Eight { m: [x.m; EIGHT], e: [x.e; EIGHT], carried: [x.carried; EIGHT] }
    }

    /// self + a·b
    #[inline(always)]
    fn plus_product<C: Carry>(mut self, a: Eight, b: Eight) -> Eight {
        let sums = self.m.iter_mut().zip(&mut self.e).zip(&mut self.carried);
        let a = a.m.iter().zip(&a.e).zip(&a.carried);
        let b = b.m.iter().zip(&b.e).zip(&b.carried);
        for (((m, e), carried), (((am, ae), ac), ((bm, be), bc))) in sums.zip(a.zip(b)) {
            ((*m, *e), *carried) = add::<C>((*m, *e, *carried), (am * bm, ae.wrapping_add(*be), ac + bc));
        }
        self
    }

    #[inline(always)]
    fn normalised<C: Carry>(mut self) -> Eight {
        for (m, e) in self.m.iter_mut().zip(&mut self.e) {
            (*m, *e) = normalise::<C>(*m, *e);
        }
        self
    }

    /// `inside` for the lanes from `range.start` to before `range.end`, self for all others.
    #[inline(always)]
    fn replaced(mut self, inside: Eight, range: Range<usize>) -> Eight {
        let lanes = self.m.iter_mut().zip(&mut self.e).zip(&mut self.carried);
        let inside = inside.m.iter().zip(&inside.e).zip(&inside.carried);
        for ((((m, e), carried), ((im, ie), ic)), l) in lanes.zip(inside).zip(0..) {
            let is_inside = range.start <= l && l < range.end;
            (*m, *e, *carried) = if is_inside { (*im, *ie, *ic) } else { (*m, *e, *carried) };
        }
        self
    }

    /// The sum of the eight.
    #[inline(always)]
    fn total<C: Carry>(&self) -> Scaled {
        let lanes = self.m.iter().zip(&self.e).zip(&self.carried);
        lanes.fold(Scaled::ZERO, |sum, ((&m, &e), &carried)| sum.plus::<C>(Scaled { m, e, carried })).normalised()
    }
}

/// The lanes of block b that belong to a range of columns.
#[inline(always)]
fn lanes(range: &Range<usize>, b: usize) -> Range<usize> {
    range.start.saturating_sub(EIGHT * b)..range.end.saturating_sub(EIGHT * b)
}

/// The blocks that a range of columns touches.
#[inline(always)]
pub(crate) fn blocks(range: &Range<usize>) -> Range<usize> {
    if range.is_empty() { 0..0 } else { range.start / EIGHT..range.end.div_ceil(EIGHT) }
}

/// A matrix of numbers. Its rows are whole blocks of eight.
pub(crate) struct Matrix<'a> {
    /// Blocks of a row.
    stride: usize,
    m: &'a mut [Block],
    /// The bits of the exponents.
    e: &'a mut [Block],
    /// As long as the others, or empty where nothing is carried.
    carried: &'a mut [Block],
}

impl<'a> Matrix<'a> {
    /// The floats of one of its three arrays.
    pub(crate) const fn len(rows: usize, columns: usize) -> usize {
        rows * columns.next_multiple_of(EIGHT)
    }

    /// `memory` are three arrays of [`len`](Matrix::len) floats. The third may be empty.
    #[inline(always)]
    pub(crate) fn new(memory: [&'a mut [f32]; 3], columns: usize) -> Self {
        let [m, e, carried] = memory.map(|floats| floats.as_chunks_mut().0);
        Matrix { stride: columns.div_ceil(EIGHT), m, e, carried }
    }

    /// The blocks of a row, and all of them: floats, where there are no exponents.
    #[inline(always)]
    pub(crate) fn floats(&mut self) -> (usize, &mut [Block]) {
        (self.stride, self.m)
    }

    #[inline(always)]
    fn load<C: Carry>(&self, row: usize, b: usize) -> Eight {
        let at = row * self.stride + b;
        let (Some(&m), Some(bits)) = (self.m.get(at), self.e.get(at)) else { return Eight::ZERO };
        let mut e = [0; EIGHT];
        if C::EXPONENTS {
            for (e, bits) in e.iter_mut().zip(bits) {
                *e = (bits.to_bits() as i32).wrapping_sub(SHIFT);
            }
        }
        let carried = if C::ANYTHING { self.carried.get(at).copied().unwrap_or_default() } else { [0.0; EIGHT] };
        Eight { m, e, carried }
    }

    #[inline(always)]
    fn store<C: Carry>(&mut self, row: usize, b: usize, eight: Eight) {
        let at = row * self.stride + b;
        let (Some(m), Some(bits)) = (self.m.get_mut(at), self.e.get_mut(at)) else { return };
        *m = eight.m;
        if C::EXPONENTS {
            for (bits, e) in bits.iter_mut().zip(eight.e) {
                *bits = f32::from_bits(e.wrapping_add(SHIFT) as u32);
            }
        }
        if C::ANYTHING
            && let Some(carried) = self.carried.get_mut(at)
        {
            *carried = eight.carried;
        }
    }

    /// Copies the square of the words from `first` on out of a matrix with `words` columns, and the row behind its
    /// words.
    #[inline(always)]
    pub(crate) fn copy_part<C: Carry>(&mut self, from: &Matrix<'_>, first: usize, size: usize, words: usize) {
        let (to_stride, stride) = (EIGHT * self.stride, EIGHT * from.stride);
        let copy_plane = |from: &[Block], to: &mut [Block]| {
            let (from, to) = (from.as_flattened(), to.as_flattened_mut());
            let rows = (first..first + size).chain([words]);
            for (to, row) in to.chunks_exact_mut(to_stride.max(1)).zip(rows) {
                copy(block(from, row * stride + first, size), to);
            }
        };
        copy_plane(from.m, self.m);
        if C::EXPONENTS {
            copy_plane(from.e, self.e);
        }
        if C::ANYTHING {
            copy_plane(from.carried, self.carried);
        }
    }

    /// A row ← number(x, y) for the x and y of two slices, as m and e. What it carries stays as it is.
    #[inline(always)]
    pub(crate) fn fill_row(&mut self, row: usize, x: &[f32], y: &[f32], number: impl Fn(f32, f32) -> (f32, i32)) {
        let stride = EIGHT * self.stride;
        let [m, bits] = [&mut *self.m, &mut *self.e].map(|plane| {
            plane.as_flattened_mut().get_mut(row * stride..).and_then(|rest| rest.get_mut(..stride)).unwrap_or_default()
        });
        for ((m, bits), (&x, &y)) in m.iter_mut().zip(bits).zip(x.iter().zip(y)) {
            let (number, e) = number(x, y);
            (*m, *bits) = (number, f32::from_bits(e.wrapping_add(SHIFT) as u32));
        }
    }

    /// `out` ← a · b / c, for a row of this matrix, which has exponents, and one of each of two others, in all columns.
    /// The quotients are at most about 1, and 0 where c is 0.
    #[inline(always)]
    pub(crate) fn quotients<C: Carry>(
        &self,
        row: usize,
        (b, row_b): (&Matrix<'_>, usize),
        (c, row_c): (&Matrix<'_>, usize),
        out: &mut [f32],
    ) {
        for (number, out) in out.chunks_mut(EIGHT).enumerate() {
            let [a, b, c] = [self.load::<Nothing>(row, number), b.load::<C>(row_b, number), c.load::<C>(row_c, number)];
            let numbers = a.m.iter().zip(a.e).zip(b.m.iter().zip(b.e)).zip(c.m.iter().zip(c.e));
            for (out, (((am, ae), (bm, be)), (&cm, ce))) in out.iter_mut().zip(numbers) {
                let m = am * bm / if cm > 0.0 { cm } else { f32::MAX };
                *out = Scaled { m, e: ae.wrapping_add(be).wrapping_sub(ce), carried: 0.0 }.value();
            }
        }
    }

    /// The third floats of a row.
    #[inline(always)]
    pub(crate) fn carried(&self, row: usize) -> &[f32] {
        block(self.carried.as_flattened(), row * self.stride * EIGHT, self.stride * EIGHT)
    }

    #[inline(always)]
    pub(crate) fn carried_mut(&mut self, row: usize) -> &mut [f32] {
        let stride = self.stride * EIGHT;
        let rest = self.carried.as_flattened_mut().get_mut(row * stride..).unwrap_or_default();
        rest.get_mut(..stride).unwrap_or_default()
    }

    /// The first rows of another matrix with as many columns, without what it carries.
    #[inline(always)]
    pub(crate) fn copy_rows(&mut self, from: &Matrix<'_>) {
        copy(from.m.as_flattened(), self.m.as_flattened_mut());
        copy(from.e.as_flattened(), self.e.as_flattened_mut());
    }

    /// The first rows of another matrix, which has exponents, without what it carries. Numbers of row `lowered` are
    /// multiplied by 2^`by`.
    #[inline(always)]
    pub(crate) fn copy_floats(&mut self, from: &Matrix<'_>, lowered: usize, by: i32) {
        let stride = self.stride.max(1);
        let rows = self.m.chunks_mut(stride).zip(from.m.chunks(stride)).zip(from.e.chunks(stride)).enumerate();
        for (row, ((to, m), bits)) in rows {
            let more = (if row == lowered { by } else { 0 }) - SHIFT;
            let numbers = m.as_flattened().iter().zip(bits.as_flattened());
            for (to, (m, bits)) in to.as_flattened_mut().iter_mut().zip(numbers) {
                *to = m * power((bits.to_bits() as i32).wrapping_add(more));
            }
        }
    }

    /// One number.
    #[inline(always)]
    pub(crate) fn get<C: Carry>(&self, row: usize, column: usize) -> Scaled {
        let at = row * self.stride * EIGHT + column;
        let (Some(&m), Some(bits)) = (self.m.as_flattened().get(at), self.e.as_flattened().get(at)) else {
            return Scaled::ZERO;
        };
        let carried = if C::ANYTHING { self.carried.as_flattened().get(at).copied() } else { None };
        let e = if C::EXPONENTS { (bits.to_bits() as i32).wrapping_sub(SHIFT) } else { 0 };
        Scaled { m, e, carried: carried.unwrap_or_default() }
    }

    #[inline(always)]
    pub(crate) fn set<C: Carry>(&mut self, row: usize, column: usize, x: Scaled) {
        let at = row * self.stride * EIGHT + column;
        if let (Some(m), Some(bits)) = (self.m.as_flattened_mut().get_mut(at), self.e.as_flattened_mut().get_mut(at)) {
            *m = x.m;
            if C::EXPONENTS {
                *bits = f32::from_bits(x.e.wrapping_add(SHIFT) as u32);
            }
        }
        if C::ANYTHING
            && let Some(carried) = self.carried.as_flattened_mut().get_mut(at)
        {
            *carried = x.carried;
        }
    }

    /// The columns `range` of a row ← x
    #[inline(always)]
    pub(crate) fn fill<C: Carry>(&mut self, row: usize, range: Range<usize>, x: Scaled) {
        for b in blocks(&range) {
            let filled = self.load::<C>(row, b).replaced(Eight::all(x), lanes(&range, b));
            self.store::<C>(row, b, filled);
        }
    }

    /// Gives every number of a row in these columns, and perhaps some beside them, an m from 1 to 2.
    #[inline(always)]
    pub(crate) fn normalise<C: Carry>(&mut self, row: usize, range: Range<usize>) {
        if !C::EXPONENTS {
            return;
        }
        for b in blocks(&range) {
            let eight = self.load::<C>(row, b).normalised::<C>();
            self.store::<C>(row, b, eight);
        }
    }

    /// Row `to` += factor · row `from`, in the columns `range`. m stays below 5 plus what it was.
    #[inline(always)]
    pub(crate) fn add_row<C: Carry>(&mut self, to: usize, factor: Scaled, from: usize, range: Range<usize>) {
        let factor = Eight::all(factor);
        for b in blocks(&range) {
            let (old, inside) = (self.load::<C>(to, b), lanes(&range, b));
            let new = old.plus_product::<C>(factor, self.load::<C>(from, b));
            let whole = inside.start == 0 && inside.end >= EIGHT;
            self.store::<C>(to, b, if whole { new } else { old.replaced(new, inside) });
        }
    }

    /// The same, with a row of another matrix.
    #[inline(always)]
    pub(crate) fn add_row_of<C: Carry>(
        &mut self,
        to: usize,
        factor: Scaled,
        (other, from): (&Matrix<'_>, usize),
        range: Range<usize>,
    ) {
        let factor = Eight::all(factor);
        for b in blocks(&range) {
            let old = self.load::<C>(to, b);
            let new = old.plus_product::<C>(factor, other.load::<C>(from, b));
            self.store::<C>(to, b, old.replaced(new, lanes(&range, b)));
        }
    }

    /// Σ over the columns `range` of row · row `from` of another matrix.
    #[inline(always)]
    pub(crate) fn dot<C: Carry>(&self, row: usize, (other, from): (&Matrix<'_>, usize), range: Range<usize>) -> Scaled {
        let mut sums = Eight::ZERO;
        for b in blocks(&range) {
            let more = sums.plus_product::<C>(self.load::<C>(row, b), other.load::<C>(from, b));
            sums = sums.replaced(more, lanes(&range, b));
        }
        sums.total::<C>()
    }
}
