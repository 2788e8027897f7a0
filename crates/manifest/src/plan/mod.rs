//! The plan: what will run, typed and immutable. Every default is filled in, every reference is
//! resolved, and the nodes stand in an order in which each comes after what it needs.
//!
//! The order depends on the graph alone, not on the order of the text: of all nodes that could come
//! next, the one with the least id does.

mod node;
mod pipeline;
mod select;
mod show;
mod stream;
mod stream_show;
mod types;

pub use self::node::{
    Action, Backoff, Batching, Check, CheckSubject, ColumnRule, ColumnRules, Command, CommandLine,
    Condition, Connector, Copy, Expect, ForeignKey, Node, PlanTable, Program, Rule, RuleKind, Sql,
    SqlText, TableOrigin, Write,
};
pub use self::pipeline::{Edge, Plan, Schedule, Slo};
pub use self::select::SelectError;
pub(crate) use self::select::edges;
pub use self::stream::{
    CommitPolicy, DeadLetterRule, Processor, Restart, StreamBatching, StreamPlan, StreamSink,
    StreamSlo, StreamSource,
};
pub use self::types::{COLUMN_TYPES, column_type};
pub use crate::draft::{Overflow, RuleSeverity, SchemaChange, Strategy, When};
