//! `runs show`: one run, its nodes and its row ledger, folded from its events.

use clap::Args;
use flowglass_connect::{Clock, SystemClock};
use flowglass_model::{NodeView, PipelineId, PipelineView, RunId, Snapshot};
use flowglass_store::Reader;

use super::Format;
use super::pick::pick;
use crate::console;
use crate::exit::Exit;
use crate::table::{Align, Table};
use crate::words;

/// Show one run: its state, nodes, errors and row ledger.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass runs show latest\n  \
    flowglass runs show 0190a1b2-c3d4 --format json | jq .summary")]
pub(super) struct ShowArgs {
    /// The run: its id, a beginning of it that no other run has, or `latest`.
    run: String,
    /// How to print; `json` and `ndjson` print the snapshot.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(reader: &Reader, args: &ShowArgs) -> anyhow::Result<Exit> {
    let run = match pick(reader, &args.run)? {
        Ok(run) => run,
        Err(exit) => return Ok(exit),
    };
    let snapshot = snapshot_of(reader, run)?;
    match args.format {
        Format::Json => console::out(&format!("{}\n", serde_json::to_string_pretty(&snapshot)?))?,
        Format::Ndjson => console::out(&format!("{}\n", serde_json::to_string(&snapshot)?))?,
        Format::Text => {
            let open = snapshot.run.times.ended_at.is_none();
            let beside = Beside {
                // A run of which only its own events are told has no pipeline in its snapshot yet.
                pipelines: reader.summary(run)?.map(|it| it.pipelines).unwrap_or_default(),
                abandoned: open && !reader.is_attended(run)?,
            };
            console::out(&text(&snapshot, &beside))?;
        }
    }
    Ok(Exit::Done)
}

/// Folds the run's events.
pub(super) fn snapshot_of(reader: &Reader, run: RunId) -> anyhow::Result<Snapshot> {
    let mut snapshot = Snapshot::default();
    reader.for_each_event(run, |event| {
        snapshot.apply(&event)?;
        anyhow::Ok(())
    })?;
    Ok(snapshot)
}

/// What the store knows beside the run's own events.
struct Beside {
    pipelines: Vec<PipelineId>,
    abandoned: bool,
}

fn text(snapshot: &Snapshot, beside: &Beside) -> String {
    let colour = words::colour();
    let mut text = header(snapshot, beside, colour);
    for pipeline in &snapshot.pipelines {
        if snapshot.pipelines.len() > 1 {
            let state = words::state(pipeline.times.state, colour);
            text.push_str(&format!("\npipeline {} {state}\n", pipeline.pipeline_id));
        }
        if !pipeline.nodes.is_empty() {
            text.push('\n');
            text.push_str(&nodes(pipeline, colour));
        }
        text.push_str(&errors(pipeline));
        text.push_str(&ledger(pipeline));
    }
    text
}

fn header(snapshot: &Snapshot, beside: &Beside, colour: bool) -> String {
    let run = &snapshot.run;
    let now = SystemClock::new().now();
    let names: Vec<_> = beside.pipelines.iter().map(PipelineId::as_str).collect();
    let mut facts: Vec<(&str, String)> = Vec::new();
    facts.push(("run", run.run_id.map(|it| it.to_string()).unwrap_or_default()));
    facts.push(("pipeline", names.join(" + ")));
    let mut state = words::state(run.times.state, colour);
    if let Some(reason) = run.times.reason {
        state.push_str(&format!(" ({reason})"));
    }
    facts.push(("state", state));
    let began = run.times.started_at.or(run.times.created_at);
    facts.push(("began", format!("{} ({})", words::instant(began), words::ago(began, now))));
    if run.times.ended_at.is_some() {
        facts.push(("ended", words::instant(run.times.ended_at)));
    }
    if run.times.duration_seconds.is_some() {
        facts.push(("duration", words::duration(run.times.duration_seconds)));
    }
    facts.push(("tenant", words::printable(&run.tenant)));
    for (name, value) in &run.attributes {
        facts.push((name.as_str(), words::printable(value)));
    }
    facts.push(("events", words::number(Some(run.last_seq))));
    if let Some(error) = &run.error {
        facts.push(("error", words::printable(&format!("{}: {}", error.class, error.detail))));
        facts.push(("hint", error.hint.clone().unwrap_or_else(|| error.class.hint().to_owned())));
    }
    if beside.abandoned {
        let said = "its process is gone and never wrote the end; `flowglass run --resume` goes on";
        facts.push(("note", said.to_owned()));
    }
    let width = facts.iter().map(|it| it.0.chars().count()).max().unwrap_or(0);
    facts.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

fn nodes(pipeline: &PipelineView, colour: bool) -> String {
    let mut table = Table::new(&[
        ("NODE", Align::Left),
        ("KIND", Align::Left),
        ("STATE", Align::Left),
        ("REASON", Align::Left),
        ("ATTEMPTS", Align::Right),
        ("DURATION", Align::Right),
        ("ROWS READ", Align::Right),
        ("WRITTEN", Align::Right),
        ("IN TARGET", Align::Right),
        ("EXIT", Align::Right),
    ]);
    for node in &pipeline.nodes {
        let counts = node.counts.unwrap_or_default();
        table.row([
            node.node_id.to_string(),
            node.action.as_ref().map_or_else(|| "-".to_owned(), |it| words::printable(&it.kind)),
            words::state(node.times.state, colour),
            words::reason(node.times.reason),
            if node.attempts.is_empty() { "-".to_owned() } else { node.attempts.len().to_string() },
            words::duration(node.times.duration_seconds),
            words::number(counts.extracted),
            words::number(words::rows_written(&counts)),
            words::number(counts.final_rows),
            exit_of(node),
        ]);
    }
    table.render()
}

fn exit_of(node: &NodeView) -> String {
    let Some(last) = node.attempts.last() else { return "-".to_owned() };
    let code = last.exit_code.map(|it| it.to_string());
    code.or_else(|| last.signal.clone()).unwrap_or_else(|| "-".to_owned())
}

fn errors(pipeline: &PipelineView) -> String {
    let mut text = String::new();
    for node in &pipeline.nodes {
        let Some(error) = &node.last_error else { continue };
        let passed = if node.times.state.is_some_and(|it| it == flowglass_model::State::Complete) {
            " (a later attempt succeeded)"
        } else {
            ""
        };
        let detail = words::printable(&error.detail);
        text.push_str(&format!("\n{}: {}: {detail}{passed}\n", node.node_id, error.class));
        let hint = error.hint.as_deref().unwrap_or_else(|| error.class.hint());
        text.push_str(&format!("  hint: {}\n", words::printable(hint)));
    }
    text
}

fn ledger(pipeline: &PipelineView) -> String {
    if pipeline.ledger.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&[
        ("LEDGER", Align::Left),
        ("FROM", Align::Left),
        ("TO", Align::Left),
        ("READ", Align::Right),
        ("DELIVERED", Align::Right),
        ("FILTERED", Align::Right),
        ("DEAD LETTERS", Align::Right),
        ("EVICTED", Align::Right),
        ("IN FLIGHT", Align::Right),
        ("UNACCOUNTED", Align::Right),
    ]);
    for view in &pipeline.ledger {
        let entry = &view.entry;
        let rows = |it| words::number(Some(it));
        table.row([
            view.node_id.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            words::printable(&entry.table),
            words::printable(&entry.sink),
            rows(entry.read),
            rows(entry.delivered),
            rows(entry.filtered),
            rows(entry.dead_lettered),
            rows(entry.evicted),
            rows(entry.in_flight),
            entry.unaccounted().to_string(),
        ]);
    }
    format!("\n{}", table.render())
}
