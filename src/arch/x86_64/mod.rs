//! x86-64: AVX-512, AVX2 or the baseline, found out once at run time.

mod avx2;
mod avx512;
mod sse2;

use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use core::sync::atomic::{AtomicU8, Ordering};

use super::isa::{Dispatch, Isa};
use avx2::Avx2;
use avx512::Avx512;
use sse2::Sse2;

const UNKNOWN: u8 = 0;
const SSE2: u8 = 1;
const AVX2: u8 = 2;
const AVX512: u8 = 3;

/// The answer of [`detect`], which is kept because CPUID takes microseconds on virtual machines. This byte is the only
/// static that the library writes; every thread writes the same value.
static DETECTED: AtomicU8 = AtomicU8::new(UNKNOWN);

#[inline(always)]
fn detected() -> u8 {
    match DETECTED.load(Ordering::Relaxed) {
        UNKNOWN => detect(),
        detected => detected,
    }
}

/// Runs a computation with the best instructions that this machine has.
#[inline(always)]
pub(crate) fn run<D: Dispatch>(computation: D) -> D::Output {
    match detected() {
        // SAFETY: `detect` answers AVX512 only where it found every feature that the token stands for.
        AVX512 if D::WIDE => unsafe { Avx512::new() }.apart(computation),
        // SAFETY: `detect` answers AVX2 or more only where it found every feature that the token stands for.
        AVX2.. => unsafe { Avx2::new() }.apart(computation),
        _ => Sse2.apart(computation),
    }
}

/// [`instruction_set`](super::instruction_set) as a string that ends in NUL, for the C ABI.
#[doc(hidden)]
#[must_use]
pub fn instruction_set_c() -> &'static core::ffi::CStr {
    match detected() {
        AVX512 => c"avx512",
        AVX2 => c"avx2",
        _ => c"portable",
    }
}

/// Asks CPUID what the processor has, and XGETBV which registers the system saves.
#[cold]
#[inline(never)]
fn detect() -> u8 {
    let detected = best();
    DETECTED.store(detected, Ordering::Relaxed);
    detected
}

/// True if every one of the bits is set in `word`.
fn all(word: u32, bits: &[u32]) -> bool {
    bits.iter().all(|bit| word >> bit & 1 == 1)
}

fn best() -> u8 {
    let (largest, largest_extended) = (__cpuid(0).eax, __cpuid(0x8000_0000).eax);
    if largest < 7 || largest_extended < 0x8000_0001 {
        return SSE2;
    }
    let (basic, leaf7, extended) = (__cpuid(1).ecx, __cpuid_count(7, 0).ebx, __cpuid(0x8000_0001).ecx);
    // SAFETY: bit 27 says that the system has switched XSAVE on, and XGETBV with it.
    let saved = if all(basic, &[27]) { unsafe { saved_registers() } } else { 0 };
    best_of(basic, leaf7, extended, saved)
}

/// The answer for three words of CPUID and the registers that the system saves. An instruction set needs every feature that
/// its `target_feature` names, and every feature that these imply: the compiler may use them all.
fn best_of(basic: u32, leaf7: u32, extended: u32, saved: u32) -> u8 {
    // sse3, ssse3, sse4.1, sse4.2, popcnt, xsave in use, avx; bmi1, avx2, bmi2; lzcnt; xmm, ymm
    let avx2 =
        all(basic, &[0, 9, 19, 20, 23, 27, 28]) && all(leaf7, &[3, 5, 8]) && all(extended, &[5]) && all(saved, &[1, 2]);
    // fma, f16c; avx512f, dq, cd, bw, vl; mask registers, upper halves of zmm0 to zmm15, zmm16 to zmm31
    let avx512 = all(basic, &[12, 29]) && all(leaf7, &[16, 17, 28, 30, 31]) && all(saved, &[5, 6, 7]);
    match (avx2, avx512) {
        (false, _) => SSE2,
        (true, false) => AVX2,
        (true, true) => AVX512,
    }
}

/// # Safety
/// - The system has switched XSAVE on. (Only callers without this feature must be unsafe.)
#[target_feature(enable = "xsave")]
fn saved_registers() -> u32 {
    // SAFETY: register 0 exists wherever XGETBV does.
    unsafe { _xgetbv(0) as u32 }
}

#[cfg(test)]
mod tests {
    use super::super::isa::{EIGHT, FOUR, Isa, LANES};
    use super::*;

    /// Compares every operation with a loop over the lanes.
    struct AreThoseOfALoop;

    impl Dispatch for AreThoseOfALoop {
        type Output = ();

        #[inline(always)]
        fn run<I: Isa>(self, isa: I) {
            let values = [0.0, -0.0, 1.0, -1.0, f32::MIN, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, 1e-40, f32::NAN];
            for shift in 0..values.len() {
                let block: [f32; LANES] = std::array::from_fn(|l| values[(l * 3 + shift) % values.len()]);
                for t in values {
                    let at_least: u32 = (0..LANES).map(|l| u32::from(block[l] >= t) << l).sum();
                    assert_eq!(isa.at_least(&block, t), at_least, "{block:?} {t}");
                }
                let scores: [[f32; FOUR]; 5] =
                    std::array::from_fn(|i| std::array::from_fn(|j| values[(i * 7 + j + shift) % 9]));
                let lanes: [[f32; EIGHT]; 4] =
                    std::array::from_fn(|i| std::array::from_fn(|j| values[(i * 5 + j) % 9]));
                let [a, b, ..] = lanes;
                let [larger, smaller] = isa.order(a, b);
                for l in 0..EIGHT {
                    assert_eq!((larger[l], smaller[l]), (a[l].max(b[l]), a[l].min(b[l])), "{a:?} {b:?}");
                }
                let rows: [[f32; EIGHT]; EIGHT] = std::array::from_fn(|i| std::array::from_fn(|j| (8 * i + j) as f32));
                let columns = isa.transpose(rows.each_ref());
                assert!((0..64).all(|i| columns[i % 8][i / 8] == i as f32), "{columns:?}");
                let (set, bits) = (0xf0f1_1f83_5a0c_8001_u64.rotate_left(shift as u32), 0x5d93 << shift & 0xffff);
                let ones = (0..64).filter(|i| set >> i & 1 == 1);
                let deposited = ones.enumerate().filter(|(j, _)| bits >> j & 1 == 1).map(|(_, i)| 1_u64 << i).sum();
                assert_eq!(isa.deposit(bits, set), deposited, "{bits:x} {set:x}");
                for (groups, k) in (1..=lanes.len()).flat_map(|groups| (1..20).map(move |k| (groups, k))) {
                    let exceeded =
                        |lane: f32| scores.as_flattened().iter().filter(|&&score| score > lane).count() as i32;
                    let fewer_than = |k| {
                        lanes[..groups]
                            .as_flattened()
                            .iter()
                            .zip(0..)
                            .map(|(&lane, l)| u32::from(exceeded(lane) < k) << l)
                            .sum()
                    };
                    assert_eq!(isa.exceeded_by(&scores, &lanes[..groups], k), [fewer_than(k), fewer_than(k - 1)]);
                }
            }
        }
    }

    /// Every bit of CPUID and XCR0 that an instruction set needs, by the Intel and AMD manuals. A machine that lacks one of
    /// them runs the next lower instruction set.
    #[test]
    fn a_machine_that_lacks_a_feature_does_not_use_it() {
        const FOR_AVX2: [(usize, u32); 13] = [
            (0, 0),  // SSE3
            (0, 9),  // SSSE3
            (0, 19), // SSE4.1
            (0, 20), // SSE4.2
            (0, 23), // POPCNT
            (0, 27), // OSXSAVE
            (0, 28), // AVX
            (1, 3),  // BMI1
            (1, 5),  // AVX2
            (1, 8),  // BMI2
            (2, 5),  // LZCNT
            (3, 1),  // xmm
            (3, 2),  // ymm
        ];
        const FOR_AVX512: [(usize, u32); 10] = [
            (0, 12), // FMA
            (0, 29), // F16C
            (1, 16), // AVX-512 F
            (1, 17), // DQ
            (1, 28), // CD
            (1, 30), // BW
            (1, 31), // VL
            (3, 5),  // mask registers
            (3, 6),  // upper halves of zmm0 to zmm15
            (3, 7),  // zmm16 to zmm31
        ];
        let best_of = |[basic, leaf7, extended, saved]: [u32; 4]| best_of(basic, leaf7, extended, saved);
        let without = |words: [u32; 4], (word, bit): (usize, u32)| {
            let mut words = words;
            words[word] &= !(1 << bit);
            words
        };
        assert_eq!(best_of([u32::MAX; 4]), AVX512);
        assert_eq!(best_of(FOR_AVX512.into_iter().fold([u32::MAX; 4], without)), AVX2);
        for bit in FOR_AVX2 {
            assert_eq!(best_of(without([u32::MAX; 4], bit)), SSE2, "{bit:?}");
        }
        for bit in FOR_AVX512 {
            assert_eq!(best_of(without([u32::MAX; 4], bit)), AVX2, "{bit:?}");
        }
    }

    /// Machines with AVX2 never choose SSE2 by themselves, so it runs here.
    #[test]
    fn operations_of_every_instruction_set_are_those_of_a_loop() {
        Sse2.apart(AreThoseOfALoop);
        run(AreThoseOfALoop);
        if detected() >= AVX2 {
            // SAFETY: `detect` found AVX2.
            unsafe { Avx2::new() }.apart(AreThoseOfALoop);
        }
    }
}
