//! From a stream's document to its plan: the parts, then the rules around them, and last whether the
//! rules fit the parts.

use std::ops::RangeInclusive;
use std::time::Duration;

use flowglass_model::PipelineId;

use crate::complaint::{Code, Severity};
use crate::doc::Doc;
use crate::draft::{
    CommitMode, CommitPolicyDraft, DlqDraft, MetadataDraft, StreamBatchDraft, StreamSpecDraft,
};
use crate::path::Path;
use crate::plan::{
    CommitPolicy, DeadLetterRule, Restart, StreamBatching, StreamPlan, StreamSink, StreamSlo,
};
use crate::tree::Node;

use super::builder::{Context, duration, guarded, positive, read_part, size};
use super::write::BATCH_BYTES;
use super::{spec, stream_parts};

/// The bounds of `dlq.max_event_bytes`: a row's beginning is of use, and the store holds it in one
/// piece.
const LETTER_BYTES: RangeInclusive<u64> = 1 << 10..=64 << 20;

const DAY: Duration = Duration::from_secs(86_400);

/// Builds the plan of a stream; `None` when there is an error, found here or before.
pub(crate) fn build_stream(doc: &mut Doc<'_>, context: Context<'_>) -> Option<StreamPlan> {
    let path = Path::root().key("spec");
    let metadata: MetadataDraft = read_part(doc, &Path::root().key("metadata"));
    let spec: StreamSpecDraft = read_part(doc, &path);
    spec::check_names(doc, &context, &spec.secrets);
    let source = stream_parts::source(doc, context.vocabulary);
    let processors = stream_parts::processors(doc, context.vocabulary);
    let sinks = stream_parts::sinks(doc, context.vocabulary);
    let batch = batching(doc, &spec.batch.unwrap_or_default());
    let commit_policy = commit_policy(doc, &spec.commit_policy.unwrap_or_default(), &sinks);
    let dead_letters = dead_letters(doc, &spec.dlq.unwrap_or_default());
    let grace = duration(doc, spec.grace.as_ref(), &path.key("grace"));
    let stalled_after = positive(doc, spec.stalled_after.as_ref(), &path.key("stalled_after"));
    let retry = spec::retry(doc, spec.retry.map(Into::into).as_ref(), None, &path);
    let slo = spec.slo.unwrap_or_default();
    let slo = StreamSlo { lag: positive(doc, slo.lag.as_ref(), &path.key("slo").key("lag")) };
    if doc.report.complaints.iter().any(|it| it.severity == Severity::Error) || doc.root.flawed {
        return None;
    }
    let params = context.params.into_iter().map(|(name, param)| (name, guarded(param)));
    Some(StreamPlan {
        pipeline: PipelineId::new(metadata.name?.0).ok()?,
        tenant: metadata.tenant.map_or_else(|| "default".to_owned(), |tenant| tenant.0),
        description: metadata.description,
        labels: metadata.labels.into_iter().map(|(name, value)| (name, value.0)).collect(),
        digest: context.digest,
        params: params.collect(),
        source: source?,
        processors,
        sinks,
        batch,
        commit_policy: commit_policy?,
        dead_letters,
        queue_batches: spec.queue_batches.unwrap_or(4),
        grace: grace.unwrap_or(Duration::from_secs(30)),
        stalled_after: stalled_after.unwrap_or(Duration::from_secs(60)),
        restart: Restart { first: retry.first, longest: retry.longest, jitter: retry.jitter },
        slo,
        base_dir: context.base_dir,
        secrets: doc.secrets.clone(),
    })
}

fn batching(doc: &mut Doc<'_>, draft: &StreamBatchDraft) -> StreamBatching {
    let path = Path::root().key("spec").key("batch").key("max_bytes");
    let bytes = size(doc, draft.max_bytes.as_ref(), &path, BATCH_BYTES);
    StreamBatching {
        events_max: draft.max_events.unwrap_or(8192),
        bytes_max: bytes.unwrap_or(16 << 20),
        wait_max: Duration::from_millis(draft.max_ms.unwrap_or(50).into()),
        respect_transactions: draft.respect_source_tx.unwrap_or(true),
    }
}

fn dead_letters(doc: &mut Doc<'_>, draft: &DlqDraft) -> DeadLetterRule {
    let path = Path::root().key("spec").key("dlq");
    let age = positive(doc, draft.max_age.as_ref(), &path.key("max_age"));
    let bytes = draft.max_event_bytes.as_ref();
    let bytes = size(doc, bytes, &path.key("max_event_bytes"), LETTER_BYTES);
    DeadLetterRule {
        entries_max: draft.max_entries.unwrap_or(10_000),
        age_max: age.unwrap_or(7 * DAY),
        event_bytes_max: bytes.unwrap_or(256 << 10),
        overflow: draft.overflow,
    }
}

/// Checks the policy against the sinks, which are counted in the text: one that is broken still is a
/// sink.
fn commit_policy(
    doc: &mut Doc<'_>,
    draft: &CommitPolicyDraft,
    sinks: &[StreamSink],
) -> Option<CommitPolicy> {
    let spec = Path::root().key("spec");
    let path = spec.key("commit_policy");
    // What the schema complained about has no draft; nothing can be said about it.
    let known = doc.root.at(&path).is_none_or(|policy| !policy.flawed);
    let count = doc.root.at(&spec.key("sinks")).map_or(0, |it| Node::items(it).len());
    let all_built = sinks.len() == count;
    match (draft.mode, draft.quorum) {
        _ if !known => None,
        (CommitMode::Quorum, None) => {
            doc.error_at_key(Code::CommitPolicy, &path.key("mode"), "`quorum` has no number")
                .advise(match count {
                    0 | 1 => "add `quorum: 1`".to_owned(),
                    _ => format!("add `quorum: N`, with N from 1 to {count}"),
                });
            None
        }
        (CommitMode::Quorum, Some(quorum)) if quorum as usize > count && count > 0 => {
            let there = match count {
                1 => "is only 1 sink".to_owned(),
                _ => format!("are only {count} sinks"),
            };
            let said = format!("`quorum` is {quorum}, and there {there}");
            let help = if count == 1 { "use 1".to_owned() } else { format!("use 1 to {count}") };
            doc.error(Code::CommitPolicy, &path.key("quorum"), said).advise(help);
            None
        }
        (CommitMode::Quorum, Some(quorum)) => {
            let required = sinks.iter().filter(|it| it.required).count();
            if all_built && required > quorum as usize {
                let said = format!(
                    "a quorum of {quorum} has no effect: {required} sinks are waited for anyway"
                );
                doc.warn_at_key(Code::NoEffect, &path.key("quorum"), said)
                    .advise("mark sinks that need not be waited for with `required: false`");
            }
            Some(CommitPolicy::Quorum(quorum))
        }
        (mode, Some(_)) => {
            let word = if mode == CommitMode::All { "all" } else { "required" };
            let said = format!("`quorum` belongs to the mode `quorum`, and the mode is `{word}`");
            doc.error_at_key(Code::CommitPolicy, &path.key("quorum"), said)
                .advise("write `mode: quorum`, or remove `quorum`");
            None
        }
        (CommitMode::All, None) => Some(CommitPolicy::All),
        (CommitMode::Required, None) => {
            if doc.has(&path.key("mode")) && all_built && !sinks.iter().any(|it| it.required) {
                let said = "no sink is required, so that all of them are waited for";
                doc.warn_at_key(Code::NoEffect, &path.key("mode"), said)
                    .advise("write `mode: all`, or let a sink be required");
            }
            Some(CommitPolicy::Required)
        }
    }
}
