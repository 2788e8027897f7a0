//! From a stream's plan to a pipeline of one node that is ready to run. Nothing is started and no
//! system is asked.

use std::sync::Arc;

use flowglass_catalog::PipelineScope;
use flowglass_connect::stream::{DeadLetterLimits, Overflow, StreamState};
use flowglass_connect::{Fault, Registry, Surroundings};
use flowglass_manifest as manifest;
use flowglass_model::{Action, ErrorClass, NodeId};
use tokio::sync::watch;

use super::batcher::BatchLimits;
use super::job::{SinkJob, Status, StreamJob, Until};
use super::policy::CommitPolicy;
use super::work::StreamWork;
use crate::built::BuildError;
use crate::retry::RetryRule;
use crate::runner::{BuiltNode, BuiltPipeline};
use crate::schedule::{Task, When};

/// The node that a stream's history is told by.
const NODE: &str = "stream";

/// What building needs besides the plan.
#[derive(Clone)]
pub struct StreamContext<'a> {
    /// The connectors of this build.
    pub registry: &'a Registry,
    /// Folders and clock.
    pub around: Surroundings,
    /// Positions and dead letters.
    pub state: Arc<dyn StreamState>,
    /// Where its numbers go.
    pub meters: PipelineScope,
    /// When it has done what it is started for.
    pub until: Until,
}

/// A stream that is ready to run.
#[derive(Debug)]
pub struct BuiltStream {
    /// The pipeline that runs it.
    pub pipeline: BuiltPipeline,
    /// How it stands while it runs.
    pub status: watch::Receiver<Status>,
}

/// Builds a stream.
///
/// # Errors
/// A [`BuildError`] for the part that cannot be built.
pub fn build_stream(
    plan: &manifest::StreamPlan,
    context: &StreamContext<'_>,
) -> Result<BuiltStream, BuildError> {
    let job = job(plan, context).map_err(|(part, fault)| BuildError {
        node: NodeId::new(part).unwrap_or_else(|_| node_id()),
        fault,
    })?;
    let inputs = vec![job.source.asset()];
    let outputs = job.sinks.iter().map(|it| it.sink.asset()).collect();
    let (work, status) = StreamWork::new(job);
    let restart = plan.restart();
    let node = BuiltNode {
        task: Task { id: node_id(), needs: Vec::new(), when: When::OnSuccess, settled: None },
        action: Action {
            kind: "stream".to_owned(),
            name: plan.source().connector.kind.clone(),
            argv: Vec::new(),
        },
        inputs,
        outputs,
        // A stream has no end that it could miss: an error that may pass is waited for.
        retry: RetryRule {
            attempts_max: u32::MAX,
            backoff: restart.first,
            backoff_max: restart.longest,
            jitter: restart.jitter,
            // A stream whose place another one has taken would take it back, and so on for ever.
            classes: Some(
                ErrorClass::ALL
                    .iter()
                    .copied()
                    .filter(|it| it.retryable() && *it != ErrorClass::Conflict)
                    .collect(),
            ),
        },
        timeout: None,
        work: Arc::new(work),
    };
    let pipeline = BuiltPipeline {
        id: plan.pipeline().clone(),
        tenant: plan.tenant().to_owned(),
        labels: plan.labels().clone(),
        nodes: vec![node],
        parallel_max: 1,
        timeout: None,
        around: context.around.clone(),
    };
    Ok(BuiltStream { pipeline, status })
}

fn node_id() -> NodeId {
    NodeId::from_foreign(NODE)
}

fn job(
    plan: &manifest::StreamPlan,
    context: &StreamContext<'_>,
) -> Result<StreamJob, (String, Fault)> {
    let StreamContext { registry, around, .. } = context;
    let name = plan.pipeline().to_string();
    let from = plan.source();
    let source = registry
        .stream_source(&from.connector.kind, from.connector.expose().clone(), around)
        .map_err(|fault| (from.id.clone(), fault))?;
    let mut processors = Vec::with_capacity(plan.processors().len());
    for it in plan.processors() {
        let (kind, config) = (&it.connector.kind, it.connector.expose().clone());
        let built = registry.processor(kind, &it.id, config, around);
        processors.push(built.map_err(|fault| (it.id.clone(), fault))?);
    }
    let mut sinks = Vec::with_capacity(plan.sinks().len());
    for to in plan.sinks() {
        let sink = registry
            .stream_sink(&to.connector.kind, &name, to.connector.expose().clone(), around)
            .map_err(|fault| (to.id.clone(), fault))?;
        sinks.push(SinkJob { sink, required: to.required });
    }
    let (batch, letters) = (plan.batch(), plan.dead_letters());
    Ok(StreamJob {
        name,
        source,
        processors,
        sinks,
        limits: BatchLimits {
            events_max: usize::try_from(batch.events_max).unwrap_or(usize::MAX),
            bytes_max: batch.bytes_max,
            wait_max: batch.wait_max,
            respect_transactions: batch.respect_transactions,
        },
        queue_batches_max: usize::try_from(plan.queue_batches()).unwrap_or(usize::MAX),
        policy: match plan.commit_policy() {
            manifest::CommitPolicy::All => CommitPolicy::All,
            manifest::CommitPolicy::Required => CommitPolicy::Required,
            manifest::CommitPolicy::Quorum(count) => {
                CommitPolicy::Quorum(usize::try_from(count).unwrap_or(usize::MAX))
            }
        },
        dead_letters: DeadLetterLimits {
            entries_max: letters.entries_max,
            age_max: letters.age_max,
            row_bytes_max: usize::try_from(letters.event_bytes_max).unwrap_or(usize::MAX),
            overflow: match letters.overflow {
                manifest::Overflow::DropOldest => Overflow::DropOldest,
                manifest::Overflow::Reject => Overflow::Reject,
                manifest::Overflow::Block => Overflow::Block,
            },
        },
        until: context.until.clone(),
        grace: plan.grace(),
        stalled_after: plan.stalled_after(),
        state: Arc::clone(&context.state),
        meters: context.meters.clone(),
        clock: Arc::clone(&context.around.clock),
    })
}
