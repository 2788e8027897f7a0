//! Every histogram.

use std::borrow::Cow;

use super::buckets::{BATCH_BYTES, BATCH_ROWS, HTTP, LATENCY, REQUEST, RUN};
use super::declare::declare;
use crate::label::*;
use crate::registry::{Handle, PipelineScope, ProcessScope, SizeHandle, TimingHandle};
use crate::{Kind, LabelDef, LabelKey, LabelValue, MetricDef, Surface, Unit};

declare! {
    /// A histogram of the catalog.
    Histogram, Histogram, histogram_series;

    pipeline {
        BatchEvents batch_events() -> SizeHandle, Rows, Coordinator, BATCH_ROWS;
            "Rows in a batch."
        BatchBytes batch_bytes() -> SizeHandle, Bytes, Coordinator, BATCH_BYTES;
            "Bytes in a batch."
        StageLatencySeconds stage_latency_seconds(stage: Stage<'_>, trigger: Trigger) -> TimingHandle, Seconds, Coordinator, LATENCY;
            "Time a batch spent in a stage, by what closed the batch."
        ProcessorLatencySeconds processor_latency_seconds(processor: Processor<'_>) -> TimingHandle, Seconds, Coordinator, LATENCY;
            "Time of one invocation of a processor."

        SinkLatencySeconds sink_latency_seconds(sink: Sink<'_>) -> TimingHandle, Seconds, Sink, LATENCY;
            "Time from handing a batch to a sink until its answer, good or bad."
        E2eLatencySeconds e2e_latency_seconds() -> TimingHandle, Seconds, Lifecycle, LATENCY;
            "Time from receiving a row until the sink acknowledged it, by our own clock."

        RunDurationSeconds run_duration_seconds() -> TimingHandle, Seconds, Runs, RUN;
            "Time from the start of a run to its end."
        NodeDurationSeconds node_duration_seconds(node: Node<'_>, state: FinalState) -> TimingHandle, Seconds, Runs, RUN;
            "Time from the start of a node to its end, by final state; a skipped node counts with 0."
    }

    process {
        ApiRequestDurationSeconds api_request_duration_seconds(route: Route<'_>, method: Method, status: Status) -> TimingHandle, Seconds, ControlPlane, REQUEST;
            "Time to answer a request to the control API."
    }

    bare {
        HttpRequestDurationSeconds http_request_duration_seconds(method: Method, endpoint: Endpoint<'_>) -> TimingHandle, Seconds, Http, HTTP;
            "Time from the head of an HTTP request to the end of its response."
    }
}
