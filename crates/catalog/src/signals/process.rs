//! What there is to tell about the process: requests, deliveries, panics, operators' actions.

use std::time::Duration;

use flowglass_model::{Entity, Event, EventKind, TraceId};

use crate::label::{
    Backend, Endpoint, ExceptionType, ExportOutcome, LifecycleAction, LifecycleOutcome, Method,
    Route, Status, TelemetrySignal,
};
use crate::registry::{PipelineScope, ProcessScope, TimingHandle};

use super::Signal;

macro_rules! numbers_only {
    ($($(#[$doc:meta])* $signal:ty => $numbers:ty;)+) => { $(
        impl Signal for $signal {
            type Numbers = $numbers;

            fn count(&self, numbers: &$numbers) {
                self.raise(numbers);
            }

            fn event(&self) -> Option<(EventKind, Entity)> {
                None
            }

            fn fill(self, _: &mut Event) {}
        }
    )+ };
}

numbers_only! {
    RequestAnswered<'_> => ProcessScope;
    RequestBroke => ProcessScope;
    DeliveryEnded<'_> => ProcessScope;
    SignalsDropped<'_> => ProcessScope;
    PanicSeen => ProcessScope;
    PipelineAsked => PipelineScope;
}

/// A response ended, its body sent to the last byte or given up.
#[derive(Clone, Copy, Debug)]
pub struct RequestAnswered<'a> {
    /// The method as it came.
    pub method: &'a str,
    /// The matched route template; `unmatched` when there was none.
    pub endpoint: &'a str,
    /// The status that was sent.
    pub status: u16,
    /// From the head of the request to the end of the response.
    pub took: Duration,
    /// True for a route of the control API, which is counted under its own names too.
    pub control: bool,
    /// The request's trace and the wall clock in nanoseconds since 1970-01-01 UTC, for an exemplar.
    pub trace: Option<(TraceId, u64)>,
}

impl RequestAnswered<'_> {
    fn raise(&self, process: &ProcessScope) {
        let (method, status) = (Method::parse(self.method), Status(self.status));
        let endpoint = Endpoint(self.endpoint);
        process.http_requests_total(method, endpoint, status).increment();
        self.time(&process.http_request_duration_seconds(method, endpoint));
        if self.control {
            let route = Route(self.endpoint);
            process.api_requests_total(route, method, status).increment();
            self.time(&process.api_request_duration_seconds(route, method, status));
        }
    }

    fn time(&self, timing: &TimingHandle) {
        match self.trace {
            Some((trace, at_unix_nanos)) => timing.observe_traced(self.took, trace, at_unix_nanos),
            None => timing.observe(self.took),
        }
    }
}

/// A request ended in a failure that no handler answered for.
#[derive(Clone, Copy, Debug)]
pub struct RequestBroke {
    /// The class of failure.
    pub exception: ExceptionType,
}

impl RequestBroke {
    fn raise(self, process: &ProcessScope) {
        process.http_exceptions_total(self.exception).increment();
    }
}

/// One delivery to a telemetry destination ended.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryEnded<'a> {
    /// The destination's configured name.
    pub backend: &'a str,
    /// What was sent.
    pub signal: TelemetrySignal,
    /// How it ended.
    pub outcome: ExportOutcome,
    /// Stored events that the destination has not been sent yet.
    pub backlog_events: u64,
}

impl DeliveryEnded<'_> {
    fn raise(&self, process: &ProcessScope) {
        let backend = Backend(self.backend);
        process.telemetry_export_total(backend, self.signal, self.outcome).increment();
        process.telemetry_backlog_events(backend, self.signal).set_count(self.backlog_events);
        // The counter that must stay at zero is on the page from the first delivery on.
        process.telemetry_dropped_total(backend, self.signal).add(0);
    }
}

/// Signals were given up for a telemetry destination.
#[derive(Clone, Copy, Debug)]
pub struct SignalsDropped<'a> {
    /// The destination's configured name.
    pub backend: &'a str,
    /// What was given up.
    pub signal: TelemetrySignal,
    /// How many.
    pub count: u64,
}

impl SignalsDropped<'_> {
    fn raise(&self, process: &ProcessScope) {
        process.telemetry_dropped_total(Backend(self.backend), self.signal).add(self.count);
    }
}

/// The panic hook was called.
#[derive(Clone, Copy, Debug)]
pub struct PanicSeen;

impl PanicSeen {
    fn raise(self, process: &ProcessScope) {
        process.panics_total().increment();
    }
}

/// An operator asked something of a pipeline.
#[derive(Clone, Copy, Debug)]
pub struct PipelineAsked {
    /// What.
    pub action: LifecycleAction,
    /// How it ended.
    pub outcome: LifecycleOutcome,
}

impl PipelineAsked {
    fn raise(self, pipeline: &PipelineScope) {
        pipeline.pipeline_lifecycle_total(self.action, self.outcome).increment();
    }
}
