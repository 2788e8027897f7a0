//! `GET /api/v1/info`: which build this is, and what the caller may do.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;

use super::{Answer, json};
use crate::access::{Caller, Role};
use crate::service::Service;

/// What is told.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Info {
    version: &'static str,
    revision: &'static str,
    #[schemars(with = "String")]
    started_at: Timestamp,
    uptime_seconds: f64,
    store: String,
    #[schemars(with = "String")]
    now: Timestamp,
    /// Whether nobody needs a token.
    anonymous: bool,
    /// What the caller may do: `read`, `operate` or `admin`.
    #[schemars(with = "String")]
    role: Role,
}

pub(crate) async fn info(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    json(&Info {
        version: service.build.0,
        revision: service.build.1,
        started_at: service.started_at,
        uptime_seconds: service.uptime_seconds(),
        store: service.store.path().display().to_string(),
        now: service.clock.now(),
        anonymous: service.access.is_anonymous(),
        role: caller.role,
    })
}
