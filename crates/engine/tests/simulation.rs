//! Two hundred seeded runs of fake work in paused time: graphs, failures, panics, hangs, retries,
//! cancellations, timeouts and full disks in every mixture, and what must be true of all of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use flowglass_connect::{Clock, Fault, Tasks};
use flowglass_engine::{
    Attempt, BuiltPipeline, Failure, Finish, RetryRule, Stop, StopCause, Task, When, Work,
};
use flowglass_model::{
    Entity, ErrorClass, Event, EventKind, NodeId, Reason, Redactor, Snapshot, State,
};
use flowglass_testkit::{Dice, PausedClock};

use crate::support::{MemoryLog, Played, around, node, pipeline, play};

const SEEDS: u64 = 200;

/// What an attempt does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Succeed,
    Warn,
    Fail(ErrorClass),
    Panic,
    /// Works until it is asked to stop.
    Hang,
    /// Does not hear the stop, but ends.
    Deaf,
}

/// Work that follows a script, one act an attempt, the last one for ever.
struct Script {
    acts: Vec<Act>,
    takes: Duration,
    alive: Arc<AtomicUsize>,
}

/// Alive as long as this value.
struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Work for Script {
    async fn attempt(&self, at: &Attempt) -> Result<Finish, Failure> {
        self.alive.fetch_add(1, Ordering::SeqCst);
        let _alive = Alive(Arc::clone(&self.alive));
        let stage = at.stage_begins("command").await?;
        let place = usize::try_from(at.number).unwrap() - 1;
        let act = self.acts[place.min(self.acts.len() - 1)];
        match act {
            Act::Hang => drop(at.stop.asked().await),
            Act::Deaf => tokio::time::sleep(self.takes).await,
            _ => tokio::select! {
                () = tokio::time::sleep(self.takes) => {}
                _cause = at.stop.asked() => {}
            },
        }
        let end = match act {
            Act::Panic => panic!("as the script says"),
            Act::Fail(class) => Err(class),
            _ if at.stop.cause().is_some() && !matches!(act, Act::Deaf) => {
                Err(ErrorClass::Cancelled)
            }
            _ => Ok(Finish { warning: matches!(act, Act::Warn), ..Finish::default() }),
        };
        match end {
            Ok(finish) => {
                at.stage_ends(&stage, (State::Complete, Reason::Ok), None).await?;
                Ok(finish)
            }
            Err(class) => {
                at.stage_ends(&stage, (State::Failed, Reason::Error), None).await?;
                Err(Failure::from(Fault::new(class, "as the script says")))
            }
        }
    }
}

struct World {
    pipelines: Vec<BuiltPipeline>,
    rules: BTreeMap<(String, String), RetryRule>,
    needs: BTreeMap<(String, String), (When, Vec<String>)>,
    alive: Arc<AtomicUsize>,
    parallel: BTreeMap<String, usize>,
    cancel_at: Option<Duration>,
    room: Option<usize>,
}

fn act(dice: &mut Dice) -> Act {
    let classes =
        [ErrorClass::Timeout, ErrorClass::Config, ErrorClass::ExitCode, ErrorClass::Check];
    match dice.below(12) {
        0 => Act::Panic,
        1 => Act::Hang,
        2 => Act::Deaf,
        3 => Act::Warn,
        4..=6 => Act::Fail(classes[usize::try_from(dice.below(4)).unwrap()]),
        _ => Act::Succeed,
    }
}

fn rule(dice: &mut Dice) -> RetryRule {
    RetryRule {
        attempts_max: 1 + u32::try_from(dice.below(3)).unwrap(),
        backoff: dice.duration(Duration::from_millis(100)..Duration::from_secs(5)),
        backoff_max: Duration::from_secs(6),
        jitter: dice.chance(1, 2),
        classes: dice.chance(1, 4).then(|| vec![ErrorClass::Config]),
    }
}

fn world(seed: u64) -> World {
    let mut dice = Dice::from_seed(seed);
    let clock: Arc<dyn Clock> = Arc::new(PausedClock::new());
    let mut world = World {
        pipelines: Vec::new(),
        rules: BTreeMap::new(),
        needs: BTreeMap::new(),
        alive: Arc::default(),
        parallel: BTreeMap::new(),
        cancel_at: None,
        room: None,
    };
    for number in 0..1 + dice.below(3) {
        let name = format!("p{number}");
        let count = usize::try_from(1 + dice.below(8)).unwrap();
        let mut nodes = Vec::new();
        for at in 0..count {
            let acts = (0..3).map(|_| act(&mut dice)).collect();
            let takes = dice.duration(Duration::from_millis(1)..Duration::from_secs(8));
            let work = Script { acts, takes, alive: Arc::clone(&world.alive) };
            let id = format!("n{at}");
            let mut built = node(&id, Arc::new(work));
            let when = [When::OnSuccess, When::OnSuccess, When::OnFailure, When::Always]
                [usize::try_from(dice.below(4)).unwrap()];
            let needs: Vec<usize> = (0..at).filter(|_| dice.chance(1, 3)).collect();
            let settled = dice.chance(1, 12).then_some(Reason::Cached);
            let names = needs.iter().map(|it| format!("n{it}")).collect();
            world.needs.insert((name.clone(), id.clone()), (when, names));
            built.task = Task { id: NodeId::new(&id).unwrap(), needs, when, settled };
            built.retry = rule(&mut dice);
            built.timeout = Some(dice.duration(Duration::from_secs(2)..Duration::from_secs(12)));
            world.rules.insert((name.clone(), id), built.retry.clone());
            nodes.push(built);
        }
        let around = around(std::path::Path::new("."), Arc::clone(&clock));
        let mut built = pipeline(&name, nodes, around);
        built.parallel_max = usize::try_from(1 + dice.below(4)).unwrap();
        built.timeout = dice.chance(1, 4).then_some(Duration::from_secs(15));
        world.parallel.insert(name, built.parallel_max);
        world.pipelines.push(built);
    }
    world.cancel_at =
        dice.chance(1, 4).then(|| dice.duration(Duration::ZERO..Duration::from_secs(20)));
    world.room = dice.chance(1, 5).then(|| usize::try_from(dice.below(120)).unwrap());
    world
}

async fn simulate(world: &mut World) -> Played {
    let stop = Stop::new();
    let mut tasks = Tasks::new();
    if let Some(at) = world.cancel_at {
        let stop = stop.clone();
        tasks.spawn("cancel", async move {
            tokio::time::sleep(at).await;
            stop.ask(StopCause::Cancelled);
        });
    }
    let log = MemoryLog { room: world.room, ..MemoryLog::default() };
    let clock = Arc::new(PausedClock::new());
    let pipelines = std::mem::take(&mut world.pipelines);
    let played = play(pipelines, log, clock, (stop, Redactor::default()));
    // Time is paused, so that a day passes at once when nothing else can happen.
    let day = Duration::from_secs(86_400);
    tokio::time::timeout(day, played).await.expect("the run hangs")
}

#[tokio::test(start_paused = true)]
async fn every_run_ends_as_it_must() {
    let (mut full, mut cancelled, mut retried) = (0, 0, 0);
    for seed in 0..SEEDS {
        let mut world = world(seed);
        let played = simulate(&mut world).await;
        let said = format!("seed {seed}");
        let snapshot = Snapshot::of(&played.events).expect(&said);
        assert_eq!(world.alive.load(Ordering::SeqCst), 0, "{said}: work goes on after the run");
        check_parallel(&world, &played.events, &said);
        if played.log_failed {
            full += 1;
            assert!(played.end.is_err(), "{said}: the log failed and nobody says so");
            continue;
        }
        let end = played.end.as_ref().expect(&said);
        assert_eq!(snapshot.run.times.state, Some(end.state), "{said}");
        cancelled += usize::from(end.reason == Reason::Cancelled);
        check_ends(&snapshot, &played.events, &said);
        check_needs(&world, &snapshot, &said);
        retried += check_retries(&world, &snapshot, &played.events, &said);
    }
    // The dice did throw each of them.
    assert!(full > 5 && cancelled > 5 && retried > 50, "{full} {cancelled} {retried}");
}

/// Every entity that began has ended, once; what failed says why.
fn check_ends(snapshot: &Snapshot, events: &[Event], said: &str) {
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for event in events.iter().filter(|it| it.kind == EventKind::Transition) {
        let Some(to) = event.to else { continue };
        let ids = (&event.pipeline_id, &event.node_id, &event.attempt_id, &event.stage_id);
        let entity = (event.entity != Entity::Run).then_some(ids);
        *ends.entry(format!("{:?} {entity:?}", event.entity)).or_default() +=
            usize::from(to.is_final());
        if to == State::Failed
            && matches!(event.entity, Entity::Pipeline | Entity::Node | Entity::Attempt)
        {
            assert!(event.error.is_some(), "{said}: failed without a word: {event:?}");
        }
    }
    for (entity, count) in &ends {
        assert_eq!(*count, 1, "{said}: ends of {entity}");
    }
    let nodes: usize = snapshot.pipelines.iter().map(|it| it.nodes.len()).sum();
    let by_state = &snapshot.summary;
    let ended = by_state.complete + by_state.failed + by_state.skipped;
    assert_eq!(ended, nodes as u64, "{said}: {by_state:?}");
}

/// Never more attempts at a time than the pipeline allows.
fn check_parallel(world: &World, events: &[Event], said: &str) {
    let mut running: BTreeMap<&str, usize> = BTreeMap::new();
    for event in events {
        if event.kind != EventKind::Transition || event.entity != Entity::Attempt {
            continue;
        }
        let name = event.pipeline_id.as_str();
        let count = running.entry(name).or_default();
        match event.to {
            Some(State::Running) => *count += 1,
            _ => *count -= 1,
        }
        assert!(*count <= world.parallel[name], "{said}: {count} attempts of {name} at a time");
    }
}

/// A node ran only where its needs and its `when` let it.
fn check_needs(world: &World, snapshot: &Snapshot, said: &str) {
    for pipeline in &snapshot.pipelines {
        let stand = |id: &str| pipeline.node(&id.parse().unwrap()).unwrap().times.clone();
        for node in pipeline.nodes.iter().filter(|it| !it.attempts.is_empty()) {
            let key = (pipeline.pipeline_id.to_string(), node.node_id.to_string());
            let (when, needs) = &world.needs[&key];
            let good = |id: &String| {
                let it = stand(id);
                it.state == Some(State::Complete) || it.reason == Some(Reason::Cached)
            };
            let allowed = match when {
                When::OnSuccess => needs.iter().all(good),
                When::OnFailure => needs.iter().any(|it| {
                    stand(it).state == Some(State::Failed)
                        || stand(it).reason == Some(Reason::Upstream)
                }),
                When::Always => true,
            };
            assert!(allowed, "{said}: {key:?} ran with {when:?} of {needs:?}");
            let late = needs.iter().any(|it| stand(it).ended_at > node.times.started_at);
            assert!(!late, "{said}: {key:?} ran before its needs had ended");
        }
    }
}

/// Attempts follow the rule: as often, for those classes, and not before the wait is over.
fn check_retries(world: &World, snapshot: &Snapshot, events: &[Event], said: &str) -> usize {
    let mut retried = 0;
    for pipeline in &snapshot.pipelines {
        let stopped = matches!(pipeline.times.reason, Some(Reason::Cancelled | Reason::Timeout));
        for node in &pipeline.nodes {
            let key = (pipeline.pipeline_id.to_string(), node.node_id.to_string());
            let rule = &world.rules[&key];
            for (at, attempt) in node.attempts.iter().enumerate() {
                let number = u32::try_from(at).unwrap() + 1;
                assert_eq!(attempt.attempt_id.number, number, "{said}: {key:?}");
                let class = attempt.error.as_ref().map(|it| it.class);
                let shortest = class.and_then(|it| rule.wait_after(number, it, 0.0));
                let Some(next) = node.attempts.get(at + 1) else {
                    let over = shortest.is_none() || stopped;
                    assert!(over, "{said}: {key:?} was to be tried again after {class:?}");
                    continue;
                };
                retried += 1;
                let shortest = shortest.unwrap_or_else(|| panic!("{said}: {key:?} tried again"));
                let waited = next.times.started_at.unwrap() - attempt.times.ended_at.unwrap();
                // The timer counts in whole milliseconds.
                let waited = Duration::try_from(waited).unwrap() + Duration::from_millis(1);
                assert!(waited >= shortest, "{said}: {key:?} {waited:?} for {shortest:?}");
            }
            let backoffs = events.iter().filter(|it| {
                it.reason == Some(Reason::RetryBackoff)
                    && it.node_id.as_ref() == Some(&node.node_id)
                    && it.pipeline_id == pipeline.pipeline_id
            });
            assert!(backoffs.count() + 1 >= node.attempts.len(), "{said}: {key:?}");
        }
    }
    retried
}

#[tokio::test(start_paused = true)]
async fn a_stage_does_not_outlive_an_attempt_that_panicked() {
    let work = Script { acts: vec![Act::Panic], takes: Duration::ZERO, alive: Arc::default() };
    let clock: Arc<dyn Clock> = Arc::new(PausedClock::new());
    let around = around(std::path::Path::new("."), Arc::clone(&clock));
    let nodes = vec![node("n", Arc::new(work))];
    let log = MemoryLog::default();
    let asks = (Stop::new(), Redactor::default());
    let played = play(vec![pipeline("p", nodes, around)], log, clock, asks).await;
    let snapshot = played.snapshot();
    let attempt = &snapshot.pipelines[0].nodes[0].attempts[0];
    assert_eq!(attempt.error.as_ref().unwrap().class, ErrorClass::Internal);
    assert_eq!(attempt.stages[0].times.state, Some(State::Failed));
    assert_eq!(snapshot.pipelines[0].stages[0].states.running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_fails_at_the_last_event_is_no_success() {
    let make = |room| async move {
        let work =
            Script { acts: vec![Act::Succeed], takes: Duration::ZERO, alive: Arc::default() };
        let clock: Arc<dyn Clock> = Arc::new(PausedClock::new());
        let around = around(std::path::Path::new("."), Arc::clone(&clock));
        let nodes = vec![node("n", Arc::new(work))];
        let log = MemoryLog { room, ..MemoryLog::default() };
        let asks = (Stop::new(), Redactor::default());
        play(vec![pipeline("p", nodes, around)], log, clock, asks).await
    };
    let whole = make(None).await.events.len();
    for room in 0..whole {
        let played = make(Some(room)).await;
        assert!(played.end.is_err(), "{room} of {whole} events fit, and the run says it is fine");
        Snapshot::of(&played.events).unwrap();
    }
    assert!(make(Some(whole)).await.end.is_ok());
}
