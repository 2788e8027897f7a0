//! Every counter.

use std::borrow::Cow;

use flowglass_model::ErrorClass;

use super::declare::declare;
use crate::label::*;
use crate::registry::{CounterHandle, Handle, PipelineScope, ProcessScope, SecondsHandle};
use crate::{Kind, LabelDef, LabelKey, LabelValue, MetricDef, Surface, Unit};

declare! {
    /// A counter of the catalog.
    Counter, Counter, counter_series;

    pipeline {
        SourceEventsTotal source_events_total(source: Source<'_>, table: Table<'_>) -> CounterHandle, Rows, Source;
            "Rows read from a source and handed to the coordinator."
        SourceBytesTotal source_bytes_total(source: Source<'_>) -> CounterHandle, Bytes, Source;
            "Raw bytes received from a source's log or file."
        SourceReconnectsTotal source_reconnects_total(source: Source<'_>) -> CounterHandle, Occurrences, Source;
            "Times a source was connected to again after its connection was lost."
        SnapshotRowsTotal snapshot_rows_total(source: Source<'_>, table: Table<'_>) -> CounterHandle, Rows, Source;
            "Rows read by the snapshot of a table."

        BytesTotal bytes_total() -> CounterHandle, Bytes, Coordinator;
            "Bytes of rows that went through the pipeline."
        StageBusySecondsTotal stage_busy_seconds_total(stage: Stage<'_>) -> SecondsHandle, Seconds, Coordinator;
            "Time a stage spent working; the stage with the highest rate is the bottleneck."
        StageBlockedSecondsTotal stage_blocked_seconds_total(stage: Stage<'_>) -> SecondsHandle, Seconds, Coordinator;
            "Time a stage spent waiting for the next one to take its output."
        CheckpointsTotal checkpoints_total() -> CounterHandle, Occurrences, Coordinator;
            "Checkpoints committed."

        SinkEventsTotal sink_events_total(sink: Sink<'_>) -> CounterHandle, Rows, Sink;
            "Rows that a sink has promised to keep."
        SinkBatchTotal sink_batch_total(sink: Sink<'_>) -> CounterHandle, Batches, Sink;
            "Batches that a sink has promised to keep."
        SinkErrorsTotal sink_errors_total(sink: Sink<'_>, error_kind: ErrorClass) -> CounterHandle, Occurrences, Sink;
            "Sends that a sink did not take, by class of error."
        SinkTxnCommitsTotal sink_txn_commits_total(sink: Sink<'_>) -> CounterHandle, Occurrences, Sink;
            "Batches that a sink committed together with the position behind them."
        SinkTxnAbortsTotal sink_txn_aborts_total(sink: Sink<'_>) -> CounterHandle, Occurrences, Sink;
            "Times that such a sink lost what it had not committed; expected to stay near zero."

        AvroEncodeTotal avro_encode_total(path: AvroPath) -> CounterHandle, Rows, Avro;
            "Rows encoded as Avro, by where the schema came from."
        AvroSchemaRegistrationsTotal avro_schema_registrations_total() -> CounterHandle, Occurrences, Avro;
            "Schemas registered with the schema registry."
        AvroSrCacheFallbackTotal avro_sr_cache_fallback_total() -> CounterHandle, Rows, Avro;
            "Rows encoded with a cached schema because the schema registry did not answer."
        AvroEncodeFailureTotal avro_encode_failure_total(reason: AvroFailure) -> CounterHandle, Rows, Avro;
            "Rows that could not be encoded as Avro and went to the dead letters."

        PipelineLifecycleTotal pipeline_lifecycle_total(action: LifecycleAction, outcome: LifecycleOutcome) -> CounterHandle, Occurrences, Lifecycle;
            "Operator actions on a pipeline, by what was asked and how it ended."
        LedgerRowsTotal ledger_rows_total(table: Table<'_>, disposition: Disposition) -> CounterHandle, Rows, Lifecycle;
            "Rows in the ledger by where they ended up; read equals the sum of the others and what is in flight."

        DlqEventsTotal dlq_events_total(sink: Sink<'_>, error_kind: ErrorClass) -> CounterHandle, Rows, DeadLetters;
            "Rows put into the dead letters, by sink and class of error."
        DlqEvictedTotal dlq_evicted_total() -> CounterHandle, Entries, DeadLetters;
            "Dead letters pushed out by newer ones because the queue was full."
        DlqRejectedTotal dlq_rejected_total() -> CounterHandle, Entries, DeadLetters;
            "Dead letters not kept because the queue was full."
        DlqWriteFailuresTotal dlq_write_failures_total() -> CounterHandle, Occurrences, DeadLetters;
            "Dead letters that the store could not write."
        DlqReplayedTotal dlq_replayed_total() -> CounterHandle, Entries, DeadLetters;
            "Dead letters delivered by a replay."

        RunsTotal runs_total(state: FinalState) -> CounterHandle, Runs, Runs;
            "Runs that ended, by final state."
        AttemptsTotal attempts_total(node: Node<'_>, outcome: AttemptOutcome) -> CounterHandle, Attempts, Runs;
            "Attempts of a node that ended, by outcome."
        RowsTotal rows_total(node: Node<'_>, op: RowOp) -> CounterHandle, Rows, Runs;
            "Rows that a node read from its source or changed in its target, as counted in the target."
        NodeCpuSecondsTotal node_cpu_seconds_total(node: Node<'_>) -> SecondsHandle, Seconds, Runs;
            "Processor time of a node's commands, from the kernel's accounting."
    }

    process {
        ApiRequestsTotal api_requests_total(route: Route<'_>, method: Method, status: Status) -> CounterHandle, Requests, ControlPlane;
            "Requests to the control API."
        PanicsTotal panics_total() -> CounterHandle, Occurrences, Process;
            "Panics seen by the panic hook."
        TelemetryExportTotal telemetry_export_total(backend: Backend<'_>, signal: TelemetrySignal, outcome: ExportOutcome) -> CounterHandle, Occurrences, Telemetry;
            "Deliveries to a telemetry destination, by outcome."
        TelemetryDroppedTotal telemetry_dropped_total(backend: Backend<'_>, signal: TelemetrySignal) -> CounterHandle, Occurrences, Telemetry;
            "Signals that never reached a telemetry destination; must stay at zero."
        MetricLabelOverflowTotal metric_label_overflow_total(metric: MetricStem) -> CounterHandle, Occurrences, Telemetry;
            "Times a new label set of a metric was folded because the metric had reached its limit."
    }

    bare {
        HttpRequestsTotal http_requests_total(method: Method, endpoint: Endpoint<'_>, status: Status) -> CounterHandle, Requests, Http;
            "HTTP requests answered, by matched route."
        HttpExceptionsTotal http_exceptions_total(exception_type: ExceptionType) -> CounterHandle, Occurrences, Http;
            "HTTP requests that ended in a failure which no handler answered for."
        ProcessCpuSecondsTotal process_cpu_seconds_total() -> SecondsHandle, Seconds, Process;
            "User and system processor time of this process."
    }
}
