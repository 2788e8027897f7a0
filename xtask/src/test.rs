//! `cargo xtask test`: every check and every test, in the order in which a mistake is cheapest to
//! find.
//!
//! All steps are run even when one fails, so that one round shows everything that is wrong; only
//! what stands on a failed step (tests on a build) is left out. The last line is `N passed, N
//! failed`, summed over the test runner's own totals.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::args::Args;
use crate::totals::Totals;
use crate::{deps, generate, layers, licences, say, shell, tidy, web};

/// What a step needs and leaves behind.
#[derive(Default)]
struct Round {
    totals: Totals,
}

struct Step {
    name: &'static str,
    what: &'static str,
    /// Left out by `--fast`.
    slow: bool,
    /// Not worth starting when the build failed.
    stands_on_build: bool,
    run: fn(&mut Round) -> Result<bool>,
}

const STEPS: &[Step] = &[
    Step {
        name: "deps",
        what: "services and tools are installed",
        slow: true,
        stands_on_build: false,
        run: |_| deps::for_tests().map(|()| true),
    },
    Step {
        name: "fmt",
        what: "formatted by rustfmt",
        slow: false,
        stands_on_build: false,
        run: |_| shell::show(&mut shell::cargo(&["fmt", "--all", "--check"])),
    },
    Step {
        name: "layers",
        what: "crates see only what the architecture allows",
        slow: false,
        stands_on_build: false,
        run: |_| layers::check(),
    },
    Step {
        name: "tidy",
        what: "files are as the style says",
        slow: false,
        stands_on_build: false,
        run: |_| tidy::check(),
    },
    Step {
        name: "deny",
        what: "licences and duplicates of dependencies",
        slow: false,
        stands_on_build: false,
        run: |_| licences::check(),
    },
    Step {
        name: "clippy",
        what: "no warning anywhere",
        slow: true,
        stands_on_build: false,
        run: |_| {
            shell::show(
                shell::cargo(&["clippy", "--workspace", "--all-targets"])
                    .args(["--", "-D", "warnings"]),
            )
        },
    },
    Step {
        name: "doc",
        what: "documentation has no broken link",
        slow: true,
        stands_on_build: false,
        run: |_| {
            let args = ["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"];
            shell::show(shell::cargo(&args).env("RUSTDOCFLAGS", "-D warnings"))
        },
    },
    Step {
        name: "build",
        what: "the binary and all tests compile",
        slow: false,
        stands_on_build: false,
        // As tests, so that the binary is linked once with the very features that the tests use.
        run: |_| shell::show(&mut shell::cargo(&["test", "--workspace", "--no-run"])),
    },
    Step {
        name: "generate",
        what: "printed files are up to date",
        slow: true,
        stands_on_build: true,
        run: |_| generate::check(&generate::built_binary()),
    },
    Step { name: "tests", what: "every test", slow: false, stands_on_build: true, run: tests },
    Step {
        name: "web",
        what: "the dashboard is what its sources say",
        slow: true,
        stands_on_build: false,
        run: |round| web::check(&mut round.totals),
    },
    Step {
        name: "browser",
        what: "every page of the dashboard in a browser",
        slow: true,
        stands_on_build: false,
        run: |round| web::browse(&mut round.totals),
    },
];

/// How a step went.
enum Went {
    Well,
    Badly,
    NotRun,
}

/// `test [--fast] [--only STEP]`.
pub(crate) fn command(mut args: Args) -> Result<bool> {
    let fast = args.flag("--fast");
    let only = args.value("--only")?;
    args.finish()?;
    let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
    if let Some(only) = &only
        && !names.contains(&only.as_str())
    {
        bail!("there is no step `{only}`; there are {}", names.join(", "));
    }
    let chosen = |step: &&Step| match &only {
        Some(only) => only == step.name,
        None => !(fast && step.slow),
    };

    let mut round = Round::default();
    let mut table: Vec<(&Step, Went, Duration)> = Vec::new();
    let steps: Vec<&Step> = STEPS.iter().filter(chosen).collect();
    for (index, step) in steps.iter().enumerate() {
        let start = now();
        let no_build = table
            .iter()
            .any(|(before, went, _)| before.name == "build" && !matches!(went, Went::Well));
        let went = if step.stands_on_build && no_build {
            Went::NotRun
        } else {
            say::talk(&format!("[{}/{}] {}: {}", index + 1, steps.len(), step.name, step.what));
            match (step.run)(&mut round) {
                Ok(true) => Went::Well,
                Ok(false) => Went::Badly,
                Err(error) => {
                    say::talk(&format!("error: {error:#}"));
                    Went::Badly
                }
            }
        };
        table.push((step, went, start.elapsed()));
    }
    summary(&table);
    let Totals { passed, failed } = round.totals;
    say::print(&format!("{passed} passed, {failed} failed\n"));
    Ok(table.iter().all(|(_, went, _)| matches!(went, Went::Well)))
}

fn tests(round: &mut Round) -> Result<bool> {
    let mut cargo = shell::cargo(&["test", "--workspace", "--no-fail-fast"]);
    // A golden file that differs is a failure here, and never a new file.
    cargo.env("INSTA_UPDATE", "no");
    let fine = shell::watch(&mut cargo, |line| round.totals.read(line))?;
    if fine && round.totals.passed == 0 {
        bail!("the test runner was content without running a test");
    }
    Ok(fine)
}

fn summary(table: &[(&Step, Went, Duration)]) {
    let mut text = String::from("\n  step      result    seconds\n");
    for (step, went, time) in table {
        let result = match went {
            Went::Well => "ok",
            Went::Badly => "FAILED",
            Went::NotRun => "not run",
        };
        text.push_str(&format!("  {:<8}  {result:<8}  {:>7.1}\n", step.name, time.as_secs_f64()));
    }
    say::print(&text);
}

#[expect(clippy::disallowed_methods, reason = "the seconds of a step are real ones")]
fn now() -> Instant {
    Instant::now()
}
