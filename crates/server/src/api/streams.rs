//! What only streams have: the flow from source to sinks, positions, ledger and shapes of tables.

use std::sync::Arc;

use axum::extract::{Path, State};
use flowglass_connect::stream::Position;
use flowglass_engine::stream::{SinkStatus, Status};
use flowglass_model::{LedgerEntry, PipelineId, Snapshot};
use flowglass_store::RunFilter;
use jiff::Timestamp;
use serde::Serialize;

use super::pipelines::{Known, one};
use super::{Answer, Items, json};
use crate::fleet::{Member, MemberPlan};
use crate::problem::Problem;
use crate::sampler::History;
use crate::service::Service;

/// A stream as a flow.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct StreamView {
    pub(crate) run_id: Option<String>,
    /// Whether the figures are of this moment.
    pub(crate) live: bool,
    source: Part,
    processors: Vec<Part>,
    pub(crate) sinks: Vec<SinkView>,
    pub(crate) rate_rows_per_second: f64,
    rate_bytes_per_second: f64,
    pub(crate) lag_seconds: f64,
    lag_bytes: Option<u64>,
    idle_seconds: f64,
    read_rows: u64,
    handed: Option<String>,
    committed: Option<String>,
    head: Option<u64>,
    snapshot: Option<Progress>,
    bottleneck: Option<Bottleneck>,
    pub(crate) stalled: Option<Stalled>,
    pub(crate) dead_letters: Letters,
    tables: Vec<Table>,
    remarks: Vec<String>,
    history: History,
}

/// A source or a processor.
#[derive(Debug, Clone, Default, Serialize)]
struct Part {
    id: String,
    r#type: String,
}

/// Rows of a snapshot of the source.
#[derive(Debug, Clone, Serialize)]
struct Progress {
    done: u64,
    expected: u64,
}

/// A sink and how it stands.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SinkView {
    pub(crate) id: String,
    r#type: Option<String>,
    required: Option<bool>,
    guarantee: Option<&'static str>,
    /// `ok`, `trouble`, `behind` or `ended`.
    pub(crate) state: &'static str,
    pub(crate) trouble: Option<String>,
    attempts: u32,
    in_flight_batches: usize,
    queue_batches_max: Option<u32>,
    delivered_rows: u64,
    position: Option<String>,
    position_lag_bytes: Option<u64>,
}

#[derive(Debug, Clone, Serialize)]
struct Bottleneck {
    stage: &'static str,
    why: String,
}

/// Why nothing moves.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Stalled {
    pub(crate) stage: &'static str,
    pub(crate) since: Timestamp,
    pub(crate) why: String,
}

/// Dead letters and their room.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Letters {
    pub(crate) entries: u64,
    pub(crate) entries_max: Option<u64>,
    pub(crate) oldest_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Serialize)]
struct Table {
    table: String,
    rows: u64,
    lag_seconds: Option<f64>,
}

/// Puts a stream's view together.
pub(crate) fn stream_view(
    service: &Service,
    name: &str,
    (member, status, known): (Option<&Member>, Option<&Status>, &Known),
) -> StreamView {
    let now = service.clock.now();
    let mut view = StreamView {
        run_id: member.and_then(|it| it.run_id).map(|it| it.to_string()),
        dead_letters: Letters {
            entries: known.letters.open,
            entries_max: known.letters_max,
            oldest_at: known.letters.oldest,
        },
        history: service.samples.stream(name, now),
        ..StreamView::default()
    };
    if let Some(MemberPlan::Stream(plan)) = member.map(|it| &it.plan) {
        let source = plan.source();
        view.source = Part { id: source.id.clone(), r#type: source.connector.kind.clone() };
        let part = |it: &flowglass_manifest::Processor| Part {
            id: it.id.clone(),
            r#type: it.connector.kind.clone(),
        };
        view.processors = plan.processors().iter().map(part).collect();
        view.dead_letters.entries_max = Some(plan.dead_letters().entries_max);
    }
    view.sinks = sinks(member, status, known);
    let running = member.is_some_and(|it| it.run_id.is_some());
    if let Some(status) = status.filter(|_| running) {
        fill(&mut view, status, now);
        let pace = service.samples.pace(name);
        view.rate_rows_per_second = pace.rows_per_second;
        view.rate_bytes_per_second = pace.bytes_per_second;
    } else {
        // The run of another process, or one that is over: as of its last event.
        view.run_id = view.run_id.or_else(|| known.runs.first().map(|it| it.run_id.to_string()));
        view.read_rows = known.runs.first().and_then(|it| it.counts.extracted).unwrap_or(0);
        view.sinks.iter_mut().filter(|it| it.state == "ok").for_each(|it| it.state = "ended");
    }
    view
}

fn fill(view: &mut StreamView, status: &Status, now: Timestamp) {
    view.live = true;
    view.lag_seconds = status.lag.as_secs_f64();
    view.idle_seconds = status.idle.as_secs_f64();
    view.read_rows = status.read;
    view.handed = status.handed.as_ref().map(ToString::to_string);
    view.committed = status.committed.as_ref().map(ToString::to_string);
    view.head = (status.head.end > 0).then_some(status.head.end);
    view.lag_bytes = behind(status.head.end, status.committed.as_ref());
    view.snapshot = status.head.snapshot.map(|(done, expected)| Progress { done, expected });
    view.remarks.clone_from(&status.remarks);
    view.dead_letters.entries = view.dead_letters.entries.max(status.dead_letters);
    view.bottleneck = status.bottleneck.map(|(stage, share)| Bottleneck {
        stage: stage.name(),
        why: format!("it worked {:.0} % of the time", share * 100.0),
    });
    view.stalled = status.stalled.as_ref().map(|it| Stalled {
        stage: it.stage.name(),
        since: now.checked_sub(it.lasting).unwrap_or(now),
        why: match &it.sink {
            Some(sink) => format!("the source moves and sink `{sink}` takes nothing"),
            None => "the source moves and nothing comes through".to_owned(),
        },
    });
    let mut tables: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
    for entry in &status.ledger {
        // The same rows go to every sink: the most that one of them was owed.
        let rows = tables.entry(&entry.table).or_default();
        *rows = (*rows).max(entry.read);
    }
    // The lag is the stream's; of a single table it is known only that there is none.
    let table = |(table, rows): (&str, u64)| Table {
        table: table.to_owned(),
        rows,
        lag_seconds: Some(status.lag.as_secs_f64()).filter(|_| status.lag.is_zero()),
    };
    view.tables = tables.into_iter().map(table).collect();
}

/// How far a position is from the end of the log. Only where both are places of one log.
fn behind(head: u64, position: Option<&Position>) -> Option<u64> {
    (head > 0).then_some(())?;
    Some(head.saturating_sub(position?.commit))
}

fn sinks(member: Option<&Member>, status: Option<&Status>, known: &Known) -> Vec<SinkView> {
    let plan = member.and_then(|it| match &it.plan {
        MemberPlan::Stream(plan) => Some(plan),
        MemberPlan::Workflow(_) => None,
    });
    let empty = |id: &str| SinkView {
        id: id.to_owned(),
        r#type: None,
        required: None,
        guarantee: member.and_then(|it| it.guarantees.get(id).copied()),
        state: "ok",
        trouble: None,
        attempts: 0,
        in_flight_batches: 0,
        queue_batches_max: plan.map(|it| it.queue_batches()),
        delivered_rows: 0,
        position: None,
        position_lag_bytes: None,
    };
    let mut sinks: Vec<SinkView> = match plan {
        Some(plan) => {
            let planned = plan.sinks().iter().map(|it| SinkView {
                r#type: Some(it.connector.kind.clone()),
                required: Some(it.required),
                ..empty(&it.id)
            });
            planned.collect()
        }
        None => known.checkpoints.iter().map(|it| empty(&it.sink)).collect(),
    };
    for sink in &mut sinks {
        if let Some(kept) = known.checkpoints.iter().find(|it| it.sink == sink.id) {
            sink.position = Some(kept.position.to_string());
            sink.delivered_rows = kept.rows;
        }
        let live = status.and_then(|it| it.sinks.iter().find(|live| live.id == sink.id));
        if let (Some(live), Some(status)) = (live, status) {
            stands(sink, live, status);
        }
    }
    sinks
}

fn stands(sink: &mut SinkView, live: &SinkStatus, status: &Status) {
    sink.trouble.clone_from(&live.trouble);
    sink.attempts = live.attempts;
    sink.in_flight_batches = live.in_flight_batches;
    sink.delivered_rows = live.delivered;
    sink.state = match (&live.trouble, live.catches_up) {
        (Some(_), _) => "trouble",
        (None, true) => "behind",
        (None, false) => "ok",
    };
    if let Some(position) = &live.position {
        sink.position = Some(position.to_string());
        sink.position_lag_bytes = behind(status.head.end, Some(position));
    }
}

/// `GET /api/v1/pipelines/{p}/checkpoints`.
pub(crate) async fn checkpoints(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
) -> Answer {
    #[derive(Serialize)]
    struct Row {
        sink: String,
        position: String,
        rows: u64,
        at: Timestamp,
    }
    let view = one(&service, &name).await?;
    let kept = service.store.read(move |it| it.checkpoints(&view.name)).await?;
    let row = |it: flowglass_connect::stream::Checkpoint| Row {
        sink: it.sink,
        position: it.position.to_string(),
        rows: it.rows,
        at: it.at,
    };
    json(&Items::whole(kept.into_iter().map(row).collect()))
}

/// A line of the ledger.
#[derive(Debug, Serialize)]
struct LedgerRow {
    sink: String,
    table: String,
    read_rows: u64,
    delivered: u64,
    filtered: u64,
    dead_lettered: u64,
    evicted: u64,
    in_flight: u64,
    /// Rows that nobody can say where they are; 0 when the ledger is closed.
    balance: i64,
    closed: bool,
}

impl LedgerRow {
    fn of(it: &LedgerEntry) -> Self {
        Self {
            sink: it.sink.clone(),
            table: it.table.clone(),
            read_rows: it.read,
            delivered: it.delivered,
            filtered: it.filtered,
            dead_lettered: it.dead_lettered,
            evicted: it.evicted,
            in_flight: it.in_flight,
            balance: i64::try_from(it.unaccounted()).unwrap_or(i64::MAX),
            closed: it.is_closed(),
        }
    }
}

/// `GET /api/v1/pipelines/{p}/ledger`: of this moment while it runs here, else of its last run.
pub(crate) async fn ledger(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
) -> Answer {
    let member = service.fleet.member(&name).filter(|it| it.run_id.is_some());
    if let Some(status) = member.and_then(|it| it.status) {
        let rows = status.borrow().ledger.iter().map(LedgerRow::of).collect();
        return json(&Items::whole(rows));
    }
    let snapshot = last_snapshot(&service, &name).await?;
    let pipeline = snapshot
        .as_ref()
        .and_then(|it| it.pipelines.iter().find(|it| it.pipeline_id.as_str() == name));
    let rows = pipeline.map(|it| it.ledger.iter().map(|it| LedgerRow::of(&it.entry)).collect());
    json(&Items::whole(rows.unwrap_or_default()))
}

/// `GET /api/v1/pipelines/{p}/schemas`: shapes that were told of in its last run.
pub(crate) async fn schemas(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
) -> Answer {
    #[derive(Serialize)]
    struct Shape {
        asset: String,
        columns: serde_json::Value,
        at: Option<Timestamp>,
        position: Option<String>,
        change: Option<String>,
    }
    let snapshot = last_snapshot(&service, &name).await?;
    let pipelines = snapshot.iter().flat_map(|it| &it.pipelines);
    let assets = pipelines.filter(|it| it.pipeline_id.as_str() == name).flat_map(|it| &it.assets);
    let shapes = assets.filter_map(|it| {
        let columns = super::assets::columns(it)?;
        let (position, change) = (it.facts.get("position"), it.facts.get("schema_change"));
        Some(Shape {
            asset: it.asset_id.clone(),
            columns,
            at: it.updated_at,
            position: position.cloned(),
            change: change.cloned(),
        })
    });
    json(&Items::whole(shapes.collect()))
}

/// The snapshot of a pipeline's newest run.
pub(crate) async fn last_snapshot(
    service: &Arc<Service>,
    name: &str,
) -> Result<Option<Arc<Snapshot>>, Problem> {
    let missing = || Problem::from(crate::fleet::unknown(name));
    let pipeline = PipelineId::new(name).map_err(|_bad| missing())?;
    let filter = RunFilter { pipeline: Some(pipeline), ..RunFilter::default() };
    let kept = service.snapshots.clone();
    let found = service.store.read(move |reader| {
        let last = reader.list(&filter, None, 1)?.runs.into_iter().next();
        last.map_or(Ok(None), |it| kept.of(reader, it.run_id))
    });
    let found = found.await?;
    if found.is_none() && service.fleet.member(name).is_none() {
        return Err(missing());
    }
    Ok(found)
}
