//! Copies between a source and a target in memory that a test controls: the ledger, the cursor, the
//! columns, the token, and what happens when the target lies or the run is stopped half way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int32Type};
use async_trait::async_trait;
use flowglass_connect::{
    Batch, BatchTarget, BatchWriter, CursorState, Fault, Outcome, SchemaChange, Strategy, Tasks,
    WriteOwner, WritePlan,
};
use flowglass_engine::{
    BuiltNode, ColumnMap, ColumnRule, CopySpec, CopyWork, RetryRule, Stop, StopCause,
};
use flowglass_model::{AssetRef, Counts, ErrorClass, LogStream, Reason, RunReport, State};
use flowglass_testkit::MemorySource;
use tokio::sync::Notify;

use crate::support::{MemoryLog, Played, node, play_node};

#[derive(Default)]
struct Held {
    rows: Vec<RecordBatch>,
    cursor: Option<CursorState>,
    tokens: BTreeMap<String, Outcome>,
    plans: Vec<WritePlan>,
    begun: u32,
    aborted: u32,
    dropped: u32,
    committed: u32,
}

/// A target in memory.
#[derive(Default)]
struct Target {
    held: Arc<Mutex<Held>>,
    /// Rows that it forgets and does not say so.
    forgets: u64,
    /// Commits that keep everything and then fail, as when the line breaks.
    breaks_after_commit: Arc<Mutex<u32>>,
    /// Told at the first batch, which is then never taken.
    sticks: Option<Arc<Notify>>,
}

impl Target {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }

    fn rows(&self) -> usize {
        self.held().rows.iter().map(RecordBatch::num_rows).sum()
    }
}

struct Writer {
    held: Arc<Mutex<Held>>,
    plan: WritePlan,
    rows: Vec<RecordBatch>,
    forgets: u64,
    breaks: Arc<Mutex<u32>>,
    sticks: Option<Arc<Notify>>,
    settled: bool,
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.settled {
            self.held.lock().unwrap().dropped += 1;
        }
    }
}

#[async_trait]
impl BatchTarget for Target {
    fn asset(&self) -> AssetRef {
        AssetRef::new("memory", "target")
    }

    async fn cursor(&self, _owner: &WriteOwner) -> Result<Option<CursorState>, Fault> {
        Ok(self.held().cursor.clone())
    }

    async fn committed(&self, _owner: &WriteOwner, token: &str) -> Result<Option<Outcome>, Fault> {
        Ok(self.held().tokens.get(token).cloned())
    }

    async fn begin(&self, plan: WritePlan) -> Result<Box<dyn BatchWriter>, Fault> {
        let mut held = self.held();
        held.begun += 1;
        held.plans.push(plan.clone());
        Ok(Box::new(Writer {
            held: Arc::clone(&self.held),
            plan,
            rows: Vec::new(),
            forgets: self.forgets,
            breaks: Arc::clone(&self.breaks_after_commit),
            sticks: self.sticks.clone(),
            settled: false,
        }))
    }
}

#[async_trait]
impl BatchWriter for Writer {
    async fn write(&mut self, batch: Batch) -> Result<(), Fault> {
        if let Some(stuck) = &self.sticks {
            stuck.notify_one();
            std::future::pending::<()>().await;
        }
        let Batch::Arrow(rows) = batch else { panic!("nobody said that raw batches are taken") };
        assert_eq!(rows.schema(), self.plan.schema, "batches are as the plan says");
        self.rows.push(rows);
        Ok(())
    }

    async fn commit(mut self: Box<Self>, cursor: Option<CursorState>) -> Result<Outcome, Fault> {
        self.settled = true;
        let sent: usize = self.rows.iter().map(RecordBatch::num_rows).sum();
        let mut held = self.held.lock().unwrap();
        held.rows.append(&mut self.rows);
        let all: usize = held.rows.iter().map(RecordBatch::num_rows).sum();
        let outcome = Outcome {
            inserted: sent as u64 - self.forgets,
            final_rows: all as u64 - self.forgets,
            ..Outcome::default()
        };
        held.cursor = cursor.or(held.cursor.take());
        held.tokens.insert(self.plan.token.clone(), outcome.clone());
        held.committed += 1;
        let mut breaks = self.breaks.lock().unwrap();
        if *breaks > 0 {
            *breaks -= 1;
            return Err(Fault::new(ErrorClass::Unreachable, "hearing of the commit"));
        }
        Ok(outcome)
    }

    async fn abort(mut self: Box<Self>) -> Result<(), Fault> {
        self.settled = true;
        self.held.lock().unwrap().aborted += 1;
        Ok(())
    }
}

fn batch(rows: &[(i64, &str)]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|it| it.0)));
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|it| it.1)));
    RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap()
}

fn source(batches: Vec<RecordBatch>) -> MemorySource {
    MemorySource::new("source", batches[0].schema(), batches)
}

fn spec(strategy: Strategy) -> CopySpec {
    CopySpec {
        strategy,
        key: Vec::new(),
        cursor: strategy.incremental().then(|| "id".to_owned()),
        schema_change: SchemaChange::Evolve,
        columns: ColumnMap::identity(),
        batch_rows_max: None,
        batch_bytes_max: None,
        read_stage: "extract",
    }
}

fn copy(source: MemorySource, target: &Arc<Target>, spec: CopySpec) -> BuiltNode {
    let to: Arc<dyn BatchTarget> = Arc::<Target>::clone(target);
    node("copy", Arc::new(CopyWork::new(Arc::new(source), to, spec)))
}

async fn play(node: BuiltNode) -> Played {
    play_node(node, MemoryLog::default(), Stop::new()).await
}

#[tokio::test]
async fn the_ledger_closes_and_every_stage_is_told() {
    let target = Arc::new(Target::default());
    let rows = vec![batch(&[(1, "a"), (2, "b")]), batch(&[(3, "c")])];
    let played = play(copy(source(rows), &target, spec(Strategy::Append))).await;
    assert_eq!(played.end.as_ref().unwrap().state, State::Complete);
    let snapshot = played.snapshot();
    let ledger = &snapshot.pipelines[0].ledger;
    assert_eq!(ledger.len(), 1);
    let entry = &ledger[0].entry;
    assert_eq!((entry.read, entry.delivered, entry.unaccounted()), (3, 3, 0));
    assert_eq!((entry.table.as_str(), entry.sink.as_str()), ("memory:source", "memory:target"));
    let stages: Vec<_> = snapshot.pipelines[0].nodes[0].attempts[0].stages.iter().collect();
    let told: Vec<_> = stages.iter().map(|it| (it.stage_id.as_str(), it.times.state)).collect();
    let complete = Some(State::Complete);
    assert_eq!(told, [("extract", complete), ("load", complete), ("verify", complete)]);
    let report = RunReport::of(&snapshot);
    assert_eq!((report.result.extracted_rows, report.result.inserted_rows), (3, 3));
    assert!(report.ledger.closed && report.result.bytes > 0);
    assert_eq!(target.rows(), 3);
    let asset = snapshot.pipelines[0].assets.iter().find(|it| it.asset_id == "memory:target");
    assert_eq!(asset.unwrap().rows, Some(3));
}

#[tokio::test]
async fn a_target_that_keeps_fewer_rows_than_it_was_given_is_not_believed() {
    let target = Arc::new(Target { forgets: 1, ..Target::default() });
    let rows = vec![batch(&[(1, "a"), (2, "b"), (3, "c")])];
    let played = play(copy(source(rows), &target, spec(Strategy::Append))).await;
    assert_eq!(played.end.as_ref().unwrap().state, State::Failed);
    let end = played.attempt_end();
    let error = end.error.as_ref().unwrap();
    assert_eq!(error.class, ErrorClass::Internal);
    assert!(error.detail.contains("1 rows are unaccounted for"), "{error:?}");
    let report = RunReport::of(&played.snapshot());
    assert!(!report.ledger.closed && !report.passed);
    assert_eq!(report.ledger.unaccounted_rows, 1);
    assert_eq!(end.counts.unwrap().extracted, Some(3));
}

#[tokio::test]
async fn rows_at_the_cursors_boundary_are_neither_lost_nor_doubled() {
    let target = Arc::new(Target::default());
    let turn = |rows: &[(i64, &str)]| {
        copy(source(vec![batch(rows)]), &target, spec(Strategy::IncrementalAppend))
    };
    play(turn(&[(1, "a"), (2, "b"), (2, "c")])).await;
    assert_eq!(target.rows(), 3);
    // The source gives the boundary again, with a row that came late and one that is new.
    let played = play(turn(&[(2, "b"), (2, "c"), (2, "late"), (3, "new")])).await;
    assert_eq!(target.rows(), 5);
    let entry = played.snapshot().pipelines[0].ledger[0].entry.clone();
    assert_eq!((entry.read, entry.delivered, entry.filtered), (4, 2, 2));
    assert!(entry.is_closed());
    let cursor = target.held().cursor.clone().unwrap();
    assert_eq!((cursor.value.text.as_str(), cursor.boundary.len()), ("3", 1));
    // Nothing new: nothing happens, and the place is kept.
    let played = play(turn(&[(3, "new")])).await;
    assert_eq!(played.end.as_ref().unwrap().state, State::Complete);
    assert_eq!((target.rows(), target.held().cursor.clone().unwrap()), (5, cursor));
}

#[tokio::test]
async fn another_cursor_than_the_stored_one_is_refused() {
    let target = Arc::new(Target::default());
    let rows = || source(vec![batch(&[(1, "a")])]);
    play(copy(rows(), &target, spec(Strategy::IncrementalAppend))).await;
    let other = CopySpec { cursor: Some("name".to_owned()), ..spec(Strategy::IncrementalAppend) };
    let played = play(copy(rows(), &target, other)).await;
    let error = played.attempt_end().error.clone().unwrap();
    assert_eq!(error.class, ErrorClass::Config);
    assert!(error.detail.contains("cursor `id`, but the manifest says `name`"), "{error:?}");
    assert_eq!(target.rows(), 1);
}

#[tokio::test]
async fn columns_are_mapped_on_the_way_and_what_is_inexact_is_refused_by_name() {
    let rule = |from: &str, kind| ColumnRule { from: from.to_owned(), kind };
    let columns = ColumnMap {
        rules: vec![("number".to_owned(), rule("id", Some(DataType::Int32)))],
        keep_others: false,
    };
    let target = Arc::new(Target::default());
    let mapped = CopySpec { columns, ..spec(Strategy::Append) };
    let rows = vec![batch(&[(1, "a"), (2, "b")])];
    play(copy(source(rows), &target, mapped.clone())).await;
    {
        let held = target.held();
        let rows = &held.rows[0];
        assert_eq!((rows.num_columns(), rows.schema().field(0).name().as_str()), (1, "number"));
        assert_eq!(rows.column(0).as_primitive::<Int32Type>().values(), &[1, 2]);
        assert_eq!(rows.column(0).null_count(), 0);
    }
    let rows = vec![batch(&[(1, "a")]), batch(&[(5_000_000_000, "b")])];
    let played = play(copy(source(rows), &target, mapped)).await;
    let error = played.attempt_end().error.clone().unwrap();
    assert_eq!(error.class, ErrorClass::Inexact);
    assert!(error.detail.contains("column `number`"), "{error:?}");
    assert!(!played.events.iter().any(|it| it.to_line().contains("5000000000")));
    assert_eq!((target.rows(), target.held().aborted), (2, 1));
}

#[tokio::test]
async fn what_an_earlier_attempt_committed_is_not_written_again() {
    let target = Arc::new(Target::default());
    *target.breaks_after_commit.lock().unwrap() = 1;
    let rows = vec![batch(&[(1, "a"), (2, "b")])];
    let mut node = copy(source(rows), &target, spec(Strategy::Append));
    let backoff = Duration::from_millis(1);
    node.retry = RetryRule { attempts_max: 2, backoff, ..RetryRule::default() };
    let played = play(node).await;
    assert_eq!(played.end.as_ref().unwrap().state, State::Complete);
    assert_eq!((target.rows(), target.held().committed), (2, 1));
    let snapshot = played.snapshot();
    let node = &snapshot.pipelines[0].nodes[0];
    assert_eq!(node.attempts.len(), 2);
    assert_eq!(node.attempts[1].attributes["already_committed"], "true");
    assert_eq!(node.counts.unwrap().inserted, Some(2));
    let said = played.lines(LogStream::Engine);
    assert!(said.iter().any(|it| it.contains("an earlier attempt committed them")), "{said:?}");
}

#[tokio::test]
async fn a_stop_in_the_middle_undoes_what_was_written() {
    let stuck = Arc::new(Notify::new());
    let target = Arc::new(Target { sticks: Some(Arc::clone(&stuck)), ..Target::default() });
    let endless = batch(&[(1, "a")]);
    let source =
        MemorySource::generated("source", endless.schema(), move |_| Some(endless.clone()));
    let stop = Stop::new();
    let asking = stop.clone();
    let mut tasks = Tasks::new();
    tasks.spawn("cancel", async move {
        stuck.notified().await;
        asking.ask(StopCause::Cancelled);
    });
    let node = copy(source, &target, spec(Strategy::FullRefresh));
    let played = play_node(node, MemoryLog::default(), stop).await;
    let end = played.attempt_end();
    assert_eq!((end.to, end.reason), (Some(State::Failed), Some(Reason::Cancelled)));
    let held = target.held();
    assert_eq!((held.begun, held.aborted, held.committed, held.rows.len()), (1, 1, 0, 0));
    assert_eq!(held.dropped, 0);
    let stages = &played.snapshot().pipelines[0].nodes[0].attempts[0].stages;
    assert!(stages.iter().all(|it| it.times.state == Some(State::Failed)));
}

#[tokio::test]
async fn a_source_that_breaks_leaves_nothing_behind_and_counts_what_was_read() {
    let target = Arc::new(Target::default());
    let rows = vec![batch(&[(1, "a"), (2, "b")]), batch(&[(3, "c")])];
    let breaking = source(rows).breaking_at(1, ErrorClass::Malformed);
    let played = play(copy(breaking, &target, spec(Strategy::Append))).await;
    let end = played.attempt_end();
    assert_eq!(end.error.as_ref().unwrap().class, ErrorClass::Malformed);
    let read = Counts { inserted: None, ..end.counts.unwrap() };
    assert_eq!((read.extracted, end.counts.unwrap().inserted), (Some(2), None));
    assert_eq!((target.rows(), target.held().aborted), (0, 1));
}
