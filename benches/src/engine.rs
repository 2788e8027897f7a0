//! What the engine itself costs: a thousand nodes that do nothing, and events on one core.

use std::process::Command;

use anyhow::{Context, Result};

use crate::bench::{Bench, self_timed};
use crate::child;
use crate::measure::run;
use crate::rounds::{Arm, Figures, Spread, alternate};
use crate::verdict::{Bound, table};

/// Nodes of the workflow.
const NODES: u32 = 1_000;
/// Events that are stored.
const EVENTS: u32 = 200_000;

/// A workflow of a thousand nodes: the engine alone, and the whole binary against bare processes.
///
/// # Errors
/// When a run does not complete.
pub(crate) fn noop(bench: &mut Bench) -> Result<()> {
    let mut spec = format!("  max_parallel: {}\n  nodes:\n", child::PARALLEL);
    for node in 0..NODES {
        spec.push_str(&format!("    - {{ id: node-{node}, command: [\"true\"] }}\n"));
    }
    let figures = {
        let bench = &*bench;
        alternate(
            bench.args.rounds,
            vec![
                Arm::new("flowglass run, 1,000 x `true`", || {
                    Ok(run(&mut bench.workflow("noop", &spec)?)?.0)
                }),
                Arm::new("1,000 bare processes", || {
                    self_timed(run(&mut a_child(bench, "spawn", NODES)?)?)
                }),
                Arm::new("engine and store, 1,000 nodes side by side", || {
                    self_timed(run(&mut a_child(bench, "wide", NODES)?)?)
                }),
                Arm::new("engine and store, a chain of 1,000 nodes", || {
                    self_timed(run(&mut a_child(bench, "chain", NODES)?)?)
                }),
            ],
        )?
    };
    table("1,000 nodes that do nothing", (u64::from(NODES), "nodes"), &figures);
    if let [whole, bare, wide, chain] = figures.as_slice() {
        let per_node = |seconds: f64| seconds * 1_000.0 / f64::from(NODES);
        let over =
            Spread::of(
                whole.used.iter().zip(&bare.used).map(|(whole, bare)| {
                    per_node(whole.wall.as_secs_f64() - bare.wall.as_secs_f64())
                }),
            );
        let bound = Bound::Under(1.0);
        bench.verdicts.bound(
            "a command node costs less than 1 ms over its process",
            over,
            bound,
            "ms",
        );
        for (arm, what) in [(wide, "side by side"), (chain, "in a chain")] {
            let each = Spread::of(arm.used.iter().map(|it| per_node(it.wall.as_secs_f64())));
            let what = format!("the engine takes less than 1 ms a node {what}");
            bench.verdicts.bound(&what, each, bound, "ms");
        }
    }
    Ok(())
}

/// Events through recorder and store on one core.
///
/// # Errors
/// When one is not stored.
pub(crate) fn events(bench: &mut Bench) -> Result<()> {
    let figures: Vec<Figures> = {
        let bench = &*bench;
        let once = || {
            let child = a_child(bench, "events", EVENTS)?;
            let mut pinned = Command::new("taskset");
            pinned.args(["-c", "0"]).arg(child.get_program()).args(child.get_args());
            self_timed(run(&mut pinned)?)
        };
        alternate(bench.args.rounds, vec![Arm::new("recorder and store, one core", once)])?
    };
    table("Stored events", (u64::from(EVENTS), "events"), &figures);
    for arm in &figures {
        let rate = |seconds: f64| f64::from(EVENTS) / seconds;
        let wall = Spread::of(arm.used.iter().map(|it| rate(it.wall.as_secs_f64())));
        let cpu = Spread::of(arm.used.iter().map(|it| rate(it.cpu.as_secs_f64())));
        let bound = Bound::AtLeast(20_000.0);
        bench.verdicts.bound("20,000 stored events a second on one core", wall, bound, "events/s");
        bench.verdicts.bound("the same a CPU second", cpu, bound, "events/CPU s");
    }
    Ok(())
}

fn a_child(bench: &Bench, what: &str, count: u32) -> Result<Command> {
    let folder = bench.path("child");
    std::fs::create_dir_all(&folder).context("making a folder for a child")?;
    let mut command = Command::new(std::env::current_exe().context("finding this program")?);
    command.args([child::WORD, what]).arg(folder).arg(count.to_string());
    Ok(command)
}
