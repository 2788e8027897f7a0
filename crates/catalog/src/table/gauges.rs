//! Every gauge.

use std::borrow::Cow;

use super::declare::declare;
use crate::label::*;
use crate::registry::{GaugeHandle, Handle, PipelineScope, ProcessScope};
use crate::{Kind, LabelDef, LabelKey, LabelValue, MetricDef, Surface, Unit};

declare! {
    /// A gauge of the catalog.
    Gauge, Gauge, gauge_series;

    pipeline {
        SourceLagSeconds source_lag_seconds(source: Source<'_>) -> GaugeHandle, Seconds, Source;
            "Now minus the commit time of the last row read; 0 when caught up, also while idle."
        SourceTableLagSeconds source_table_lag_seconds(table: Table<'_>) -> GaugeHandle, Seconds, Source;
            "Lag of one table's rows in the last batch that had any."
        SourceIdleSeconds source_idle_seconds(source: Source<'_>) -> GaugeHandle, Seconds, Source;
            "Time since the last row was read; goes on rising while a reader is stuck."
        SourceRetainedBytes source_retained_bytes(source: Source<'_>) -> GaugeHandle, Bytes, Source;
            "Log that the source keeps because this pipeline has not confirmed it."
        SnapshotProgressRatio snapshot_progress_ratio(source: Source<'_>, table: Table<'_>) -> GaugeHandle, Ratio, Source;
            "Share of a table's snapshot that is done."

        PipelineChannelDepth pipeline_channel_depth(channel: Channel<'_>) -> GaugeHandle, Entries, Coordinator;
            "Entries waiting in a channel of the pipeline."
        PipelineChannelCapacity pipeline_channel_capacity(channel: Channel<'_>) -> GaugeHandle, Entries, Coordinator;
            "Entries that a channel of the pipeline can hold."
        LastCheckpointTs last_checkpoint_ts() -> GaugeHandle, UnixSeconds, Coordinator;
            "When the last checkpoint was committed, in epoch seconds."

        SinkCheckpointStatus sink_checkpoint_status(sink: Sink<'_>) -> GaugeHandle, Code, Sink;
            "1 while a sink's position is up to date, 0 while it is behind."
        SinkLastCheckpointTs sink_last_checkpoint_ts(sink: Sink<'_>) -> GaugeHandle, UnixSeconds, Sink;
            "When a sink last confirmed its position, in epoch seconds."
        SinkBufferDepth sink_buffer_depth(sink: Sink<'_>) -> GaugeHandle, Entries, Sink;
            "Entries in the buffers of a sink's client that are not acknowledged yet."
        SinkBufferBytes sink_buffer_bytes(sink: Sink<'_>) -> GaugeHandle, Bytes, Sink;
            "Bytes in the buffers of a sink's client that are not acknowledged yet."

        PipelineStatus pipeline_status() -> GaugeHandle, Code, Lifecycle;
            "1 running, 0.5 paused, 0 stopped and resumable, -1 failed."
        PipelineInfo pipeline_info(kind: PipelineKind, source_type: SourceType<'_>, version: Version<'_>) -> GaugeHandle, Info, Lifecycle;
            "What a pipeline is; join other metrics with it."
        LedgerUnaccountedRows ledger_unaccounted_rows() -> GaugeHandle, Rows, Lifecycle;
            "Rows read that are neither delivered, filtered, dead-lettered, evicted nor in flight; must be 0."

        DlqEntries dlq_entries() -> GaugeHandle, Entries, DeadLetters;
            "Dead letters that wait for somebody."
        DlqSaturationRatio dlq_saturation_ratio() -> GaugeHandle, Ratio, DeadLetters;
            "Share of the dead letter queue that is used."

        RunsInProgress runs_in_progress() -> GaugeHandle, Runs, Runs;
            "Runs that have started and not ended."
        RunLastSuccessTs run_last_success_ts() -> GaugeHandle, UnixSeconds, Runs;
            "When a run last completed, in epoch seconds."
        NodePeakRssBytes node_peak_rss_bytes(node: Node<'_>) -> GaugeHandle, Bytes, Runs;
            "Peak resident memory of a node's commands in its last attempt, from the kernel's accounting."
    }

    process {
        TelemetryBacklogEvents telemetry_backlog_events(backend: Backend<'_>, signal: TelemetrySignal) -> GaugeHandle, Events, Telemetry;
            "Stored events that a telemetry destination has not been sent yet."
        MetricSeries metric_series(metric: MetricStem) -> GaugeHandle, Series, Telemetry;
            "Label sets of a metric on this page."
        BuildInfo build_info(version: Version<'_>, revision: Revision<'_>) -> GaugeHandle, Info, Process;
            "The build of this program."
    }

    bare {
        HttpRequestsInFlight http_requests_in_flight() -> GaugeHandle, Requests, Http;
            "HTTP requests whose response has not ended yet."
        ProcessResidentMemoryBytes process_resident_memory_bytes() -> GaugeHandle, Bytes, Process;
            "Resident memory of this process."
        ProcessVirtualMemoryBytes process_virtual_memory_bytes() -> GaugeHandle, Bytes, Process;
            "Virtual memory of this process."
        ProcessOpenFds process_open_fds() -> GaugeHandle, Descriptors, Process;
            "File descriptors that this process has open."
        ProcessMaxFds process_max_fds() -> GaugeHandle, Descriptors, Process;
            "File descriptors that this process may have open."
        ProcessThreads process_threads() -> GaugeHandle, Threads, Process;
            "Threads of this process."
        ProcessStartTimeSeconds process_start_time_seconds() -> GaugeHandle, UnixSeconds, Process;
            "When this process started, in epoch seconds."
    }
}
