//! Adding up what the test runner says of itself.

/// Tests that passed and failed, over all test binaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Totals {
    /// Reads one line; anything but a closing line of the test runner counts nothing.
    ///
    /// The form is that of libtest: `test result: ok. 4 passed; 0 failed; 0 ignored; …`, or that of
    /// Vitest: `Tests  1 failed | 4 passed (5)`.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(counts) = line.trim_start().strip_prefix("Tests  ") {
            let (counts, _all) = counts.split_once(" (").unwrap_or((counts, ""));
            counts.split(" | ").for_each(|it| self.add(it));
            return;
        }
        let Some((_, counts)) =
            line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        counts.split("; ").for_each(|it| self.add(it));
    }

    /// Adds `4 passed` or `1 failed`.
    fn add(&mut self, count: &str) {
        match count.trim().split_once(' ') {
            Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
            Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_runners_closing_lines_count() {
        let mut totals = Totals::default();
        for line in [
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 5 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "the test result: ok. 9 passed; 9 failed",
            "      Tests  1 failed | 4 passed (5)",
            "      Tests  2 passed (2)",
        ] {
            totals.read(line);
        }
        assert_eq!(totals, Totals { passed: 13, failed: 4 });
    }
}
