//! Every label key, and the type of every label value.
//!
//! A label is typed so that a series with the wrong key, the keys in the wrong order, or a word
//! outside a closed set does not compile. There is no key for a run, a file, a path, a statement or
//! an error text, on purpose: those grow without bound and belong in events.

use std::borrow::Cow;

use flowglass_model::{ErrorClass, State};

use crate::Metric;

/// A value that one label can carry.
pub trait LabelValue {
    /// The key this value goes under.
    const KEY: LabelKey;
    /// All words that the value can be, when the set is closed; `None` for names that come from a
    /// manifest or a database.
    const VALUES: Option<&'static [&'static str]>;
    /// The value as it stands on a page, unescaped.
    fn text(&self) -> Cow<'_, str>;
}

macro_rules! label_keys {
    ($($(#[$doc:meta])* $key:ident = $name:literal;)+) => {
        /// A label key. Closed: a key that is not here cannot be on a series.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum LabelKey { $($(#[$doc])* $key,)+ }

        impl LabelKey {
            /// Every key, in the order of this file.
            pub const ALL: &[Self] = &[$(Self::$key,)+];

            /// The key as it stands on a page.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$key => $name,)+ }
            }
        }
    };
}

label_keys! {
    /// Who the pipeline belongs to.
    Tenant = "tenant";
    /// The pipeline's name in its manifest.
    Pipeline = "pipeline";
    /// The source's id.
    Source = "source";
    /// A table, as `schema.table`.
    Table = "table";
    /// A part of a stream: `source`, `processor/ID`, `sink/ID`, `checkpoint`.
    Stage = "stage";
    /// What closed a batch.
    Trigger = "trigger";
    /// The processor's id.
    Processor = "processor";
    /// A bounded channel inside a pipeline.
    Channel = "channel";
    /// The sink's id.
    Sink = "sink";
    /// The class of an error, from the closed list.
    ErrorKind = "error_kind";
    /// Where an Avro schema came from.
    Path = "path";
    /// Why something could not be done, from a closed list of the metric.
    Reason = "reason";
    /// What sort of pipeline it is.
    Kind = "kind";
    /// The connector that a stream reads from.
    SourceType = "source_type";
    /// The version of this program.
    Version = "version";
    /// The source revision that this program was built from.
    Revision = "revision";
    /// What an operator asked for.
    Action = "action";
    /// How it ended.
    Outcome = "outcome";
    /// Where a row ended up.
    Disposition = "disposition";
    /// A final state of the contract.
    State = "state";
    /// The node's id.
    Node = "node";
    /// What was done with rows.
    Op = "op";
    /// The matched template of an API route.
    Route = "route";
    /// The HTTP method.
    Method = "method";
    /// The HTTP status code.
    Status = "status";
    /// The matched route template, `unmatched` when none was.
    Endpoint = "endpoint";
    /// The class of an unhandled failure in a request.
    ExceptionType = "exception_type";
    /// The name of a configured telemetry destination.
    Backend = "backend";
    /// What is exported.
    Signal = "signal";
    /// A metric's stem.
    Metric = "metric";
}

macro_rules! open_labels {
    ($($(#[$doc:meta])* $name:ident;)+) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a>(pub &'a str);

        impl LabelValue for $name<'_> {
            const KEY: LabelKey = LabelKey::$name;
            const VALUES: Option<&'static [&'static str]> = None;
            fn text(&self) -> Cow<'_, str> { Cow::Borrowed(self.0) }
        }
    )+ };
}

open_labels! {
    /// The id of a source, from the manifest.
    Source;
    /// A table as `schema.table`, from the source's catalogue. Bounded by the database and by the
    /// guard.
    Table;
    /// A part of a stream: `source`, `processor/ID`, `sink/ID` or `checkpoint`; bounded by the
    /// manifest.
    Stage;
    /// The id of a processor, from the manifest.
    Processor;
    /// A bounded channel inside a pipeline; the engine names it.
    Channel;
    /// The id of a sink, from the manifest.
    Sink;
    /// A connector's name (`postgres`, `mysql`, …), `none` for a pipeline that has no source of its
    /// own.
    SourceType;
    /// A version of this program.
    Version;
    /// A source revision.
    Revision;
    /// The id of a node, from the manifest.
    Node;
    /// The template of an API route that the router matched.
    Route;
    /// The template of a route that the router matched, `unmatched` when none was. Never the raw
    /// path.
    Endpoint;
    /// The configured name of a telemetry destination.
    Backend;
}

macro_rules! closed_labels {
    ($($(#[$doc:meta])* $name:ident: $key:ident { $($(#[$vdoc:meta])* $value:ident = $text:literal,)+ })+) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $value,)+ }

        impl $name {
            /// Every value, in the order of the type.
            pub const ALL: &[Self] = &[$(Self::$value,)+];

            /// The value as it stands on a page.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text,)+ }
            }
        }

        impl LabelValue for $name {
            const KEY: LabelKey = LabelKey::$key;
            const VALUES: Option<&'static [&'static str]> = Some(&[$($text,)+]);
            fn text(&self) -> Cow<'_, str> { Cow::Borrowed(self.as_str()) }
        }
    )+ };
}

closed_labels! {
    /// What closed a batch.
    Trigger: Trigger {
        /// The batch had waited as long as it may.
        Timer = "timer",
        /// The batch was full, by rows or by bytes.
        Limits = "limits",
        /// The pipeline was stopping.
        Shutdown = "shutdown",
    }
    /// Where an Avro schema came from.
    AvroPath: Path {
        /// From the table's definition.
        Ddl = "ddl",
        /// Inferred from the values.
        Inferred = "inferred",
    }
    /// Why a row could not be encoded as Avro.
    AvroFailure: Reason {
        /// The registry did not answer and no schema was cached.
        SrUnavailable = "sr_unavailable",
        /// The row does not fit the schema.
        SchemaMismatch = "schema_mismatch",
    }
    /// What sort of pipeline it is.
    PipelineKind: Kind {
        /// A graph of nodes that ends.
        Workflow = "workflow",
        /// Runs until stopped.
        Stream = "stream",
        /// Run by another tool and seen through its events.
        Foreign = "foreign",
    }
    /// What an operator asked for.
    LifecycleAction: Action {
        /// A pipeline was made.
        Create = "create",
        /// Its manifest was changed.
        Patch = "patch",
        /// It was started.
        Start = "start",
        /// It was held, its source still connected.
        Pause = "pause",
        /// It went on after a pause.
        Resume = "resume",
        /// It was stopped; its position is kept.
        Stop = "stop",
        /// It was deleted with its series.
        Delete = "delete",
    }
    /// How an operator's action ended.
    LifecycleOutcome: Outcome {
        /// Done.
        Success = "success",
        /// Refused or failed.
        Error = "error",
    }
    /// How an attempt ended.
    AttemptOutcome: Outcome {
        /// Its outputs are committed.
        Complete = "complete",
        /// It ended without success.
        Failed = "failed",
    }
    /// How one delivery to a telemetry destination ended.
    ExportOutcome: Outcome {
        /// Taken by the destination.
        Success = "success",
        /// Not taken; it will be sent again.
        Retry = "retry",
        /// Refused for good.
        Rejected = "rejected",
    }
    /// Where a row of a source ended up. The ledger holds when `read` equals the sum of the others
    /// and what is in flight.
    Disposition: Disposition {
        /// Read from the source.
        Read = "read",
        /// Kept by the sink.
        Delivered = "delivered",
        /// Left out by a processor, as asked.
        Filtered = "filtered",
        /// Put into the dead letters.
        DeadLettered = "dead_lettered",
        /// Pushed out of full dead letters.
        Evicted = "evicted",
    }
    /// A state in which a run or a node rests for good.
    FinalState: State {
        /// Finished, its outputs committed.
        Complete = "complete",
        /// Finished without success.
        Failed = "failed",
        /// Never ran, by rule.
        Skipped = "skipped",
    }
    /// What a node did with rows.
    RowOp: Op {
        /// Read from the node's source.
        Extracted = "extracted",
        /// New in the target.
        Inserted = "inserted",
        /// Changed in the target.
        Updated = "updated",
        /// Removed from the target.
        Deleted = "deleted",
    }
    /// The HTTP method; anything that is not a registered method is one value, so that a caller
    /// cannot make series.
    Method: Method {
        /// `GET`.
        Get = "GET",
        /// `HEAD`.
        Head = "HEAD",
        /// `POST`.
        Post = "POST",
        /// `PUT`.
        Put = "PUT",
        /// `PATCH`.
        Patch = "PATCH",
        /// `DELETE`.
        Delete = "DELETE",
        /// `OPTIONS`.
        Options = "OPTIONS",
        /// `CONNECT`.
        Connect = "CONNECT",
        /// `TRACE`.
        Trace = "TRACE",
        /// Any other word; the value is the one that OpenTelemetry's HTTP conventions give.
        Other = "_OTHER",
    }
    /// The class of a failure that no handler answered for.
    ExceptionType: ExceptionType {
        /// The handler panicked.
        Panic = "panic",
        /// The handler ran out of its time.
        Timeout = "timeout",
        /// The response body broke off after its headers were sent.
        BodyStream = "body_stream",
        /// The handler gave up with an error that has no answer of its own.
        Internal = "internal",
    }
    /// What a telemetry destination is sent.
    TelemetrySignal: Signal {
        /// Numbers.
        Metrics = "metrics",
        /// Log records.
        Logs = "logs",
        /// Spans.
        Traces = "traces",
        /// Canonical events.
        Events = "events",
    }
}

impl FinalState {
    /// The label for a state of the contract; `None` while it can still change.
    #[must_use]
    pub const fn of(state: State) -> Option<Self> {
        match state {
            State::Complete => Some(Self::Complete),
            State::Failed => Some(Self::Failed),
            State::Skipped => Some(Self::Skipped),
            State::Queued | State::Waiting | State::Running => None,
        }
    }
}

const ERROR_CLASSES: usize = ErrorClass::ALL.len();

/// The names of all error classes, gathered when the crate is compiled.
const ERROR_NAMES: [&str; ERROR_CLASSES] = {
    let mut names = [""; ERROR_CLASSES];
    let mut at = 0;
    while at < ERROR_CLASSES {
        #[expect(
            clippy::indexing_slicing,
            reason = "a constant: an index out of range does not compile"
        )]
        {
            names[at] = ErrorClass::ALL[at].name();
        }
        at += 1;
    }
    names
};

impl LabelValue for ErrorClass {
    const KEY: LabelKey = LabelKey::ErrorKind;
    const VALUES: Option<&'static [&'static str]> = Some(&ERROR_NAMES);

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.name())
    }
}

/// A metric of the catalog, named by its stem, so that the value is the same under every prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricStem(pub Metric);

impl LabelValue for MetricStem {
    const KEY: LabelKey = LabelKey::Metric;
    const VALUES: Option<&'static [&'static str]> = None;

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0.def().stem)
    }
}

impl Method {
    /// The label for a method as it came on the wire (methods are case-sensitive, RFC 9110 section
    /// 9.1).
    #[must_use]
    pub fn parse(word: &str) -> Self {
        Self::ALL.iter().copied().find(|method| method.as_str() == word).unwrap_or(Self::Other)
    }
}

/// An HTTP status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

impl LabelValue for Status {
    const KEY: LabelKey = LabelKey::Status;
    const VALUES: Option<&'static [&'static str]> = None;

    fn text(&self) -> Cow<'_, str> {
        match self.0 {
            200 => Cow::Borrowed("200"),
            100..=599 => Cow::Owned(self.0.to_string()),
            // Not a status code of HTTP: one value, so that it cannot grow.
            _ => Cow::Borrowed("invalid"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_snake_case_and_distinct() {
        let mut names: Vec<_> = LabelKey::ALL.iter().map(|key| key.name()).collect();
        assert!(names.iter().all(|name| crate::is_snake_case(name)));
        // Prometheus sets or reserves these itself.
        assert!(!names.iter().any(|name| ["le", "quantile", "job", "instance"].contains(name)));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), LabelKey::ALL.len());
    }

    #[test]
    fn an_unknown_method_is_one_value() {
        assert_eq!(Method::parse("GET"), Method::Get);
        for word in ["FOOBAR", "get", "", "_OTHER"] {
            assert_eq!(Method::parse(word), Method::Other);
        }
    }

    #[test]
    fn a_status_outside_http_is_one_value() {
        assert_eq!(Status(204).text(), "204");
        assert_eq!(Status(0).text(), Status(7_000).text());
    }
}
