//! What a node does, seen by the runner: one method, one context, two endings.

use std::collections::BTreeMap;

use async_trait::async_trait;
use flowglass_connect::{Fault, Surroundings};
use flowglass_model::{
    Action, AssetRef, Counts, Entity, ErrorClass, ErrorInfo, Reason, Scope, StageId, State,
};

use crate::recorder::{RecordError, Recorder, error_info};
use crate::stop::Stop;

/// The work of a node. An attempt that was stopped must have undone or finished what it began.
#[async_trait]
pub trait Work: Send + Sync {
    /// Does it once.
    async fn attempt(&self, at: &Attempt) -> Result<Finish, Failure>;
}

/// Where an attempt happens.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Ids of the attempt.
    pub scope: Scope,
    /// Which attempt, from 1.
    pub number: u32,
    /// What it does, for its events.
    pub action: Action,
    /// Names this piece of work over all attempts and resumed runs.
    pub token: String,
    /// The way into the history.
    pub recorder: Recorder,
    /// The request to stop.
    pub stop: Stop,
    /// Folders and clock.
    pub around: Surroundings,
}

/// What an attempt came to, good or bad.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Rows and bytes.
    pub counts: Option<Counts>,
    /// The exit code of a command that exited.
    pub exit_code: Option<i32>,
    /// The signal that ended a command.
    pub signal: Option<String>,
    /// Datasets read, where more is known than the plan said.
    pub inputs: Vec<AssetRef>,
    /// Datasets written, alike.
    pub outputs: Vec<AssetRef>,
    /// Free facts: `cpu_seconds`, `peak_rss_bytes`.
    pub attributes: BTreeMap<String, String>,
}

/// An attempt that did its work.
#[derive(Debug, Clone, Default)]
pub struct Finish {
    /// What it came to.
    pub facts: Facts,
    /// Whether somebody should look at it all the same.
    pub warning: bool,
}

/// An attempt that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What it came to so far.
    pub facts: Facts,
    /// Why.
    pub error: ErrorInfo,
    /// The reason of the failed state.
    pub reason: Reason,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let reason = match fault.class() {
            ErrorClass::DiskFull => Reason::Infra,
            ErrorClass::Check => Reason::Check,
            ErrorClass::Timeout => Reason::Timeout,
            _ => Reason::Error,
        };
        Self { facts: Facts::default(), error: error_info(&fault), reason }
    }
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        let fault = match &error {
            RecordError::LogGone => Fault::new(ErrorClass::Io, "recording the attempt"),
            RecordError::Refused(_) => Fault::new(ErrorClass::Internal, "recording the attempt"),
        };
        Self { reason: Reason::Infra, ..Self::from(fault.because(error)) }
    }
}

impl Attempt {
    /// Records that a stage begins.
    ///
    /// # Errors
    /// When the history takes no more events.
    pub async fn stage_begins(&self, stage: &str) -> Result<OpenStage, RecordError> {
        let scope = self.scope.stage(StageId::from_foreign(stage));
        let begun = (State::Running, Reason::Executing);
        self.recorder.transition(&scope, Entity::Stage, begun, |_| {}).await?;
        Ok(OpenStage { scope, since: self.recorder.monotonic() })
    }

    /// Records that a stage ended.
    ///
    /// # Errors
    /// When the history takes no more events.
    pub async fn stage_ends(
        &self,
        stage: &OpenStage,
        to: (State, Reason),
        counts: Option<Counts>,
    ) -> Result<(), RecordError> {
        let seconds = (self.recorder.monotonic() - stage.since).as_secs_f64();
        self.recorder
            .transition(&stage.scope, Entity::Stage, to, |event| {
                event.duration_seconds = Some(seconds);
                event.counts = counts;
            })
            .await
    }
}

/// A stage that has begun.
#[derive(Debug, Clone)]
pub struct OpenStage {
    scope: Scope,
    since: std::time::Duration,
}
