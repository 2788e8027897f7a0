//! Fixed stand-ins for what differs from run to run, so that a golden file shows everything else to
//! the letter.
//!
//! Each stand-in has a fixed width, and the blanks that align a table around it are folded, since a
//! shorter duration would otherwise move the columns beside it.

use std::path::Path;

use insta::Settings;

/// A choice of what to replace in the text that insta compares. Use: `Redact::new().all().bind(||
/// assert_snapshot!(…))`.
#[derive(Clone)]
pub struct Redact {
    settings: Settings,
}

impl Default for Redact {
    fn default() -> Self {
        Self::new()
    }
}

impl Redact {
    /// Nothing is replaced yet; other settings of the caller's surroundings stay.
    #[must_use]
    pub fn new() -> Self {
        Self { settings: Settings::clone_current() }
    }

    /// Ids, times, durations, sizes and rates.
    #[must_use]
    pub fn all(self) -> Self {
        self.ids().times().durations().sizes().rates()
    }

    /// UUIDs, trace ids, span ids and SHA-256 sums become zeros of the same length.
    #[must_use]
    pub fn ids(self) -> Self {
        let zeros = |count: usize| "0".repeat(count);
        let uuid = [8, 4, 4, 4, 12].map(zeros).join("-");
        self.replace(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", &uuid)
            .replace(r"\b[0-9a-f]{64}\b", &zeros(64))
            .replace(r"\b[0-9a-f]{32}\b", &zeros(32))
            .replace(
                r#"(span_?[iI]d"?\s*[:=]\s*"?)[0-9a-f]{16}\b"#,
                &format!("${{1}}{}", zeros(16)),
            )
    }

    /// RFC 3339 instants become the first instant of the year 2000.
    #[must_use]
    pub fn times(self) -> Self {
        self.replace(
            r"\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})",
            "2000-01-01T00:00:00.000000Z",
        )
    }

    /// Durations for people (`12.3 ms`, `1m 2s`) become `[time]`; JSON numbers whose key ends in
    /// `_seconds`, `_ms`, `_us` or `_ns` become 0.
    #[must_use]
    pub fn durations(self) -> Self {
        let one = r"\d+(\.\d+)?\s?(ns|µs|us|ms|s|m|h)\b";
        self.fold(&format!(r"\b{one}(\s{one})*"), "[time]").number("(seconds|ms|us|ns)")
    }

    /// Sizes for people (`3.4 MiB`) become `[size]`; JSON numbers whose key ends in `_bytes` become
    /// 0.
    #[must_use]
    pub fn sizes(self) -> Self {
        self.fold(r"\b\d+(\.\d+)?\s?([kKMGT]i?B|B)\b", "[size]").number("bytes")
    }

    /// Rates for people (`12,345 rows/s`) become `[rate]`; JSON numbers whose key ends in
    /// `_per_second` become 0.
    #[must_use]
    pub fn rates(self) -> Self {
        self.fold(r"\b\d[\d,]*(\.\d+)?\s?[kMG]?\s?(rows|events|B|[KMG]iB)/s", "[rate]")
            .number("per_second")
    }

    /// A folder of the test, such as its scratch folder, becomes `[name]`.
    #[must_use]
    pub fn path(self, folder: &Path, name: &str) -> Self {
        let escaped: String = folder
            .to_string_lossy()
            .chars()
            .flat_map(|it| [(!it.is_alphanumeric()).then_some('\\'), Some(it)])
            .flatten()
            .collect();
        self.replace(&escaped, &format!("[{name}]"))
    }

    /// Whatever matches this regular expression becomes this text; `${1}` is its first group.
    #[must_use]
    pub fn replace(mut self, pattern: &str, stand_in: &str) -> Self {
        self.settings.add_filter(pattern, stand_in);
        self
    }

    /// Runs a block of assertions with these replacements.
    pub fn bind<R>(&self, assertions: impl FnOnce() -> R) -> R {
        self.settings.bind(assertions)
    }

    /// Replaces, and folds two or more blanks on either side into two.
    fn fold(self, pattern: &str, stand_in: &str) -> Self {
        self.replace(&format!(r"[ ]{{2,}}({pattern})"), &format!("  {stand_in}"))
            .replace(pattern, stand_in)
            .replace(
                &format!(r"{}[ ]{{2,}}", stand_in.replace('[', r"\[").replace(']', r"\]")),
                &format!("{stand_in}  "),
            )
    }

    /// A JSON number whose key is, or ends in, `ending`.
    fn number(self, ending: &str) -> Self {
        let key = format!(r#"("([a-z0-9_]*_)?{ending}"\s*:\s*)-?\d+(\.\d+)?([eE][+-]?\d+)?"#);
        self.replace(&key, "${1}0")
    }
}
