//! `GET /api/v1/overview`: how the fleet is, and what needs somebody first.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use flowglass_model::State as RunState;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::pipelines::{PipelineView, all};
use super::slo::promised;
use super::{Answer, json};
use crate::sampler::History;
use crate::service::Service;

/// What needs attention and is told of.
const ATTENTION_MAX: usize = 100;

#[derive(Debug, Serialize)]
struct Overview {
    now: Timestamp,
    runs: Runs,
    streams: BTreeMap<&'static str, u64>,
    attention: Vec<Attention>,
    events_per_second: f64,
    throughput: History,
}

#[derive(Debug, Serialize)]
struct Runs {
    by_state_24h: BTreeMap<&'static str, u64>,
    active: u64,
}

/// How soon somebody should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Severity {
    Page,
    Warn,
}

#[derive(Debug, Serialize)]
struct Attention {
    severity: Severity,
    kind: &'static str,
    pipeline: String,
    run_id: Option<String>,
    since: Timestamp,
    title: String,
    detail: String,
    hint: Option<String>,
}

pub(crate) async fn overview(State(service): State<Arc<Service>>) -> Answer {
    let now = service.clock.now();
    let day = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(now);
    let (states, active) = service
        .store
        .read(move |reader| Ok((reader.states_since(day)?, reader.active_runs()?)))
        .await?;
    let views = all(&service).await?;
    let mut attention: Vec<Attention> = views.iter().flat_map(|it| of(it, now)).collect();
    attention.extend(service.fleet.refused().into_iter().map(|(file, why)| Attention {
        severity: Severity::Page,
        kind: "manifest_refused",
        pipeline: String::new(),
        run_id: None,
        since: now,
        title: format!("the manifest {file} cannot be used"),
        detail: why,
        hint: Some("mend the file; until then it stands for what it said before".to_owned()),
    }));
    for missed in promised(&service).await? {
        let bad = missed.objectives.iter().filter(|it| it.ok == Some(false));
        attention.extend(bad.map(|it| Attention {
            severity: Severity::Warn,
            kind: "slo",
            pipeline: missed.pipeline.clone(),
            run_id: None,
            since: now,
            title: format!("the objective `{}` is missed", it.name),
            detail: format!("promised {}, measured {:.3}", it.target, it.actual.unwrap_or(0.0)),
            hint: None,
        }));
    }
    attention.sort_by_key(|it| (it.severity, it.since));
    attention.truncate(ATTENTION_MAX);
    let mut streams =
        BTreeMap::from([("running", 0), ("paused", 0), ("failed", 0), ("stalled", 0)]);
    for view in views.iter().filter(|it| it.kind == "stream") {
        if let Some(count) = streams.get_mut(view.state) {
            *count += 1;
        }
        if view.stream.as_ref().is_some_and(|it| it.stalled.is_some()) {
            *streams.entry("stalled").or_default() += 1;
        }
    }
    json(&Overview {
        now,
        runs: Runs {
            by_state_24h: states.into_iter().map(|(it, count)| (it.name(), count)).collect(),
            active,
        },
        streams,
        attention,
        events_per_second: service.samples.events_per_second(),
        throughput: service.samples.fleet(now),
    })
}

fn of(view: &PipelineView, now: Timestamp) -> Vec<Attention> {
    let mut found = Vec::new();
    let name = &view.name;
    let mut add = |severity, kind, since, (title, detail): (String, String)| {
        let (pipeline, run_id) = (name.clone(), None);
        found.push(Attention {
            severity,
            kind,
            pipeline,
            run_id,
            since,
            title,
            detail,
            hint: None,
        });
    };
    let last = view.last_run.as_ref();
    if let Some(fault) = &view.fault {
        let kind = if view.kind == "stream" { "stream_failed" } else { "run_failed" };
        add(Severity::Page, kind, now, (format!("{name} cannot run"), fault.clone()));
    }
    if view.late {
        let title = format!("{name} is late");
        let detail = "its last success is older than its schedule or its objective allows";
        add(Severity::Warn, "late", now, (title, detail.to_owned()));
    }
    if let Some(stream) = &view.stream {
        if let Some(stall) = &stream.stalled {
            let title = format!("{name} is stalled in stage {}", stall.stage);
            add(Severity::Page, "stalled", stall.since, (title, stall.why.clone()));
        }
        for sink in &stream.sinks {
            if let Some(trouble) = &sink.trouble {
                let title = format!("sink {} of {name} has trouble", sink.id);
                add(Severity::Warn, "sink_trouble", now, (title, trouble.clone()));
            }
        }
        if stream.dead_letters.entries > 0 {
            let (count, max) = (stream.dead_letters.entries, stream.dead_letters.entries_max);
            let crowded = max.is_some_and(|it| count.saturating_mul(100) >= it.saturating_mul(95));
            let severity = if crowded { Severity::Page } else { Severity::Warn };
            let title = format!("{name} has {count} dead letters");
            let detail = "rows that a sink could not take wait for somebody".to_owned();
            let since = stream.dead_letters.oldest_at.unwrap_or(now);
            add(severity, "dead_letters", since, (title, detail));
        }
    }
    if let Some(run) = last.filter(|it| it.state == Some(RunState::Failed)) {
        let stream = view.kind == "stream";
        let error = run.error.as_ref();
        found.push(Attention {
            severity: Severity::Page,
            kind: if stream { "stream_failed" } else { "run_failed" },
            pipeline: name.clone(),
            run_id: Some(run.run_id.to_string()),
            since: run.ended_at.unwrap_or(run.last_event_at),
            title: format!("the last run of {name} failed"),
            detail: error.map_or_else(String::new, |it| it.detail.clone()),
            hint: error.map(|it| it.class.hint().to_owned()),
        });
    }
    found
}
