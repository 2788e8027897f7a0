//! The Postgres of the copies, and the CPU time of its backends.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use flowglass_testkit::{Postgres, Settings};

use crate::measure::{Used, output, run};

/// Ticks of `/proc/PID/stat` in a second; Linux tells programs 100, whatever the kernel uses.
const TICKS_PER_SECOND: f64 = 100.0;

/// Between two looks at who is still connected, and how often one looks: for a minute.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOKS_MAX: u32 = 3_000;

fn usual() -> Settings {
    Settings::default()
        .set("shared_buffers", "1GB")
        .set("max_wal_size", "16GB")
        .set("checkpoint_timeout", "30min")
        .set("wal_buffers", "16MB")
}

/// A running server, the same for every arm.
pub(crate) struct Server {
    postgres: Postgres,
    postmaster: u32,
}

impl Server {
    /// Starts it with the memory that a small server is usually given. It does not wait for the
    /// disk, so that the programs are measured and not the disk.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn start() -> Result<Self> {
        Self::with(usual())
    }

    fn with(settings: Settings) -> Result<Self> {
        let mut server = Self { postgres: Postgres::start(settings), postmaster: 0 };
        let told = server.ask("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)")?;
        server.postmaster = told.trim().parse().context("reading the server's process id")?;
        Ok(server)
    }

    /// The same with a log that streams can read.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn for_streams() -> Result<Self> {
        Self::with(usual().logical_replication())
    }

    /// Where the one database of the benchmarks is. The server asks for no password; dlt wants one.
    pub(crate) fn dsn(&self) -> String {
        format!("postgresql://postgres:unused@127.0.0.1:{}/postgres", self.postgres.port())
    }

    /// `psql` on the database, with statements or meta commands to come.
    pub(crate) fn psql(&self) -> Command {
        let mut psql = Command::new(Postgres::program("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
        psql.args(["--set", "ON_ERROR_STOP=1", "--dbname"]).arg(self.dsn());
        psql
    }

    /// Runs statements and answers what they print.
    ///
    /// # Errors
    /// The server's words.
    pub(crate) fn ask(&self, sql: &str) -> Result<String> {
        output(self.psql().args(["--command", sql]))
    }

    /// Measures a program with the CPU time that the server's backends took for it.
    ///
    /// # Errors
    /// As [`run`].
    pub(crate) fn measure(&self, command: &mut Command) -> Result<(Used, String)> {
        // What an earlier arm left to be written would be paid by this one.
        self.ask("CHECKPOINT")?;
        self.settle()?;
        let before = self.backends_cpu()?;
        let (mut used, said) = run(command)?;
        self.settle()?;
        used.server_cpu = self.backends_cpu()?.saturating_sub(before);
        Ok((used, said))
    }

    /// Waits until no client's backend is left, so that all of them have been accounted for.
    fn settle(&self) -> Result<()> {
        let others = "SELECT count(*) FROM pg_stat_activity \
                      WHERE backend_type IN ('client backend', 'walsender') AND pid <> pg_backend_pid()";
        for _look in 0..LOOKS_MAX {
            if self.ask(others)?.trim() == "0" {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        bail!("clients are still connected a minute after the last one ended")
    }

    /// CPU time of all backends that have ended.
    fn backends_cpu(&self) -> Result<Duration> {
        let path = format!("/proc/{}/stat", self.postmaster);
        let stat = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        // After the name, which ends with the last parenthesis: the 14th and 15th are the user and
        // system time of children that were waited for. See proc(5).
        let (_, fields) = stat.rsplit_once(')').context("reading the server's times")?;
        let ticks: f64 = fields
            .split_whitespace()
            .skip(13)
            .take(2)
            .map(|it| it.parse::<f64>().unwrap_or(0.0))
            .sum();
        Ok(Duration::from_secs_f64(ticks / TICKS_PER_SECOND))
    }
}
