//! The live registry: numbers that the runtime raises and readers read.
//!
//! A call site asks a scope for a handle once and keeps it: `registry.pipeline("acme", "orders")
//! .rows_total(Node("load"), RowOp::Inserted)`. Using the handle is one relaxed addition. Series
//! are kept per metric, bounded by [`RegistryOptions::series_per_metric_max`], and leave with their
//! [`SeriesOwner`].
//!
//! Past the limit the numbers of a counter or histogram are added to one series whose every label
//! is `__other__`, so that sums stay exact. A gauge is not: the last writer's number under the name
//! of all would be a lie, so a gauge past the limit is kept off the page. Both are counted by
//! `metric_label_overflow_total`.

mod cell;
mod core;
mod dynamic;
mod family;
mod handle;
mod process;
mod read;
mod scope;
mod series;

pub(crate) use cell::CounterCell;
pub use cell::Exemplar;
pub use core::{Registry, RegistryOptions};
pub use dynamic::{AnyHandle, WrongLabels};
pub(crate) use handle::Handle;
pub use handle::{CounterHandle, GaugeHandle, Held, SecondsHandle, SizeHandle, TimingHandle};
pub use process::{KernelFacts, ProcessReading};
pub use read::{HistogramReading, Reader, Reading};
pub use scope::{PipelineScope, ProcessScope, SeriesOwner};
pub(crate) use series::Series;
pub use series::{OTHER, SeriesLabels};
