//! Seeded chance: the same seed gives the same faults, so that a failure can be replayed from its
//! message.

use std::ops::Range;
use std::time::Duration;

/// A small random generator (SplitMix64, the public-domain generator of Sebastiano Vigna). Not for
/// secrets.
///
/// Its own twelve lines, and not the `rand` crate, because a seed that is written down in a bug
/// report must mean the same draws after any upgrade of a dependency.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Dice that will always fall the same way for this seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, not including, `end`. The bias of the remainder is below 2⁻³² for any
    /// `end` a test uses.
    ///
    /// # Panics
    /// When `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        assert!(end > 0, "there is no number below 0 to draw");
        self.next_u64() % end
    }

    /// True in `part` of `whole` draws on average.
    pub fn chance(&mut self, part: u64, whole: u64) -> bool {
        self.below(whole) < part
    }

    /// An instant within a range, to the microsecond.
    ///
    /// # Panics
    /// When the range is empty.
    pub fn duration(&mut self, range: Range<Duration>) -> Duration {
        let span = range.end.saturating_sub(range.start).as_micros();
        let span = u64::try_from(span).expect("a test waits less than half a million years");
        range.start + Duration::from_micros(self.below(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_and_another_does_not() {
        let draw = |seed| {
            let mut dice = Dice::from_seed(seed);
            (0..8).map(|_| dice.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn the_first_draws_are_those_of_the_published_generator() {
        let mut dice = Dice::from_seed(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| dice.next_u64()).collect();
        assert_eq!(
            drawn,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn a_duration_stays_in_its_range() {
        let mut dice = Dice::from_seed(1);
        let range = Duration::from_millis(2)..Duration::from_millis(3);
        assert!((0..1000).all(|_| range.contains(&dice.duration(range.clone()))));
    }
}
