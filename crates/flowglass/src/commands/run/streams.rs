//! Streams in the foreground: from their plans to what the engine runs.

use std::sync::Arc;

use flowglass_catalog::label::PipelineKind;
use flowglass_connect::stream::{Position, StreamState};
use flowglass_connect::{Registry, Surroundings};
use flowglass_engine::stream::{BuiltStream, StreamContext, Until, build_stream};
use flowglass_manifest::StreamPlan;

use super::start::Session;

/// Reads `--until`.
pub(super) fn parse_until(text: &str) -> Result<Until, String> {
    match text {
        "stopped" => Ok(Until::Stopped),
        "caught-up" => Ok(Until::CaughtUp),
        _ => text
            .parse::<Position>()
            .map(Until::Reached)
            .map_err(|error| format!("write `stopped`, `caught-up` or a position: {error}")),
    }
}

/// Whether rows of this stream go to standard output.
pub(super) fn writes_to_stdout(plan: &StreamPlan) -> bool {
    plan.sinks().iter().any(|sink| sink.connector.kind == "stdout")
}

/// Builds a stream; the error is what to say.
pub(super) fn build(
    plan: &StreamPlan,
    session: &Session,
    registry: &Registry,
    (around, until): (Surroundings, Until),
) -> Result<BuiltStream, String> {
    let (of, source) = ((plan.tenant(), plan.pipeline()), &plan.source().connector.kind);
    let meters = session.meters_of(of, PipelineKind::Stream, source);
    let context = StreamContext {
        registry,
        around,
        state: Arc::clone(&session.store) as Arc<dyn StreamState>,
        meters,
        until,
    };
    build_stream(plan, &context).map_err(|error| {
        let said = format!("{}/{}: {}", plan.pipeline(), error.node, error.fault.chain());
        format!("error: {said}\n  hint: {}", error.fault.advice())
    })
}
