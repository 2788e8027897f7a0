//! The long forms: benchmarks, crash tests and fuzzing, one command each.
//!
//! They are too slow for every commit, and a machine that is busy with something else makes their
//! figures worthless, so that a person starts them and waits.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::args::Args;
use crate::{deps, repo, say, shell};

/// Random deaths of the long form; the tests choose a smaller number by themselves.
const LONG_CRASH_ROUNDS: &str = "500";

/// Kills of a stream in the long form.
const LONG_STREAM_KILLS: &str = "100";

/// `bench [NAME…]`: everything, or what is named.
pub(crate) fn command(mut args: Args) -> Result<bool> {
    let mut names = Vec::new();
    while let Some(name) = args.word() {
        names.push(name);
    }
    deps::for_tests()?;
    deps::for_benches()?;
    // Apart, so that what the benchmarks ask of their own dependencies does not change the binary.
    for package in ["flowglass", "flowglass-benches"] {
        if !shell::show(&mut shell::cargo(&["build", "--release", "--package", package]))? {
            return Ok(false);
        }
    }
    let mut bench = Command::new(repo::target().join("release/flowglass-benches"));
    bench.args(names);
    bench.env("FLOWGLASS_BIN", repo::target().join("release/flowglass"));
    bench.env("FLOWGLASS_BENCH_PYTHON", repo::target().join("venv/bin/python"));
    shell::show(&mut bench)
}

/// `crash [--long]`.
pub(crate) fn crash(mut args: Args) -> Result<bool> {
    let long = args.flag("--long");
    args.finish()?;
    deps::for_tests()?;
    let mut test = shell::cargo(&["test", "--package", "flowglass", "--test", "main"]);
    test.args(["--", "crash", "--nocapture"]);
    if long {
        test.env("FLOWGLASS_CRASH_ROUNDS", LONG_CRASH_ROUNDS);
        test.env("FLOWGLASS_STREAM_KILLS", LONG_STREAM_KILLS);
    }
    let mut ran = crate::totals::Totals::default();
    let fine = shell::watch(&mut test, |line| ran.read(line))?;
    if fine && ran.passed == 0 {
        bail!("there is no test named crash in the binary's tests");
    }
    Ok(fine)
}

/// `fuzz TARGET [--for 120s]`.
pub(crate) fn fuzz(mut args: Args) -> Result<bool> {
    let limit = args.value("--for")?.unwrap_or_else(|| "120s".to_owned());
    let seconds: u64 = limit
        .strip_suffix('s')
        .unwrap_or(&limit)
        .parse()
        .context("--for wants seconds, such as 120s")?;
    let target = args.word();
    args.finish()?;
    let targets = fuzz_targets()?;
    let Some(target) = target.filter(|target| targets.contains(target)) else {
        bail!("which target? there are: {}", targets.join(", "));
    };
    if !shell::works("cargo", &["fuzz", "--version"]) {
        bail!("cargo-fuzz is not installed: run `cargo install --locked cargo-fuzz`");
    }
    say::talk(&format!("fuzz: {target} for {seconds} s"));
    // What is found goes to the first folder, which is not under version control; the seeds are.
    let corpus = repo::root().join("fuzz/corpus").join(&target);
    std::fs::create_dir_all(&corpus).context("making the folder of the corpus")?;
    let (corpus, seeds) = (format!("fuzz/corpus/{target}"), format!("fuzz/seeds/{target}"));
    let mut fuzz = shell::cargo(&["fuzz", "run", &target, &corpus, &seeds]);
    // Coverage is a flag of the nightly compiler; this lets the stable one take it, for this
    // command alone.
    fuzz.env("RUSTC_BOOTSTRAP", "1");
    fuzz.args(["--", &format!("-max_total_time={seconds}")]);
    shell::show(&mut fuzz)
}

fn fuzz_targets() -> Result<Vec<String>> {
    let folder = repo::root().join("fuzz/fuzz_targets");
    let mut targets: Vec<String> = std::fs::read_dir(&folder)
        .context("there are no fuzz targets: no folder fuzz/fuzz_targets")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    targets.sort();
    Ok(targets)
}
