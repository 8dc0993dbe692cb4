// SPDX-License-Identifier: GPL-2.0

//! Numbers that look random, the same each time (xorshift64*).

/// Where the sequence is.
pub(super) struct Random(u64);

impl Random {
    /// Starts a sequence; zero would stay zero, so it is taken for one.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`, which is not zero. The upper half is the more random one.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        // The remainder is below `limit`, hence fits.
        ((self.next() >> 32) % u64::from(limit)) as u32
    }

    /// Whether something happens that happens once in `many` times.
    pub(super) fn once_in(&mut self, many: u32) -> bool {
        self.below(many) == 0
    }

    /// One of these.
    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        let index = self.below(u32::try_from(items.len()).unwrap_or(u32::MAX));
        items[index as usize]
    }
}
