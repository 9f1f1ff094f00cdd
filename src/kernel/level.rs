//! Which instruction set this machine runs, and code compiled for it: the one file of the core with unsafe code.
//!
//! Loops are written once, over lanes, in safe code that every compiler vectorises; here they are compiled several
//! times and the best version that the machine can run is chosen. No version changes a bit of any result.

use super::{EIGHT, LANES};

/// Code to be compiled for every level. `run`, and all that it is to share a level with, must be `#[inline(always)]`.
pub(crate) trait Kernel {
    /// What it computes.
    type Output;
    /// Computes it.
    fn run<L: Level>(self) -> Self::Output;
}

/// What compilers do not make of loops over lanes.
pub(crate) trait Level {
    /// Bit l is set where lane l is at least t.
    fn at_least(block: &[f32; LANES], t: f32) -> u32;

    /// Bit l is set where lane l is at most t.
    #[inline(always)]
    fn at_most(block: &[f32; LANES], t: f32) -> u32 {
        let mut negative = *block;
        for x in &mut negative {
            *x = -*x;
        }
        Self::at_least(&negative, -t)
    }

    /// Of at most 32 lanes, the bits of those that fewer than k, and of those that fewer than k − 1 of the scores exceed.
    #[inline(always)]
    fn ranked(scores: &[[f32; FOUR]], lanes: &[[f32; EIGHT]], k: i32) -> [u32; 2] {
        let (mut fewer, mut fewer_still) = (0, 0);
        for (lanes, shift) in lanes.iter().zip((0..).step_by(EIGHT)) {
            let mut above = [0; EIGHT];
            for &score in scores.as_flattened() {
                for (above, &lane) in above.iter_mut().zip(lanes) {
                    *above += i32::from(score > lane);
                }
            }
            for (lane, above) in above.into_iter().enumerate() {
                fewer |= u32::from(above < k) << (shift + lane);
                fewer_still |= u32::from(above < k - 1) << (shift + lane);
            }
        }
        [fewer, fewer_still]
    }
}

/// Lanes are ranked by eights, so many of them at a time.
pub(crate) const RANKED: usize = 4;

/// Scores that lanes are compared with in one turn of the loop.
pub(crate) const FOUR: usize = 4;

#[cfg(all(target_arch = "aarch64", target_feature = "neon", not(feature = "scalar")))]
#[allow(unsafe_code)]
mod versions {
    use core::arch::aarch64::*;

    use super::{Kernel, LANES, Level};

    struct Neon;

    impl Level for Neon {
        #[inline(always)]
        fn at_least(block: &[f32; LANES], t: f32) -> u32 {
            #[inline(always)]
            fn of_eight(eight: &[f32; 8], t: f32) -> u32 {
                const BITS: [u16; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
                // SAFETY: `eight` and `BITS` are as long as what is read, and this is compiled where NEON is.
                unsafe {
                    let t = vdupq_n_f32(t);
                    let low = vcgeq_f32(vld1q_f32(eight.as_ptr()), t);
                    let high = vcgeq_f32(vld1q_f32(eight.as_ptr().add(4)), t);
                    let reached = vcombine_u16(vmovn_u32(low), vmovn_u32(high));
                    u32::from(vaddvq_u16(vandq_u16(reached, vld1q_u16(BITS.as_ptr()))))
                }
            }
            match block.as_chunks::<8>().0 {
                [low, high] => of_eight(low, t) | of_eight(high, t) << 8,
                _ => 0,
            }
        }
    }

    /// Runs a kernel: NEON is the only level there is.
    #[inline(always)]
    pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Neon>()
    }

    /// The instruction set.
    #[must_use]
    pub const fn kernel() -> &'static core::ffi::CStr {
        c"neon"
    }
}

#[cfg(not(any(
    all(target_arch = "x86_64", not(feature = "no-avx2")),
    all(target_arch = "aarch64", target_feature = "neon", not(feature = "scalar"))
)))]
mod versions {
    use super::{Kernel, LANES, Level};

    struct Portable;

    impl Level for Portable {
        #[inline(always)]
        fn at_least(block: &[f32; LANES], t: f32) -> u32 {
            block.iter().rev().fold(0, |bits, &x| bits << 1 | u32::from(x >= t))
        }
    }

    /// Runs a kernel with the instructions that every machine of this target has.
    #[inline(always)]
    pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Portable>()
    }

    /// The instruction set: none in particular.
    #[must_use]
    pub const fn kernel() -> &'static core::ffi::CStr {
        c"portable"
    }
}

#[cfg(all(target_arch = "x86_64", not(feature = "no-avx2")))]
#[allow(unsafe_code)]
mod versions {
    use core::arch::x86_64::*;
    use core::sync::atomic::{AtomicU8, Ordering};

    use super::{EIGHT, FOUR, Kernel, LANES, Level};

    const UNKNOWN: u8 = 0;
    const PORTABLE: u8 = 1;
    const AVX2: u8 = 2;
    const AVX512: u8 = 3;

    /// What [`detect`] has found: CPUID takes microseconds on virtual machines. The only static of the library, one
    /// byte, and every thread writes the same value.
    static LEVEL: AtomicU8 = AtomicU8::new(UNKNOWN);

    #[inline(always)]
    fn level() -> u8 {
        match LEVEL.load(Ordering::Relaxed) {
            UNKNOWN => detect(),
            level => level,
        }
    }

    /// Runs a kernel with the best instructions that this machine has.
    #[inline(always)]
    pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
        match level() {
            // SAFETY: `detect` found every feature that `avx512` enables.
            #[cfg(not(feature = "no-avx512"))]
            AVX512 => unsafe { avx512(kernel) },
            // SAFETY: `detect` found every feature that `avx2` enables.
            AVX2 => unsafe { avx2(kernel) },
            _ => kernel.run::<Sse2>(),
        }
    }

    struct Sse2;

    impl Level for Sse2 {
        #[inline(always)]
        fn at_least(block: &[f32; LANES], t: f32) -> u32 {
            #[inline(always)]
            fn of_four(four: &[f32; 4], t: f32) -> u32 {
                // SAFETY: `four` is as long as what is read, and every x86-64 has SSE2.
                unsafe { _mm_movemask_ps(_mm_cmpge_ps(_mm_loadu_ps(four.as_ptr()), _mm_set1_ps(t))) as u32 }
            }
            match block.as_chunks::<4>().0 {
                [a, b, c, d] => of_four(a, t) | of_four(b, t) << 4 | of_four(c, t) << 8 | of_four(d, t) << 12,
                _ => 0,
            }
        }
    }

    /// For the code of [`avx2`] only.
    struct Avx2;

    impl Level for Avx2 {
        #[inline(always)]
        fn at_least(block: &[f32; LANES], t: f32) -> u32 {
            #[inline(always)]
            fn of_eight(eight: &[f32; 8], t: f32) -> u32 {
                // SAFETY: `eight` is as long as what is read, and who runs this has AVX2.
                unsafe {
                    let reached = _mm256_cmp_ps::<_CMP_GE_OQ>(_mm256_loadu_ps(eight.as_ptr()), _mm256_set1_ps(t));
                    _mm256_movemask_ps(reached) as u32
                }
            }
            match block.as_chunks::<8>().0 {
                [low, high] => of_eight(low, t) | of_eight(high, t) << 8,
                _ => 0,
            }
        }

        #[inline(always)]
        fn ranked(scores: &[[f32; FOUR]], lanes: &[[f32; EIGHT]], k: i32) -> [u32; 2] {
            ranked_by_avx2(scores, lanes, k)
        }
    }

    #[inline(always)]
    fn ranked_by_avx2(scores: &[[f32; FOUR]], lanes: &[[f32; EIGHT]], k: i32) -> [u32; 2] {
        #[inline(always)]
        fn rank<const B: usize>(scores: &[[f32; FOUR]], lanes: [&[f32; EIGHT]; B], k: i32) -> [u32; 2] {
            // SAFETY: each of `lanes` is as long as what is read, and who runs this has AVX2.
            unsafe {
                // 0 less the scores that exceed a lane.
                let mut counts = [_mm256_setzero_si256(); B];
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
                    let bits = |k: i32| {
                        _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(count, _mm256_set1_epi32(-k))))
                    };
                    fewer |= (bits(k) as u32) << shift;
                    fewer_still |= (bits(k - 1) as u32) << shift;
                }
                [fewer, fewer_still]
            }
        }
        match lanes {
            [a] => rank(scores, [a], k),
            [a, b] => rank(scores, [a, b], k),
            [a, b, c] => rank(scores, [a, b, c], k),
            [a, b, c, d, ..] => rank(scores, [a, b, c, d], k),
            [] => [0; 2],
        }
    }

    /// For the code of [`avx512`] only.
    #[cfg(not(feature = "no-avx512"))]
    struct Avx512;

    #[cfg(not(feature = "no-avx512"))]
    impl Level for Avx512 {
        #[inline(always)]
        fn at_least(block: &[f32; LANES], t: f32) -> u32 {
            // SAFETY: `block` is as long as what is read, and who runs this has AVX-512.
            let reached =
                unsafe { _mm512_cmp_ps_mask::<_CMP_GE_OQ>(_mm512_loadu_ps(block.as_ptr()), _mm512_set1_ps(t)) };
            u32::from(reached)
        }

        #[inline(always)]
        fn ranked(scores: &[[f32; FOUR]], lanes: &[[f32; EIGHT]], k: i32) -> [u32; 2] {
            ranked_by_avx2(scores, lanes, k)
        }
    }

    #[cfg(not(feature = "no-avx512"))]
    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn avx512<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Avx512>()
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Avx2>()
    }

    /// CPUID for what the processor has, XGETBV for the registers that the system saves.
    #[cold]
    #[inline(never)]
    fn detect() -> u8 {
        let all = |word: u32, bits: &[u32]| bits.iter().all(|bit| word >> bit & 1 == 1);
        let detected = || {
            let (largest, largest_extended) = (__cpuid(0).eax, __cpuid(0x8000_0000).eax);
            if largest < 7 || largest_extended < 0x8000_0001 {
                return PORTABLE;
            }
            let (basic, leaf7, extended) = (__cpuid(1), __cpuid_count(7, 0), __cpuid(0x8000_0001));
            // popcnt, xsave in use, avx; lzcnt
            if !all(basic.ecx, &[23, 27, 28]) || !all(extended.ecx, &[5]) {
                return PORTABLE;
            }
            // SAFETY: the system has switched XSAVE on, and XGETBV with it.
            let saved = unsafe { saved_registers() };
            // bmi1, avx2, bmi2; xmm, ymm
            if !all(leaf7.ebx, &[3, 5, 8]) || !all(saved, &[1, 2]) {
                return PORTABLE;
            }
            // avx512f, dq, cd, bw, vl; masks, upper halves, zmm16 to zmm31
            let avx512 = all(leaf7.ebx, &[16, 17, 28, 30, 31]) && all(saved, &[5, 6, 7]);
            if avx512 && cfg!(not(feature = "no-avx512")) { AVX512 } else { AVX2 }
        };
        let level = detected();
        LEVEL.store(level, Ordering::Relaxed);
        level
    }

    #[target_feature(enable = "xsave")]
    fn saved_registers() -> u32 {
        // SAFETY: register 0 exists wherever XGETBV does.
        unsafe { _xgetbv(0) as u32 }
    }

    /// The instruction set that this machine runs: "avx512", "avx2" or "portable".
    #[must_use]
    pub fn kernel() -> &'static core::ffi::CStr {
        match level() {
            AVX512 => c"avx512",
            AVX2 => c"avx2",
            _ => c"portable",
        }
    }
}

pub use versions::kernel;
pub(crate) use versions::run;
