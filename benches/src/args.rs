//! The command line: names of benchmarks, how many rows, how many rounds.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// What to measure and how much of it.
#[derive(Debug, Clone)]
pub(crate) struct Args {
    /// Names of benchmarks; all of them when there is none.
    pub(crate) names: Vec<String>,
    /// Rows of each copy.
    pub(crate) rows: u64,
    /// How often each arm runs.
    pub(crate) rounds: usize,
    /// Leaves the slow peers out (dlt): for the proof of memory at 10,000,000 rows.
    pub(crate) no_peers: bool,
    /// The binary under test.
    pub(crate) flowglass: PathBuf,
    /// A Python that has the peers.
    pub(crate) python: PathBuf,
}

/// What `--help` says.
pub(crate) const HELP: &str = "\
Usage: cargo xtask bench [NAME...] [--rows N] [--rounds N] [--no-peers]

Names: pg-to-pg csv-to-sqlite csv-to-parquet export-one export-thousand noop events streams latency
Without a name all of them run, in this order.

  --rows N      rows of each copy (1000000)
  --rounds N    how often each arm runs, alternating (5)
  --no-peers    leave out the peers that take minutes (dlt)
";

impl Args {
    /// Reads the command line and the two paths that `cargo xtask bench` hands over.
    pub(crate) fn read() -> Result<Self> {
        let mut args = Self {
            names: Vec::new(),
            rows: 1_000_000,
            rounds: 5,
            no_peers: false,
            flowglass: from_env("FLOWGLASS_BIN")?,
            python: from_env("FLOWGLASS_BENCH_PYTHON")?,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--no-peers" => args.no_peers = true,
                "--rows" => args.rows = number(&word, words.next())?,
                "--rounds" => args.rounds = usize::try_from(number(&word, words.next())?)?.max(1),
                flag if flag.starts_with('-') => bail!("`{flag}` is not a flag\n\n{HELP}"),
                name => args.names.push(name.to_owned()),
            }
        }
        Ok(args)
    }
}

fn number(flag: &str, value: Option<String>) -> Result<u64> {
    let value = value.with_context(|| format!("{flag} needs a number"))?;
    value.replace('_', "").parse().with_context(|| format!("{flag} needs a number"))
}

fn from_env(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os(name).map(PathBuf::from);
    path.with_context(|| format!("{name} is not set: start this with `cargo xtask bench`"))
}
