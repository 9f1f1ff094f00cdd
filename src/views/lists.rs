//! States that the caller gives as index lists.

/// The index lists of one row's states, K entries each.
#[derive(Clone, Copy)]
pub(crate) struct Lists<'a> {
    /// Those of the whole batch.
    lists: &'a [u32],
    /// The number of the row's first state in the batch.
    first: usize,
    k: usize,
}

impl<'a> Lists<'a> {
    /// The lists of row b, in a batch `[B][S][K]` whose length was checked.
    pub(crate) fn of_row(lists: &'a [u32], b: usize, samples: usize, k: usize) -> Self {
        Lists { lists, first: b * samples, k }
    }

    /// List s of the row.
    #[cfg_attr(imle_small, inline(never))]
    pub(crate) fn get(&self, s: usize) -> &'a [u32] {
        let start = (self.first + s) * self.k;
        let list = self.lists.get(start..).and_then(|rest| rest.get(..self.k));
        debug_assert!(list.is_some(), "the lists of the batch are too short for list {s} of this row");
        list.unwrap_or_default()
    }

    /// The ones of state s, if its list is good: the entries before the first `u32::MAX`.
    pub(crate) fn ones(self, s: usize) -> usize {
        self.get(s).iter().take_while(|&&i| i != u32::MAX).count()
    }

    /// State s as a word, for at most 64 coordinates. None if the list is not a state: `ones` positions, ascending, each set
    /// in `unmasked`, and `u32::MAX` behind them.
    #[inline(always)]
    pub(crate) fn checked_bits(self, s: usize, ones: usize, unmasked: u64) -> Option<u64> {
        let (positions, tail) = self.get(s).split_at_checked(ones)?;
        let (mut bits, mut last, mut ascending) = (0, -1, true);
        for &i in positions {
            let i = i64::from(i);
            ascending &= i > last;
            last = i;
            bits |= 1_u64.wrapping_shl(i as u32);
        }
        let good = ascending && last < i64::from(u64::BITS) && bits & !unmasked == 0;
        (good && tail.iter().all(|&i| i == u32::MAX)).then_some(bits)
    }

    /// Copies the positions of state s, which has `ones` ones, to the front of `work`, as the bits of floats; these, and the
    /// rest of `work`.
    #[inline(always)]
    pub(crate) fn copy_ones(self, s: usize, ones: usize, work: &mut [f32]) -> (&[f32], &mut [f32]) {
        debug_assert!(work.len() >= ones, "no room for {ones} positions");
        let (out, rest) = work.split_at_mut_checked(ones).unwrap_or_default();
        out.iter_mut().zip(self.get(s)).for_each(|(slot, &i)| *slot = f32::from_bits(i));
        (out, rest)
    }

    /// Writes z of state s.
    pub(crate) fn write_z(self, s: usize, z: &mut [f32]) {
        z.fill(0.0);
        self.add(s, 1.0, z);
    }

    /// ⟨z_s, values⟩
    pub(crate) fn dot(self, s: usize, values: &[f32]) -> f32 {
        self.get(s).iter().filter_map(|&i| values.get(i as usize)).sum()
    }

    /// sum += factor · z_s
    pub(crate) fn add(self, s: usize, factor: f32, sum: &mut [f32]) {
        for &i in self.get(s) {
            if let Some(sum) = sum.get_mut(i as usize) {
                *sum += factor;
            }
        }
    }
}
