//! `GET /api/v1/feed`: what moves in the whole fleet, each run at most twice a second.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::pipelines;
use super::stream::last_event_id;
use crate::problem::Problem;
use crate::service::Service;
use crate::sse::{self, Gone, Viewer};

/// How often is looked: a run is told of at most once in that time.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks between two views of a stream that moves.
const LOOKS_PER_PIPELINE: u64 = 2;
/// A viewer that has missed more events than this fetches everything anew: that is cheaper.
const MISSED_EVENTS_MAX: i64 = 50_000;
/// Events that one look goes through.
const EVENTS_LOOKED_MAX: usize = 20_000;

pub(crate) async fn feed(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let newest = service.store.read(flowglass_store::Reader::newest).await?;
    let last = last_event_id(&headers).and_then(|it| it.parse::<i64>().ok());
    // A position beyond the end is of another store.
    let reachable = |it: &i64| *it <= newest && newest - *it <= MISSED_EVENTS_MAX;
    let reset = last.is_some_and(|it| !reachable(&it));
    let after = last.filter(reachable).unwrap_or(newest);
    let shared = Arc::clone(&service);
    Ok(sse::answer(&service, move |viewer| tell(shared, viewer, (after, reset))))
}

async fn tell(
    service: Arc<Service>,
    mut viewer: Viewer,
    (mut after, reset): (i64, bool),
) -> Result<(), Gone> {
    if reset {
        viewer.send(sse::event(Some(&after.to_string()), "reset", "{}")).await?;
    } else {
        // An id at once: a browser that loses its connection soon has a place to come back to.
        viewer.send(format!("id: {after}\n: connected\n\n")).await?;
    }
    let mut seen = HashMap::new();
    let (mut looks, mut quiet) = (0_u64, Duration::ZERO);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        looks += 1;
        let mut text = String::new();
        let moved = service.store.read(move |it| it.moved_since(after, EVENTS_LOOKED_MAX)).await;
        let moved = moved.map_err(|_unreadable| Gone)?;
        after = moved.pos;
        let id = after.to_string();
        for run in &moved.runs {
            let data = serde_json::to_string(run).unwrap_or_default();
            text.push_str(&sse::event(Some(&id), "run", &data));
        }
        if looks.is_multiple_of(LOOKS_PER_PIPELINE) {
            for view in pipelines::moving(&service, &mut seen).await {
                let data = serde_json::to_string(&view).unwrap_or_default();
                text.push_str(&sse::event(None, "pipeline", &data));
            }
        }
        if text.is_empty() {
            quiet += LOOK_EVERY;
            if quiet >= viewer.heartbeat {
                quiet = Duration::ZERO;
                viewer.say_alive().await?;
            }
            continue;
        }
        quiet = Duration::ZERO;
        viewer.send(text).await?;
    }
}
