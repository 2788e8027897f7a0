//! `runs logs`: the lines that a run's nodes wrote, and what the engine said about them.

use clap::Args;
use flowglass_model::{Event, LogLevel, LogStream, NodeId, RunId};
use flowglass_store::{Follow, LogQuery, Reader, StoredLine};
use jiff::Timestamp;
use serde::Serialize;

use super::Format;
use super::events::follow;
use super::pick::pick;
use crate::console;
use crate::exit::Exit;
use crate::words;

/// Lines of one part that is read and printed.
const PART_LINES_MAX: usize = 1024;

/// Print a run's log lines.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass runs logs latest --follow\n  \
    flowglass runs logs latest --node load_orders --attempt 2 --level warn\n  \
    flowglass runs logs 0190a1b2-c3d4 --grep timeout --tail 50")]
pub(super) struct LogsArgs {
    /// The run: its id, a beginning of it that no other run has, or `latest`.
    run: String,
    /// Only this node's lines.
    #[arg(long, value_name = "NODE")]
    node: Option<NodeId>,
    /// Only this attempt's lines, counted from 1.
    #[arg(long, value_name = "NUMBER")]
    attempt: Option<u32>,
    /// Only lines as grave as this or graver: debug, info, warn, error.
    #[arg(long, value_name = "LEVEL", value_parser = parse_level)]
    level: Option<LogLevel>,
    /// Only lines with this text, in any case.
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// Only the last lines.
    #[arg(long, value_name = "LINES")]
    tail: Option<usize>,
    /// Wait for further lines until the run ends.
    #[arg(long, short)]
    follow: bool,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

fn parse_level(text: &str) -> Result<LogLevel, String> {
    match text {
        "debug" => Ok(LogLevel::Debug),
        "info" => Ok(LogLevel::Info),
        "warn" => Ok(LogLevel::Warn),
        "error" => Ok(LogLevel::Error),
        _ => Err("a level is one of debug, info, warn, error".to_owned()),
    }
}

/// A log line as programs read it; also a line of the bundle's `logs.ndjson`.
#[derive(Debug, Serialize)]
pub(super) struct LogRecord<'e> {
    time: Timestamp,
    seq: u64,
    run_id: RunId,
    pipeline_id: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_id: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    level: LogLevel,
    stream: LogStream,
    text: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<&'e str>,
}

impl<'e> LogRecord<'e> {
    /// The event's line, if it has one.
    pub(super) fn of(event: &'e Event) -> Option<Self> {
        let line = event.log.as_ref()?;
        Some(Self {
            time: event.time,
            seq: event.seq,
            run_id: event.run_id,
            pipeline_id: event.pipeline_id.as_str(),
            node_id: event.node_id.as_ref().map(NodeId::as_str),
            attempt: event.attempt_id.as_ref().map(|it| it.number),
            level: line.level,
            stream: line.stream,
            text: &line.text,
            base64: line.base64.as_deref(),
        })
    }
}

pub(super) async fn run(reader: Reader, args: &LogsArgs) -> anyhow::Result<Exit> {
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
    let query = LogQuery {
        run,
        node: args.node.clone(),
        attempt: args.attempt,
        level_min: args.level,
        text: args.grep.clone(),
        after: 0,
    };
    // What is stored from here on belongs to the following, so that no line comes twice.
    let until = match (args.follow, reader.summary(run)?) {
        (true, Some(summary)) => summary.last_seq,
        _ => u64::MAX,
    };
    if !print_stored(&reader, &query, args, until)? || !args.follow {
        return Ok(Exit::Done);
    }
    let format = args.format;
    follow(Follow::new(reader, run, until, None), |lines| new_lines(lines, &query, format)).await
}

/// Prints what is stored up to `until`; whether anybody still reads.
fn print_stored(
    reader: &Reader,
    query: &LogQuery,
    args: &LogsArgs,
    until: u64,
) -> anyhow::Result<bool> {
    if let Some(tail) = args.tail {
        let mut events = reader.logs_tail(query, tail)?;
        events.retain(|it| it.seq <= until);
        return console::offer(&document(&events, args.format)?);
    }
    if args.format == Format::Json {
        return console::offer(&document(&reader.logs(query, usize::MAX)?, args.format)?);
    }
    let mut query = query.clone();
    loop {
        let mut events = reader.logs(&query, PART_LINES_MAX)?;
        events.retain(|it| it.seq <= until);
        let Some(last) = events.last() else { return Ok(true) };
        query.after = last.seq;
        if !console::offer(&document(&events, args.format)?)? {
            return Ok(false);
        }
    }
}

fn new_lines(lines: &[StoredLine], query: &LogQuery, format: Format) -> anyhow::Result<String> {
    let mut taken = Vec::new();
    for line in lines {
        let event = line.event()?;
        if query.takes(&event) {
            taken.push(event);
        }
    }
    document(&taken, format)
}

fn document(events: &[Event], format: Format) -> anyhow::Result<String> {
    let records: Vec<LogRecord<'_>> = events.iter().filter_map(LogRecord::of).collect();
    match format {
        Format::Json => Ok(format!("{}\n", serde_json::to_string_pretty(&records)?)),
        Format::Ndjson => ndjson(&records),
        Format::Text => Ok(records.iter().map(sentence).collect()),
    }
}

/// One record a line.
pub(super) fn ndjson(records: &[LogRecord<'_>]) -> anyhow::Result<String> {
    let mut text = String::new();
    for record in records {
        text.push_str(&serde_json::to_string(record)?);
        text.push('\n');
    }
    Ok(text)
}

fn sentence(record: &LogRecord<'_>) -> String {
    let time = record.time.strftime("%H:%M:%S%.3f");
    let level = match record.level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    let who = match (record.node_id, record.attempt) {
        (Some(node), Some(attempt)) => format!("{node}#{attempt}"),
        (Some(node), None) => node.to_owned(),
        (None, _) => record.pipeline_id.to_owned(),
    };
    // Who of the two streams wrote it is in the JSON; the engine's own words must stand out.
    let mark = if record.stream == LogStream::Engine { "·" } else { "|" };
    format!("{time}  {level:<5}  {who} {mark} {}\n", words::printable(record.text))
}
