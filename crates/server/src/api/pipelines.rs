//! Pipelines: those in this process's care and those that the store has seen, in one list.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use flowglass_engine::stream::Status;
use flowglass_model::{PipelineId, State as RunState};
use flowglass_store::{Reader, RunFilter, RunSummary, StoreError};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::query::Ask;
use super::streams::{StreamView, stream_view};
use super::{Answer, Items, json as answer, versioned};
use crate::fleet::{Member, MemberPlan};
use crate::problem::Problem;
use crate::service::Service;

/// Pipelines of the store that are listed.
const NAMES_MAX: usize = 1_000;
/// Runs that a pipeline's row shows.
const RECENT_MAX: usize = 30;

/// A pipeline as the dashboard shows it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PipelineView {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) tenant: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// `running`, `paused`, `idle`, `failed`, `stopped` or `unknown`.
    pub(crate) state: &'static str,
    /// `manifest`, `api`, or `store` for one that only its history is known of.
    pub(crate) source: &'static str,
    pub(crate) file: Option<String>,
    pub(crate) schedule: Option<Scheduled>,
    pub(crate) late: bool,
    pub(crate) slo: Option<Value>,
    pub(crate) last_run: Option<RunSummary>,
    pub(crate) recent: Vec<Recent>,
    pub(crate) stream: Option<StreamView>,
    /// Why it does not run though it should.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<String>,
    pub(crate) etag: String,
}

/// When a workflow is started by itself.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Scheduled {
    cron: String,
    timezone: String,
    next_at: Option<Timestamp>,
}

/// A run in a row of runs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Recent {
    run_id: String,
    state: Option<RunState>,
    started_at: Option<Timestamp>,
    duration_seconds: Option<f64>,
}

/// What the store knows of one pipeline.
pub(crate) struct Known {
    pub(crate) runs: Vec<RunSummary>,
    attended: bool,
    pub(crate) letters: flowglass_connect::stream::LetterFigures,
    pub(crate) letters_max: Option<u64>,
    paused: bool,
    is_stream: bool,
    pub(crate) checkpoints: Vec<flowglass_connect::stream::Checkpoint>,
}

fn known(reader: &Reader, name: &PipelineId, is_member_stream: bool) -> Result<Known, StoreError> {
    let filter = RunFilter { pipeline: Some(name.clone()), ..RunFilter::default() };
    let runs = reader.list(&filter, None, RECENT_MAX)?.runs;
    let facts = reader.stream(name.as_str())?;
    let is_stream = is_member_stream || facts.is_some();
    let attended = match runs.first() {
        Some(last) if !last.is_final() => reader.is_attended(last.run_id)?,
        _ => false,
    };
    let (letters, checkpoints) = match is_stream {
        true => (reader.letter_figures(name.as_str())?, reader.checkpoints(name.as_str())?),
        false => Default::default(),
    };
    Ok(Known {
        runs,
        attended,
        letters,
        letters_max: facts.as_ref().and_then(|it| it.letters_max),
        paused: facts.is_some_and(|it| it.paused),
        is_stream,
        checkpoints,
    })
}

/// How a member stands, from what this process alone knows.
fn member_state(member: &Member, status: Option<&Status>) -> Option<&'static str> {
    if member.fault.is_some() {
        return Some("failed");
    }
    match (member.run_id.is_some(), status) {
        (true, Some(status)) if status.paused => Some("paused"),
        (true, _) => Some("running"),
        (false, _) if member.stopped => Some("stopped"),
        (false, _) => None,
    }
}

/// The state of every member: what a change of readiness tells.
pub(crate) fn states(service: &Service) -> Vec<(String, &'static str)> {
    let state = |member: &Member| {
        let status = member.status.as_ref().map(|it| it.borrow().clone());
        member_state(member, status.as_ref()).unwrap_or("idle")
    };
    service.fleet.members().iter().map(|it| (it.plan.name().to_owned(), state(it))).collect()
}

fn state_of(member: Option<&Member>, known: &Known, status: Option<&Status>) -> &'static str {
    if let Some(state) = member.and_then(|it| member_state(it, status)) {
        return state;
    }
    let Some(last) = known.runs.first() else { return "idle" };
    match last.state {
        Some(RunState::Failed) => "failed",
        Some(state) if state.is_final() && known.is_stream => "stopped",
        Some(state) if state.is_final() => "idle",
        _ if known.attended && known.paused => "paused",
        _ if known.attended => "running",
        // Its process went away, and nobody has written its end yet.
        _ => "unknown",
    }
}

/// Puts a view together.
pub(crate) fn view(
    service: &Service,
    name: &str,
    (member, known): (Option<&Member>, &Known),
) -> PipelineView {
    let status = member.and_then(|it| it.status.as_ref()).map(|it| it.borrow().clone());
    let workflow = member.and_then(|it| match &it.plan {
        MemberPlan::Workflow(plan) => Some(plan),
        MemberPlan::Stream(_) => None,
    });
    let schedule = workflow.and_then(|it| it.schedule()).map(|it| Scheduled {
        cron: it.cron.clone(),
        timezone: it.timezone.clone(),
        next_at: member.and_then(|it| it.next_at),
    });
    let slo = member.and_then(|it| match &it.plan {
        MemberPlan::Workflow(plan) if !plan.slo().is_empty() => {
            serde_json::to_value(plan.slo()).ok()
        }
        MemberPlan::Stream(plan) if !plan.slo().is_empty() => serde_json::to_value(plan.slo()).ok(),
        _ => None,
    });
    let is_stream = known.is_stream;
    let last = known.runs.first();
    let tenant = member.map(|it| it.plan.tenant().to_owned());
    let tag = member.map(|it| it.plan.digest().to_owned());
    PipelineView {
        name: name.to_owned(),
        kind: if is_stream { "stream" } else { "workflow" },
        tenant: tenant.or_else(|| last.map(|it| it.tenant.clone())).unwrap_or_default(),
        labels: member.map(|it| it.plan.labels().clone()).unwrap_or_default(),
        state: state_of(member, known, status.as_ref()),
        source: member.map_or("store", |it| match it.origin {
            crate::fleet::Origin::Manifest => "manifest",
            crate::fleet::Origin::Api => "api",
        }),
        file: member.and_then(|it| it.file.clone()),
        schedule,
        late: member.is_some_and(|it| it.late_since.is_some()) || is_stale(service, member, known),
        slo,
        last_run: last.cloned(),
        recent: known.runs.iter().map(recent).collect(),
        stream: is_stream.then(|| stream_view(service, name, (member, status.as_ref(), known))),
        fault: member.and_then(|it| it.fault.clone()),
        etag: tag.unwrap_or_default(),
    }
}

/// Whether the last success is older than what was promised.
fn is_stale(service: &Service, member: Option<&Member>, known: &Known) -> bool {
    let Some(MemberPlan::Workflow(plan)) = member.map(|it| &it.plan) else { return false };
    let Some(freshness) = plan.slo().freshness else { return false };
    let good = known.runs.iter().find(|it| it.state == Some(RunState::Complete));
    let since = good.and_then(|it| it.ended_at).unwrap_or(service.started_at);
    service.clock.now().duration_since(since).unsigned_abs() > freshness
}

fn recent(run: &RunSummary) -> Recent {
    Recent {
        run_id: run.run_id.to_string(),
        state: run.state,
        started_at: run.started_at,
        duration_seconds: run.duration_seconds,
    }
}

/// Views of these pipelines, in this order.
async fn views_of(
    service: &Arc<Service>,
    members: Vec<Member>,
    with_store: bool,
) -> Result<Vec<PipelineView>, Problem> {
    let by_name: BTreeMap<String, Member> =
        members.into_iter().map(|it| (it.plan.name().to_owned(), it)).collect();
    let shared = Arc::clone(service);
    let views = service.store.read(move |reader| {
        let mut names: Vec<PipelineId> =
            by_name.keys().filter_map(|it| PipelineId::new(it.as_str()).ok()).collect();
        if with_store {
            names.extend(reader.pipeline_names(NAMES_MAX)?);
            names.sort_unstable();
            names.dedup();
        }
        let mut views = Vec::with_capacity(names.len());
        for name in &names {
            let member = by_name.get(name.as_str());
            let stream = member.is_some_and(|it| matches!(it.plan, MemberPlan::Stream(_)));
            let known = known(reader, name, stream)?;
            views.push(view(&shared, name.as_str(), (member, &known)));
        }
        Ok(views)
    });
    Ok(views.await?)
}

/// Every pipeline.
pub(crate) async fn all(service: &Arc<Service>) -> Result<Vec<PipelineView>, Problem> {
    views_of(service, service.fleet.members(), true).await
}

/// One pipeline, in this process's care or of the store.
pub(crate) async fn one(service: &Arc<Service>, name: &str) -> Result<PipelineView, Problem> {
    let missing = || Problem::from(crate::fleet::unknown(name));
    let id = PipelineId::new(name).map_err(|_bad| missing())?;
    let member = service.fleet.member(name);
    let shared = Arc::clone(service);
    let found = service.store.read(move |reader| {
        let stream = member.as_ref().is_some_and(|it| matches!(it.plan, MemberPlan::Stream(_)));
        let known = known(reader, &id, stream)?;
        let there = member.is_some() || !known.runs.is_empty() || known.is_stream;
        Ok(there.then(|| view(&shared, id.as_str(), (member.as_ref(), &known))))
    });
    found.await?.ok_or_else(missing)
}

/// Views of the streams that moved since `seen`, which is brought up to date.
pub(crate) async fn moving(
    service: &Arc<Service>,
    seen: &mut HashMap<String, (u64, &'static str)>,
) -> Vec<PipelineView> {
    let mut moved = Vec::new();
    for member in service.fleet.members() {
        let Some(status) = &member.status else { continue };
        let status = status.borrow().clone();
        let state = member_state(&member, Some(&status)).unwrap_or("idle");
        let troubled = status.sinks.iter().filter(|it| it.trouble.is_some()).count() as u64;
        let mark = status.read.wrapping_mul(31).wrapping_add(status.dead_letters);
        let mark = (mark.wrapping_mul(31).wrapping_add(troubled), state);
        if seen.insert(member.plan.name().to_owned(), mark) != Some(mark) {
            moved.push(member);
        }
    }
    if moved.is_empty() {
        return Vec::new();
    }
    // What cannot be read now is told with the next look.
    views_of(service, moved, false).await.unwrap_or_default()
}

/// `GET /api/v1/pipelines`.
pub(crate) async fn list(State(service): State<Arc<Service>>, ask: Ask) -> Answer {
    let mut views = all(&service).await?;
    if let Some(kind) = ask.text("kind") {
        views.retain(|it| it.kind == kind);
    }
    if let Some(text) = ask.text("q") {
        let text = text.to_lowercase();
        views.retain(|it| it.name.contains(&text) || it.tenant.to_lowercase().contains(&text));
    }
    for wanted in ask.all("label") {
        let (key, value) = wanted.split_once('=').unwrap_or((wanted, ""));
        views.retain(|it| {
            it.labels.get(key).is_some_and(|found| value.is_empty() || found == value)
        });
    }
    answer(&Items::whole(views))
}

/// `GET /api/v1/pipelines/{p}`.
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let view = one(&service, &name).await?;
    let manifest = service.fleet.manifest(&name);
    let nodes = service.fleet.member(&name).map(|it| nodes(&it.plan)).unwrap_or_default();
    let tag = view.etag.clone();
    let mut body = serde_json::to_value(&view).map_err(|_unwritable| Problem::internal())?;
    if let Value::Object(body) = &mut body {
        body.insert("manifest".to_owned(), json!(manifest));
        body.insert("nodes".to_owned(), Value::Array(nodes));
    }
    if tag.is_empty() {
        return answer(&body);
    }
    // The tag is the manifest's, for `If-Match`; the figures beside it change all the time.
    let mut fresh = headers;
    fresh.remove(axum::http::header::IF_NONE_MATCH);
    versioned(&fresh, &tag, &body)
}

fn nodes(plan: &MemberPlan) -> Vec<Value> {
    let MemberPlan::Workflow(plan) = plan else { return Vec::new() };
    let nodes = plan.nodes().iter();
    nodes.map(|it| json!({ "id": it.id, "action": it.action.kind(), "needs": it.needs })).collect()
}
