//! HTTP: what a running Flowglass answers.
//!
//! [`Service`] is the whole: the control API under `/api/v1`, health, `/metrics`, the ingest of other
//! programs' events, Server-Sent Events, and the embedded dashboard, on one port ([`Server`]). It reads
//! the store through its readers, and reaches running pipelines through one face, [`Fleet`], which the
//! binary fills. It prints nothing: its log goes to a [`Journal`].
//!
//! [`MetricsServer`] is `/metrics` alone, for a run in the foreground.

mod access;
mod api;
mod dashboard;
mod fleet;
mod guard;
mod health;
mod ids;
mod insights;
mod journal;
mod metrics;
mod observe;
mod openapi;
mod problem;
mod process;
mod router;
mod sampler;
mod server;
mod service;
mod sse;
mod tls;

pub use access::{Access, BadToken, Caller, OpenToAll, Role, TOKEN_BYTES_MIN};
pub use dashboard::{SNAPSHOT_PLACE, offline_page};
pub use fleet::{
    Change, Fleet, Member, MemberPlan, NoFleet, Origin, Refusal, RefusalKind, Replayed, unknown,
};
pub use health::{Component, Dependency, Health};
pub use journal::{Journal, Kept, Note, Silence};
pub use metrics::{BindError, MetricsServer};
pub use openapi::{OPERATIONS, Operation, document};
pub use problem::Problem;
pub use server::{ServeError, Server};
pub use service::{Options, Parts, Service};
pub use tls::{BadCertificate, Certificate};
