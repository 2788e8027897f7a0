//! A workflow's manifest, and what every manifest has: metadata, parameters, the two kinds.

use std::collections::BTreeMap;

use flowglass_model::ErrorClass;
use schemars::JsonSchema;
use serde::Deserialize;

use super::actions::{CheckDraft, CommandDraft, CopyDraft, SqlDraft};
use super::stream::StreamDraft;
use super::words::{DurationText, Id, When, Word};

/// A Flowglass manifest: one pipeline, of the kind that `kind` names.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the schema of the whole; documents are read part by part")]
pub(crate) enum ManifestDraft {
    /// A graph of nodes that ends.
    Workflow(WorkflowDraft),
    /// Changes from a source to sinks, until it is stopped.
    Stream(StreamDraft),
}

/// A graph of nodes that ends.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of the whole; documents are read part by part")]
pub(crate) struct WorkflowDraft {
    /// The version of this format.
    api_version: ApiVersion,
    /// What the pipeline is: `Workflow` or `Stream`.
    #[schemars(extend("x-flowglass-words" = ["Workflow", "Stream"]))]
    kind: WorkflowKind,
    /// What it is called.
    metadata: MetadataDraft,
    /// What it does.
    spec: SpecDraft,
}

/// The versions of the format.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum ApiVersion {
    #[serde(rename = "flowglass/v1")]
    V1,
}

/// The kind of a workflow.
#[derive(Debug, JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum WorkflowKind {
    /// A graph of nodes that ends.
    Workflow,
}

/// What a pipeline is called.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetadataDraft {
    /// The pipeline's id in runs, metrics and events.
    pub(crate) name: Option<Id>,
    /// Whose it is; part of every metric's labels.
    #[schemars(extend("default" = "default"))]
    pub(crate) tenant: Option<Id>,
    /// A sentence for people.
    pub(crate) description: Option<String>,
    /// Words to filter by.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, Word>,
}

/// What a workflow does.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "WorkflowSpecDraft", extend("required" = ["nodes"]))]
pub(crate) struct SpecDraft {
    /// When `serve` starts a run: a cron expression of five fields, or six with seconds first.
    #[schemars(extend("examples" = ["*/15 * * * *", "0 6 * * MON-FRI"]))]
    pub(crate) schedule: Option<String>,
    /// The IANA time zone that the schedule is read in.
    #[schemars(extend("default" = "UTC", "examples" = ["Europe/Berlin"]))]
    pub(crate) timezone: Option<String>,
    /// How many nodes may run at once.
    #[schemars(range(min = 1, max = 1024), extend("default" = 4))]
    pub(crate) max_parallel: Option<u32>,
    /// Values that the caller may set with `--param name=value`; used as `${param.name}`.
    #[serde(deserialize_with = "ignored")]
    pub(crate) params: BTreeMap<String, ParamDraft>,
    /// Environment variables of every command.
    pub(crate) env: BTreeMap<String, Word>,
    /// Names of variables (or `param.name`) whose values are starred out everywhere.
    pub(crate) secrets: Vec<String>,
    /// How nodes are tried again, unless they say otherwise.
    pub(crate) retry: Option<RetryDraft>,
    /// How long a whole run may take.
    pub(crate) timeout: Option<DurationText>,
    /// The steps, in any order: `needs` says what comes first.
    #[serde(deserialize_with = "ignored")]
    #[schemars(length(min = 1, max = 10_000))]
    pub(crate) nodes: Vec<NodeDraft>,
    /// What is promised about this pipeline.
    pub(crate) slo: Option<SloDraft>,
}

/// Read elsewhere: nodes one by one, so that a broken one does not hide the others; parameters
/// before everything else.
pub(super) fn ignored<'de, D: serde::Deserializer<'de>, T: Default>(
    from: D,
) -> Result<T, D::Error> {
    serde::de::IgnoredAny::deserialize(from).map(|_| T::default())
}

/// A parameter: its default, or more about it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "parameters are read before the draft; this is their schema")]
pub(crate) enum ParamDraft {
    /// The default.
    Default(Word),
    /// The default and more.
    Full(ParamFull),
}

/// More about a parameter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "parameters are read before the draft; this is their schema")]
pub(crate) struct ParamFull {
    /// The value when the caller gives none; without it the caller must give one.
    default: Option<Word>,
    /// What it is for.
    description: Option<String>,
    /// The values that are allowed; any when absent.
    #[schemars(length(min = 1))]
    allowed: Option<Vec<Word>>,
}

/// How often and when a node is tried again.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryDraft {
    /// Attempts in all, the first included.
    #[schemars(range(min = 1, max = 100), extend("default" = 1))]
    pub(crate) max_attempts: Option<u32>,
    /// The pause before the second attempt; it doubles with every further one.
    #[schemars(extend("default" = "1s"))]
    pub(crate) backoff: Option<DurationText>,
    /// The longest pause.
    #[schemars(extend("default" = "1m"))]
    pub(crate) max_backoff: Option<DurationText>,
    /// Whether each pause is drawn at random between half of it and all of it.
    #[schemars(extend("default" = true))]
    pub(crate) jitter: Option<bool>,
    /// Only these kinds of errors are tried again; by default those that may pass.
    #[schemars(length(min = 1))]
    pub(crate) on: Option<Vec<ErrorClass>>,
}

/// What is promised about a pipeline.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SloDraft {
    /// The last successful run is never older.
    pub(crate) freshness: Option<DurationText>,
    /// 95 of 100 runs end within this time.
    pub(crate) duration_p95: Option<DurationText>,
    /// This share of runs succeeds.
    #[schemars(range(min = 0, max = 1))]
    pub(crate) success_ratio: Option<f64>,
}

/// A step of a workflow: an id, its conditions, and exactly one action.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["id"], "oneOf" = [
    {"required": ["command"]}, {"required": ["copy"]}, {"required": ["sql"]}, {"required": ["check"]}
]))]
pub(crate) struct NodeDraft {
    /// Unique in the pipeline.
    id: Option<Id>,
    /// The nodes that must have ended before.
    needs: Vec<Id>,
    /// On which ends of the needed nodes it runs.
    pub(crate) when: When,
    /// Run only when a parameter has a value; skipped otherwise.
    #[serde(rename = "if")]
    pub(crate) condition: Option<ConditionDraft>,
    /// How it is tried again.
    pub(crate) retry: Option<RetryDraft>,
    /// How long one attempt may take.
    pub(crate) timeout: Option<DurationText>,
    /// Run a program.
    pub(crate) command: Option<CommandDraft>,
    /// Copy rows from a source to a target.
    pub(crate) copy: Option<CopyDraft>,
    /// Compute rows with SQL and write them to a target.
    pub(crate) sql: Option<SqlDraft>,
    /// Check rules on data.
    pub(crate) check: Option<CheckDraft>,
}

/// A comparison of a parameter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["equals"]}, {"required": ["not_equals"]}, {"required": ["in"]}
]))]
pub(crate) struct ConditionDraft {
    /// The parameter's name.
    pub(crate) param: String,
    /// It has this value.
    pub(crate) equals: Option<Word>,
    /// It has another value.
    pub(crate) not_equals: Option<Word>,
    /// It has one of these values.
    #[serde(rename = "in")]
    #[schemars(length(min = 1))]
    pub(crate) one_of: Option<Vec<Word>>,
}
