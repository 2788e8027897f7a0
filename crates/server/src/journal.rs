//! What the server says of itself while it works: one note for each thing worth a line of a log.
//!
//! The server prints nothing. It hands notes to a [`Journal`], and the binary decides whether they
//! become JSON, text, or nothing. A note holds no header, no query and no body: a secret that a caller
//! sends cannot come out again.

use std::sync::{Arc, Mutex, PoisonError};

use flowglass_model::LogLevel;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

/// One line of the server's log.
#[derive(Debug, Clone, Serialize)]
pub struct Note {
    /// When, in UTC.
    pub time: Timestamp,
    /// How grave.
    pub level: LogLevel,
    /// What happened: `request_started`, `request_completed`, `audit`, ….
    pub event: &'static str,
    /// The request, where it belongs to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Its trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The server's span in that trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// The caller's span, when it told one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_span_id: Option<String>,
    /// What belongs to the event.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

impl Note {
    /// A note that belongs to no request.
    #[must_use]
    pub fn new(time: Timestamp, level: LogLevel, event: &'static str) -> Self {
        let (request_id, trace_id, span_id, parent_span_id) = (None, None, None, None);
        let fields = Map::new();
        Self { time, level, event, request_id, trace_id, span_id, parent_span_id, fields }
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// The note as one line of JSON without a line end.
    #[must_use]
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Where notes go. Called on the server's own threads: it must not block for long.
pub trait Journal: Send + Sync {
    /// Takes a note.
    fn note(&self, note: Note);
}

/// A journal that forgets everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silence;

impl Journal for Silence {
    fn note(&self, _note: Note) {}
}

/// A journal in memory, for tests and for whoever wants to look.
#[derive(Debug, Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<Note>>>);

/// Notes that [`Kept`] keeps; older ones go.
const KEPT_NOTES_MAX: usize = 65_536;

impl Kept {
    /// Everything that was noted.
    #[must_use]
    pub fn notes(&self) -> Vec<Note> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Journal for Kept {
    fn note(&self, note: Note) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() == KEPT_NOTES_MAX {
            notes.clear();
        }
        notes.push(note);
    }
}
