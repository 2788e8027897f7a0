//! The control API, version 1: one module for each thing that can be asked.

pub(crate) mod assets;
pub(crate) mod commands;
pub(crate) mod feed;
pub(crate) mod idempotency;
pub(crate) mod info;
pub(crate) mod ingest;
pub(crate) mod letters;
pub(crate) mod lineage;
pub(crate) mod overview;
pub(crate) mod pipelines;
pub(crate) mod query;
pub(crate) mod runs;
pub(crate) mod session;
pub(crate) mod slo;
pub(crate) mod snapshots;
pub(crate) mod stream;
pub(crate) mod streams;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::problem::Problem;

/// What every handler answers.
pub(crate) type Answer = Result<Response, Problem>;

/// A page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Items<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_cursor: Option<String>,
    pub(crate) total: Option<u64>,
}

impl<T> Items<T> {
    /// All there is.
    pub(crate) fn whole(items: Vec<T>) -> Self {
        let total = Some(items.len() as u64);
        Self { items, next_cursor: None, total }
    }
}

/// A value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Answer {
    json_with(StatusCode::OK, value)
}

/// A value as JSON under this status.
pub(crate) fn json_with(status: StatusCode, value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).map_err(|_unwritable| Problem::internal())?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// A value with its version; 304 when the caller has that version.
pub(crate) fn versioned(headers: &HeaderMap, tag: &str, value: &impl Serialize) -> Answer {
    let tag = format!("\"{tag}\"");
    let known = headers.get(header::IF_NONE_MATCH).and_then(|it| it.to_str().ok());
    let same = |it: &str| it.trim().trim_start_matches("W/") == tag || it.trim() == "*";
    let mut response = if known.is_some_and(|it| it.split(',').any(same)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        json(value)?
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}
