// SPDX-License-Identifier: GPL-2.0

//! Random numbers that a seed determines, on every machine alike.

/// A generator: SplitMix64, which is a counter and a mixing function.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

/// The step of the counter: 2^64 divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Rng {
    /// The generator of something within a whole: of a world of the run, of a step of the world.
    pub(crate) fn of(whole: u64, part: u64) -> Self {
        let mut rng = Self(whole);
        let start = rng.next();
        let mut rng = Self(start ^ part.wrapping_mul(STEP));
        rng.next();
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Whether something happens that does so in `percent` of all cases.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of several values, of which there is at least one.
    pub(crate) fn pick<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }

    /// The values in another order.
    pub(crate) fn shuffled<T: Clone>(&mut self, values: &[T]) -> Vec<T> {
        let mut values = values.to_vec();
        for last in (1..values.len()).rev() {
            let other = self.below(last + 1);
            values.swap(last, other);
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_all() {
        let numbers = |whole, part| {
            let mut rng = Rng::of(whole, part);
            [rng.next(), rng.next()]
        };
        assert_eq!(numbers(1, 2), numbers(1, 2));
        assert_ne!(numbers(1, 2), numbers(1, 3));
        assert_ne!(numbers(1, 2), numbers(2, 2));
    }

    #[test]
    fn shuffling_keeps_what_is_there() {
        let mut values = Rng::of(1, 1).shuffled(&[1, 2, 3, 4, 5]);
        assert_ne!(values, [1, 2, 3, 4, 5]);
        values.sort_unstable();
        assert_eq!(values, [1, 2, 3, 4, 5]);
    }
}
