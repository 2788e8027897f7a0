//! One document on its way through the stages: its tree, its complaints, its secrets.

use serde_json::Value;

use crate::complaint::{Code, Complaint, Note, Severity};
use crate::path::Path;
use crate::secret::{GuardedText, Secrets};
use crate::text::{Span, Text};
use crate::tree::Node;

/// How many complaints of one document are kept. More than a person reads, less than a page of
/// generated nonsense could produce.
const COMPLAINTS_MAX: usize = 1_000;

/// Gathers the complaints about one text.
#[derive(Debug)]
pub(crate) struct Reporter<'t> {
    /// The text that spans point into.
    pub(crate) text: &'t Text,
    /// What was found so far.
    pub(crate) complaints: Vec<Complaint>,
    /// Where complaints past the bound go.
    overflow: Complaint,
}

impl<'t> Reporter<'t> {
    /// No complaints yet.
    pub(crate) fn new(text: &'t Text) -> Self {
        Self { text, complaints: Vec::new(), overflow: Complaint::error(Code::TooLarge, "") }
    }

    /// Adds an error; the answer is for adding help and notes.
    pub(crate) fn error(
        &mut self,
        code: Code,
        span: Span,
        path: &Path,
        message: impl Into<String>,
    ) -> &mut Complaint {
        let mut complaint = Complaint::error(code, message).place(self.text.place(span));
        complaint.path = path.to_string();
        // A flawed alias target is reached once for each alias: one complaint is enough.
        let known = |it: &Complaint| {
            it.code == code && it.place == complaint.place && it.message == complaint.message
        };
        if self.complaints.len() >= COMPLAINTS_MAX
            || self.complaints.iter().rev().take(50).any(known)
        {
            self.overflow = complaint;
            return &mut self.overflow;
        }
        self.complaints.push(complaint);
        self.complaints.last_mut().unwrap_or(&mut self.overflow)
    }

    /// Adds a warning.
    pub(crate) fn warn(
        &mut self,
        code: Code,
        span: Span,
        path: &Path,
        message: impl Into<String>,
    ) -> &mut Complaint {
        let complaint = self.error(code, span, path, message);
        complaint.severity = Severity::Warning;
        complaint
    }
}

impl Complaint {
    /// Adds what to do.
    pub(crate) fn advise(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a second place.
    pub(crate) fn note(&mut self, message: &str, place: crate::complaint::Place) -> &mut Self {
        self.notes.push(Note { message: message.to_owned(), place: Some(place) });
        self
    }
}

/// One document.
#[derive(Debug)]
pub(crate) struct Doc<'t> {
    /// The tree.
    pub(crate) root: Node,
    /// Its complaints.
    pub(crate) report: Reporter<'t>,
    /// Every secret value found.
    pub(crate) secrets: Secrets,
}

impl Doc<'_> {
    /// Complains about the value at a path, or about the nearest thing above that is there.
    pub(crate) fn error(
        &mut self,
        code: Code,
        path: &Path,
        message: impl Into<String>,
    ) -> &mut Complaint {
        let span = self.span(path);
        self.report.error(code, span, path, message)
    }

    /// Complains about the key at a path.
    pub(crate) fn error_at_key(
        &mut self,
        code: Code,
        path: &Path,
        message: impl Into<String>,
    ) -> &mut Complaint {
        let span = self.root.key_span(path).unwrap_or_else(|| self.span(path));
        self.report.error(code, span, path, message)
    }

    /// Warns about the key at a path.
    pub(crate) fn warn_at_key(
        &mut self,
        code: Code,
        path: &Path,
        message: impl Into<String>,
    ) -> &mut Complaint {
        let span = self.root.key_span(path).unwrap_or_else(|| self.span(path));
        self.report.warn(code, span, path, message)
    }

    /// Where the value at a path stands.
    pub(crate) fn span(&self, path: &Path) -> Span {
        self.root.at(path).or(self.root.at(&Path::root())).map_or(Span::default(), |it| it.span)
    }

    /// The text of the scalar at a path, secrets known. Empty when there is none.
    pub(crate) fn guarded(&self, path: &Path) -> GuardedText {
        let scalar = self.root.at(path).and_then(Node::scalar);
        scalar.map_or_else(GuardedText::default, |it| {
            GuardedText::new(it.text.clone(), it.shown.clone())
        })
    }

    /// The value at a path, as it is and with secrets starred out.
    pub(crate) fn value(&self, path: &Path) -> (Value, Value) {
        let node = self.root.at(path);
        node.map_or((Value::Null, Value::Null), |it| (it.value(false), it.value(true)))
    }

    /// Whether there is something at a path.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.root.at(path).is_some()
    }
}
