//! What the server asks of whoever runs the pipelines: the one face between HTTP and the running
//! process. The binary fills it; a test fills it with a few plain values.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::StatusCode;
use flowglass_connect::stream::LetterFilter;
use flowglass_engine::stream::Status;
use flowglass_manifest::{Plan, StreamPlan};
use flowglass_model::RunId;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

use crate::problem::Problem;

/// What a pipeline is meant to do.
#[derive(Debug, Clone)]
pub enum MemberPlan {
    /// A graph of nodes that ends.
    Workflow(Arc<Plan>),
    /// Runs until it is stopped.
    Stream(Arc<StreamPlan>),
}

impl MemberPlan {
    /// The pipeline's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Workflow(plan) => plan.pipeline().as_str(),
            Self::Stream(plan) => plan.pipeline().as_str(),
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn tenant(&self) -> &str {
        match self {
            Self::Workflow(plan) => plan.tenant(),
            Self::Stream(plan) => plan.tenant(),
        }
    }

    /// Words to filter by.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Workflow(plan) => plan.labels(),
            Self::Stream(plan) => plan.labels(),
        }
    }

    /// What names this version of it: the digest of its document.
    #[must_use]
    pub fn digest(&self) -> &str {
        match self {
            Self::Workflow(plan) => plan.digest(),
            Self::Stream(plan) => plan.digest(),
        }
    }
}

/// Where a pipeline's manifest comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A file of the configuration folder that a person wrote.
    Manifest,
    /// It was made through the API.
    Api,
}

/// A pipeline that this process has in its care.
#[derive(Debug, Clone)]
pub struct Member {
    /// What it does.
    pub plan: MemberPlan,
    /// Where its manifest comes from.
    pub origin: Origin,
    /// The manifest's file, as it was found.
    pub file: Option<String>,
    /// When its next run begins by itself.
    pub next_at: Option<Timestamp>,
    /// When its last scheduled run should have begun, if it has not.
    pub late_since: Option<Timestamp>,
    /// The run that goes on in this process.
    pub run_id: Option<RunId>,
    /// Whether somebody stopped it, and it waits to be started.
    pub stopped: bool,
    /// Why it does not run though it should.
    pub fault: Option<String>,
    /// What each sink of a stream promises, by its id: `exactly_once` or `at_least_once`.
    pub guarantees: BTreeMap<String, &'static str>,
    /// How the stream stands.
    pub status: Option<watch::Receiver<Status>>,
}

/// Why something that was asked for is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of refusal it is.
    pub kind: RefusalKind,
    /// In words.
    pub detail: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// There is no such pipeline in this process's care.
    Unknown,
    /// It does not fit to how things are.
    Conflict,
    /// The version that was named is not the current one.
    Stale,
    /// The manifest cannot be used.
    Unusable,
    /// Something failed on the way.
    Failed,
}

impl Refusal {
    /// A refusal in words.
    pub fn new(kind: RefusalKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), hint: None }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, kind) = match refusal.kind {
            RefusalKind::Unknown => (StatusCode::NOT_FOUND, "not-found"),
            RefusalKind::Conflict => (StatusCode::CONFLICT, "conflict"),
            RefusalKind::Stale => (StatusCode::PRECONDITION_FAILED, "stale"),
            RefusalKind::Unusable => (StatusCode::UNPROCESSABLE_ENTITY, "unusable"),
            RefusalKind::Failed => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        let problem = Self::new(status, kind, refusal.detail);
        match refusal.hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

/// What became of letters that were sent again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Letters that were meant.
    pub matched: u64,
    /// Letters that their sink has now.
    pub done: u64,
    /// Letters that it refused again.
    pub failed_again: u64,
    /// Letters that cannot be sent.
    pub kept_back: u64,
}

/// A change of the set of pipelines.
#[derive(Debug, Clone)]
pub enum Change {
    /// A new one, from its manifest.
    Create {
        /// YAML or JSON.
        manifest: String,
    },
    /// Another manifest for one that was made through the API.
    Replace {
        /// The pipeline.
        name: String,
        /// A JSON Merge Patch (RFC 7396) of the manifest's document.
        patch: serde_json::Value,
        /// The version that is replaced, as its ETag names it.
        version: Option<String>,
    },
    /// It goes, with its series; its history stays.
    Delete {
        /// The pipeline.
        name: String,
        /// The version that goes.
        version: Option<String>,
    },
}

/// Whoever runs the pipelines.
#[async_trait]
pub trait Fleet: Send + Sync {
    /// Every pipeline in this process's care, by name.
    fn members(&self) -> Vec<Member>;

    /// One of them.
    fn member(&self, name: &str) -> Option<Member> {
        self.members().into_iter().find(|it| it.plan.name() == name)
    }

    /// Manifests that cannot be used as they are now: the file, and why.
    fn refused(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Starts a run of a workflow, or a stream that was stopped; the run's id.
    ///
    /// # Errors
    /// A [`Refusal`]: unknown, or it runs already.
    async fn start(&self, name: &str, by: &str) -> Result<RunId, Refusal>;

    /// Stops what runs of the pipeline, and keeps it from being started by itself until
    /// [`Fleet::start`]; answers when it has been asked.
    ///
    /// # Errors
    /// A [`Refusal`]: unknown.
    async fn stop(&self, name: &str, by: &str) -> Result<(), Refusal>;

    /// Sends dead letters again.
    ///
    /// # Errors
    /// A [`Refusal`]: unknown, or the stream runs.
    async fn replay(&self, name: &str, filter: LetterFilter) -> Result<Replayed, Refusal>;

    /// Changes the set of pipelines; the name of the one that it concerned.
    ///
    /// # Errors
    /// A [`Refusal`] with every complaint about the manifest.
    async fn change(&self, change: Change, by: &str) -> Result<String, Refusal>;

    /// The manifest of a pipeline as text, secrets starred out.
    fn manifest(&self, name: &str) -> Option<String>;
}

/// A fleet of nothing: for a server that only shows what is in the store.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFleet;

#[async_trait]
impl Fleet for NoFleet {
    fn members(&self) -> Vec<Member> {
        Vec::new()
    }

    async fn start(&self, name: &str, _by: &str) -> Result<RunId, Refusal> {
        Err(unknown(name))
    }

    async fn stop(&self, name: &str, _by: &str) -> Result<(), Refusal> {
        Err(unknown(name))
    }

    async fn replay(&self, name: &str, _filter: LetterFilter) -> Result<Replayed, Refusal> {
        Err(unknown(name))
    }

    async fn change(&self, _change: Change, _by: &str) -> Result<String, Refusal> {
        Err(Refusal::new(RefusalKind::Conflict, "this server runs no pipelines"))
    }

    fn manifest(&self, _name: &str) -> Option<String> {
        None
    }
}

/// The refusal of a name that nobody knows.
#[must_use]
pub fn unknown(name: &str) -> Refusal {
    // The name is the caller's own; a long one is of no use to anybody.
    let name: String = name.chars().take(64).collect();
    Refusal::new(RefusalKind::Unknown, format!("no pipeline `{name}` is in this server's care"))
}
