//! SplitMix64, the generator of the split, the initial weights and the order of the texts. It takes ten lines in any
//! language, so another program can make the same split.

pub struct SplitMix64(u64);

impl SplitMix64 {
    /// Each use of a seed has its own stream, so that no use shifts another. Stream 1 is for the split, 2 for the
    /// initial weights, 3 for the order of the training texts.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut seeder = Self(seed);
        let base = seeder.next_u64();
        Self(base ^ stream)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Uniform on [-1, 1), from the 24 highest bits.
    pub fn symmetric(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Fisher–Yates from the last element to the second. The bias of the modulo is below 2^-40 here.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = (self.next_u64() % (last as u64 + 1)) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sequence_of_splitmix64() {
        let mut generator = SplitMix64(1_234_567);
        let first = [generator.next_u64(), generator.next_u64(), generator.next_u64()];
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }
}
