//! The facts of a report, and the way from its bytes to them.

use std::sync::Arc;

use flowglass_catalog::offline::Metric;

use crate::problem::{Code, Place, Problems};

use super::field::{self, Reader};
use super::json::{self, Note, Value};
use super::number::Number;
use super::{sources, text};

/// Bytes of one report at most.
pub const REPORT_BYTES_MAX: usize = 64 << 20;

/// What a report turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The object that `run --format json` prints, ours or a compatible one.
    RunReport,
    /// A run report inside the envelope of an orchestrator.
    OrchestratedRun,
    /// One entry of a run registry.
    RegistryEntry,
    /// The index of a run registry.
    RegistryIndex,
    /// A certification report: a list of cases.
    CertificationReport,
    /// A certification suite: a list of pieces of evidence.
    CertificationSuite,
    /// Benchmarks against their baseline.
    BenchmarkBaseline,
    /// Benchmarks and objectives in one gate.
    BenchmarkGate,
    /// Objectives that were checked.
    SloReport,
    /// Nothing that this reader knows.
    Unrecognised,
}

/// One number of one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Row of the metric table.
    pub metric: Metric,
    /// The number.
    pub value: Number,
    /// Labels beyond those of the run, such as the case of a certification.
    pub extra: Vec<(&'static str, String)>,
}

/// What one run, or one report of another kind, says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Labels of the run: `run_id`, `process`, `selector`, `status` and the like, where given.
    pub labels: Vec<(&'static str, String)>,
    /// When the run ended, in nanoseconds since 1970.
    pub finished_unix_nano: Option<u64>,
    /// The numbers, in the order of the metric table.
    pub samples: Vec<Sample>,
    /// Whether any number was in the report itself. Without it the samples are only counts that
    /// stand at zero because nothing was listed, which is no evidence of a run.
    pub measured: bool,
}

/// A report that was read.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it is.
    pub kind: Kind,
    /// One entry a run; a registry index holds several.
    pub facts: Vec<Facts>,
}

/// Reads one report. `source` names it in complaints. `None` after a blocker.
#[must_use]
pub fn read(bytes: &[u8], source: &Arc<str>, problems: &mut Problems) -> Option<Report> {
    if bytes.len() > REPORT_BYTES_MAX {
        let says = format!("larger than {} MiB", REPORT_BYTES_MAX >> 20);
        problems.add(Code::RunReportTooLarge, Some(source), says);
        return None;
    }
    let decoded = text::decode(bytes);
    let text = decoded.text.as_ref();
    let document = match json::parse(text) {
        Ok(document) => document,
        Err(fault) => {
            let code =
                if fault.too_large { Code::RunReportTooLarge } else { Code::RunReportInvalidJson };
            problems.add_at(code, Some(source), Some(Place::of(text, fault.at)), fault.says);
            return None;
        }
    };
    if let Some(at) = decoded.replaced_at {
        let says = "bytes that are no text stand here; they were replaced by U+FFFD";
        problems.add_at(
            Code::RunReportInvalidEncoding,
            Some(source),
            Some(Place::of(text, at)),
            says,
        );
    }
    for (at, note) in document.notes {
        let (code, says) = match note {
            Note::LoneSurrogate => (
                Code::RunReportLoneSurrogate,
                "half of a surrogate pair; it was replaced by U+FFFD",
            ),
            Note::BareNumber => {
                (Code::RunReportNotStrictJson, "a bare NaN or Infinity, which JSON does not have")
            }
            Note::DuplicateKey => {
                (Code::RunReportDuplicateKey, "this key stands twice; the last one counts")
            }
        };
        problems.add_at(code, Some(source), Some(Place::of(text, at)), says);
    }
    let Value::Object(root) = &document.root.value else {
        problems.add_at(
            Code::RunReportInvalidShape,
            Some(source),
            Some(Place::of(text, document.root.at)),
            format!("{} stands where an object should be", field::type_name(&document.root.value)),
        );
        return None;
    };
    let mut reader = Reader { text, source, problems };
    Some(sources::read(&mut reader, root))
}
