//! `runs list`: newest first, filtered, a page at a time.

use std::collections::HashSet;

use clap::Args;
use flowglass_connect::{Clock, SystemClock};
use flowglass_model::{PipelineId, RunId, State};
use flowglass_store::{Page, PageKey, Reader, RunFilter, RunSummary};
use jiff::Timestamp;

use super::Format;
use crate::console;
use crate::exit::Exit;
use crate::table::{Align, Table};
use crate::words;

/// Runs of one page when all are asked for.
const PAGE_RUNS_MAX: usize = 1000;
/// Digits of an id that tell runs apart unless they began in the same millisecond.
const SHORT_ID: usize = 13;
/// Characters of an error that a table shows; `runs show` has all.
const ERROR_SHOWN_MAX: usize = 60;

/// List runs, newest first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass runs list --state failed --since 24h\n  \
    flowglass runs list --pipeline orders --format ndjson --all | jq .run_id")]
pub(super) struct ListArgs {
    /// Only runs of this pipeline.
    #[arg(long, short, value_name = "NAME")]
    pipeline: Option<PipelineId>,
    /// Only runs in this state; may be repeated.
    #[arg(long, short, value_name = "STATE", value_parser = parse_state)]
    state: Vec<State>,
    /// Only this tenant's runs.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Only runs that began since: `24h`, `7d`, `2026-11-21` or an RFC 3339 instant.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only runs that began before.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only runs with this text in their id, tenant, pipelines, state, reason or error.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Runs to list.
    #[arg(long, short = 'n', default_value_t = 20, value_name = "RUNS")]
    limit: u16,
    /// List all of them.
    #[arg(long, conflicts_with_all = ["limit", "page"])]
    all: bool,
    /// Go on from here: the key that the page before ended with.
    #[arg(long, value_name = "KEY")]
    page: Option<PageKey>,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

fn parse_state(text: &str) -> Result<State, String> {
    let names = State::ALL.map(State::name).join(", ");
    let found = State::ALL.into_iter().find(|it| it.name() == text);
    found.ok_or_else(|| format!("a run is one of {names}"))
}

pub(super) fn run(reader: &Reader, args: &ListArgs) -> anyhow::Result<Exit> {
    let now = SystemClock::new().now();
    let filter = match filter(args, now) {
        Ok(filter) => filter,
        Err(said) => {
            console::say(&format!("error: {said}"));
            return Ok(Exit::Usage);
        }
    };
    if !args.all {
        let page = reader.list(&filter, args.page, usize::from(args.limit))?;
        print(&page, args, now)?;
        return Ok(Exit::Done);
    }
    if args.format == Format::Ndjson {
        let mut from = None;
        loop {
            let page = reader.list(&filter, from, PAGE_RUNS_MAX)?;
            from = page.next;
            if !console::offer(&lines(&page.runs)?)? || from.is_none() {
                return Ok(Exit::Done);
            }
        }
    }
    let page = reader.list(&filter, None, usize::MAX)?;
    print(&page, args, now)?;
    Ok(Exit::Done)
}

fn filter(args: &ListArgs, now: Timestamp) -> Result<RunFilter, String> {
    let time =
        |given: &Option<String>| given.as_deref().map(|it| words::parse_since(it, now)).transpose();
    Ok(RunFilter {
        pipeline: args.pipeline.clone(),
        states: args.state.clone(),
        tenant: args.tenant.clone(),
        since: time(&args.since)?,
        until: time(&args.until)?,
        text: args.text.clone(),
    })
}

fn print(page: &Page, args: &ListArgs, now: Timestamp) -> anyhow::Result<()> {
    let next = page.next.map(|it| it.to_string());
    match args.format {
        Format::Json => {
            let document = serde_json::json!({ "runs": page.runs, "next": next });
            console::out(&format!("{document:#}\n"))
        }
        Format::Ndjson => {
            console::out(&lines(&page.runs)?)?;
            if let Some(next) = next {
                console::say(&format!("more: --page {next}"));
            }
            Ok(())
        }
        Format::Text => {
            if page.runs.is_empty() {
                console::say("no run fits");
                return Ok(());
            }
            console::out(&table(&page.runs, now))?;
            if let Some(next) = next {
                console::say(&format!("more: --page {next}"));
            }
            Ok(())
        }
    }
}

fn lines(runs: &[RunSummary]) -> anyhow::Result<String> {
    let mut text = String::new();
    for run in runs {
        text.push_str(&serde_json::to_string(run)?);
        text.push('\n');
    }
    Ok(text)
}

fn table(runs: &[RunSummary], now: Timestamp) -> String {
    let colour = words::colour();
    let ids = short_ids(runs.iter().map(|it| it.run_id));
    let mut table = Table::new(&[
        ("RUN", Align::Left),
        ("PIPELINE", Align::Left),
        ("STATE", Align::Left),
        ("REASON", Align::Left),
        ("BEGAN", Align::Left),
        ("", Align::Left),
        ("DURATION", Align::Right),
        ("NODES", Align::Right),
        ("ROWS READ", Align::Right),
        ("WRITTEN", Align::Right),
        ("ERROR", Align::Left),
    ]);
    for (run, id) in runs.iter().zip(ids) {
        let nodes = (run.nodes.total > 0)
            .then(|| format!("{}/{}", run.nodes.of(State::Complete), run.nodes.total));
        table.row([
            id,
            run.pipelines.iter().map(PipelineId::as_str).collect::<Vec<_>>().join("+"),
            words::state(run.state, colour),
            words::reason(run.reason),
            words::instant(Some(run.first_seen_at)),
            words::ago(Some(run.first_seen_at), now),
            words::duration(duration(run, now)),
            nodes.unwrap_or_else(|| "-".to_owned()),
            words::number(run.counts.extracted),
            words::number(words::rows_written(&run.counts)),
            run.error.as_ref().map_or_else(
                || "-".to_owned(),
                |it| cut(&format!("{}: {}", it.class, words::printable(&it.detail))),
            ),
        ]);
    }
    table.render()
}

/// The run's own figure at its end, the clock until then.
fn duration(run: &RunSummary, now: Timestamp) -> Option<f64> {
    let until = run.ended_at.unwrap_or(now);
    let so_far = || run.started_at.map(|it| until.duration_since(it).as_secs_f64().max(0.0));
    run.duration_seconds.or_else(so_far)
}

fn cut(text: &str) -> String {
    if text.chars().count() <= ERROR_SHOWN_MAX {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(ERROR_SHOWN_MAX - 1).collect();
    short.push('…');
    short
}

/// The beginnings of the ids, as long as it takes to tell these runs apart.
fn short_ids(runs: impl Iterator<Item = RunId>) -> Vec<String> {
    let whole: Vec<String> = runs.map(|it| it.to_string()).collect();
    let short = |digits: usize| whole.iter().map(move |it| it.chars().take(digits).collect());
    for digits in [SHORT_ID, 18, 23] {
        let unlike: HashSet<String> = short(digits).collect();
        if unlike.len() == whole.len() {
            return short(digits).collect();
        }
    }
    whole
}
