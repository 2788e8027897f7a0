//! A pipeline as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flowglass_model::{NodeId, PipelineId};
use serde::Serialize;

use crate::secret::{GuardedText, Secrets};

use super::node::{self, Node};

/// A pipeline, ready to be run.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub(crate) pipeline: PipelineId,
    pub(crate) tenant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schedule: Option<Schedule>,
    pub(crate) max_parallel: u32,
    #[serde(serialize_with = "node::duration_option", skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<Duration>,
    pub(crate) params: BTreeMap<String, GuardedText>,
    pub(crate) env: BTreeMap<String, GuardedText>,
    #[serde(skip_serializing_if = "Slo::is_empty")]
    pub(crate) slo: Slo,
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<Edge>,
    #[serde(skip)]
    pub(crate) base_dir: PathBuf,
    #[serde(skip)]
    pub(crate) secrets: Secrets,
}

/// When `serve` starts runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// The cron expression, as written: five fields, or six with seconds first.
    pub cron: String,
    /// An IANA time zone name that is known.
    pub timezone: String,
}

/// `to` starts after `from` ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Edge {
    /// The node that comes first.
    pub from: NodeId,
    /// The node that needs it.
    pub to: NodeId,
}

/// What is promised about a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Slo {
    /// The last successful run is never older.
    #[serde(serialize_with = "node::duration_option", skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Duration>,
    /// 95 of 100 runs end within this time.
    #[serde(serialize_with = "node::duration_option", skip_serializing_if = "Option::is_none")]
    pub duration_p95: Option<Duration>,
    /// This share of runs succeeds, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_ratio: Option<f64>,
}

impl Slo {
    /// Whether nothing is promised.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Plan {
    /// The pipeline's id: `metadata.name`.
    #[must_use]
    pub const fn pipeline(&self) -> &PipelineId {
        &self.pipeline
    }

    /// Whose it is.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// A sentence for people.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Words to filter by.
    #[must_use]
    pub const fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// `sha256:` and the hex digest of what the document says, before variables: comments,
    /// layout, the order of keys and the order of nodes do not change it, and no secret is in it.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// When it is started by itself.
    #[must_use]
    pub const fn schedule(&self) -> Option<&Schedule> {
        self.schedule.as_ref()
    }

    /// How many nodes may run at once, 1 to 1024.
    #[must_use]
    pub const fn max_parallel(&self) -> u32 {
        self.max_parallel
    }

    /// How long a whole run may take.
    #[must_use]
    pub const fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The parameters and the values they have in this plan.
    #[must_use]
    pub const fn params(&self) -> &BTreeMap<String, GuardedText> {
        &self.params
    }

    /// Environment variables of every command; those of the command itself come on top.
    #[must_use]
    pub const fn env(&self) -> &BTreeMap<String, GuardedText> {
        &self.env
    }

    /// What is promised.
    #[must_use]
    pub const fn slo(&self) -> &Slo {
        &self.slo
    }

    /// The nodes, each after all that it needs.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node by its id.
    #[must_use]
    pub fn node(&self, id: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id.as_str() == id)
    }

    /// The edges, sorted.
    #[must_use]
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// The manifest's folder: relative paths in the plan start here.
    #[must_use]
    pub fn base_dir(&self) -> &Path {
        &self.base_dir
    }

    /// Every secret value, for the redactor.
    #[must_use]
    pub const fn secrets(&self) -> &Secrets {
        &self.secrets
    }
}
