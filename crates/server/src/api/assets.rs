//! Datasets and how they hang together, as the newest run of each pipeline tells of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use axum::extract::State;
use flowglass_model::{AssetRef, AssetView, Snapshot};
use flowglass_store::RunFilter;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::query::Ask;
use super::{Answer, Items, json as answer};
use crate::problem::Problem;
use crate::service::Service;

/// Pipelines whose newest run is looked at.
const PIPELINES_MAX: usize = 1_000;
/// How far a graph goes from its focus unless said.
const DEPTH: usize = 3;
/// Datasets of a graph.
const GRAPH_ASSETS_MAX: usize = 2_000;

/// A dataset.
#[derive(Debug, Clone, Serialize)]
struct Asset {
    namespace: String,
    name: String,
    last_event_at: Option<Timestamp>,
    last_run_id: Option<String>,
    producer: Option<Job>,
    rows: Option<u64>,
    bytes: Option<u64>,
    freshness_seconds: Option<f64>,
    schema: Option<Value>,
    checks: Vec<Check>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Job {
    pipeline: String,
    node: String,
}

#[derive(Debug, Clone, Serialize)]
struct Check {
    name: String,
    ok: bool,
    detail: String,
    at: Option<Timestamp>,
}

/// The columns that a dataset was last told to have.
pub(crate) fn columns(it: &AssetView) -> Option<Value> {
    serde_json::from_str(it.facts.get("schema")?).ok()
}

/// Everything that is known of datasets now.
#[derive(Default)]
struct Known {
    assets: BTreeMap<(String, String), Asset>,
    /// Job, dataset, whether it writes.
    ties: BTreeSet<(Job, (String, String), bool)>,
}

impl Known {
    fn add(&mut self, snapshot: &Snapshot, now: Timestamp) {
        let run = snapshot.run.run_id.map(|it| it.to_string());
        for pipeline in &snapshot.pipelines {
            let name = pipeline.pipeline_id.to_string();
            for node in &pipeline.nodes {
                let job = Job { pipeline: name.clone(), node: node.node_id.to_string() };
                for (assets, writes) in [(&node.inputs, false), (&node.outputs, true)] {
                    self.ties.extend(assets.iter().map(|it| (job.clone(), key(it), writes)));
                }
            }
            for view in &pipeline.assets {
                self.see(view, (&name, run.as_deref()), now);
            }
        }
    }

    fn see(&mut self, view: &AssetView, (pipeline, run): (&str, Option<&str>), now: Timestamp) {
        let asset = self.assets.entry(key(&view.asset)).or_insert_with(|| Asset {
            namespace: view.asset.namespace.clone(),
            name: view.asset.name.clone(),
            last_event_at: None,
            last_run_id: None,
            producer: None,
            rows: None,
            bytes: None,
            freshness_seconds: None,
            schema: None,
            checks: Vec::new(),
        });
        // Whoever wrote it last knows best; a reader knows only that it is there.
        let newer = view.produced && view.updated_at >= asset.last_event_at;
        if newer || asset.last_run_id.is_none() {
            asset.last_event_at = view.updated_at.max(asset.last_event_at);
            asset.last_run_id = run.map(ToOwned::to_owned);
            let age = view.updated_at.map(|it| now.duration_since(it).as_secs_f64().max(0.0));
            asset.freshness_seconds = age;
        }
        if newer {
            let node = view.node_id.as_ref().map(ToString::to_string);
            let job = node.map(|node| Job { pipeline: pipeline.to_owned(), node });
            asset.producer = job.or(asset.producer.take());
            asset.rows = view.rows.or(asset.rows);
        }
        asset.schema = columns(view).or(asset.schema.take());
        let checks = view.checks.iter().map(|(name, it)| Check {
            name: name.clone(),
            ok: it.passed,
            detail: it.detail.clone(),
            at: view.updated_at,
        });
        asset.checks.extend(checks);
    }
}

fn key(it: &AssetRef) -> (String, String) {
    (it.namespace.clone(), it.name.clone())
}

async fn known(service: &Arc<Service>) -> Result<Known, Problem> {
    let (snapshots, now) = (service.snapshots.clone(), service.clock.now());
    let found = service.store.read(move |reader| {
        let mut known = Known::default();
        for pipeline in reader.pipeline_names(PIPELINES_MAX)? {
            let filter = RunFilter { pipeline: Some(pipeline), ..RunFilter::default() };
            let Some(last) = reader.list(&filter, None, 1)?.runs.into_iter().next() else {
                continue;
            };
            if let Some(snapshot) = snapshots.of(reader, last.run_id)? {
                known.add(&snapshot, now);
            }
        }
        Ok(known)
    });
    Ok(found.await?)
}

/// `GET /api/v1/assets`.
pub(crate) async fn list(State(service): State<Arc<Service>>, ask: Ask) -> Answer {
    let known = known(&service).await?;
    let text = ask.text("q").map(str::to_lowercase);
    let namespace = ask.text("namespace");
    let fits = |it: &&Asset| {
        let whole = || format!("{} {}", it.namespace, it.name).to_lowercase();
        namespace.is_none_or(|wanted| wanted == it.namespace)
            && text.as_ref().is_none_or(|text| whole().contains(text))
    };
    let (limit, from) = (ask.limit()?, ask.read::<usize>("cursor")?.unwrap_or(0));
    let fitting: Vec<&Asset> = known.assets.values().filter(fits).collect();
    let items: Vec<&Asset> = fitting.iter().skip(from).take(limit).copied().collect();
    let end = from.saturating_add(items.len());
    let next_cursor = (end < fitting.len()).then(|| end.to_string());
    answer(&Items { items, next_cursor, total: Some(fitting.len() as u64) })
}

/// `GET /api/v1/assets/graph`.
pub(crate) async fn graph(State(service): State<Arc<Service>>, ask: Ask) -> Answer {
    let known = known(&service).await?;
    let depth = ask.read::<usize>("depth")?.unwrap_or(DEPTH).min(64);
    let focus = ask.text("focus").map(|it| it.strip_prefix("asset:").unwrap_or(it));
    let focus = match focus {
        None => None,
        Some(text) => {
            let (namespace, name) = text
                .split_once('|')
                .ok_or_else(|| Problem::out_of_range("`focus` is `NAMESPACE|NAME`"))?;
            let key = (namespace.to_owned(), name.to_owned());
            let there = known.assets.contains_key(&key);
            let missing = || Problem::not_found("there is no such dataset");
            Some(there.then_some(key).ok_or_else(missing)?)
        }
    };
    let kept = reach(&known, focus, depth);
    let assets: Vec<&Asset> =
        known.assets.iter().filter(|(key, _)| kept.contains(*key)).map(|it| it.1).collect();
    let ties = || known.ties.iter().filter(|(_, asset, _)| kept.contains(asset));
    let jobs: BTreeSet<&Job> = ties().map(|it| &it.0).collect();
    let edges: Vec<Value> = ties()
        .map(|(job, asset, writes)| {
            let asset = format!("asset:{}|{}", asset.0, asset.1);
            let job = format!("job:{}|{}", job.pipeline, job.node);
            let (from, to) = if *writes { (job, asset) } else { (asset, job) };
            json!({ "from": from, "to": to })
        })
        .collect();
    answer(&json!({ "assets": assets, "jobs": jobs, "edges": edges }))
}

/// The datasets at most `depth` jobs away from the focus, both ways; all without a focus.
fn reach(
    known: &Known,
    focus: Option<(String, String)>,
    depth: usize,
) -> BTreeSet<(String, String)> {
    let Some(focus) = focus else {
        return known.assets.keys().take(GRAPH_ASSETS_MAX).cloned().collect();
    };
    let mut jobs_of: BTreeMap<&(String, String), Vec<&Job>> = BTreeMap::new();
    let mut assets_of: BTreeMap<&Job, Vec<&(String, String)>> = BTreeMap::new();
    for (job, asset, _writes) in &known.ties {
        jobs_of.entry(asset).or_default().push(job);
        assets_of.entry(job).or_default().push(asset);
    }
    let mut kept = BTreeSet::from([focus.clone()]);
    let mut next = VecDeque::from([(focus, 0)]);
    while let Some((asset, far)) = next.pop_front() {
        if far >= depth || kept.len() >= GRAPH_ASSETS_MAX {
            continue;
        }
        let around = jobs_of.get(&asset).into_iter().flatten();
        for other in around.filter_map(|it| assets_of.get(it)).flatten() {
            if kept.insert((*other).clone()) {
                next.push_back(((*other).clone(), far + 1));
            }
        }
    }
    kept
}
