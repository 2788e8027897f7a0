//! Streams under faults: a made-up source, sinks in memory that break as the dice fall, and a process
//! that dies at any instant. Time is paused, so that hours of waiting cost nothing.

mod beside;
mod control;
mod processors;
mod sinks;
mod state;
mod world;

use std::time::Duration;

use flowglass_connect::stream::{Guarantee, Position};
use flowglass_engine::Stop;
use flowglass_engine::StopCause;
use flowglass_engine::stream::{BatchLimits, Until};

use world::World;

/// Seeds of the simulation.
const SEEDS: u64 = 200;

#[tokio::test(start_paused = true)]
async fn a_stream_delivers_every_row_once_and_ends() {
    let world = World::new(1).rows(10_000).transaction_rows(7);
    world.run_to_end().await.unwrap();
    world.assert_whole("exact");
    assert_eq!(world.confirmed(), Some(Position::after(10_000_u64.div_ceil(7))));
}

#[tokio::test(start_paused = true)]
async fn the_ledger_is_closed_under_every_seed_of_faults() {
    for seed in 0..SEEDS {
        let world = World::new(seed).rows(3_000).transaction_rows(1 + seed % 40).faulty();
        world.crash_and_go_on().await;
        world.assert_whole("exact");
        world.assert_no_gap("least");
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_too_large_for_a_batch_is_cut_and_still_delivered_once() {
    let limits = BatchLimits { events_max: 100, ..BatchLimits::default() };
    for seed in 0..20 {
        let world = World::new(seed).rows(5_000).transaction_rows(2_500).limits(limits).faulty();
        world.crash_and_go_on().await;
        world.assert_whole("exact");
        assert!(world.largest_batch("exact") <= 200, "a batch grew past its bound");
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_stays_in_one_batch() {
    let limits = BatchLimits { events_max: 100, ..BatchLimits::default() };
    let world = World::new(3).rows(5_000).transaction_rows(30).limits(limits);
    world.run_to_end().await.unwrap();
    assert!(world.batch_ends("exact").iter().all(Position::is_between_transactions));
    // Three whole transactions fit into a batch of a hundred rows.
    assert_eq!(world.largest_batch("exact"), 90);
}

#[tokio::test(start_paused = true)]
async fn asked_to_stop_it_delivers_what_it_has_read_and_goes_on_there() {
    let world = World::new(5).rows(100_000).rate(20_000).until(Until::Stopped);
    let stop = Stop::new();
    let asks = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.ask(StopCause::Cancelled);
    };
    let (ended, ()) = tokio::join!(world.run(&stop), asks);
    ended.unwrap();
    let there = world.delivered("exact");
    assert!(there > 10_000 && there < 30_000, "{there} rows in a second");
    assert_eq!(world.confirmed(), world.position("exact"));
    world.run_to_end().await.unwrap();
    world.assert_whole("exact");
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_away_holds_the_source_and_loses_nothing() {
    let world = World::new(6).rows(50_000).until(Until::Stopped);
    world.sink("exact").away(true);
    let stop = Stop::new();
    let asks = async {
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(world.delivered("exact"), 0);
        assert_eq!(world.confirmed(), None);
        assert!(world.read_so_far() < 50_000, "the source was read past every bound");
        world.sink("exact").away(false);
        tokio::time::sleep(Duration::from_secs(120)).await;
        stop.ask(StopCause::Cancelled);
    };
    let (ended, ()) = tokio::join!(world.run(&stop), asks);
    ended.unwrap();
    world.assert_whole("exact");
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_was_emptied_stops_the_stream_loudly() {
    let world = World::new(7).rows(1_000);
    world.run_to_end().await.unwrap();
    world.sink("exact").empty();
    let fault = world.run_to_end().await.unwrap_err();
    assert_eq!(fault.class(), flowglass_model::ErrorClass::PositionLost);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_emptied_while_the_stream_runs_stops_it_too() {
    let world =
        World::new(10).rows(0).rate(1_000).until(Until::Stopped).only(Guarantee::ExactlyOnce);
    let empties = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(world.delivered("exact") > 1_000);
        world.sink("exact").away(true);
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.sink("exact").empty();
        std::future::pending::<()>().await;
    };
    let stop = Stop::new();
    tokio::select! {
        ended = world.run(&stop) => {
            assert_eq!(ended.unwrap_err().class(), flowglass_model::ErrorClass::PositionLost);
        }
        () = empties => unreachable!(),
    }
    assert_eq!(world.delivered("exact"), 0, "it went on behind a gap");
}

#[tokio::test(start_paused = true)]
async fn a_sink_without_a_position_of_its_own_goes_on_at_its_checkpoint() {
    let world = World::new(8).rows(2_000).only(Guarantee::AtLeastOnce);
    world.run_to_end().await.unwrap();
    assert_eq!(world.delivered("least"), 2_000);
    world.run_to_end().await.unwrap();
    assert_eq!(world.delivered("least"), 2_000, "rows that were acknowledged came again");
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_was_fenced_off_does_not_come_back() {
    let world = World::new(9).rows(1_000).until(Until::Stopped);
    world.sink("exact").fence_off();
    let fault = world.run(&Stop::new()).await.unwrap_err();
    assert_eq!(fault.class(), flowglass_model::ErrorClass::Conflict);
    assert_eq!(world.sink("exact").kept().opened, 1, "it was opened again");
}
