//! From a document to its plan: part by part, then node by node in the order of the graph.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use flowglass_model::{NodeId, PipelineId};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::complaint::{Code, Severity};
use crate::doc::Doc;
use crate::draft::{DurationText, MetadataDraft, NodeDraft, SizeText, SpecDraft};
use crate::expand::Param;
use crate::nearest::nearest;
use crate::path::Path;
use crate::plan::{Action, Condition, Node, Plan};
use crate::schema::Vocabulary;
use crate::secret::{GuardedText, STARS};
use crate::tree::Body;
use crate::units::{parse_duration, parse_size, size_text};

use super::{assets, check, command, graph, spec, write};

/// What building needs besides the document.
pub(crate) struct Context<'a> {
    /// The connectors.
    pub(crate) vocabulary: &'a Vocabulary,
    /// The parameters and their values.
    pub(crate) params: BTreeMap<String, Param>,
    /// The manifest's folder.
    pub(crate) base_dir: PathBuf,
    /// See [`Plan::digest`].
    pub(crate) digest: String,
}

/// Builds the plan of a document; `None` when there is an error, found here or before.
pub(crate) fn build(doc: &mut Doc<'_>, context: Context<'_>) -> Option<Plan> {
    let spec_path = Path::root().key("spec");
    let metadata: MetadataDraft = read_part(doc, &Path::root().key("metadata"));
    let spec: SpecDraft = read_part(doc, &spec_path);
    spec::check_names(doc, &context, &spec.secrets);
    let schedule = spec::schedule(doc, &spec);
    let slo = spec::slo(doc, spec.slo.as_ref());
    let timeout = positive(doc, spec.timeout.as_ref(), &spec_path.key("timeout"));
    let env = spec::environment(doc, &spec_path.key("env"));
    let graph = graph::check(doc);
    let mut builder = Builder { doc, context: &context, spec: &spec, done: BTreeMap::new() };
    for index in graph.order() {
        builder.node(&graph, *index);
    }
    let built = builder.done;
    assets::check(doc, &graph, &built);
    if doc.report.complaints.iter().any(|it| it.severity == Severity::Error) {
        return None;
    }
    // Without an error every node was built, and every part of the document has a value.
    let mut built = built;
    let nodes: Vec<Node> = graph.order().iter().filter_map(|index| built.remove(index)).collect();
    let nothing_missing = nodes.len() == graph.len() && !doc.root.flawed;
    let pipeline = PipelineId::new(metadata.name?.0).ok().filter(|_| nothing_missing)?;
    Some(Plan {
        pipeline,
        tenant: metadata.tenant.map_or_else(|| "default".to_owned(), |tenant| tenant.0),
        description: metadata.description,
        labels: metadata.labels.into_iter().map(|(name, value)| (name, value.0)).collect(),
        digest: context.digest,
        schedule,
        max_parallel: spec.max_parallel.unwrap_or(4),
        timeout,
        params: context.params.into_iter().map(|(name, param)| (name, guarded(param))).collect(),
        env,
        slo,
        edges: crate::plan::edges(&nodes),
        nodes,
        base_dir: context.base_dir,
        secrets: doc.secrets.clone(),
    })
}

pub(super) fn guarded(param: Param) -> GuardedText {
    let value = param.value.unwrap_or_default();
    if param.secret { GuardedText::new(value, STARS.to_owned()) } else { GuardedText::open(value) }
}

struct Builder<'a, 't> {
    doc: &'a mut Doc<'t>,
    context: &'a Context<'a>,
    spec: &'a SpecDraft,
    /// Nodes built so far, by their index in the text.
    done: BTreeMap<usize, Node>,
}

impl Builder<'_, '_> {
    fn node(&mut self, graph: &graph::Graph, index: usize) {
        let path = Path::root().key("spec").key("nodes").index(index);
        // What the schema complained about is left out; the rest of the node is still checked.
        let draft: NodeDraft = read_part(self.doc, &path);
        let retry = spec::retry(self.doc, self.spec.retry.as_ref(), draft.retry.as_ref(), &path);
        let timeout = positive(self.doc, draft.timeout.as_ref(), &path.key("timeout"));
        let condition = self.condition(&draft, &path.key("if"));
        let action = self.action(draft.command, draft.copy, draft.sql, draft.check, (graph, index));
        let Some(id) = graph.id(index).and_then(|id| NodeId::new(id).ok()) else { return };
        let needs: BTreeSet<NodeId> = graph
            .needs(index)
            .iter()
            .filter_map(|need| NodeId::new(graph.id(*need)?).ok())
            .collect();
        let needs: Vec<NodeId> = needs.into_iter().collect();
        let Some(action) = action else { return };
        if draft.when == crate::plan::When::OnFailure && needs.is_empty() {
            self.doc
                .error(Code::NoEffect, &path.key("when"), "`on_failure` without `needs` never runs")
                .advise("add `needs` with the nodes whose failure it waits for");
        }
        self.done
            .insert(index, Node { id, needs, when: draft.when, condition, retry, timeout, action });
    }

    fn action(
        &mut self,
        command: Option<crate::draft::CommandDraft>,
        copy: Option<crate::draft::CopyDraft>,
        sql: Option<crate::draft::SqlDraft>,
        check: Option<crate::draft::CheckDraft>,
        (graph, index): (&graph::Graph, usize),
    ) -> Option<Action> {
        let path = Path::root().key("spec").key("nodes").index(index);
        if let Some(draft) = command {
            return command::build(self.doc, &draft, &path.key("command")).map(Action::Command);
        }
        if let Some(draft) = copy {
            return write::copy(self.doc, &draft, &path.key("copy")).map(Action::Copy);
        }
        let done = &self.done;
        if let Some(draft) = sql {
            let needed = graph.needs(index).iter().filter_map(|need| done.get(need)).collect();
            let written = assets::Written { vocabulary: self.context.vocabulary, nodes: needed };
            return write::sql(self.doc, &draft, &path.key("sql"), &written).map(Action::Sql);
        }
        let before = graph.before(index);
        let nodes = before.iter().rev().filter_map(|it| done.get(it));
        let others = done.iter().filter(|(other, _)| !before.contains(other)).map(|(_, node)| node);
        let nodes = nodes.chain(others).collect();
        let written = assets::Written { vocabulary: self.context.vocabulary, nodes };
        check::build(self.doc, &check?, &path.key("check"), &written).map(Action::Check)
    }

    /// Works out an `if`: it depends on parameters alone.
    fn condition(&mut self, draft: &NodeDraft, path: &Path) -> Option<Condition> {
        let draft = draft.condition.as_ref()?;
        let name = &draft.param;
        let Some(param) = self.context.params.get(name) else {
            let said = format!("no parameter `{name}` is declared");
            let near = nearest(name, self.context.params.keys().map(String::as_str));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "declare it under `spec.params`".to_owned(),
            };
            self.doc.error(Code::UnknownParam, &path.key("param"), said).advise(help);
            return None;
        };
        let value = param.value.as_deref()?;
        let (holds, says) = match (&draft.equals, &draft.not_equals, &draft.one_of) {
            (Some(wanted), _, _) => {
                (value == wanted.0, format!("param {name} equals {}", wanted.0))
            }
            (_, Some(other), _) => {
                (value != other.0, format!("param {name} does not equal {}", other.0))
            }
            (_, _, all) => {
                let all: Vec<&str> = all.iter().flatten().map(|it| it.0.as_str()).collect();
                (all.contains(&value), format!("param {name} is one of {}", all.join(", ")))
            }
        };
        let says = if param.secret { format!("param {name} is compared") } else { says };
        Some(Condition { holds, says })
    }
}

/// Reads the entries of a mapping that nothing is wrong with.
pub(super) fn read_part<T: DeserializeOwned + Default>(doc: &mut Doc<'_>, path: &Path) -> T {
    let Some(node) = doc.root.at(path) else { return T::default() };
    let Body::Map(entries) = &node.body else { return T::default() };
    let sound = entries.iter().filter(|entry| !entry.node.flawed);
    let map: Map<String, Value> =
        sound.map(|entry| (entry.key.clone(), entry.node.value(false))).collect();
    match serde_json::from_value(Value::Object(map)) {
        Ok(part) => part,
        Err(error) => {
            disagree(doc, path, &error);
            T::default()
        }
    }
}

/// The schema let something through that serde does not read. The message of serde may quote a
/// value, so only its kind is told.
fn disagree(doc: &mut Doc<'_>, path: &Path, error: &serde_json::Error) {
    let said = format!("this passes the schema and cannot be read ({:?} error)", error.classify());
    doc.error(Code::Internal, path, said).advise("please report this manifest as a defect");
}

/// A duration, as checked.
pub(super) fn duration(
    doc: &mut Doc<'_>,
    text: Option<&DurationText>,
    path: &Path,
) -> Option<Duration> {
    let text = &text?.0;
    match parse_duration(text) {
        Ok(duration) => Some(duration),
        Err(why) => {
            let said = format!("`{text}` is not a valid duration: {why}");
            doc.error(Code::BadFormat, path, said).advise("for example `2s`, `10m` or `1h30m`");
            None
        }
    }
}

/// A duration that is not nothing.
pub(super) fn positive(
    doc: &mut Doc<'_>,
    text: Option<&DurationText>,
    path: &Path,
) -> Option<Duration> {
    let duration = duration(doc, text, path)?;
    if duration.is_zero() {
        let name = path.last_key().unwrap_or("the duration").to_owned();
        doc.error(Code::OutOfRange, path, format!("`{name}` must be longer than nothing"))
            .advise("use a duration such as `10m`");
        return None;
    }
    Some(duration)
}

/// A size within bounds.
pub(super) fn size(
    doc: &mut Doc<'_>,
    text: Option<&SizeText>,
    path: &Path,
    bounds: RangeInclusive<u64>,
) -> Option<u64> {
    let text = &text?.0;
    match parse_size(text) {
        Ok(bytes) if bounds.contains(&bytes) => Some(bytes),
        Ok(bytes) => {
            let name = path.last_key().unwrap_or("the size").to_owned();
            let said = format!("`{name}` is {bytes} bytes, which is out of range");
            let (least, most) = (size_text(*bounds.start()), size_text(*bounds.end()));
            doc.error(Code::OutOfRange, path, said).advise(format!("use `{least}` to `{most}`"));
            None
        }
        Err(why) => {
            let said = format!("`{text}` is not a valid size: {why}");
            doc.error(Code::BadFormat, path, said).advise("for example `16MiB`");
            None
        }
    }
}
