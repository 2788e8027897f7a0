//! Requests from other processes to a stream that runs, and a request to stop while nothing opens.

use std::time::Duration;

use flowglass_connect::stream::{AnswerState, Position, Verb};
use flowglass_engine::stream::Until;
use flowglass_engine::{Stop, StopCause};

use super::world::World;

const A_WHILE: Duration = Duration::from_secs(5);

async fn a_while() {
    tokio::time::sleep(A_WHILE).await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_stream_reads_nothing_keeps_its_place_and_goes_on() {
    let world = World::new(21).rows(0).rate(1_000).until(Until::Stopped);
    let stop = Stop::new();
    let asks = async {
        a_while().await;
        let pause = world.state().ask(Verb::Pause);
        a_while().await;
        let answers = world.state().answers(pause);
        assert_eq!(answers.iter().map(|it| it.state).collect::<Vec<_>>(), [AnswerState::Done]);
        let (there, status) = (world.delivered("exact"), world.status());
        assert!(there >= 5_000 && status.paused);
        // An hour is longer than any stall.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(world.delivered("exact"), there, "it read on");
        assert_eq!(world.status().stalled, None, "a pause is no stall");
        assert_eq!(world.confirmed(), world.position("exact"));
        let resume = world.state().ask(Verb::Resume);
        a_while().await;
        assert_eq!(world.state().answers(resume).len(), 1);
        assert!(world.delivered("exact") > there && !world.status().paused);
        assert_eq!(world.status().stalled, None, "the pause counts as a stall afterwards");
        stop.ask(StopCause::Cancelled);
    };
    let (ended, ()) = tokio::join!(world.run(&stop), asks);
    ended.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pause_lasts_over_a_restart() {
    let world = World::new(22).rows(1_000);
    world.state().ask(Verb::Pause);
    let stop = Stop::new();
    let asks = async {
        a_while().await;
        assert!(world.status().paused);
        assert_eq!(world.delivered("exact"), 0);
        stop.ask(StopCause::Cancelled);
    };
    let (ended, ()) = tokio::join!(world.run(&stop), asks);
    ended.unwrap();
    world.state().ask(Verb::Resume);
    world.run_to_end().await.unwrap();
    world.assert_whole("exact");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_asked_to_stop_delivers_what_it_read_and_says_so() {
    let world = World::new(23).rows(0).rate(10_000).until(Until::Stopped);
    let asks = async {
        a_while().await;
        world.state().ask(Verb::Stop)
    };
    let stop = Stop::new();
    let (ended, asked) = tokio::join!(world.run(&stop), asks);
    ended.unwrap();
    let answers: Vec<_> = world.state().answers(asked).iter().map(|it| it.state).collect();
    assert_eq!(answers, [AnswerState::Accepted, AnswerState::Done]);
    assert_eq!(world.status().stopped_by.as_deref(), Some("the test"));
    assert_eq!(world.confirmed(), world.position("exact"));
    let there = world.delivered("exact") as u64;
    assert!(there > 40_000, "{there}");
    assert_eq!(world.read_so_far(), there, "rows were read and not delivered");
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_sink_is_away_still_hears_and_tells() {
    let world = World::new(24).rows(50_000).until(Until::Stopped);
    world.sink("exact").away(true);
    let asks = async {
        tokio::time::sleep(Duration::from_secs(120)).await;
        let status = world.status();
        let trouble = status.sinks.iter().find(|it| it.id == "exact").unwrap().trouble.clone();
        assert!(trouble.is_some(), "nobody hears that the sink is away");
        world.state().ask(Verb::Stop)
    };
    let stop = Stop::new();
    let (ended, asked) = tokio::join!(world.run(&stop), asks);
    ended.unwrap();
    let last = world.state().answers(asked).pop().unwrap();
    assert_eq!(last.state, AnswerState::Done);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_goes_away_later_is_told_of_while_nothing_moves() {
    let world = World::new(25).rows(0).rate(50_000).until(Until::Stopped);
    let stop = Stop::new();
    let asks = async {
        a_while().await;
        world.sink("exact").away(true);
        tokio::time::sleep(Duration::from_secs(180)).await;
        let stall = world.status().stalled.expect("nobody says that the stream stands still");
        assert_eq!(stall.sink.as_deref(), Some("exact"));
        let request = world.state().ask(Verb::Stop);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(world.state().answers(request).len(), 1, "the request is not heard");
    };
    let (ended, ()) = tokio::join!(world.run(&stop), asks);
    ended.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_table_is_read_again_on_request_and_an_unknown_one_refused() {
    let world = World::new(26).rows(0).rate(100).until(Until::Stopped);
    let stop = Stop::new();
    let asks = async {
        a_while().await;
        let resync = |table: &str| Verb::Resync { table: table.to_owned() };
        let good = world.state().ask(resync("public.orders"));
        let bad = world.state().ask(resync("public.order"));
        a_while().await;
        let answer = |request| world.state().answers(request).pop().unwrap();
        assert_eq!(answer(good).state, AnswerState::Done);
        assert_eq!(answer(bad).state, AnswerState::Refused);
        assert!(answer(bad).said.contains("public.order"), "{:?}", answer(bad));
        assert_eq!(world.resynced(), ["public.orders"]);
        stop.ask(StopCause::Cancelled);
    };
    let (ended, ()) = tokio::join!(world.run(&stop), asks);
    ended.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_opens_does_not_keep_the_stream_from_stopping() {
    for by_request in [false, true] {
        let world = World::new(27).rows(10).never_opens();
        let stop = Stop::new();
        let began = tokio::time::Instant::now();
        let asks = async {
            a_while().await;
            if by_request {
                world.state().ask(Verb::Stop);
            } else {
                stop.ask(StopCause::Cancelled);
            }
        };
        let (ended, ()) = tokio::join!(world.run(&stop), asks);
        ended.unwrap();
        assert!(began.elapsed() < A_WHILE + Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!(world.position("exact"), None::<Position>);
    }
}
