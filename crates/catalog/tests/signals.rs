//! Signals: what each becomes, and that its event and its numbers agree.

use std::time::Duration;

use flowglass_catalog::label::{
    ExceptionType, ExportOutcome, LifecycleAction, LifecycleOutcome, TelemetrySignal,
};
use flowglass_catalog::signals::{
    AttemptMoved, CheckJudged, DeliveryEnded, LedgerTold, LineWritten, Moved, PanicSeen,
    PipelineAsked, ProgressMade, RequestAnswered, RequestBroke, Signal, SignalsDropped, StageMoved,
};
use flowglass_catalog::{MetricsFold, Registry};
use flowglass_model::{
    Applied, Counts, Entity, Event, LedgerEntry, LogLevel, LogStream, NodeId, PipelineId, Reason,
    RunId, Scope, Snapshot, Stamp, State,
};

use super::reading::{everything, number};

/// Takes signals as the engine does: one history, folded into the snapshot and into the numbers.
struct History {
    scope: Scope,
    snapshot: Snapshot,
    fold: MetricsFold,
}

impl History {
    fn new(registry: &Registry) -> Self {
        let run = RunId::from_parts(1, [3; 10]);
        Self {
            scope: Scope::pipeline("acme", run, PipelineId::from_foreign("orders")),
            snapshot: Snapshot::default(),
            fold: MetricsFold::new(registry.clone()),
        }
    }

    fn tell(&mut self, scope: &Scope, signal: impl Signal) -> Event {
        let seq = self.snapshot.run.last_seq + 1;
        let id = uuid::Uuid::from_u128(u128::from(seq));
        let time = "2024-05-01T00:00:00Z".parse().expect("a time");
        let mut event =
            signal.into_event(Stamp { id, seq, time }, scope).expect("a signal of a run");
        event.from = self.snapshot.state_of(&event).filter(|_| event.to.is_some());
        assert_eq!(self.snapshot.apply(&event), Ok(Applied::New));
        self.fold.apply(&event);
        event
    }
}

#[test]
fn signals_of_a_run_become_events_that_the_model_takes_and_numbers_that_agree_with_it() {
    let registry = Registry::default();
    let mut history = History::new(&registry);
    let pipeline = history.scope.clone();
    let node = pipeline.node(NodeId::from_foreign("load"));
    let attempt = node.attempt(1);
    let begun = (State::Running, Reason::Executing);
    for (scope, entity) in [(&pipeline, Entity::Pipeline), (&node, Entity::Node)] {
        history.tell(scope, Moved::to(entity, begun.0, begun.1));
    }
    history.tell(&attempt, AttemptMoved::to(begun.0, begun.1));
    let stage = attempt.stage(flowglass_model::StageId::from_foreign("load"));
    let counts = Counts { extracted: Some(4), inserted: Some(3), ..Counts::default() };
    let (to, reason) = begun;
    history.tell(&stage, StageMoved { to, reason, took: None, counts: None });
    history.tell(&attempt, ProgressMade { counts });
    let entry = LedgerEntry {
        table: "t".into(),
        read: 4,
        delivered: 3,
        filtered: 1,
        ..LedgerEntry::default()
    };
    history.tell(&attempt, LedgerTold { entry });
    let line = LineWritten {
        entity: Entity::Attempt,
        stream: LogStream::Stdout,
        level: LogLevel::Info,
        text: "hi".into(),
    };
    history.tell(&attempt, line);
    let facts = [("check", "unique"), ("result", "pass")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    history.tell(&node, CheckJudged { asset_id: "file:out.csv".into(), facts: facts.into() });
    let (to, reason) = (State::Complete, Reason::Ok);
    let took = Some(Duration::from_millis(250));
    history.tell(&stage, StageMoved { to, reason, took, counts: Some(counts) });
    let ended = AttemptMoved {
        took,
        counts: Some(counts),
        exit_code: Some(0),
        cpu: Some(Duration::from_millis(40)),
        peak_rss_bytes: Some(9),
        ..AttemptMoved::to(to, reason)
    };
    let event = history.tell(&attempt, ended);
    assert_eq!((event.exit_code, event.duration_seconds), (Some(0), Some(0.25)));
    // The node says nothing of its counts; those of its attempt stand.
    history.tell(&node, Moved { took, ..Moved::to(Entity::Node, to, reason) });
    history.tell(&pipeline, Moved { took, ..Moved::to(Entity::Pipeline, to, reason) });

    let view = history.snapshot.pipeline(&pipeline.pipeline_id).expect("the pipeline");
    let seen = view.node(&NodeId::from_foreign("load")).expect("the node");
    assert_eq!(seen.counts, Some(counts));
    for (series, value) in [
        ("runs_total{tenant=acme,pipeline=orders,state=complete}", 1.0),
        ("rows_total{tenant=acme,pipeline=orders,node=load,op=extracted}", 4.0),
        ("node_duration_seconds{tenant=acme,pipeline=orders,node=load,state=complete}", 1.0),
        ("node_cpu_seconds_total{tenant=acme,pipeline=orders,node=load}", 40_000_000.0),
        ("node_peak_rss_bytes{tenant=acme,pipeline=orders,node=load}", 9.0),
        ("ledger_rows_total{tenant=acme,pipeline=orders,table=t,disposition=filtered}", 1.0),
    ] {
        assert_eq!(number(&registry, series), value, "{series}");
    }
}

#[test]
fn signals_of_the_process_raise_their_numbers_and_have_no_event() {
    let registry = Registry::default();
    let process = registry.process();
    let answered = RequestAnswered {
        method: "GET",
        endpoint: "/api/v1/runs/{id}",
        status: 200,
        took: Duration::from_millis(300),
        control: true,
        trace: None,
    };
    answered.count(&process);
    RequestAnswered {
        method: "FOOBAR",
        endpoint: "unmatched",
        status: 404,
        control: false,
        ..answered
    }
    .count(&process);
    RequestBroke { exception: ExceptionType::Panic }.count(&process);
    PanicSeen.count(&process);
    let signal = TelemetrySignal::Traces;
    DeliveryEnded { backend: "tempo", signal, outcome: ExportOutcome::Retry, backlog_events: 12 }
        .count(&process);
    let dropped = "telemetry_dropped_total{backend=tempo,signal=traces}";
    assert_eq!(number(&registry, dropped), 0.0);
    SignalsDropped { backend: "tempo", signal, count: 5 }.count(&process);
    let asked = PipelineAsked { action: LifecycleAction::Pause, outcome: LifecycleOutcome::Error };
    asked.count(&registry.pipeline("acme", "orders"));
    assert_eq!(asked.event(), None);

    let all = everything(&registry);
    for (series, value) in [
        ("http_requests_total{method=GET,endpoint=/api/v1/runs/{id},status=200}", 1.0),
        ("http_requests_total{method=_OTHER,endpoint=unmatched,status=404}", 1.0),
        ("http_request_duration_seconds{method=GET,endpoint=/api/v1/runs/{id}}", 1.0),
        ("api_requests_total{route=/api/v1/runs/{id},method=GET,status=200}", 1.0),
        ("http_exceptions_total{exception_type=panic}", 1.0),
        ("panics_total{}", 1.0),
        ("telemetry_export_total{backend=tempo,signal=traces,outcome=retry}", 1.0),
        ("telemetry_backlog_events{backend=tempo,signal=traces}", 12.0),
        (dropped, 5.0),
        ("pipeline_lifecycle_total{tenant=acme,pipeline=orders,action=pause,outcome=error}", 1.0),
    ] {
        assert_eq!(all.get(series), Some(&value), "{series}");
    }
    assert!(!all.keys().any(|series| series.starts_with("api_") && series.contains("unmatched")));
}
