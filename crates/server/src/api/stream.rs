//! `GET /api/v1/runs/{id}/stream`: the events of a run as they are stored, from any place on, without
//! a gap and without a repeat.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use flowglass_model::RunId;
use flowglass_store::{FollowEnd, Followed, StoredLine};
use serde_json::json;

use super::query::{Ask, run_id};
use crate::problem::Problem;
use crate::service::Service;
use crate::sse::{self, Gone, Viewer};

/// How long a viewer's next look waits after one that brought little: sixty viewers of a run that is
/// written a thousand times a second must not make a thousand looks each.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
/// How long a viewer that was told the end may take to close.
const CLOSE_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);
/// A part of so many events is followed by the next one at once.
const FULL_PART_EVENTS: usize = 512;

/// The place that a browser which comes again has read up to; it wins over `?after=`.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("last-event-id").and_then(|it| it.to_str().ok()).map(str::trim)
}

pub(crate) async fn stream(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    ask: Ask,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let run = run_id(&id)?;
    let after = match last_event_id(&headers).filter(|it| !it.is_empty()) {
        Some(text) => {
            text.parse().map_err(|_bad| Problem::out_of_range("`Last-Event-ID` is no number"))?
        }
        None => ask.read("after")?.unwrap_or(0),
    };
    let there = service.store.read(move |reader| reader.summary(run)).await?;
    if there.is_none() {
        return Err(Problem::not_found("there is no run of this id"));
    }
    let shared = Arc::clone(&service);
    Ok(sse::answer(&service, move |viewer| feed(shared, viewer, (run, after))))
}

async fn feed(
    service: Arc<Service>,
    mut viewer: Viewer,
    (run, after): (RunId, u64),
) -> Result<(), Gone> {
    let mut follow = service.store.follow(run, after).map_err(|_closed| Gone)?;
    loop {
        let followed = match tokio::time::timeout(viewer.heartbeat, follow.next()).await {
            Err(_quiet) => {
                viewer.say_alive().await?;
                continue;
            }
            // The browser comes again, and is answered with a problem if it lasts.
            Ok(Err(_unreadable)) => return Err(Gone),
            Ok(Ok(followed)) => followed,
        };
        match followed {
            Followed::Lines(lines) => {
                viewer.send(part(&lines)).await?;
                if lines.len() < FULL_PART_EVENTS {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Followed::End(end) => return say_end(&service, viewer, (run, end)).await,
        }
    }
}

fn part(lines: &[StoredLine]) -> String {
    let length: usize = lines.iter().map(|it| it.line.len() + 48).sum();
    let mut text = String::with_capacity(length);
    for line in lines {
        text.push_str(&sse::event(Some(&line.seq.to_string()), "event", &line.line));
    }
    text
}

async fn say_end(
    service: &Service,
    mut viewer: Viewer,
    (run, end): (RunId, FollowEnd),
) -> Result<(), Gone> {
    let summary = service.store.read(move |reader| reader.summary(run)).await;
    let state = summary.ok().flatten().and_then(|it| it.state);
    let why = match end {
        FollowEnd::Finished => "finished",
        FollowEnd::Abandoned => "abandoned",
        FollowEnd::Gone => "gone",
    };
    let data = json!({ "state": state, "end": why }).to_string();
    viewer.send(sse::event(None, "end", &data)).await?;
    // The viewer closes: it would come again if the server did so first.
    tokio::time::timeout(CLOSE_WITHIN, viewer.gone()).await.unwrap_or_default();
    Ok(())
}
