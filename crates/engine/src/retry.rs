//! How often and how long after a failure a node is tried again. Randomness comes in.

use std::time::Duration;

use flowglass_model::ErrorClass;

/// A node's rule for further attempts.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryRule {
    /// Attempts in all, at least 1.
    pub attempts_max: u32,
    /// Wait before the second attempt; doubled before each further one.
    pub backoff: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
    /// Whether the wait is drawn from its upper half, so that many nodes do not return at once.
    pub jitter: bool,
    /// The classes that are tried again; `None` takes the policy table's word.
    pub classes: Option<Vec<ErrorClass>>,
}

impl Default for RetryRule {
    fn default() -> Self {
        Self {
            attempts_max: 1,
            backoff: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            jitter: true,
            classes: None,
        }
    }
}

impl RetryRule {
    /// How long to wait after the `attempt`th failed with `class`; `None` when that was the last.
    /// `draw` is uniform in `0.0..1.0`.
    #[must_use]
    pub fn wait_after(&self, attempt: u32, class: ErrorClass, draw: f64) -> Option<Duration> {
        let wanted = match &self.classes {
            Some(classes) => classes.contains(&class),
            None => class.retryable(),
        };
        if attempt >= self.attempts_max || !wanted || class == ErrorClass::Cancelled {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(31);
        let wait = self.backoff.saturating_mul(1 << doublings).min(self.backoff_max);
        Some(if self.jitter { wait.mul_f64(0.5 + draw.clamp(0.0, 1.0) / 2.0) } else { wait })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let rule = RetryRule {
            attempts_max: 9,
            backoff: Duration::from_secs(2),
            backoff_max: Duration::from_secs(10),
            jitter: false,
            classes: None,
        };
        let waits: Vec<_> = (1..=9)
            .map(|it| rule.wait_after(it, ErrorClass::Timeout, 0.0).map(|it| it.as_secs()))
            .collect();
        let ten = Some(10);
        assert_eq!(waits, [Some(2), Some(4), Some(8), ten, ten, ten, ten, ten, None]);
        assert_eq!(rule.wait_after(1, ErrorClass::Config, 0.0), None);
    }

    #[test]
    fn jitter_stays_in_the_upper_half() {
        let rule =
            RetryRule { attempts_max: 2, backoff: Duration::from_secs(4), ..Default::default() };
        let wait = |draw| rule.wait_after(1, ErrorClass::Lost, draw).unwrap().as_millis();
        assert_eq!((wait(0.0), wait(0.5), wait(1.0)), (2000, 3000, 4000));
    }
}
