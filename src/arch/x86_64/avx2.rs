//! AVX2 and what comes with it: BMI1, BMI2, LZCNT, POPCNT, and the older SSE and AVX.

use core::arch::x86_64::*;

use crate::arch::isa::{Dispatch, EIGHT, FOUR, Isa, LANES};

/// Proof that the machine has these instructions.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    /// # Safety
    /// - The machine has AVX2 with AVX and SSE up to 4.2, which AVX2 implies, and BMI1, BMI2, LZCNT and POPCNT.
    /// - The system saves the ymm registers.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        Avx2(())
    }
}

/// # Safety
/// - The machine has the enabled features; an [`Avx2`] says so. (Only callers without these features must be unsafe.)
#[inline(never)]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn compiled<D: Dispatch>(isa: Avx2, computation: D) -> D::Output {
    computation.run(isa)
}

impl Isa for Avx2 {
    #[inline(always)]
    fn apart<D: Dispatch>(self, computation: D) -> D::Output {
        // SAFETY: `self` is proof that the machine has the features that `compiled` enables.
        unsafe { compiled(self, computation) }
    }

    #[inline(always)]
    fn at_least(self, block: &[f32; LANES], t: f32) -> u32 {
        match block.as_chunks().0 {
            [low, high] => self.eight_at_least(low, t) | self.eight_at_least(high, t) << EIGHT,
            _ => 0,
        }
    }

    #[inline(always)]
    fn order(self, a: [f32; EIGHT], b: [f32; EIGHT]) -> [[f32; EIGHT]; 2] {
        let (mut larger, mut smaller) = (a, b);
        // SAFETY:
        // - the loads read eight floats and the stores write eight, which each array has;
        // - `self` is proof that the machine has AVX2.
        unsafe {
            let (a, b) = (_mm256_loadu_ps(a.as_ptr()), _mm256_loadu_ps(b.as_ptr()));
            _mm256_storeu_ps(larger.as_mut_ptr(), _mm256_max_ps(a, b));
            _mm256_storeu_ps(smaller.as_mut_ptr(), _mm256_min_ps(a, b));
        }
        [larger, smaller]
    }

    #[inline(always)]
    fn transpose(self, rows: [&[f32; EIGHT]; EIGHT]) -> [[f32; EIGHT]; EIGHT] {
        let mut columns = [[0.0; EIGHT]; EIGHT];
        // SAFETY:
        // - each load reads eight floats, which each of `rows` has, and each store writes eight, which each column has;
        // - `self` is proof that the machine has AVX2.
        unsafe {
            let [a, b, c, d, e, f, g, h] = rows;
            let (a, b, c, d) = (load(a), load(b), load(c), load(d));
            let (e, f, g, h) = (load(e), load(f), load(g), load(h));
            // Elements 0, 1, 4 and 5 of two rows by turns, and elements 2, 3, 6 and 7.
            let (ab01, ab23) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            let (cd01, cd23) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
            let (ef01, ef23) = (_mm256_unpacklo_ps(e, f), _mm256_unpackhi_ps(e, f));
            let (gh01, gh23) = (_mm256_unpacklo_ps(g, h), _mm256_unpackhi_ps(g, h));
            // Elements i and i + 4 of four rows.
            let low = [
                _mm256_shuffle_ps::<0x44>(ab01, cd01),
                _mm256_shuffle_ps::<0xee>(ab01, cd01),
                _mm256_shuffle_ps::<0x44>(ab23, cd23),
                _mm256_shuffle_ps::<0xee>(ab23, cd23),
            ];
            let high = [
                _mm256_shuffle_ps::<0x44>(ef01, gh01),
                _mm256_shuffle_ps::<0xee>(ef01, gh01),
                _mm256_shuffle_ps::<0x44>(ef23, gh23),
                _mm256_shuffle_ps::<0xee>(ef23, gh23),
            ];
            let (first, last) = columns.split_at_mut(FOUR);
            for (((first, last), low), high) in first.iter_mut().zip(last).zip(low).zip(high) {
                _mm256_storeu_ps(first.as_mut_ptr(), _mm256_permute2f128_ps::<0x20>(low, high));
                _mm256_storeu_ps(last.as_mut_ptr(), _mm256_permute2f128_ps::<0x31>(low, high));
            }
        }
        columns
    }

    #[inline(always)]
    fn deposit(self, bits: u64, set: u64) -> u64 {
        // SAFETY: `self` is proof that the machine has BMI2.
        unsafe { _pdep_u64(bits, set) }
    }

    #[inline(always)]
    fn exceeded_by(self, scores: &[[f32; FOUR]], lanes: &[[f32; EIGHT]], k: i32) -> [u32; 2] {
        match lanes {
            [a] => self.exceeded(scores, [a], k),
            [a, b] => self.exceeded(scores, [a, b], k),
            [a, b, c] => self.exceeded(scores, [a, b, c], k),
            [a, b, c, d, ..] => self.exceeded(scores, [a, b, c, d], k),
            [] => [0; 2],
        }
    }
}

/// # Safety
/// - The machine has AVX.
#[inline(always)]
unsafe fn load(eight: &[f32; EIGHT]) -> __m256 {
    // SAFETY: it reads eight floats, which `eight` has; the machine has AVX.
    unsafe { _mm256_loadu_ps(eight.as_ptr()) }
}

impl Avx2 {
    #[inline(always)]
    fn eight_at_least(self, eight: &[f32; EIGHT], t: f32) -> u32 {
        // SAFETY:
        // - the load reads eight floats, which `eight` has;
        // - `self` is proof that the machine has AVX2.
        unsafe {
            let reached = _mm256_cmp_ps::<_CMP_GE_OQ>(_mm256_loadu_ps(eight.as_ptr()), _mm256_set1_ps(t));
            _mm256_movemask_ps(reached) as u32
        }
    }

    #[inline(always)]
    fn exceeded<const GROUPS: usize>(self, scores: &[[f32; FOUR]], lanes: [&[f32; EIGHT]; GROUPS], k: i32) -> [u32; 2] {
        // SAFETY:
        // - each load reads eight floats, which each of `lanes` has;
        // - `self` is proof that the machine has AVX2.
        unsafe {
            // A true comparison is −1, so each count is minus the number of scores that exceed the lane.
            let mut counts = [_mm256_setzero_si256(); GROUPS];
            for four in scores {
                for &score in four {
                    let score = _mm256_set1_ps(score);
                    for (count, lanes) in counts.iter_mut().zip(lanes) {
                        let exceeded = _mm256_cmp_ps::<_CMP_GT_OQ>(score, _mm256_loadu_ps(lanes.as_ptr()));
                        *count = _mm256_add_epi32(*count, _mm256_castps_si256(exceeded));
                    }
                }
            }
            let (mut fewer, mut fewer_still) = (0, 0);
            for (count, shift) in counts.into_iter().zip((0..).step_by(EIGHT)) {
                let fewer_than =
                    |k: i32| _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(count, _mm256_set1_epi32(-k))));
                fewer |= (fewer_than(k) as u32) << shift;
                fewer_still |= (fewer_than(k - 1) as u32) << shift;
            }
            [fewer, fewer_still]
        }
    }
}
