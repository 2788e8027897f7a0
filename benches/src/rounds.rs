//! Alternates arms and holds one against another: A B A B, so that a machine that slows down slows
//! both, and the ratio is taken within each round before the median is.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::measure::Used;
use crate::say;

/// One way of doing the work.
pub(crate) struct Arm<'a> {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    /// Runs of it at most, for peers that take minutes.
    pub(crate) rounds_max: usize,
    /// Prepares, runs and checks it once; only the run itself is in the answer.
    pub(crate) once: Box<dyn FnMut() -> Result<Used> + 'a>,
}

impl<'a> Arm<'a> {
    /// An arm that takes part in every round.
    pub(crate) fn new(name: &'static str, once: impl FnMut() -> Result<Used> + 'a) -> Self {
        Self { name, rounds_max: usize::MAX, once: Box::new(once) }
    }

    /// The same, but in the first rounds only.
    pub(crate) fn at_most(self, rounds_max: usize) -> Self {
        Self { rounds_max, ..self }
    }
}

/// What an arm came to.
#[derive(Debug)]
pub(crate) struct Figures {
    /// What it is called.
    pub(crate) name: &'static str,
    /// One measurement a round.
    pub(crate) used: Vec<Used>,
}

/// Runs every arm once a round.
///
/// # Errors
/// The first failure of an arm: a benchmark of something that fails measures nothing.
pub(crate) fn alternate(rounds: usize, mut arms: Vec<Arm<'_>>) -> Result<Vec<Figures>> {
    let mut figures: Vec<Figures> =
        arms.iter().map(|arm| Figures { name: arm.name, used: Vec::new() }).collect();
    for round in 0..rounds {
        for (arm, figures) in arms.iter_mut().zip(&mut figures) {
            if round >= arm.rounds_max {
                continue;
            }
            let used = (arm.once)().with_context(|| format!("in the arm `{}`", arm.name))?;
            say::talk(&format!(
                "  round {} of {rounds}: {} took {:.3} s ({:.3} s of CPU)",
                round + 1,
                arm.name,
                used.wall.as_secs_f64(),
                used.cpu.as_secs_f64()
            ));
            figures.used.push(used);
        }
    }
    Ok(figures)
}

/// Median, smallest and largest of some numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl Spread {
    /// Of these numbers; not a number when there is none.
    pub(crate) fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |place: usize| sorted.get(place).copied().unwrap_or(f64::NAN);
        let last = sorted.len().saturating_sub(1);
        let median = f64::midpoint(at(last / 2), at(sorted.len() / 2));
        Self { median, min: at(0), max: at(last) }
    }
}

impl Figures {
    /// Seconds of wall time.
    pub(crate) fn wall(&self) -> Spread {
        Spread::of(self.used.iter().map(|it| it.wall.as_secs_f64()))
    }

    /// CPU seconds of the process, and of the server for it.
    pub(crate) fn cpu(&self) -> (Spread, Spread) {
        let of = |pick: fn(&Used) -> Duration| {
            Spread::of(self.used.iter().map(|it| pick(it).as_secs_f64()))
        };
        (of(|it| it.cpu), of(|it| it.server_cpu))
    }

    /// The largest memory that any run took.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.used.iter().map(|it| it.peak_bytes).max().unwrap_or(0)
    }

    /// How many times faster this arm is than the other, round by round; an arm with fewer rounds
    /// is held against the rounds that it took part in.
    pub(crate) fn times_faster_than(&self, other: &Self) -> Spread {
        let pairs = self.used.iter().zip(&other.used);
        Spread::of(pairs.map(|(ours, theirs)| theirs.wall.as_secs_f64() / ours.wall.as_secs_f64()))
    }

    /// The same by CPU seconds, servers included: what a busy machine cannot blur.
    pub(crate) fn times_less_cpu_than(&self, other: &Self) -> Spread {
        let all = |it: &Used| (it.cpu + it.server_cpu).as_secs_f64();
        let pairs = self.used.iter().zip(&other.used);
        Spread::of(pairs.map(|(ours, theirs)| all(theirs) / all(ours)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_an_odd_or_even_number() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]), Spread { median: 2.5, min: 1.0, max: 4.0 });
        assert!(Spread::of([]).median.is_nan());
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        let figures = |seconds: &[u64]| Figures {
            name: "arm",
            used: seconds
                .iter()
                .map(|it| Used { wall: Duration::from_secs(*it), ..Used::default() })
                .collect(),
        };
        let (ours, theirs) = (figures(&[1, 10, 1]), figures(&[2, 20, 3]));
        let ratio = ours.times_faster_than(&theirs);
        assert_eq!((ratio.median, ratio.min, ratio.max), (2.0, 2.0, 3.0));
    }
}
