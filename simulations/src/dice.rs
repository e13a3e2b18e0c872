//! Chance from a seed: SplitMix64, integers only, so that a seed means the same story on every machine.

/// A source of chance. Clones go on alike; [`Dice::split`] gives an independent one.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The source that a seed stands for.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Sixty-four bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if `end` is 0. The bias is below 2^-32 for ends below 2^32.
    pub fn below(&mut self, end: u64) -> u64 {
        let wide = u128::from(self.bits()) * u128::from(end);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A number from `first` up to and including `last`.
    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// Yes in `of` out of `all` cases.
    pub fn once_in(&mut self, of: u64, all: u64) -> bool {
        self.below(all) < of
    }

    /// One of them; none of an empty list.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let place = self.below(list.len() as u64);
        list.get(usize::try_from(place).ok()?)
    }

    /// An independent source for a part of the story, so that what happens there shifts nothing elsewhere.
    pub fn split(&mut self) -> Dice {
        Dice(self.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_story() {
        let (mut one, mut two, mut other) = (Dice::new(7), Dice::new(7), Dice::new(8));
        let story: Vec<_> = (0..100).map(|_| one.bits()).collect();
        assert_eq!(story, (0..100).map(|_| two.bits()).collect::<Vec<_>>());
        assert_ne!(story, (0..100).map(|_| other.bits()).collect::<Vec<_>>());
        // The published first outputs of SplitMix64 for seed 1234567.
        let mut known = Dice::new(1_234_567);
        assert_eq!(known.bits(), 6_457_827_717_110_365_317);
        assert_eq!(known.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn numbers_stay_in_their_bounds() {
        let mut dice = Dice::new(1);
        let mut seen = [0; 5];
        for _ in 0..1_000 {
            let number = dice.between(10, 14);
            seen[usize::try_from(number - 10).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| *count > 150), "{seen:?}");
        assert_eq!(dice.below(0), 0);
        assert!(dice.pick::<u8>(&[]).is_none());
    }
}
