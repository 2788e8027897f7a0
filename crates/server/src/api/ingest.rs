//! `POST /api/v1/events`: runs that other programs tell of, in the contract's own events.
//!
//! One event, an array, or one a line. Each item has its own answer: what fits is stored, and durably
//! before it is said so; what does not is named by its place. Events of one run must come in the order
//! of their `seq`; the same event again is no error. A store that is behind is said with 429, and
//! nothing of the request is taken then.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use flowglass_catalog::MetricsFold;
use flowglass_model::{Event, RunId};
use flowglass_store::StoreError;
use futures::future::join_all;
use serde::Serialize;
use serde_json::value::RawValue;

use super::commands::body_bytes;
use super::{Answer, json_with};
use crate::problem::Problem;
use crate::service::Service;

/// Events of one request.
const EVENTS_MAX: usize = 20_000;
/// Items whose refusal is told; the others are counted.
const REFUSALS_TOLD_MAX: usize = 100;
/// With so many events waiting for the disk, more are turned away: half of the writer's room.
const WAITING_EVENTS_MAX: usize = 4_096;

/// What became of the items.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Taken {
    /// Items that are stored now, or were before.
    pub(crate) accepted: usize,
    /// Items that are not.
    pub(crate) rejected: usize,
    /// Why, for the first hundred.
    pub(crate) errors: Vec<Rejected>,
}

/// An item that was not taken.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Rejected {
    /// Its place in the request, from 0.
    pub(crate) index: usize,
    pub(crate) detail: String,
}

/// The items of a body, each still as text.
fn items(text: &str) -> Result<Vec<&str>, Problem> {
    let trimmed = text.trim_start();
    if trimmed.starts_with('[') {
        let read = serde_json::from_str::<Vec<&RawValue>>(trimmed);
        let bad = |error: serde_json::Error| {
            let at = format!("line {}, column {}", error.line(), error.column());
            Problem::out_of_range(format!("the array is not whole JSON: {at}"))
        };
        return Ok(read.map_err(bad)?.into_iter().map(RawValue::get).collect());
    }
    // One object may stand on several lines; then no line is whole by itself.
    if serde_json::from_str::<&RawValue>(trimmed).is_ok() {
        return Ok(vec![trimmed]);
    }
    Ok(text.lines().filter(|it| !it.trim().is_empty()).collect())
}

/// Refuses more while the disk is behind.
pub(crate) fn refuse_if_behind(service: &Service) -> Result<(), Problem> {
    if service.store.waiting_events() < WAITING_EVENTS_MAX {
        return Ok(());
    }
    let said = "the store is behind; nothing of this request was taken";
    let status = StatusCode::TOO_MANY_REQUESTS;
    Err(Problem::new(status, "store-behind", said).retry_after(1))
}

pub(crate) async fn events(State(service): State<Arc<Service>>, body: Body) -> Answer {
    refuse_if_behind(&service)?;
    let bytes = body_bytes(body, service.options.body_bytes_max).await?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_bad| Problem::out_of_range("the body is not UTF-8"))?;
    let items = items(text)?;
    if items.is_empty() {
        return Err(Problem::out_of_range("the body holds no event"));
    }
    if items.len() > EVENTS_MAX {
        let said = format!("at most {EVENTS_MAX} events at once");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", said));
    }
    let mut refused = Vec::new();
    let mut runs: BTreeMap<RunId, Vec<(usize, Event)>> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        match Event::from_line(item) {
            Ok(event) => runs.entry(event.run_id).or_default().push((index, event)),
            Err(error) => {
                let said = format!("is no event of the contract: column {}", error.column());
                refused.push(Rejected { index, detail: said });
            }
        }
    }
    let stored = join_all(runs.into_values().map(|it| store(&service, it))).await;
    for part in stored {
        refused.extend(part?);
    }
    let rejected = refused.len();
    refused.sort_by_key(|it| it.index);
    refused.truncate(REFUSALS_TOLD_MAX);
    let taken = Taken { accepted: items.len() - rejected, rejected, errors: refused };
    let status = match (taken.accepted, rejected) {
        (_, 0) => StatusCode::OK,
        (0, _) => StatusCode::UNPROCESSABLE_ENTITY,
        // Some of each: the body says which.
        _ => StatusCode::MULTI_STATUS,
    };
    json_with(status, &taken)
}

/// Stores the events of one run: at once when they fit, else one by one to find those that do not.
async fn store(service: &Service, events: Vec<(usize, Event)>) -> Result<Vec<Rejected>, Problem> {
    let appender = service.store.appender();
    let whole: Vec<Event> = events.iter().map(|it| it.1.clone()).collect();
    match appender.append(whole).await {
        Ok(()) => {
            count(service, events.iter().map(|it| &it.1));
            return Ok(Vec::new());
        }
        Err(error) if !is_of_the_event(&error) => return Err(error.into()),
        Err(_one_of_them) => {}
    }
    let mut refused = Vec::new();
    for (index, event) in events {
        match appender.append(vec![event.clone()]).await {
            Ok(()) => count(service, [&event]),
            Err(error) if is_of_the_event(&error) => {
                refused.push(Rejected { index, detail: error.to_string() });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(refused)
}

fn is_of_the_event(error: &StoreError) -> bool {
    use StoreError::{Gap, Illegal, Rewritten};
    matches!(error, Gap { .. } | Rewritten { .. } | Illegal { .. })
}

/// The numbers of other programs' runs stand beside ours.
pub(crate) fn count<'a>(service: &Service, events: impl IntoIterator<Item = &'a Event>) {
    let mut fold = service.foreign.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let fold = fold.get_or_insert_with(|| MetricsFold::new(service.meters.clone()));
    for event in events {
        fold.apply(event);
    }
}

#[cfg(test)]
mod tests {
    use super::items;

    #[test]
    fn a_body_is_one_event_an_array_or_lines() {
        assert_eq!(items("{\"a\":\n1}").unwrap().len(), 1);
        assert_eq!(items(" [{}, {\"a\":[1]}]").unwrap(), ["{}", "{\"a\":[1]}"]);
        assert_eq!(items("{}\n\n{}\n{bad\n").unwrap(), ["{}", "{}", "{bad"]);
        assert!(items("").unwrap().is_empty());
        assert!(items("[{}").is_err());
    }
}
