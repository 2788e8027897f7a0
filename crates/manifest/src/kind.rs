//! Which kind of pipeline a document is about.
//!
//! Each kind has a definition of its own in the schema, and a document is checked against one of them
//! alone: a choice between two whole manifests would have nothing to say but "neither fits". Where
//! `kind` is missing or misspelt, the rest of the document says which one was meant.

use crate::nearest::nearest;
use crate::tree::Node;

/// A kind of pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A graph of nodes that ends.
    Workflow,
    /// Changes from a source to sinks.
    Stream,
}

impl Kind {
    /// The kind that a document names, or is most likely about.
    pub(crate) fn of(root: &Node) -> Self {
        let word = root.get("kind").and_then(Node::text).unwrap_or_default();
        let has = |key: &str| root.get("spec").is_some_and(|spec| spec.get(key).is_some());
        match word {
            "Workflow" => Self::Workflow,
            "Stream" => Self::Stream,
            _ if has("nodes") => Self::Workflow,
            _ if ["source", "sinks", "processors"].into_iter().any(has) => Self::Stream,
            _ if nearest(word, ["Workflow", "Stream"]) == Some("Stream") => Self::Stream,
            _ => Self::Workflow,
        }
    }

    /// Where its definition stands in the schema.
    pub(crate) const fn def(self) -> &'static str {
        match self {
            Self::Workflow => "/$defs/WorkflowDraft",
            Self::Stream => "/$defs/StreamDraft",
        }
    }
}
