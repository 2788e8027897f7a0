//! The stream's numbers: handles on the catalog's metrics, resolved once and kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flowglass_catalog::label::{
    self, Channel, Disposition, LifecycleAction, LifecycleOutcome, Sink, Source, Table,
};
use flowglass_catalog::{
    CounterHandle, GaugeHandle, PipelineScope, SecondsHandle, SizeHandle, TimingHandle,
};
use flowglass_connect::Fault;
use flowglass_connect::stream::{Guarantee, Head, Op, Relation, StreamBatch};

use super::batcher::Trigger;
use super::lane::Settled;
use super::ledger::{ByTable, Sum};
use super::letters::LetterTotals;

/// The channel between the source and the batcher.
const SOURCE: &str = "source";

/// The stream's meters.
pub(super) struct Meters {
    scope: PipelineScope,
    source: String,
    source_bytes: CounterHandle,
    reconnects: CounterHandle,
    pub(super) lag: GaugeHandle,
    pub(super) idle: GaugeHandle,
    retained: GaugeHandle,
    batch_events: SizeHandle,
    batch_bytes: SizeHandle,
    bytes: CounterHandle,
    e2e: TimingHandle,
    checkpoints: CounterHandle,
    last_checkpoint: GaugeHandle,
    unaccounted: GaugeHandle,
    stages: [StageMeters; 3],
    /// Rows that were read and are not in a batch yet, and how many of them there may be.
    gathered: GaugeHandle,
    tables: BTreeMap<String, TableMeters>,
    sinks: Vec<SinkMeters>,
}

struct StageMeters {
    busy: SecondsHandle,
    blocked: SecondsHandle,
}

struct TableMeters {
    events: CounterHandle,
    snapshot: CounterHandle,
    lag: GaugeHandle,
    read: CounterHandle,
    delivered: CounterHandle,
    filtered: CounterHandle,
    dead_lettered: CounterHandle,
    evicted: CounterHandle,
}

struct SinkMeters {
    events: CounterHandle,
    batches: CounterHandle,
    latency: TimingHandle,
    status: GaugeHandle,
    last_checkpoint: GaugeHandle,
    depth: GaugeHandle,
    bytes: GaugeHandle,
    queue: GaugeHandle,
    /// Of sinks that keep the position in the transaction of the rows.
    transactions: Option<Transactions>,
    id: String,
}

struct Transactions {
    commits: CounterHandle,
    aborts: CounterHandle,
}

/// A stage of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageOf {
    /// Reading and decoding the source.
    Source,
    /// Batching and processors.
    Process,
    /// Encoding and sending, at the slowest sink.
    Deliver,
}

impl StageOf {
    /// All of them, in the order in which a row passes them.
    pub const ALL: [Self; 3] = [Self::Source, Self::Process, Self::Deliver];

    /// The word used in labels and events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Process => "process",
            Self::Deliver => "deliver",
        }
    }
}

impl Meters {
    pub(super) fn new(
        scope: PipelineScope,
        source: &str,
        sinks: &[(&str, Guarantee)],
        (queue_batches_max, gathered_max): (usize, usize),
    ) -> Self {
        let stage = |stage: StageOf| StageMeters {
            busy: scope.stage_busy_seconds_total(label::Stage(stage.name())),
            blocked: scope.stage_blocked_seconds_total(label::Stage(stage.name())),
        };
        let of_sink = |(id, guarantee): &(&str, Guarantee)| {
            let queue = format!("sink-{id}");
            scope.pipeline_channel_capacity(Channel(&queue)).set_count(queue_batches_max as u64);
            SinkMeters {
                events: scope.sink_events_total(Sink(id)),
                batches: scope.sink_batch_total(Sink(id)),
                latency: scope.sink_latency_seconds(Sink(id)),
                status: scope.sink_checkpoint_status(Sink(id)),
                last_checkpoint: scope.sink_last_checkpoint_ts(Sink(id)),
                depth: scope.sink_buffer_depth(Sink(id)),
                bytes: scope.sink_buffer_bytes(Sink(id)),
                queue: scope.pipeline_channel_depth(Channel(&queue)),
                transactions: (*guarantee == Guarantee::ExactlyOnce).then(|| Transactions {
                    commits: scope.sink_txn_commits_total(Sink(id)),
                    aborts: scope.sink_txn_aborts_total(Sink(id)),
                }),
                id: (*id).to_owned(),
            }
        };
        scope.pipeline_channel_capacity(Channel(SOURCE)).set_count(gathered_max as u64);
        Self {
            gathered: scope.pipeline_channel_depth(Channel(SOURCE)),
            source_bytes: scope.source_bytes_total(Source(source)),
            reconnects: scope.source_reconnects_total(Source(source)),
            lag: scope.source_lag_seconds(Source(source)),
            idle: scope.source_idle_seconds(Source(source)),
            retained: scope.source_retained_bytes(Source(source)),
            batch_events: scope.batch_events(),
            batch_bytes: scope.batch_bytes(),
            bytes: scope.bytes_total(),
            e2e: scope.e2e_latency_seconds(),
            checkpoints: scope.checkpoints_total(),
            last_checkpoint: scope.last_checkpoint_ts(),
            unaccounted: scope.ledger_unaccounted_rows(),
            stages: StageOf::ALL.map(stage),
            tables: BTreeMap::new(),
            sinks: sinks.iter().map(of_sink).collect(),
            source: source.to_owned(),
            scope,
        }
    }

    /// A batch was cut.
    pub(super) fn cut(
        &mut self,
        batch: &StreamBatch,
        read: &ByTable<Sum>,
        (trigger, now): (Trigger, Duration),
    ) {
        if batch.is_empty() {
            return;
        }
        self.batch_events.observe(batch.spanned() as u64);
        self.batch_bytes.observe(batch.wire_bytes());
        self.bytes.add(batch.wire_bytes());
        let trigger = match trigger {
            Trigger::Limits => label::Trigger::Limits,
            Trigger::Timer => label::Trigger::Timer,
            Trigger::Shutdown => label::Trigger::Shutdown,
        };
        self.scope
            .stage_latency_seconds(label::Stage(StageOf::Process.name()), trigger)
            .observe(now.saturating_sub(batch.oldest_received()));
        for (relation, sum) in read.parts() {
            self.table(relation).events.add(sum.rows);
        }
        for (_, change) in batch.changes().filter(|(_, it)| it.op() == Op::Read) {
            self.table(change.relation()).snapshot.increment();
        }
    }

    /// A batch was handed to a sink. The ledger is one of (table, sink): a row that goes to two
    /// sinks is read twice, and has to be delivered twice.
    pub(super) fn handed(&mut self, read: &ByTable<Sum>) {
        for (relation, sum) in read.parts() {
            self.table(relation).read.add(sum.rows);
        }
    }

    /// How far a table's rows of the last batch are behind.
    pub(super) fn table_lag(&mut self, relation: &Arc<Relation>, lag: Duration) {
        self.table(relation).lag.set(lag.as_secs_f64());
    }

    /// A sink has made a batch durable.
    pub(super) fn settled(&mut self, sink: usize, settled: &Settled, now: Duration, unix: f64) {
        for (relation, outcome) in settled.outcome.parts() {
            let table = self.table(relation);
            table.delivered.add(outcome.delivered.rows);
            table.filtered.add(outcome.filtered.rows);
            table.dead_lettered.add(outcome.dead_lettered.rows);
            table.evicted.add(outcome.evicted.rows);
        }
        let delivered: u64 = settled.outcome.parts().map(|(_, it)| it.delivered.rows).sum();
        if delivered > 0 {
            self.e2e.observe(now.saturating_sub(settled.oldest));
        }
        self.busy(StageOf::Deliver, settled.encoding + settled.took);
        let Some(meters) = self.sinks.get(sink) else { return };
        meters.events.add(delivered);
        meters.batches.increment();
        meters.latency.observe(settled.took);
        meters.status.set(1.0);
        meters.last_checkpoint.set(unix);
        meters.depth.set_count(settled.buffered.0);
        meters.bytes.set_count(settled.buffered.1);
        if let Some(transactions) = &meters.transactions {
            transactions.commits.increment();
        }
    }

    /// A sink gave up what it had not committed.
    pub(super) fn gave_up(&self, sink: usize) {
        if let Some(transactions) = self.sinks.get(sink).and_then(|it| it.transactions.as_ref()) {
            transactions.aborts.increment();
        }
    }

    /// How many rows wait to be cut into batches.
    pub(super) fn gathered(&self, rows: usize) {
        self.gathered.set_count(rows as u64);
    }

    /// A sink could not be used.
    pub(super) fn trouble(&self, sink: usize, fault: &Fault) {
        let Some(meters) = self.sinks.get(sink) else { return };
        meters.status.set(0.0);
        self.scope.sink_errors_total(Sink(&meters.id), fault.class()).increment();
    }

    /// How many batches wait for a sink.
    pub(super) fn queue(&self, sink: usize, batches: usize) {
        if let Some(meters) = self.sinks.get(sink) {
            meters.queue.set_count(batches as u64);
        }
    }

    /// What the source's reader says of itself.
    pub(super) fn head(&self, head: &Head, before: u64) {
        self.source_bytes.raise_to(head.wire_bytes);
        self.reconnects.raise_to(before + head.reconnects);
        if let Some(bytes) = head.retained_bytes {
            self.retained.set_count(bytes);
        }
        for table in &head.tables {
            #[expect(clippy::cast_precision_loss, reason = "a ratio")]
            let ratio = table.done as f64 / table.parts.max(1) as f64;
            let (source, of) = (Source(&self.source), Table(&table.table));
            self.scope.snapshot_progress_ratio(source, of).set(ratio);
        }
    }

    /// Checkpoints were committed.
    pub(super) fn checkpointed(&self, unix: f64) {
        self.checkpoints.increment();
        self.last_checkpoint.set(unix);
    }

    /// Rows that nobody can account for.
    pub(super) fn unaccounted(&self, rows: f64) {
        self.unaccounted.set(rows);
    }

    /// The dead letters have changed.
    pub(super) fn letters(&self, totals: &LetterTotals, entries_max: u64) {
        for ((sink, class), rows) in &totals.set_aside {
            self.scope.dlq_events_total(Sink(sink), *class).raise_to(*rows);
        }
        self.scope.dlq_entries().set_count(totals.entries);
        self.scope.dlq_evicted_total().raise_to(totals.evicted);
        self.scope.dlq_rejected_total().raise_to(totals.rejected);
        self.scope.dlq_replayed_total().raise_to(totals.replayed);
        self.scope.dlq_write_failures_total().raise_to(totals.write_failures);
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        let ratio = totals.entries as f64 / entries_max.max(1) as f64;
        self.scope.dlq_saturation_ratio().set(ratio);
    }

    /// A stage worked.
    pub(super) fn busy(&self, stage: StageOf, time: Duration) {
        self.stage(stage).busy.add(time);
    }

    /// A stage waited for the next one.
    pub(super) fn blocked(&self, stage: StageOf, time: Duration) {
        self.stage(stage).blocked.add(time);
    }

    /// How long a stage has worked so far.
    pub(super) fn busy_so_far(&self, stage: StageOf) -> Duration {
        self.stage(stage).busy.value()
    }

    /// Somebody asked the stream to pause, to go on or to stop.
    pub(super) fn asked(&self, action: LifecycleAction, outcome: LifecycleOutcome) {
        self.scope.pipeline_lifecycle_total(action, outcome).increment();
    }

    /// `1` running, `0.5` paused, `0` stopped, `-1` failed.
    pub(super) fn status(&self, code: f64) {
        self.scope.pipeline_status().set(code);
    }

    fn stage(&self, stage: StageOf) -> &StageMeters {
        let [source, process, deliver] = &self.stages;
        match stage {
            StageOf::Source => source,
            StageOf::Process => process,
            StageOf::Deliver => deliver,
        }
    }

    fn table(&mut self, relation: &Arc<Relation>) -> &TableMeters {
        let name = relation.name();
        let (scope, source) = (&self.scope, &self.source);
        self.tables.entry(name).or_insert_with_key(|name| {
            let rows = |disposition| scope.ledger_rows_total(Table(name), disposition);
            TableMeters {
                events: scope.source_events_total(Source(source), Table(name)),
                snapshot: scope.snapshot_rows_total(Source(source), Table(name)),
                lag: scope.source_table_lag_seconds(Table(name)),
                read: rows(Disposition::Read),
                delivered: rows(Disposition::Delivered),
                filtered: rows(Disposition::Filtered),
                dead_lettered: rows(Disposition::DeadLettered),
                evicted: rows(Disposition::Evicted),
            }
        })
    }
}
