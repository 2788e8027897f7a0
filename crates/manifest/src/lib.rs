//! Manifest text to draft to plan: pure, with every complaint at once.
//!
//! The way of a manifest, each stage with its own type:
//!
//! 1. **Text → tree.** YAML events become a tree whose keys and values remember their bytes.
//! 2. **Variables.** `${VAR}`, `${VAR:-default}`, `${file:path}` and `${param.name}` are expanded
//!    inside scalar values of the tree, so that a value can never change the document's shape.
//! 3. **Tree → draft.** One JSON Schema, derived from the draft's Rust types, checks the tree (by the
//!    definition that its `kind` names) and gathers every complaint; what passes is read into the
//!    draft by serde.
//! 4. **Draft → plan.** What a schema cannot say (ids, cycles, strategies, order of writers) is
//!    checked, again all at once, and the immutable [`Plan`] or [`StreamPlan`] is built.
//!
//! Nothing here opens a file or a socket, asks the time or reads the environment: variables and
//! files come in through [`Lookup`], connectors through [`Vocabulary`].

mod build;
mod check;
mod complaint;
mod doc;
mod draft;
mod expand;
mod kind;
mod load;
mod nearest;
mod path;
mod plan;
mod reference;
mod render;
mod schema;
mod secret;
mod text;
mod tree;
mod units;
mod weave;
mod yaml;

pub use complaint::{Code, Complaint, Note, Place, Severity};
pub use draft::processor_schemas;
pub use expand::Lookup;
pub use load::{Loaded, ManifestFile, Options, Pipelines, Refused, load};
pub use plan::{
    Action, Backoff, Batching, COLUMN_TYPES, Check, CheckSubject, ColumnRule, ColumnRules, Command,
    CommandLine, CommitPolicy, Condition, Connector, Copy, DeadLetterRule, Edge, Expect,
    ForeignKey, Node, Overflow, Plan, PlanTable, Processor, Program, Restart, Rule, RuleKind,
    RuleSeverity, Schedule, SchemaChange, SelectError, Slo, Sql, SqlText, Strategy, StreamBatching,
    StreamPlan, StreamSink, StreamSlo, StreamSource, TableOrigin, When, Write, column_type,
};
pub use reference::reference;
pub use render::{Style, to_json, to_text};
pub use schema::{Vocabulary, schema};
pub use secret::{GuardedText, Secrets};
pub use units::{parse_duration, parse_size};
