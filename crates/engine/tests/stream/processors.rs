//! Streams with processors: what is left out and what is refused is accounted for in every sink, under
//! faults and crashes as without them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flowglass_connect::stream::{
    Guarantee, Processing, ProcessorConnector, RefusedRow, Slice, StreamBatch, StreamProcessor,
};
use flowglass_connect::{Fault, Surroundings};
use flowglass_engine::stream::Until;
use flowglass_engine::{Stop, StopCause};
use flowglass_model::ErrorClass;
use flowglass_testkit::PausedClock;

use super::world::World;

/// Refuses every change whose place in its transaction is a multiple of so many.
struct Refusing(u64);

impl StreamProcessor for Refusing {
    fn id(&self) -> &str {
        "refusing"
    }

    fn open(&self) -> Result<Box<dyn Processing>, Fault> {
        Ok(Box::new(Self(self.0)))
    }
}

#[async_trait]
impl Processing for Refusing {
    async fn process(&mut self, batch: StreamBatch) -> Result<StreamBatch, Fault> {
        let slices = batch.slices().iter().map(|slice| self.refuse(slice)).collect();
        Ok(batch.with_slices(slices))
    }
}

impl Refusing {
    fn refuse(&self, slice: &Slice) -> Slice {
        let mut slice = slice.clone();
        let mut marks: Vec<bool> = (0..slice.len()).map(|at| slice.is_left_out(at)).collect();
        let mut refused = Vec::new();
        for (at, change) in slice.chunk.changes(slice.from, slice.to).enumerate() {
            if change.head().row % self.0 == 0 && !marks[at] {
                marks[at] = true;
                let fault =
                    Arc::new(Fault::new(ErrorClass::Inexact, "the row is not to its taste"));
                let (change, processor) = (slice.from + at, Arc::from("refusing"));
                refused.push(RefusedRow { change, processor, fault });
            }
        }
        slice.left_out = Some(marks.into());
        slice.refused = Some(refused.into());
        slice
    }
}

fn built(
    connector: &dyn ProcessorConnector,
    config: serde_json::Value,
) -> Arc<dyn StreamProcessor> {
    let around = Surroundings {
        base_dir: ".".into(),
        scratch_dir: ".".into(),
        clock: Arc::new(PausedClock::new()),
    };
    connector.build(connector.kind(), config, &around).unwrap()
}

fn filter(condition: &str) -> Arc<dyn StreamProcessor> {
    built(&flowglass_processors::filter::Connector, serde_json::json!({ "where": condition }))
}

#[tokio::test(start_paused = true)]
async fn what_is_filtered_and_what_is_refused_is_accounted_for_in_every_sink() {
    let world = World::new(21)
        .rows(6_000)
        .transaction_rows(10)
        .processor(built(
            &flowglass_processors::mask::Connector,
            serde_json::json!({ "columns": "customer", "how": "hash" }),
        ))
        .processor(filter("status <> 'paid'"))
        .processor(Arc::new(Refusing(5)))
        .processor(built(
            &flowglass_processors::project::Connector,
            serde_json::json!({ "columns": ["id", "status"] }),
        ));
    world.run_to_end().await.unwrap();
    let ledger = world.ledger();
    assert_eq!(ledger.len(), 2);
    for entry in &ledger {
        assert!(entry.is_closed(), "{entry:?}");
        assert_eq!(entry.read, 6_000);
        assert!(entry.filtered > 1_000 && entry.dead_lettered > 500, "{entry:?}");
        assert_eq!(entry.delivered + entry.filtered + entry.dead_lettered, 6_000, "{entry:?}");
    }
    assert_eq!(ledger[0].filtered, ledger[1].filtered);
    for sink in ["exact", "least"] {
        let letters: Vec<_> = world.letters().into_iter().filter(|it| it.sink == sink).collect();
        assert_eq!(letters.len() as u64, ledger[0].dead_lettered);
        let first = &letters[0];
        assert_eq!(
            (first.processor.as_deref(), first.class),
            (Some("refusing"), ErrorClass::Inexact)
        );
        assert!(first.detail.contains("not to its taste"), "{}", first.detail);
        // The row is kept as it came to the processor that refused it: masked, and with every column.
        assert!(first.row.contains("payload") && !first.row.contains("customer-"), "{}", first.row);
        assert_eq!(world.delivered(sink) as u64, ledger[0].delivered);
    }
    assert_eq!(world.confirmed(), world.position("exact"));
}

#[tokio::test(start_paused = true)]
async fn the_ledger_is_closed_under_every_seed_of_faults_with_processors() {
    for seed in 0..40 {
        let world = World::new(seed)
            .rows(2_000)
            .transaction_rows(1 + seed % 40)
            .processor(filter("status in ('paid', 'new')"))
            .processor(Arc::new(Refusing(3)))
            .processor(built(
                &flowglass_processors::rename::Connector,
                serde_json::json!({ "columns": { "status": "state" } }),
            ))
            .faulty();
        world.crash_and_go_on().await;
        for entry in world.ledger() {
            assert!(entry.is_closed() && entry.in_flight == 0, "seed {seed}: {entry:?}");
        }
        // What is not there was filtered or set aside; what is there is there once and in order.
        let kept = world.sink("exact").kept().rows.clone();
        let mut wanted = world.expected().into_iter();
        for row in &kept {
            assert!(wanted.any(|it| it == *row), "seed {seed}: {row:?} is not the next one");
        }
        assert!(
            kept.iter().all(|(_, row)| row % 3 != 0),
            "seed {seed}: a refused row was delivered"
        );
        let letters = world.letters();
        let refused = letters.iter().filter(|it| it.sink == "exact").count();
        let reference = World::new(seed)
            .rows(2_000)
            .transaction_rows(1 + seed % 40)
            .processor(filter("status in ('paid', 'new')"))
            .processor(Arc::new(Refusing(3)));
        reference.run_to_end().await.unwrap();
        let calm = reference.ledger();
        let exact = calm.iter().find(|it| it.sink == "exact").unwrap();
        assert_eq!(kept.len() as u64, exact.delivered, "seed {seed}");
        assert_eq!(refused as u64, exact.dead_lettered, "seed {seed}");
        assert_eq!(kept, reference.sink("exact").kept().rows, "seed {seed}");
    }
}

/// Never comes back from a batch.
struct Stuck;

impl StreamProcessor for Stuck {
    fn id(&self) -> &str {
        "stuck"
    }

    fn open(&self) -> Result<Box<dyn Processing>, Fault> {
        Ok(Box::new(Self))
    }
}

#[async_trait]
impl Processing for Stuck {
    async fn process(&mut self, _batch: StreamBatch) -> Result<StreamBatch, Fault> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_hangs_does_not_hold_up_a_stop() {
    let world = World::new(22).rows(1_000).until(Until::Stopped).processor(Arc::new(Stuck));
    let stop = Stop::new();
    let asks = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        stop.ask(StopCause::Cancelled);
    };
    let ran = async { tokio::time::timeout(Duration::from_secs(60), world.run(&stop)).await };
    let (ended, ()) = tokio::join!(ran, asks);
    ended.expect("it stops").unwrap();
    assert_eq!(world.delivered("exact"), 0);
    assert_eq!(world.confirmed(), None, "what was not delivered is not forgotten");
}

/// Loses a row.
struct Losing;

impl StreamProcessor for Losing {
    fn id(&self) -> &str {
        "losing"
    }

    fn open(&self) -> Result<Box<dyn Processing>, Fault> {
        Ok(Box::new(Self))
    }
}

#[async_trait]
impl Processing for Losing {
    async fn process(&mut self, batch: StreamBatch) -> Result<StreamBatch, Fault> {
        let mut slices = batch.slices().to_vec();
        if let Some(slice) = slices.first_mut() {
            slice.to -= 1;
        }
        Ok(batch.with_slices(slices))
    }
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_loses_a_row_is_found_out() {
    let world = World::new(23).rows(1_000).processor(Arc::new(Losing));
    let fault = world.run_to_end().await.unwrap_err();
    assert_eq!(fault.class(), ErrorClass::Internal);
    assert!(fault.to_string().contains("processor `losing` made"), "{fault}");
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_cannot_work_stops_the_stream_and_a_remark_is_told() {
    let world = World::new(24).rows(100).only(Guarantee::ExactlyOnce).processor(filter("nope = 1"));
    world.run_to_end().await.unwrap();
    assert_eq!(world.delivered("exact"), 100);
    assert_eq!(world.remarks().len(), 1);
    assert!(world.remarks()[0].contains("it has no column `nope`"), "{:?}", world.remarks());

    let world = World::new(25).rows(100).processor(filter("amount = 'x'"));
    let fault = world.run_to_end().await.unwrap_err();
    assert_eq!(fault.class(), ErrorClass::Config);
    assert_eq!(world.delivered("exact"), 0);
}
