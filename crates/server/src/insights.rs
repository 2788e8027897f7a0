//! `GET /api/insights`: a few real figures of this service as events, at a pace that the caller says.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde::Serialize;

use crate::api::query::Ask;
use crate::problem::Problem;
use crate::service::Service;
use crate::sse::{self, Gone, Viewer};

/// Events unless said.
const COUNT: u32 = 5;
/// The most that may be asked for.
const COUNT_MAX: u32 = 20;
/// Seconds between two unless said.
const INTERVAL_SECONDS: f64 = 0.75;
/// The longest pause, in seconds.
const INTERVAL_SECONDS_MAX: f64 = 60.0;

#[derive(Debug, Serialize)]
struct Insight {
    metric: &'static str,
    value: f64,
    description: &'static str,
    timestamp: Timestamp,
    source: &'static str,
}

pub(crate) async fn insights(
    State(service): State<Arc<Service>>,
    ask: Ask,
) -> Result<Response, Problem> {
    let count = ask.read::<u32>("count")?.unwrap_or(COUNT);
    if !(1..=COUNT_MAX).contains(&count) {
        return Err(Problem::out_of_range(format!("`count` is 1 to {COUNT_MAX}")));
    }
    let interval = ask.read::<f64>("interval")?.unwrap_or(INTERVAL_SECONDS);
    if !(interval > 0.0 && interval <= INTERVAL_SECONDS_MAX) {
        let said = format!("`interval` is more than 0 and at most {INTERVAL_SECONDS_MAX} seconds");
        return Err(Problem::out_of_range(said));
    }
    let pause = Duration::try_from_secs_f64(interval).unwrap_or_default();
    let shared = Arc::clone(&service);
    Ok(sse::answer(&service, move |viewer| tell(shared, viewer, (count, pause))))
}

async fn tell(
    service: Arc<Service>,
    mut viewer: Viewer,
    (count, pause): (u32, Duration),
) -> Result<(), Gone> {
    let mut ticks = tokio::time::interval(pause);
    for number in 1..=count {
        // The first tick is at once; a long pause is filled with signs of life.
        loop {
            tokio::select! {
                _tick = ticks.tick() => break,
                () = tokio::time::sleep(viewer.heartbeat) => viewer.say_alive().await?,
            }
        }
        let insight = measure(&service, number).await;
        let data = serde_json::to_string(&insight).unwrap_or_default();
        viewer.send(sse::event(Some(&number.to_string()), "insight", &data)).await?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures for the eye")]
async fn measure(service: &Service, number: u32) -> Insight {
    let process = service.meters.process();
    let (metric, value, description) = match number % 5 {
        1 => ("events_per_second", service.samples.events_per_second(), "events stored a second"),
        2 => {
            let active =
                service.store.read(flowglass_store::Reader::active_runs).await.unwrap_or(0);
            ("active_runs", active as f64, "runs that go on now")
        }
        3 => {
            let waiting = service.store.waiting_events();
            ("store_waiting_events", waiting as f64, "events that wait for the disk")
        }
        4 => {
            let value = process.http_requests_in_flight().value();
            ("http_requests_in_flight", value, "requests that are being answered")
        }
        _ => ("uptime_seconds", service.uptime_seconds(), "time since this process began"),
    };
    Insight { metric, value, description, timestamp: service.clock.now(), source: "live" }
}
