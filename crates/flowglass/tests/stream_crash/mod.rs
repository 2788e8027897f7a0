//! A stream is disturbed while somebody writes to its source, and every sink must hold exactly what
//! was committed, in order: nothing lost, nothing doubled, nothing old behind something new.
//!
//! What was committed is read from Postgres by its own `test_decoding` plugin through a slot of its
//! own, and compared change by change. The long form is `cargo xtask crash --long`.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod change;
mod field;
mod writer;

use std::time::Duration;

use flowglass_testkit::{Dice, Fate, wait_for};

use crate::support::{flowglass, wait};
use field::{Field, To};
use writer::Writer;

/// How often the process is killed, when it is not a few.
const KILLS: &str = "FLOWGLASS_STREAM_KILLS";
const KILLS_IN_CI: u64 = 12;
const SEED: u64 = 20_261_121;

const PATIENCE: Duration = Duration::from_secs(60);

fn kills_wanted() -> u64 {
    std::env::var(KILLS).map_or(KILLS_IN_CI, |it| it.parse().unwrap())
}

/// Waits until that many more transactions were committed.
fn more_is_written(writer: &Writer, transactions: u64) {
    let before = writer.committed();
    wait_for("more transactions", PATIENCE, || {
        (writer.committed() >= before + transactions).then_some(())
    });
}

#[test]
fn stream_crash_kill_9_at_random_instants_leaves_every_sink_equal_to_the_source() {
    println!("{}", kill_9(("kills", SEED), &[To::Redis, To::Kafka, To::Files]));
}

#[test]
fn stream_crash_kill_9_leaves_every_copy_of_a_table_equal_to_the_table() {
    println!("{}", kill_9(("copies", SEED + 6), &[To::Postgres, To::Sqlite]));
}

/// Says what it came to.
fn kill_9((name, seed): (&str, u64), sinks: &[To]) -> String {
    let field = Field::new(name, sinks);
    let mut dice = Dice::from_seed(seed);
    let writer = Writer::start(field.database.dsn(), seed);
    let mut kills = 0;
    for _round in 0..kills_wanted() {
        // From the first steps of the start to a stream that has been at work for a while.
        let delay = dice.duration(Duration::from_millis(20)..Duration::from_millis(1_500));
        if field.kill_after(delay) == Fate::Killed {
            kills += 1;
        }
    }
    let transactions = writer.end();
    drop(field.caught_up());
    let changes = field.check();
    assert_eq!(kills, kills_wanted(), "it ended before it was killed");
    format!("{kills} kills, {transactions} transactions, {changes} changes, equal at {sinks:?}")
}

#[test]
fn stream_crash_of_a_sink_loses_and_doubles_nothing() {
    let mut field = Field::new("sink", &[To::Redis, To::Files]);
    let mut dice = Dice::from_seed(SEED + 1);
    let writer = Writer::start(field.database.dsn(), SEED + 1);
    let mut running = field.start();
    for _round in 0..kills_wanted().div_ceil(4) {
        more_is_written(&writer, 20);
        Field::a_while(&mut dice, Duration::from_millis(300));
        field.redis.as_mut().unwrap().kill();
        Field::a_while(&mut dice, Duration::from_millis(300));
        field.redis.as_mut().unwrap().restart();
    }
    more_is_written(&writer, 20);
    assert!(running.is_alive(), "a sink that comes back must not end the stream");
    writer.end();
    running.stop();
    drop(field.caught_up());
    field.check();
}

#[test]
fn stream_crash_of_the_network_loses_and_doubles_nothing() {
    let field = Field::new("network", &[To::Redis, To::Files]);
    let mut dice = Dice::from_seed(SEED + 2);
    let writer = Writer::start(field.database.dsn(), SEED + 2);
    let mut running = field.start();
    let redis_way = field.redis_way.as_ref().unwrap();
    for _round in 0..kills_wanted() {
        more_is_written(&writer, 5);
        // Long enough for it to come back in between, more often than not.
        Field::a_while(&mut dice, Duration::from_millis(600));
        let way = if dice.chance(1, 2) { &field.source_way } else { redis_way };
        match dice.below(3) {
            0 => way.cut(),
            1 => way.cut_after(dice.below(20_000)),
            _ => {
                way.refuse();
                Field::a_while(&mut dice, Duration::from_millis(300));
                way.heal();
            }
        }
    }
    field.source_way.heal();
    redis_way.heal();
    more_is_written(&writer, 20);
    assert!(running.is_alive(), "a network that comes back must not end the stream");
    writer.end();
    running.stop();
    drop(field.caught_up());
    field.check();
}

#[test]
fn stream_crash_of_postgres_loses_and_doubles_nothing() {
    let mut field = Field::new("postgres", &[To::Redis, To::Files]);
    let mut dice = Dice::from_seed(SEED + 3);
    let writer = Writer::start(field.database.dsn(), SEED + 3);
    let mut running = field.start();
    for _round in 0..kills_wanted().div_ceil(6) {
        more_is_written(&writer, 20);
        Field::a_while(&mut dice, Duration::from_millis(300));
        field.postgres.kill();
        Field::a_while(&mut dice, Duration::from_millis(200));
        field.postgres.restart();
    }
    more_is_written(&writer, 20);
    assert!(running.is_alive(), "a source that comes back must not end the stream");
    writer.end();
    running.stop();
    drop(field.caught_up());
    field.check();
}

#[test]
fn stream_crash_by_a_store_without_room_is_told_and_loses_nothing() {
    let field = Field::new("full", &[To::Redis]);
    let writer = Writer::start(field.database.dsn(), SEED + 4);
    // The kernel's limit on the size of a file stands in for the full disk.
    let limited = flowglass_testkit::Flowglass::new("prlimit")
        .args(["--fsize=300000", env!("CARGO_BIN_EXE_flowglass"), "run", "stream.yaml"])
        .current_dir(field.scratch.folder())
        .run()
        .expect_code(1);
    assert!(limited.stderr.contains("could not be kept"), "{limited}");
    assert!(limited.stderr.contains("hint: "), "{limited}");
    writer.end();
    drop(field.caught_up());
    field.check();
}

#[test]
fn stream_crash_by_a_dropped_slot_is_loud() {
    let field = Field::new("slot", &[To::Files]);
    let writer = Writer::start(field.database.dsn(), SEED + 5);
    let running = field.start();
    more_is_written(&writer, 20);
    let slots = "SELECT slot_name FROM pg_replication_slots WHERE plugin = 'pgoutput'";
    let slot = wait(field.database.lines(slots)).pop().unwrap();
    let lose = format!(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{slot}';"
    );
    let gone = format!("SELECT pg_drop_replication_slot('{slot}')");
    wait(async {
        let client = field.database.client().await;
        // It comes back at once: only between two of its connections can the slot be dropped.
        let start = wait_start();
        while client.batch_execute(&gone).await.is_err() {
            client.batch_execute(&lose).await.unwrap();
            assert!(start.elapsed() < PATIENCE, "the slot cannot be dropped");
        }
    });
    running.ended(1);
    writer.end();
    // And it stays loud: to make the slot anew would leave a gap that nobody sees.
    let again = flowglass(&field.scratch, &["run", "stream.yaml", "--until", "caught-up"]).run();
    let again = again.expect_code(1);
    assert!(again.stdout.contains("position_lost"), "{again}");
    assert!(again.stdout.contains("hint: "), "{again}");
}

#[expect(clippy::disallowed_methods, reason = "a test's own patience")]
fn wait_start() -> std::time::Instant {
    std::time::Instant::now()
}
