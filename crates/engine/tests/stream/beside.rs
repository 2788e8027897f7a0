//! Sinks that the stream does not wait for: they hold nobody up, and get everything all the same.

use std::time::Duration;

use flowglass_connect::stream::{Guarantee, Verb};
use flowglass_engine::stream::Until;
use flowglass_engine::{Stop, StopCause};

use super::world::World;

/// Enough to fill every queue many times.
const ROWS: u64 = 60_000;

fn slow(seed: u64) -> World {
    World::new(seed).rows(ROWS).rate(1_000).until(Until::Stopped)
}

/// Runs the stream until `acts` is over, and asks it to stop then; it has to end well.
async fn while_it_runs(world: &World, acts: impl Future<Output = ()>) {
    let stop = Stop::new();
    let acts = async {
        acts.await;
        stop.ask(StopCause::Cancelled);
    };
    let (ended, ()) = tokio::join!(world.run(&stop), acts);
    ended.unwrap();
}

/// Runs for a while with a sink that goes away after ten seconds and comes back when the other one
/// has everything.
async fn away_and_back(world: &World, (away, stays): (&'static str, &'static str)) {
    while_it_runs(world, async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        world.sink(away).away(true);
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert_eq!(world.delivered(stays), 60_000, "it was held up");
        let had = world.delivered(away);
        assert!(had < 30_000, "{had} rows reached a sink that was away");
        let status = world.status();
        let sink = status.sinks.iter().find(|it| it.id == away).unwrap();
        assert!(sink.catches_up, "{sink:?}");
        world.sink(away).away(false);
        tokio::time::sleep(Duration::from_secs(90)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_optional_sink_that_is_away_holds_nobody_up_and_catches_up_by_itself() {
    for (away, stays) in [("exact", "least"), ("least", "exact")] {
        let world = slow(21).optional(away);
        away_and_back(&world, (away, stays)).await;
        world.assert_whole("exact");
        world.assert_no_gap("least");
        assert!(world.status().sinks.iter().all(|it| !it.catches_up));
        assert_eq!(world.confirmed(), world.position("exact"), "nothing is kept for anybody");
    }
}

#[tokio::test(start_paused = true)]
async fn an_optional_sink_that_caught_up_goes_on_with_all_others() {
    let world = World::new(22).rows(200_000).rate(1_000).until(Until::Stopped).optional("exact");
    while_it_runs(&world, async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.sink("exact").away(true);
        tokio::time::sleep(Duration::from_secs(60)).await;
        world.sink("exact").away(false);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let sink = world.status().sinks.into_iter().find(|it| it.id == "exact").unwrap();
        assert!(!sink.catches_up, "{sink:?}");
        tokio::time::sleep(Duration::from_secs(100)).await;
    })
    .await;
    world.assert_whole("exact");
    world.assert_whole("least");
}

/// The required sink is away too when the optional one is back: the batch that it holds up has
/// passed the optional one by already.
#[tokio::test(start_paused = true)]
async fn a_batch_that_waits_for_a_required_sink_is_not_lost_for_an_optional_one() {
    for (optional, required) in [("exact", "least"), ("least", "exact")] {
        let world = slow(26).optional(optional);
        while_it_runs(&world, async {
            for (after, sink, away) in [
                (5, optional, true),
                (0, required, true),
                (25, optional, false),
                (30, required, false),
            ] {
                tokio::time::sleep(Duration::from_secs(after)).await;
                world.sink(sink).away(away);
            }
            tokio::time::sleep(Duration::from_secs(120)).await;
        })
        .await;
        world.assert_whole("exact");
        world.assert_no_gap("least");
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_was_read_again_while_a_sink_was_away_is_read_once_more_for_it() {
    let world = World::new(27).rows(120_000).rate(1_000).until(Until::Stopped).optional("exact");
    while_it_runs(&world, async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.sink("exact").away(true);
        tokio::time::sleep(Duration::from_secs(20)).await;
        let asked = Verb::Resync { table: "public.orders_1".to_owned() };
        world.state().ask(asked);
        tokio::time::sleep(Duration::from_secs(20)).await;
        let read = |sink| world.sink(sink).kept().read;
        assert_eq!((read("least"), read("exact")), (1, 0));
        world.sink("exact").away(false);
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!((read("least"), read("exact")), (2, 1));
    })
    .await;
    world.assert_whole("exact");
    assert_eq!(world.resynced().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_optional_sink_that_is_away_at_the_start_keeps_nobody_from_beginning() {
    let world = slow(23).optional("exact");
    while_it_runs(&world, async {
        tokio::time::sleep(Duration::from_secs(20)).await;
    })
    .await;
    let had = world.delivered("exact");
    world.sink("exact").away(true);
    while_it_runs(&world, async {
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert_eq!(world.delivered("least"), 60_000, "it was kept from beginning");
        assert_eq!(world.delivered("exact"), had);
        world.sink("exact").away(false);
        tokio::time::sleep(Duration::from_secs(90)).await;
    })
    .await;
    world.assert_whole("exact");
    world.assert_no_gap("least");
}

#[tokio::test(start_paused = true)]
async fn where_the_source_is_read_once_only_the_stream_goes_back_for_a_sink_and_waits_for_it() {
    let world = slow(24).optional("exact").read_once();
    while_it_runs(&world, async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        world.sink("exact").away(true);
        tokio::time::sleep(Duration::from_secs(20)).await;
        world.sink("exact").away(false);
        tokio::time::sleep(Duration::from_secs(120)).await;
    })
    .await;
    world.assert_whole("exact");
    world.assert_no_gap("least");
}

#[tokio::test(start_paused = true)]
async fn the_ledger_is_closed_with_an_optional_sink_under_every_seed_of_faults() {
    for seed in 0..100 {
        let optional = if seed % 2 == 0 { "exact" } else { "least" };
        let world = World::new(seed).rows(3_000).transaction_rows(1 + seed % 40).faulty();
        let world = world.optional(optional);
        world.crash_and_go_on().await;
        world.assert_whole("exact");
        world.assert_no_gap("least");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_optional_sinks_alone_waits_for_them() {
    let world = World::new(25).rows(50_000).until(Until::Stopped).only(Guarantee::ExactlyOnce);
    let world = world.optional("exact");
    world.sink("exact").away(true);
    while_it_runs(&world, async {
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert!(world.read_so_far() < 50_000, "the source was read past every bound");
        world.sink("exact").away(false);
        tokio::time::sleep(Duration::from_secs(120)).await;
    })
    .await;
    world.assert_whole("exact");
}
