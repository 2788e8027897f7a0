//! Everything that the offline evidence commands can complain about: one closed list of codes.
//!
//! A code is an interface. Scripts branch on it, the run book is ordered by it, and `--strict`
//! decides by its severity alone; therefore codes live in one table and not in format strings.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// Whether a problem stops the work or is only said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The result cannot be trusted: exit code 1.
    Blocker,
    /// Something was changed, left out or looks wrong; the rest is right.
    Warning,
}

macro_rules! codes {
    ($($variant:ident $severity:ident $text:literal $meaning:literal $action:literal)*) => {
        /// A stable code of a problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $meaning] $variant,)* }

        impl Code {
            /// Every code, in the order of the run book.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as scripts see it, such as `run_report.missing`.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Whether the code blocks when `--strict` is not given.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What happened, in one sentence, for the run book.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What to do about it, in one sentence, for the run book.
            #[must_use]
            pub const fn action(self) -> &'static str {
                match self { $(Self::$variant => $action,)* }
            }
        }
    };
}

codes! {
    MetricsEmpty Blocker "metrics.empty"
        "No metric came out of all the inputs."
        "Pass `--run-report` with a report that holds numbers, or at least one `--metric name=value`."
    RunReportMissing Blocker "run_report.missing"
        "The path of a report does not exist, or a folder holds no `.json` file."
        "Download the run's artifact first, or give an absolute path."
    RunReportUnreadable Blocker "run_report.unreadable"
        "A report exists but the operating system refused to read it."
        "Check the file's permissions and that it is a file, a folder or a pipe."
    RunReportTooLarge Blocker "run_report.too_large"
        "A report is larger than 64 MiB, holds more than two million values, or a folder holds more than 100,000 reports."
        "Check that the path names a run report; split very large collections into several exports."
    RunReportInvalidJson Blocker "run_report.invalid_json"
        "A report is not one JSON value."
        "Run again with `--format json` and redirect stdout alone, so that log lines stay out of the file."
    RunReportInvalidShape Blocker "run_report.invalid_shape"
        "A report is JSON, but not an object."
        "Pass the object that `run --format json` printed."
    OutputUnwritable Blocker "output.unwritable"
        "The output folder could not be made or a file in it could not be replaced."
        "Choose another `--output-dir`, or free the path that is named."
    RunReportInvalidEncoding Warning "run_report.invalid_encoding"
        "Bytes that are no text were replaced by U+FFFD."
        "Write the report as UTF-8."
    RunReportLoneSurrogate Warning "run_report.lone_surrogate"
        "A `\\u` escape holds half a character and was replaced by U+FFFD."
        "Mend the program that wrote the text."
    RunReportNotStrictJson Warning "run_report.not_strict_json"
        "The report holds a bare `NaN` or `Infinity`, which JSON does not have."
        "Mend the program that computed the number; the value was read as meant."
    RunReportDuplicateKey Warning "run_report.duplicate_key"
        "A key stands twice in one object; the last one counts."
        "Mend the program that wrote the report."
    RunReportWrongType Warning "run_report.wrong_type"
        "A field holds another type than its meaning asks for and was left out, or counted as the message says."
        "Mend the program that wrote the report."
    RunReportNumberOutOfRange Warning "run_report.number_out_of_range"
        "A number is larger than a 64-bit float can hold and was left out."
        "Check the counter that produced it."
    RunReportNumberInexact Warning "run_report.number_inexact"
        "A count is beyond 64 bits or has a fraction, and is exported as a float."
        "Check the counter that produced it."
    RunReportImplausible Warning "run_report.implausible"
        "A count or a duration is negative; it is exported as it is."
        "Check the counter or the clock that produced it."
    RunReportContradiction Warning "run_report.contradiction"
        "Two fields of one report disagree, such as `passed` and `errors`."
        "Trust neither before the run's log was read."
    RunReportInvalidTime Warning "run_report.invalid_time"
        "A time is not RFC 3339 with an offset; the export time stands in for it."
        "Mend the program that wrote the report."
    RunReportUnrecognised Warning "run_report.unrecognised"
        "A JSON object has no field of a run report or of another known source."
        "Pass a run report, run registry, certification, benchmark or orchestration report."
    RunReportRepeated Warning "run_report.repeated"
        "The same report was given twice; it was read once."
        "Give each report once."
    MetricNotFinite Warning "metric.not_finite"
        "A metric is NaN or infinite; it is exported as such."
        "Check the division that produced it."
    MetricRepeated Warning "metric.repeated"
        "`--metric` was given twice for one name; the last one counts."
        "Give each name once."
    MetricNameChanged Warning "metric.name_changed"
        "A metric name held characters other than letters, digits and `_ . - / :`, which became `_`."
        "Choose a name of ASCII letters, digits and `_`."
    MetricNameCollision Warning "metric.name_collision"
        "Two metric names become the same name in the file; the last one given counts."
        "Choose names that differ in more than case and punctuation."
    MetricOverridesReport Warning "metric.overrides_report"
        "`--metric` gives a number that the report also holds; `--metric` counts."
        "Leave out the flag, or choose another name."
    LabelRepeated Warning "label.repeated"
        "`--label` was given twice for one key; the last one counts."
        "Give each key once."
    LabelNameChanged Warning "label.name_changed"
        "A label name held characters other than letters, digits and `_ . - / :`, which became `_` in the Prometheus file."
        "Choose a name of ASCII letters, digits and `_`."
    LabelNameCollision Warning "label.name_collision"
        "Two label names become the same name in the Prometheus file; one of them was left out there."
        "Choose names that differ in more than punctuation."
    LabelReserved Warning "label.reserved"
        "A label name is reserved by Prometheus and got the prefix `label` in the Prometheus file."
        "Choose another name."
    LabelTruncated Warning "label.truncated"
        "A label value or name was longer than common backends take, and was cut."
        "Keep long texts out of labels."
    ResourceAttrRepeated Warning "resource_attr.repeated"
        "`--resource-attr` was given twice for one key; the last one counts."
        "Give each key once."
    ResourceAttrReserved Warning "resource_attr.reserved"
        "`service.name` or `service.namespace` was given as `--resource-attr` and left out."
        "Use `--service-name` and `--namespace`."
    SecretRedacted Warning "secret.redacted"
        "A text looked like a credential; `***` was written in its place."
        "Keep credentials out of labels and reports, and change this one if it was published before."
    SeriesRepeated Warning "series.repeated"
        "Two reports have the same labels; the one that finished last is kept."
        "Give the reports different labels, or keep the `run_id` label."
    SeriesTooMany Warning "series.too_many"
        "One metric has more than 1,000 label sets in the Prometheus file."
        "Leave out run labels with `--omit-run-label run_id`."
    ProblemsMore Warning "problems.more"
        "More problems were found than are listed."
        "Mend the listed ones and run again."
    ArtifactSymlink Warning "artifact.symlink"
        "A symbolic link in an evidence folder was not followed."
        "Copy the file itself into the folder."
    ArtifactInvalidJson Blocker "artifact.invalid_json"
        "A `.json` file in an evidence folder is not JSON."
        "Find the step that wrote half a file, and run it again."
    ArtifactNotPassed Blocker "artifact.not_passed"
        "An artifact says `\"passed\": false` of itself."
        "Open the artifact that is named."
    FolderEmpty Blocker "folder.empty"
        "An evidence folder is absent or holds no file."
        "Check the path, and that the steps before have written their files."
    IndexMissing Blocker "index.missing"
        "A folder holds no `metrics_index.json` and no `artifact_index.json`."
        "Export again, or write an index by `flowglass observability index`."
    IndexInvalid Blocker "index.invalid"
        "An index is damaged, of an unknown version, or names a path outside its folder."
        "Do not trust the folder; export again."
    FileChanged Blocker "file.changed"
        "A file differs from what the index says of it."
        "Do not trust the file; export again, or find who changed it."
    FileMissing Blocker "file.missing"
        "A file of the index is gone."
        "Copy the whole folder, or export again."
    FileAdded Blocker "file.added"
        "A file in the folder is in no index."
        "Remove it, or write a new index by `flowglass observability index`."
    SloNoObjectives Blocker "slo.no_objectives"
        "No objective was given."
        "Pass `--objective 'duration_seconds<=300'` or `--objectives FILE`."
    SloInvalidObjective Blocker "slo.invalid_objective"
        "An objective cannot be read; nothing was checked against it."
        "Write `metric<=number` or `metric>=number`."
    SloNoMetrics Blocker "slo.no_metrics"
        "No metric was read, so that no objective can hold."
        "Pass a `runtime_metrics.json` or a run report that holds numbers."
    SloInvalidMetrics Blocker "slo.invalid_metrics"
        "A file of metrics is not a `runtime_metrics.json`, or its export was blocked."
        "Pass the file that `metrics-export` wrote, and mend its blockers first."
}

/// A place in a text: both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl Place {
    /// The place of the byte `offset` in `text`; the end when it lies beyond.
    #[must_use]
    pub fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
        }
    }
}

/// One problem: a code, what it is about, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Blocker or warning, after `--strict`.
    pub severity: Severity,
    /// The stable code.
    #[serde(serialize_with = "code_text")]
    pub code: Code,
    /// What was found, as a lower-case fragment without secrets.
    pub message: String,
    /// The file, flag or run that it was found in.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "source_text")]
    pub source: Option<Arc<str>>,
    /// Where in the file.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn code_text<S: serde::Serializer>(code: &Code, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(code.text())
}

fn source_text<S: serde::Serializer>(source: &Option<Arc<str>>, to: S) -> Result<S::Ok, S::Error> {
    source.as_deref().serialize(to)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.code.text())?;
        if let Some(source) = &self.source {
            write!(f, "{source}")?;
            if let Some(place) = self.place {
                write!(f, ":{}:{}", place.line, place.column)?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

/// Problems listed at most; the rest is counted.
pub const PROBLEMS_LISTED_MAX: usize = 500;

/// The problems of one call, in the order in which they were found.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    strict: bool,
    listed: Vec<Problem>,
    unlisted: usize,
    blocked: bool,
}

impl Problems {
    /// An empty list. With `strict`, every warning becomes a blocker.
    #[must_use]
    pub fn new(strict: bool) -> Self {
        Self { strict, ..Self::default() }
    }

    /// Adds a problem without a place.
    pub fn add(&mut self, code: Code, source: Option<&Arc<str>>, message: impl Into<String>) {
        self.add_at(code, source, None, message);
    }

    /// Adds a problem with a place in its source.
    pub fn add_at(
        &mut self,
        code: Code,
        source: Option<&Arc<str>>,
        place: Option<Place>,
        message: impl Into<String>,
    ) {
        let severity = if self.strict { Severity::Blocker } else { code.severity() };
        self.blocked |= severity == Severity::Blocker;
        // A blocker is never crowded out by warnings: it decides the exit code.
        if self.listed.len() >= PROBLEMS_LISTED_MAX && code.severity() == Severity::Warning {
            self.unlisted += 1;
            return;
        }
        self.listed.push(Problem {
            severity,
            code,
            message: message.into(),
            source: source.map(Arc::clone),
            place,
        });
    }

    /// Whether any problem blocks.
    #[must_use]
    pub const fn blocked(&self) -> bool {
        self.blocked
    }

    /// The problems, closed by one that counts those that are not listed.
    #[must_use]
    pub fn into_list(mut self) -> Vec<Problem> {
        if self.unlisted > 0 {
            let severity = if self.strict { Severity::Blocker } else { Severity::Warning };
            self.listed.push(Problem {
                severity,
                code: Code::ProblemsMore,
                message: format!("{} more warnings are not listed", self.unlisted),
                source: None,
                place: None,
            });
        }
        self.listed
    }
}

/// The codes of one severity, each once, in the order in which they were found first.
#[must_use]
pub fn codes_of(problems: &[Problem], severity: Severity) -> Vec<&'static str> {
    let mut codes = Vec::new();
    for problem in problems.iter().filter(|problem| problem.severity == severity) {
        let text = problem.code.text();
        if !codes.contains(&text) {
            codes.push(text);
        }
    }
    codes
}

/// The run book: one table row a code. The user guide holds it, and a test holds the user guide
/// against it.
#[must_use]
pub fn run_book() -> String {
    let mut out = String::from("| code | | what happened | what to do |\n|---|---|---|---|\n");
    for code in Code::ALL {
        let severity = match code.severity() {
            Severity::Blocker => "blocker",
            Severity::Warning => "warning",
        };
        let (text, meaning, action) = (code.text(), code.meaning(), code.action());
        out.push_str(&format!("| `{text}` | {severity} | {meaning} | {action} |\n"));
    }
    out
}
