//! A quiet database beside a busy one on the same server: the log is one, so that what the busy one
//! writes is held back for a stream of the quiet one, unless that lets go of it.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::time::Duration;

use flowglass_testkit::{Database, Postgres, Scratch, Settings, get, unused_port, wait_for};

use crate::support::{Stream, wait};

const PATIENCE: Duration = Duration::from_secs(60);

/// What the busy database writes at a time, about.
const BUSY_BYTES: u64 = 60_000_000;

/// What may be held back: a few heartbeats' worth, far from all.
const RETAINED_MAX: u64 = BUSY_BYTES / 4;

const MANIFEST: &str = "apiVersion: flowglass/v1\nkind: Stream\nmetadata: { name: quiet }\nspec:\n  \
    source:\n    type: postgres\n    config: { id: quiet, dsn: \"${DSN}\", tables: [public.quiet], \
    slot: quiet, publication: quiet, heartbeat: \"${HEARTBEAT}\", discover_every: 0s }\n  \
    sinks:\n    - { type: \"null\", config: { id: nowhere } }\n";

struct Field {
    postgres: Postgres,
    quiet: Database,
    busy: Database,
    scratch: Scratch,
}

impl Field {
    fn new() -> Self {
        let postgres = Postgres::start(Settings::default().logical_replication());
        let (quiet, busy) = (wait(postgres.database()), wait(postgres.database()));
        wait(quiet.execute("CREATE TABLE quiet (id int PRIMARY KEY)"));
        wait(busy.execute(
            "CREATE TABLE busy (body text); ALTER TABLE busy ALTER body SET STORAGE EXTERNAL",
        ));
        let scratch = Scratch::project(&[("stream.yaml", MANIFEST)]);
        Self { postgres, quiet, busy, scratch }
    }

    fn start(&self, heartbeat: &str, port: u16) -> Stream {
        let variables = [("DSN", self.quiet.dsn()), ("HEARTBEAT", heartbeat)];
        let page = format!("127.0.0.1:{port}");
        let args = ["run", "stream.yaml", "--metrics-addr", &page];
        let stream = Stream::with(&self.scratch, &args, &variables);
        let reads = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
        wait_for("the stream reads the log", PATIENCE, || {
            (wait(self.quiet.lines(reads)) == ["1"]).then_some(())
        });
        stream
    }

    fn write_elsewhere(&self) {
        let rows = BUSY_BYTES / 10_000;
        let sql =
            format!("INSERT INTO busy SELECT repeat('x', 10000) FROM generate_series(1, {rows})");
        wait(self.busy.execute(&sql));
    }

    /// Bytes of the log that the server keeps for the stream.
    fn retained(&self) -> u64 {
        let sql = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint \
                   FROM pg_replication_slots WHERE slot_name = 'quiet'";
        wait(self.quiet.lines(sql))[0].parse().unwrap()
    }
}

fn figure(port: u16, name: &str) -> f64 {
    let page = get(port, "/metrics");
    let line =
        page.lines().find(|it| it.starts_with(name)).unwrap_or_else(|| panic!("{name}: {page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_quiet_stream_lets_go_of_the_log_that_others_write() {
    let field = Field::new();
    let port = unused_port();
    let stream = field.start("500ms", port);
    wait(field.quiet.execute("INSERT INTO quiet VALUES (1)"));
    let named = |stem: &str| format!("flowglass_{stem}{{");
    wait_for("the row", PATIENCE, || {
        let page = get(port, "/metrics");
        page.contains("flowglass_sink_events_total{").then_some(())
    });
    for _round in 0..3 {
        field.write_elsewhere();
        wait_for("the log is let go of", PATIENCE, || {
            (field.retained() < RETAINED_MAX).then_some(())
        });
    }
    // Nothing is late, and nothing came: the two are told apart.
    wait_for("the retained bytes as the stream sees them", PATIENCE, || {
        #[expect(clippy::cast_precision_loss, reason = "a bound")]
        let bound = RETAINED_MAX as f64;
        (figure(port, &named("source_retained_bytes")) < bound).then_some(())
    });
    assert!(figure(port, &named("source_lag_seconds")) < 1.0, "it is not late");
    let idle = figure(port, &named("source_idle_seconds"));
    assert!(idle > 0.5, "{idle}");
    wait_for("it is idle for longer", PATIENCE, || {
        (figure(port, &named("source_idle_seconds")) > idle + 1.0).then_some(())
    });
    drop(stream);
    drop(field.postgres);
}
