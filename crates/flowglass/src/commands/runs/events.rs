//! `runs events`: a run's events, as they were stored or as one readable line each.

use clap::Args;
use flowglass_model::{Entity, Event, EventKind, RunId};
use flowglass_store::{Follow, FollowEnd, Followed, Reader, StoredLine};

use super::Format;
use super::pick::pick;
use crate::console;
use crate::exit::Exit;
use crate::words;

/// Events of one part that is read and printed.
const PART_EVENTS_MAX: usize = 1024;

/// Print a run's events.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass runs events latest --follow\n  \
    flowglass runs events latest --after 120 --format ndjson")]
pub(super) struct EventsArgs {
    /// The run: its id, a beginning of it that no other run has, or `latest`.
    run: String,
    /// Only events after this place.
    #[arg(long, default_value_t = 0, value_name = "SEQ")]
    after: u64,
    /// Wait for further events until the run ends.
    #[arg(long, short)]
    follow: bool,
    /// How to print; `ndjson` prints each event as it is stored.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) async fn run(reader: Reader, args: &EventsArgs) -> anyhow::Result<Exit> {
    if args.follow && args.format == Format::Json {
        console::say(
            "error: `--follow` has no end to close one JSON document: use `--format ndjson`",
        );
        return Ok(Exit::Usage);
    }
    let run = match pick(&reader, &args.run)? {
        Ok(run) => run,
        Err(exit) => return Ok(exit),
    };
    if args.follow {
        let format = args.format;
        return follow(Follow::new(reader, run, args.after, None), |lines| render(lines, format))
            .await;
    }
    print(&reader, run, args)?;
    Ok(Exit::Done)
}

fn print(reader: &Reader, run: RunId, args: &EventsArgs) -> anyhow::Result<()> {
    let mut after = args.after;
    let mut separator = "[\n";
    loop {
        let lines = reader.lines(run, after, PART_EVENTS_MAX)?;
        let Some(last) = lines.last() else { break };
        after = last.seq;
        let mut text = String::new();
        if args.format == Format::Json {
            for line in &lines {
                text.push_str(separator);
                text.push_str(&line.line);
                separator = ",\n";
            }
        } else {
            text = render(&lines, args.format)?;
        }
        if !console::offer(&text)? {
            return Ok(());
        }
    }
    if args.format == Format::Json {
        let end = if separator == "[\n" { "[]\n" } else { "\n]\n" };
        console::out(end)?;
    }
    Ok(())
}

/// Prints what following brings until the run ends or nobody reads any more.
pub(super) async fn follow(
    mut follow: Follow,
    mut render: impl FnMut(&[StoredLine]) -> anyhow::Result<String>,
) -> anyhow::Result<Exit> {
    loop {
        match follow.next().await? {
            Followed::Lines(lines) => {
                let text = render(&lines)?;
                if !text.is_empty() && !console::offer(&text)? {
                    return Ok(Exit::Done);
                }
            }
            Followed::End(FollowEnd::Finished) => return Ok(Exit::Done),
            Followed::End(FollowEnd::Abandoned) => {
                console::say("the run's process is gone; its end was never written");
                return Ok(Exit::Failed);
            }
            Followed::End(FollowEnd::Gone) => {
                console::say("the run is not in the store any more");
                return Ok(Exit::Failed);
            }
        }
    }
}

fn render(lines: &[StoredLine], format: Format) -> anyhow::Result<String> {
    let mut text = String::new();
    for line in lines {
        match format {
            Format::Text => text.push_str(&sentence(&line.event()?)),
            Format::Json | Format::Ndjson => text.push_str(&line.line),
        }
        text.push('\n');
    }
    Ok(text)
}

fn sentence(event: &Event) -> String {
    let time = event.time.strftime("%H:%M:%S%.3f");
    let mut line = format!("{:>6}  {time}  {:<10}  {}", event.seq, kind(event.kind), about(event));
    let told = told(event);
    if !told.is_empty() {
        line.push_str(&format!("  {}", words::printable(&told)));
    }
    line
}

const fn kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Transition => "transition",
        EventKind::Progress => "progress",
        EventKind::Log => "log",
        EventKind::Asset => "asset",
        EventKind::Ledger => "ledger",
        EventKind::Graph => "graph",
    }
}

/// The entity by its ids.
fn about(event: &Event) -> String {
    let pipeline = &event.pipeline_id;
    let node = event.node_id.as_ref().map(|it| format!("{pipeline}/{it}")).unwrap_or_default();
    let attempt =
        event.attempt_id.as_ref().map(|it| format!("{pipeline}/{it}")).unwrap_or_default();
    let stage = event.stage_id.as_ref().map(ToString::to_string).unwrap_or_default();
    match event.entity {
        Entity::Run => "run".to_owned(),
        Entity::Pipeline => pipeline.to_string(),
        Entity::Node => node,
        Entity::Attempt => attempt,
        Entity::Stage => format!("{attempt} {stage}"),
        Entity::Asset => words::printable(event.asset_id.as_deref().unwrap_or("dataset")),
    }
}

fn told(event: &Event) -> String {
    let mut told = Vec::new();
    if let Some(to) = event.to {
        let from = event.from.map(|it| format!("{it} → ")).unwrap_or_default();
        let reason = event.reason.map(|it| format!(" ({it})")).unwrap_or_default();
        told.push(format!("{from}{to}{reason}"));
    }
    if let Some(log) = &event.log {
        told.push(log.text.clone());
    }
    if let Some(counts) = &event.counts {
        let rows = words::number(counts.extracted);
        told.push(match counts.expected {
            Some(expected) => format!("{rows} of {} rows", words::number(Some(expected))),
            None => format!("{rows} rows read"),
        });
    }
    if event.duration_seconds.is_some() {
        told.push(words::duration(event.duration_seconds));
    }
    if let Some(ledger) = &event.ledger {
        told.push(format!("{} → {}", ledger.table, ledger.sink));
        let (read, delivered) = (Some(ledger.read), Some(ledger.delivered));
        told.push(format!("read {}", words::number(read)));
        told.push(format!("delivered {}", words::number(delivered)));
        told.push(format!("unaccounted {}", ledger.unaccounted()));
    }
    if let Some(graph) = &event.graph {
        told.push(format!("{} nodes", graph.nodes.len()));
    }
    if let Some(error) = &event.error {
        told.push(format!("{}: {}", error.class, error.detail));
    }
    told.join(", ")
}
