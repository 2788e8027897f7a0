//! What was found, for people and for programs.

use flowglass_connect::stream::{Position, Tally};
use serde::Serialize;

use crate::exit::Exit;

/// What is thought of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// It cannot be said.
    NotProved,
    /// Everything is there, once, as it was delivered.
    Equal,
    /// It is not.
    Differs,
}

impl Verdict {
    /// For people.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::NotProved => "not proved",
            Self::Equal => "equal",
            Self::Differs => "differs",
        }
    }
}

/// A window in which sums differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    /// Behind this position.
    pub(super) after: String,
    /// Up to this position.
    pub(super) to: String,
    /// Rows that were acknowledged.
    pub(super) rows: u64,
    /// Rows that are there.
    pub(super) found: u64,
}

/// What was found of a destination or a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Part {
    /// The destination: topic, stream, folder; or the source's table.
    pub(super) name: String,
    pub(super) verdict: Verdict,
    /// Rows that the sink acknowledged; of a table those that should be there. None when not known.
    pub(super) rows: Option<u64>,
    /// Rows that are there.
    pub(super) found: Option<u64>,
    /// The sums of both, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) found_hash: Option<String>,
    /// Rows that were acknowledged and are not there.
    pub(super) lost: u64,
    /// Rows that are there once more than they were acknowledged.
    pub(super) doubled: u64,
    /// Rows that are there and were never acknowledged.
    pub(super) unknown: u64,
    /// All rows are there, once, and not as they were delivered.
    pub(super) altered: bool,
    /// Rows that are there and came after the last receipt, or of which the receipts are missing.
    pub(super) outside: u64,
    /// Rows of others.
    pub(super) foreign: u64,
    /// Rows that the sink may have forgotten by rule.
    pub(super) forgotten: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) differences: Vec<Difference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) remarks: Vec<String>,
}

impl Part {
    /// Of which nothing is known yet.
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            verdict: Verdict::NotProved,
            rows: None,
            found: None,
            hash: None,
            found_hash: None,
            lost: 0,
            doubled: 0,
            unknown: 0,
            altered: false,
            outside: 0,
            foreign: 0,
            forgotten: 0,
            differences: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// Says what was expected and what is there.
    pub(super) fn sums(&mut self, expected: Tally, found: Tally) {
        self.rows = Some(expected.messages);
        self.found = Some(found.messages);
        self.hash = Some(hex(expected.hash));
        self.found_hash = Some(hex(found.hash));
    }
}

/// What was found of a sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct SinkReport {
    /// Its id.
    pub(super) sink: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) verdict: Verdict,
    /// Why nothing can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    /// Behind this position; none for the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<String>,
    /// Up to this position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<String>,
    /// What is not covered: from, to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) gaps: Vec<(String, String)>,
    pub(super) parts: Vec<Part>,
}

impl SinkReport {
    /// Of which nothing is known yet.
    pub(super) fn new(sink: &str, kind: &str) -> Self {
        Self {
            sink: sink.to_owned(),
            kind: kind.to_owned(),
            verdict: Verdict::NotProved,
            why: None,
            after: None,
            to: None,
            gaps: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// Of which nothing can be said.
    pub(super) fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Judges by the parts: the gravest wins, and what was proved counts more than what was not.
    pub(super) fn judged(mut self) -> Self {
        let worst = self.parts.iter().map(|it| it.verdict).max();
        self.verdict = self.verdict.max(worst.unwrap_or(Verdict::NotProved));
        self
    }
}

/// What was found of a stream.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    pub(super) stream: String,
    pub(super) range: String,
    /// Whether it ran meanwhile.
    pub(super) running: bool,
    pub(super) verdict: Verdict,
    pub(super) sinks: Vec<SinkReport>,
}

impl Report {
    /// How the process ends.
    pub(super) const fn exit(&self) -> Exit {
        match self.verdict {
            Verdict::Equal => Exit::Done,
            Verdict::Differs => Exit::Failed,
            Verdict::NotProved => Exit::Usage,
        }
    }
}

/// A sum as it is shown.
pub(super) fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}

/// A commit as it is shown; none is the beginning.
pub(super) fn place(commit: Option<u64>) -> String {
    commit.map_or(Position::ORIGIN, Position::after).to_string()
}
