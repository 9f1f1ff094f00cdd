//! `Key::rng`: the caller's own random numbers follow the key.

use imle::Key;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// The first four words, as bits.
fn first(key: Key<'_>, row: u64) -> u128 {
    let mut rng = key.rng(row);
    (0..4).fold(0, |bits, _| bits << 32 | u128::from(rng.next_u32()))
}

/// The hash and xoshiro128++ in whole numbers of any size, written in another language, gave these numbers. They are pinned:
/// a change of them is value-breaking.
#[test]
fn the_numbers_stay_as_they_are() {
    let key = Key { seed: 42, step: 7, row0: 1 << 40, ..Key::default() };
    let expected = [0xba60bedb_31a4fe8b_d469e978_0172e271, 0x47dd9d1e_036f800e_ca861e5d_b6cc0940];
    assert_eq!([first(Key::default(), 0), first(key, 3)], expected);
}

#[test]
fn row_is_added_to_row0_and_the_rest_of_the_key_is_ignored() {
    let key = Key { seed: 1, step: 2, row0: 40, ..Key::default() };
    assert_eq!(first(key, 2), first(Key { row0: 0, ..key }, 42));
    assert_eq!(first(Key { row0: u64::MAX, ..key }, 2), first(Key { row0: 0, ..key }, 1));
    let ignored = Key { row_ids: Some(&[9]), sample0: 5, strata: 8, ..key };
    assert_eq!(first(ignored, 2), first(key, 2));
    for other in
        [Key { seed: 2, ..key }, Key { step: 1, ..key }, Key { row0: 41, ..key }, Key { seed: 2, step: 1, ..key }]
    {
        assert_ne!(first(other, 2), first(key, 2));
    }
}

/// Every bit of seed, step and row flips every bit of the first four words for half of the keys. A count of 2000 is off by
/// six standard deviations with probability 2·10⁻⁹; for all 192 · 128 counts that is 5·10⁻⁵.
#[test]
fn seeding_has_full_avalanche() {
    const KEYS: u32 = 2000;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let keys: Vec<[u64; 3]> = (0..KEYS).map(|_| std::array::from_fn(|_| random.next_u64())).collect();
    let words = |[seed, step, row]: [u64; 3]| first(Key { seed, step, ..Key::default() }, row);
    for input in 0..3 * 64 {
        let mut flips = [0_u32; 128];
        for key in &keys {
            let mut other = *key;
            other[input / 64] ^= 1 << (input % 64);
            let changed = words(*key) ^ words(other);
            (0..).zip(&mut flips).for_each(|(bit, flips)| *flips += (changed >> bit & 1) as u32);
        }
        let sd = f64::from(KEYS).sqrt() / 2.0;
        for (bit, flips) in flips.into_iter().enumerate() {
            let off = f64::from(flips) - f64::from(KEYS) / 2.0;
            assert!(off.abs() < 6.0 * sd, "input bit {input}, output bit {bit}: {flips} of {KEYS}");
        }
    }
}

/// The bytes of the numbers of neighbouring rows, steps and seeds are uniform and independent of each other: chi-square over
/// the pairs of bytes, one from each of two neighbours. A statistic with 65535 degrees of freedom is off by six standard
/// deviations with a probability of about 2·10⁻⁹ for each of the three.
#[test]
fn neighbours_are_independent() {
    const PAIRS: u64 = 1 << 21;
    let neighbours: [fn(u64) -> (Key<'static>, u64); 3] = [
        |i| (Key { seed: 5, ..Key::default() }, i),
        |i| (Key { step: i, ..Key::default() }, 0),
        |i| (Key { seed: i, ..Key::default() }, 0),
    ];
    for neighbour in neighbours {
        let byte = |i| {
            let (key, row) = neighbour(i);
            (key.rng(row).next_u32() >> 24) as usize
        };
        let mut counts = vec![0_u32; 1 << 16];
        (0..PAIRS).for_each(|pair| counts[byte(2 * pair) << 8 | byte(2 * pair + 1)] += 1);
        let expected = PAIRS as f64 / 65536.0;
        let chi_square: f64 = counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
        let (mean, sd) = (65535.0, (2.0 * 65535.0_f64).sqrt());
        assert!((chi_square - mean).abs() < 6.0 * sd, "{chi_square}");
    }
}
