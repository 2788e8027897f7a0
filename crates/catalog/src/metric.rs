//! What can be said about a metric: the shape of one row of the catalog.

use crate::{LabelKey, LabelValue, Prefix};

/// The most labels that one series carries, tenant and pipeline included. A fixed number keeps a
/// series in one block.
pub const LABELS_MAX: usize = 6;

/// What a metric's number does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Only rises; a restart sets it to zero.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts observations by size.
    Histogram,
}

impl Kind {
    /// The word of the `# TYPE` line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

macro_rules! units {
    ($($(#[$doc:meta])* $unit:ident = $word:literal, $ucum:literal, $suffix:expr;)+) => {
        /// What a metric counts or measures. Only base units: seconds and bytes, never milliseconds
        /// or megabytes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Unit { $($(#[$doc])* $unit,)+ }

        impl Unit {
            /// The unit as a word for people.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$unit => $word,)+ }
            }

            /// The unit in UCUM, as OTLP wants it; things that are counted are annotations in
            /// braces.
            #[must_use]
            pub const fn ucum(self) -> &'static str {
                match self { $(Self::$unit => $ucum,)+ }
            }

            /// The word that a stem of this unit ends with (before `_total`), when Prometheus has
            /// one for it.
            #[must_use]
            pub const fn suffix(self) -> Option<&'static str> {
                match self { $(Self::$unit => $suffix,)+ }
            }
        }
    };
}

units! {
    /// A duration.
    Seconds = "seconds", "s", Some("seconds");
    /// A moment, as seconds since 1970-01-01 UTC.
    UnixSeconds = "epoch seconds", "s", None;
    /// Bytes.
    Bytes = "bytes", "By", Some("bytes");
    /// A share between 0 and 1.
    Ratio = "ratio", "1", Some("ratio");
    /// Rows or changes.
    Rows = "rows", "{row}", None;
    /// Batches.
    Batches = "batches", "{batch}", None;
    /// Entries of a queue, a buffer or the dead letters.
    Entries = "entries", "{entry}", None;
    /// Things that happened.
    Occurrences = "occurrences", "{occurrence}", None;
    /// HTTP requests.
    Requests = "requests", "{request}", None;
    /// Runs of pipelines.
    Runs = "runs", "{run}", None;
    /// Attempts of nodes.
    Attempts = "attempts", "{attempt}", None;
    /// Canonical events.
    Events = "events", "{event}", None;
    /// Series on the page.
    Series = "series", "{series}", None;
    /// Open file descriptors.
    Descriptors = "file descriptors", "{file_descriptor}", None;
    /// Threads of the process.
    Threads = "threads", "{thread}", None;
    /// A code whose values the help text lists.
    Code = "code", "1", None;
    /// Always 1; the labels say the rest.
    Info = "always 1", "1", None;
}

/// The part of the system that a metric is about, and so the heading it stands under in the
/// reference and on boards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Surface {
    /// Reading changes.
    Source,
    /// Batching, processing and checkpoints between source and sinks.
    Coordinator,
    /// Delivering.
    Sink,
    /// Avro encoding and the schema registry.
    Avro,
    /// What state pipelines are in and whether their rows add up.
    Lifecycle,
    /// Dead letters.
    DeadLetters,
    /// Runs that end.
    Runs,
    /// The control API.
    ControlPlane,
    /// Every HTTP route.
    Http,
    /// The program telling about its own telling.
    Telemetry,
    /// The program as the operating system sees it.
    Process,
}

impl Surface {
    /// Every surface, in the order of the reference.
    pub const ALL: &[Self] = &[
        Self::Source,
        Self::Coordinator,
        Self::Sink,
        Self::Avro,
        Self::Lifecycle,
        Self::DeadLetters,
        Self::Runs,
        Self::ControlPlane,
        Self::Http,
        Self::Telemetry,
        Self::Process,
    ];

    /// The heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Source => "Sources",
            Self::Coordinator => "Batching and processing",
            Self::Sink => "Sinks",
            Self::Avro => "Avro encoding",
            Self::Lifecycle => "Pipelines",
            Self::DeadLetters => "Dead letters",
            Self::Runs => "Runs",
            Self::ControlPlane => "Control API",
            Self::Http => "HTTP",
            Self::Telemetry => "Telemetry",
            Self::Process => "Process",
        }
    }
}

/// How the integer in a cell becomes the number on a page.
///
/// Durations are kept as whole nanoseconds so that adding one is a single integer addition and no
/// sum ever drifts; a `u64` of nanoseconds lasts 584 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scale {
    /// The integer is the number.
    One,
    /// The integer is in nanoseconds, the number in seconds.
    Nanoseconds,
}

impl Scale {
    /// The number on the page.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a page's numbers are doubles; 2^53 is where exactness ends"
    )]
    pub const fn number(self, raw: u64) -> f64 {
        match self {
            Self::One => raw as f64,
            // A division of two exact doubles is rounded once, so 5_000_000 gives the double
            // nearest to 0.005.
            Self::Nanoseconds => raw as f64 / 1e9,
        }
    }
}

/// One label of a metric, and the words it can have when the set is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelDef {
    /// The key.
    pub key: LabelKey,
    /// All values, when the set is closed.
    pub values: Option<&'static [&'static str]>,
}

impl LabelDef {
    /// The definition that goes with a label's type.
    #[must_use]
    pub const fn of<V: LabelValue>() -> Self {
        Self { key: V::KEY, values: V::VALUES }
    }

    /// A label whose values come from a manifest, a database or a build.
    #[must_use]
    pub const fn open(key: LabelKey) -> Self {
        Self { key, values: None }
    }
}

/// One row of the catalog.
#[derive(Debug, PartialEq, Eq)]
pub struct MetricDef {
    /// The name without a prefix.
    pub stem: &'static str,
    /// What the number does.
    pub kind: Kind,
    /// What is counted or measured.
    pub unit: Unit,
    /// How the integer in a cell becomes the number; gauges hold doubles and say [`Scale::One`].
    pub scale: Scale,
    /// All labels, in the order in which values are given and rendered.
    pub labels: &'static [LabelDef],
    /// The upper bounds of a histogram's buckets in cell units, rising, without the last, endless
    /// one; empty for others.
    pub buckets: &'static [u64],
    /// One sentence, with a full stop.
    pub help: &'static str,
    /// False for the few names that are shared by all programs (`http_…`, `process_…`).
    pub prefixed: bool,
    /// The heading it stands under.
    pub surface: Surface,
}

impl MetricDef {
    /// The name on a page.
    #[must_use]
    pub fn name(&self, prefix: &Prefix) -> String {
        if self.prefixed { prefix.join(self.stem) } else { self.stem.to_owned() }
    }

    /// True when every series of it belongs to a pipeline and leaves with it.
    #[must_use]
    pub fn belongs_to_pipeline(&self) -> bool {
        self.labels.iter().any(|label| label.key == LabelKey::Pipeline)
    }

    /// The upper bounds as they stand on a page, in the metric's unit.
    pub fn bounds(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        self.buckets.iter().map(|raw| self.scale.number(*raw))
    }
}
