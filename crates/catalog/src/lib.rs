//! Every metric, label, unit and bucket as data; the live registry of handles; the signals.
//!
//! What an operator can read equals what the program can say: pages, reference, boards, alert rules
//! and the linter are all made from [`Metric::all`], and a number that has no row in the table
//! cannot be emitted. No exporter lives here: whoever writes a page reads the registry through
//! [`Reader`].

mod docs;
mod fold;
pub mod label;
mod metric;
mod naming;
pub mod offline;
mod registry;
pub mod signals;
pub mod table;

pub use docs::markdown;
pub use fold::{Folded, MetricsFold, RUNS_REMEMBERED_MAX};
pub use label::{LabelKey, LabelValue};
pub use metric::{Kind, LABELS_MAX, LabelDef, MetricDef, Scale, Surface, Unit};
pub use naming::{InvalidPrefix, PREFIX_CHARS_MAX, Prefix, is_snake_case};
pub use registry::{
    AnyHandle, CounterHandle, Exemplar, GaugeHandle, Held, HistogramReading, KernelFacts, OTHER,
    PipelineScope, ProcessReading, ProcessScope, Reader, Reading, Registry, RegistryOptions,
    SecondsHandle, SeriesLabels, SeriesOwner, SizeHandle, TimingHandle, WrongLabels,
};
pub use table::{Counter, Gauge, Histogram, Metric};
