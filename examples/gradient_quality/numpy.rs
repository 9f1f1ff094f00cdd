//! numpy's `RandomState(seed).randn`: MT19937 (Matsumoto, Nishimura 1998), 53-bit uniforms, Marsaglia's polar method. It
//! makes the problems of the published figures.

const N: usize = 624;
const M: usize = 397;

pub struct RandomState {
    state: [u32; N],
    next: usize,
    /// The polar method makes two numbers at a time.
    kept: Option<f64>,
}

impl RandomState {
    pub fn new(seed: u32) -> Self {
        let mut state = [seed; N];
        for i in 1..N {
            let last = state[i - 1];
            state[i] = (last ^ (last >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        Self { state, next: N, kept: None }
    }

    fn word(&mut self) -> u32 {
        if self.next == N {
            self.next = 0;
            for i in 0..N {
                let joined = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
                let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + M) % N] ^ (joined >> 1) ^ twist;
            }
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// Uniform on [0, 1): `random_sample`.
    fn uniform(&mut self) -> f64 {
        let (high, low) = (f64::from(self.word() >> 5), f64::from(self.word() >> 6));
        (high * 67_108_864.0 + low) / 9_007_199_254_740_992.0
    }

    fn normal(&mut self) -> f64 {
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = x * x + y * y;
            if square < 1.0 && square != 0.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.kept = Some(factor * x);
                return factor * y;
            }
        }
    }

    /// `randn(count)`.
    pub fn randn(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.normal()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The 10 000th word of MT19937 with the seed 5489, as the C++ standard states it.
    #[test]
    fn the_published_10_000th_word() {
        let mut random = RandomState::new(5489);
        assert_eq!((0..10_000).map(|_| random.word()).last(), Some(4_123_659_995));
    }

    #[test]
    fn the_first_numbers_of_seed_0() {
        let published =
            [1.764052, 0.400157, 0.978738, 2.240893, 1.867558, -0.977278, 0.950088, -0.151357, -0.103219, 0.410599];
        let numbers = RandomState::new(0).randn(10);
        assert!(numbers.iter().zip(published).all(|(number, published)| (number - published).abs() < 5e-7));
    }
}
