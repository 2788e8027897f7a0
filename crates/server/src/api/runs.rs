//! Runs: the list, and one run as snapshot, report, events and log lines.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use flowglass_model::{Event, LogLevel, NodeId, PipelineId, RunReport};
use flowglass_store::{LogQuery, PageKey, RunFilter, RunSummary};
use serde::Serialize;

use super::query::{Ask, run_id};
use super::{Answer, Items, json, versioned};
use crate::problem::Problem;
use crate::service::Service;

/// `GET /api/v1/runs`.
pub(crate) async fn list(State(service): State<Arc<Service>>, ask: Ask) -> Answer {
    let pipeline = match ask.text("pipeline") {
        None => None,
        // A name that cannot be one has no runs.
        Some(name) => match PipelineId::new(name) {
            Ok(id) => Some(id),
            Err(_) => return json(&Items::<RunSummary>::whole(Vec::new())),
        },
    };
    let filter = RunFilter {
        pipeline,
        states: ask.states()?,
        tenant: ask.text("tenant").map(ToOwned::to_owned),
        since: ask.time("since")?,
        until: ask.time("until")?,
        text: ask.text("q").map(ToOwned::to_owned),
    };
    let limit = ask.limit()?;
    if let Some(parent) = ask.text("parent") {
        let parent = run_id(parent)?;
        let runs = service.store.read(move |it| it.children_of(parent, limit)).await?;
        return json(&Items::whole(runs));
    }
    let from: Option<PageKey> = ask.read("cursor")?;
    let (page, total) = service
        .store
        .read(move |reader| {
            let page = reader.list(&filter, from, limit)?;
            // Counting what holds a text would read every run.
            let total = filter.text.is_none().then(|| reader.count(&filter)).transpose()?;
            Ok((page, total))
        })
        .await?;
    json(&Items { items: page.runs, next_cursor: page.next.map(|it| it.to_string()), total })
}

/// `GET /api/v1/runs/{id}`.
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let snapshot = service.snapshot(run_id(&id)?).await?;
    versioned(&headers, &format!("{}-{}", id, snapshot.run.last_seq), &*snapshot)
}

/// `GET /api/v1/runs/{id}/report`.
pub(crate) async fn report(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let snapshot = service.snapshot(run_id(&id)?).await?;
    versioned(&headers, &format!("{}-{}", id, snapshot.run.last_seq), &RunReport::of(&snapshot))
}

/// A part of a run's events.
#[derive(Debug, Serialize)]
struct Part {
    items: Vec<Event>,
    /// Where to go on: `?after=` of the next request.
    next_after: u64,
}

/// `GET /api/v1/runs/{id}/events`. The stored lines are passed on as they are.
pub(crate) async fn events(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    ask: Ask,
) -> Answer {
    let (run, after, limit) = (run_id(&id)?, ask.read("after")?.unwrap_or(0), ask.limit()?);
    let found = service
        .store
        .read(move |reader| Ok((reader.summary(run)?, reader.lines(run, after, limit)?)))
        .await?;
    let (Some(_there), lines) = found else {
        return Err(Problem::not_found("there is no run of this id"));
    };
    let mut text = String::from("{\"items\":[");
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&line.line);
    }
    let next = lines.last().map_or(after, |it| it.seq);
    text.push_str(&format!("],\"next_after\":{next}}}"));
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// `GET /api/v1/runs/{id}/logs`.
pub(crate) async fn logs(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    ask: Ask,
) -> Answer {
    let run = run_id(&id)?;
    let after = ask.read("after")?.unwrap_or(0);
    let node = ask.text("node").map(NodeId::new).transpose();
    let query = LogQuery {
        run,
        node: node.map_err(|_bad| Problem::out_of_range("`node` is no name of a node"))?,
        attempt: ask.read("attempt")?,
        level_min: ask.text("level").map(level).transpose()?,
        text: ask.text("q").map(ToOwned::to_owned),
        after,
    };
    let (limit, tail) = (ask.limit()?, ask.flag("tail")?);
    let items = service
        .store
        .read(move |reader| match tail {
            true => reader.logs_tail(&query, limit),
            false => reader.logs(&query, limit),
        })
        .await?;
    let next_after = items.last().map_or(after, |it| it.seq);
    json(&Part { items, next_after })
}

fn level(word: &str) -> Result<LogLevel, Problem> {
    match word {
        "debug" => Ok(LogLevel::Debug),
        "info" => Ok(LogLevel::Info),
        "warn" => Ok(LogLevel::Warn),
        "error" => Ok(LogLevel::Error),
        _ => Err(Problem::out_of_range("`level` is `debug`, `info`, `warn` or `error`")),
    }
}
