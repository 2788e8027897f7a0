//! Copy nodes: batches from a source to a target, committed once, with the ledger closed.
//!
//! Reading runs ahead of writing by a bounded number of batches. Which of the two the copy waited
//! for is measured and said, so that the bottleneck has a name.

mod cast;
mod columns;
mod cursor;
mod pump;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flowglass_connect::{
    Batch, BatchReader, BatchSource, BatchTarget, BatchWriter, CursorBound, Fault, Outcome,
    ReadRequest, SchemaChange, Strategy, WriteOwner, WritePlan,
};
use flowglass_model::{
    Counts, Entity, ErrorClass, EventKind, LedgerEntry, LogLevel, Reason, State,
};

use crate::recorder::RecordError;
use crate::stop::StopCause;
use crate::work::{Attempt, Facts, Failure, Finish, Work};

pub use columns::{ColumnMap, ColumnRule};
use cursor::CursorTrack;
use pump::Pump;

/// How often progress is recorded.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// A copy to make.
#[derive(Clone)]
pub struct CopySpec {
    /// How rows enter the target.
    pub strategy: Strategy,
    /// Key columns, by the target's names.
    pub key: Vec<String>,
    /// The cursor column, by the source's name, for the incremental strategies.
    pub cursor: Option<String>,
    /// What to do with columns that the target lacks.
    pub schema_change: SchemaChange,
    /// Which columns go where, and as what.
    pub columns: ColumnMap,
    /// Rows of a batch at most.
    pub batch_rows_max: Option<usize>,
    /// Bytes of a batch at most, approximately.
    pub batch_bytes_max: Option<usize>,
    /// The stage that reading is recorded as: `extract`, or `transform` for a query.
    pub read_stage: &'static str,
}

/// The work of a copy node.
pub struct CopyWork {
    source: Arc<dyn BatchSource>,
    target: Arc<dyn BatchTarget>,
    spec: CopySpec,
}

/// A copy with both ends open.
struct Open {
    reader: Box<dyn BatchReader>,
    writer: Box<dyn BatchWriter>,
    cursor: Option<CursorTrack>,
}

/// What went through.
#[derive(Default)]
struct Moved {
    read: u64,
    filtered: u64,
    bytes: u64,
    expected: Option<u64>,
    waited_for_source: Duration,
    waited_for_target: Duration,
}

impl CopyWork {
    /// The work of copying all of `source` into `target`.
    #[must_use]
    pub fn new(source: Arc<dyn BatchSource>, target: Arc<dyn BatchTarget>, spec: CopySpec) -> Self {
        Self { source, target, spec }
    }

    fn owner(&self, at: &Attempt) -> WriteOwner {
        WriteOwner {
            tenant: at.scope.tenant.clone(),
            pipeline: at.scope.pipeline_id.to_string(),
            node: at.scope.node_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        }
    }

    fn request(&self, cursor: Option<CursorBound>, raw: bool) -> ReadRequest {
        let usual = ReadRequest::default();
        let raw = raw && self.spec.columns.is_identity() && !self.spec.strategy.incremental();
        let mut columns = self.spec.columns.wanted();
        if let (Some(columns), Some(bound)) = (&mut columns, &cursor)
            && !columns.contains(&bound.column)
        {
            // Read, though not written: without it nobody knows where the next run begins.
            columns.push(bound.column.clone());
        }
        ReadRequest {
            columns,
            from_cursor: cursor,
            raw_accepted: if raw { self.target.raw_accepted().to_vec() } else { Vec::new() },
            batch_rows_max: self.spec.batch_rows_max.unwrap_or(usual.batch_rows_max),
            batch_bytes_max: self.spec.batch_bytes_max.unwrap_or(usual.batch_bytes_max),
        }
    }

    async fn open(&self, at: &Attempt) -> Result<Open, Fault> {
        match self.open_ends(at, true).await {
            // The target's own columns differ from the source's: go through Arrow instead.
            Err(fault) if fault.class() == ErrorClass::Unsupported && self.may_be_raw() => {
                self.open_ends(at, false).await
            }
            other => other,
        }
    }

    fn may_be_raw(&self) -> bool {
        !self.request(None, true).raw_accepted.is_empty()
    }

    async fn open_ends(&self, at: &Attempt, raw: bool) -> Result<Open, Fault> {
        let owner = self.owner(at);
        let (mut bound, mut known) = (None, None);
        if let Some(column) = self.spec.cursor.as_ref().filter(|_| self.spec.strategy.incremental())
        {
            known = self.target.cursor(&owner).await?;
            if let Some(other) = known.as_ref().filter(|it| it.column != *column) {
                let said = format!(
                    "the target was loaded by cursor `{}`, but the manifest says `{column}`",
                    other.column
                );
                let hint = "load once with `strategy: full_refresh` to begin anew";
                return Err(Fault::new(ErrorClass::Config, said).hint(hint));
            }
            let value = known.as_ref().map(|it| it.value.clone());
            bound = Some(CursorBound { column: column.clone(), value });
        }
        let reader = self.source.open(self.request(bound.clone(), raw)).await?;
        let cursor = match bound {
            Some(bound) => Some(CursorTrack::new(&bound.column, &reader.schema(), known)?),
            None => None,
        };
        let schema = self.spec.columns.target_schema(&reader.schema())?;
        for key in &self.spec.key {
            if schema.field_with_name(key).is_err() {
                let said = format!("the key column `{key}` is not among the columns");
                return Err(Fault::new(ErrorClass::Config, said));
            }
        }
        let plan = WritePlan {
            schema,
            raw: reader.raw(),
            strategy: self.spec.strategy,
            key: self.spec.key.clone(),
            schema_change: self.spec.schema_change,
            owner,
            token: at.token.clone(),
        };
        let writer = self.target.begin(plan).await?;
        Ok(Open { reader, writer, cursor })
    }

    async fn copy(&self, at: &Attempt) -> Result<Finish, Failure> {
        if let Some(outcome) = self.target.committed(&self.owner(at), &at.token).await? {
            let said = "the rows are in the target already: an earlier attempt committed them";
            at.recorder.say(&at.scope, LogLevel::Info, said).await?;
            let mut facts = Facts { counts: Some(counts_of(&outcome)), ..Facts::default() };
            facts.attributes.insert("already_committed".to_owned(), "true".to_owned());
            return Ok(Finish { facts, warning: false });
        }
        let reading = at.stage_begins(self.spec.read_stage).await?;
        let loading = at.stage_begins("load").await?;
        let mut moved = Moved::default();
        let result = self.move_rows(at, &mut moved).await;
        let read_counts =
            Counts { extracted: Some(moved.read), bytes: Some(moved.bytes), ..Counts::default() };
        let (to, load_counts) = match &result {
            Ok(outcome) => ((State::Complete, Reason::Ok), counts_of(outcome)),
            Err(failure) => {
                let reason = at.stop.cause().map_or(failure.reason, StopCause::reason);
                ((State::Failed, reason), Counts::default())
            }
        };
        at.stage_ends(&reading, to, Some(read_counts)).await?;
        at.stage_ends(&loading, to, Some(load_counts)).await?;
        let outcome = result.map_err(|failure| Failure {
            facts: Facts { counts: Some(read_counts), ..Facts::default() },
            ..failure
        })?;
        self.verify(at, &moved, outcome).await
    }

    async fn move_rows(&self, at: &Attempt, moved: &mut Moved) -> Result<Outcome, Failure> {
        let open = tokio::select! {
            open = self.open(at) => open?,
            cause = at.stop.asked() => return Err(stopped(cause)),
        };
        let Open { reader, mut writer, mut cursor } = open;
        moved.expected = reader.rows_expected();
        let mut pump = Pump::start(reader);
        let result = self.fill(at, &mut pump, writer.as_mut(), &mut cursor, moved).await;
        moved.bytes = pump.bytes_read();
        if let Err(failure) = result {
            drop(pump);
            // The failure is what matters; dropping the writer undoes what it did as well.
            writer.abort().await.unwrap_or_default();
            return Err(failure);
        }
        let state = cursor.and_then(CursorTrack::into_state);
        let since = at.recorder.monotonic();
        let outcome = writer.commit(state).await?;
        moved.waited_for_target += at.recorder.monotonic().saturating_sub(since);
        Ok(outcome)
    }

    async fn fill(
        &self,
        at: &Attempt,
        pump: &mut Pump,
        writer: &mut dyn BatchWriter,
        cursor: &mut Option<CursorTrack>,
        moved: &mut Moved,
    ) -> Result<(), Failure> {
        let clock = &at.recorder;
        let mut told = clock.monotonic();
        loop {
            let since = clock.monotonic();
            let batch = tokio::select! {
                batch = pump.next() => batch?,
                cause = at.stop.asked() => return Err(stopped(cause)),
            };
            let got = clock.monotonic();
            moved.waited_for_source += got.saturating_sub(since);
            let Some(batch) = batch else { return Ok(()) };
            moved.read += batch.rows();
            let Some(batch) = self.shape(batch, cursor, moved)? else { continue };
            tokio::select! {
                kept = writer.write(batch) => kept?,
                cause = at.stop.asked() => return Err(stopped(cause)),
            }
            let now = clock.monotonic();
            moved.waited_for_target += now.saturating_sub(got);
            if now.saturating_sub(told) >= PROGRESS_EVERY {
                told = now;
                moved.bytes = pump.bytes_read();
                progress(at, moved).await?;
            }
        }
    }

    /// The batch as the target gets it; `None` when no row is left.
    fn shape(
        &self,
        batch: Batch,
        cursor: &mut Option<CursorTrack>,
        moved: &mut Moved,
    ) -> Result<Option<Batch>, Fault> {
        let Batch::Arrow(mut rows) = batch else { return Ok(Some(batch)) };
        if let Some(track) = cursor {
            let before = rows.num_rows() as u64;
            rows = track.take(rows)?;
            moved.filtered += before - rows.num_rows() as u64;
        }
        if rows.num_rows() == 0 {
            return Ok(None);
        }
        self.spec.columns.apply(rows).map(|rows| Some(Batch::Arrow(rows)))
    }

    /// Closes the ledger and tells what is known of the target now.
    async fn verify(
        &self,
        at: &Attempt,
        moved: &Moved,
        outcome: Outcome,
    ) -> Result<Finish, Failure> {
        let stage = at.stage_begins("verify").await?;
        let (from, to) = (self.source.asset(), self.target.asset());
        let entry = LedgerEntry {
            table: from.id(),
            sink: to.id(),
            read: moved.read,
            delivered: outcome.inserted + outcome.updated + outcome.unchanged,
            filtered: moved.filtered,
            ..LedgerEntry::default()
        };
        let unaccounted = entry.unaccounted();
        let counts = Counts {
            extracted: Some(moved.read),
            filtered: Some(moved.filtered),
            bytes: Some(moved.bytes),
            ..counts_of(&outcome)
        };
        tell_target(at, &to.id(), &outcome).await?;
        let record = &at.recorder;
        record
            .record(&at.scope, EventKind::Ledger, Entity::Attempt, |it| it.ledger = Some(entry))
            .await?;
        let mut facts = Facts { counts: Some(counts), ..Facts::default() };
        facts.attributes.insert("bottleneck".to_owned(), self.bottleneck(moved).to_owned());
        if unaccounted == 0 {
            at.stage_ends(&stage, (State::Complete, Reason::Ok), None).await?;
            return Ok(Finish { facts, warning: false });
        }
        at.stage_ends(&stage, (State::Failed, Reason::Check), None).await?;
        let said = format!("{unaccounted} rows are unaccounted for between source and target");
        let failure = Failure::from(Fault::new(ErrorClass::Internal, said));
        Err(Failure { facts, ..failure })
    }

    fn bottleneck(&self, moved: &Moved) -> &'static str {
        if moved.waited_for_source >= moved.waited_for_target {
            self.spec.read_stage
        } else {
            "load"
        }
    }
}

#[async_trait]
impl Work for CopyWork {
    async fn attempt(&self, at: &Attempt) -> Result<Finish, Failure> {
        self.copy(at).await
    }
}

fn counts_of(outcome: &Outcome) -> Counts {
    Counts {
        inserted: Some(outcome.inserted),
        updated: Some(outcome.updated),
        unchanged: Some(outcome.unchanged),
        deleted: Some(outcome.deleted),
        final_rows: Some(outcome.final_rows),
        ..Counts::default()
    }
}

fn stopped(cause: StopCause) -> Failure {
    Failure { facts: Facts::default(), error: cause.error(), reason: cause.reason() }
}

async fn progress(at: &Attempt, moved: &Moved) -> Result<(), RecordError> {
    let counts = Counts {
        extracted: Some(moved.read),
        filtered: Some(moved.filtered),
        bytes: Some(moved.bytes),
        expected: moved.expected,
        ..Counts::default()
    };
    at.recorder
        .record(&at.scope, EventKind::Progress, Entity::Attempt, |it| it.counts = Some(counts))
        .await
}

async fn tell_target(at: &Attempt, asset: &str, outcome: &Outcome) -> Result<(), RecordError> {
    let counts = Counts { final_rows: Some(outcome.final_rows), ..Counts::default() };
    at.recorder
        .record(&at.scope, EventKind::Asset, Entity::Asset, |it| {
            it.asset_id = Some(asset.to_owned());
            it.counts = Some(counts);
            it.attributes.insert("bytes_written".to_owned(), outcome.bytes.to_string());
        })
        .await?;
    for (name, kind) in &outcome.columns_added {
        let said = format!("column `{name}` ({kind}) was added to the target");
        at.recorder.say(&at.scope, LogLevel::Info, said).await?;
    }
    Ok(())
}
