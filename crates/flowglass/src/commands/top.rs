//! `flowglass top`: what runs and what came of the last runs, live in a terminal. It only reads the
//! store, so that it works beside any process that writes there, and needs no server.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use flowglass_connect::{Clock, SystemClock};
use flowglass_model::{Counts, Event, EventKind, LogLevel, RunId, State};
use flowglass_store::{Reader, RunFilter, RunSummary};
use jiff::Timestamp;

use super::store_words::{ThereStore, in_words, open_reader};
use crate::console;
use crate::exit::Exit;
use crate::table::{Align, Table};
use crate::words;

/// Runs that are shown as running at most.
const ACTIVE_MAX: usize = 100;

/// Events of a run that are looked at for how far it is: a stream tells it once a second.
const EVENTS_LOOKED_AT: u64 = 64;

/// See what runs, live in the terminal.
///
/// Streams and workflows of every process that writes to the store, with their rates, and the last runs
/// that ended. Ctrl-C ends it; where there is no terminal it is said once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass top\n  \
    flowglass top --store /var/lib/flowglass/flowglass.db --every 5s\n  \
    flowglass top --once")]
pub(crate) struct TopArgs {
    #[command(flatten)]
    store: ThereStore,
    /// How often to look.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_every)]
    every: Duration,
    /// Say it once and end.
    #[arg(long)]
    once: bool,
}

fn parse_every(text: &str) -> Result<Duration, String> {
    let every = flowglass_manifest::parse_duration(text)?;
    if every < Duration::from_millis(100) { Err("at least 100ms".to_owned()) } else { Ok(every) }
}

/// Runs the command.
///
/// # Errors
/// What keeps it from looking or from showing.
pub(crate) async fn run(args: &TopArgs) -> anyhow::Result<Exit> {
    let reader = match open_reader(args.store.path()) {
        Ok(reader) => reader,
        Err(error) => return in_words(error.into()),
    };
    let clock = SystemClock::new();
    let mut rates = Rates::default();
    if args.once || !std::io::stdout().is_terminal() {
        console::out(&look(&reader, &clock, &mut rates)?)?;
        return Ok(Exit::Done);
    }
    let screen = Screen::open()?;
    let mut ticks = tokio::time::interval(args.every);
    loop {
        tokio::select! {
            _tick = ticks.tick() => screen.show(&look(&reader, &clock, &mut rates)?)?,
            asked = tokio::signal::ctrl_c() => {
                asked?;
                return Ok(Exit::Done);
            }
        }
    }
}

/// The terminal while it is ours: another page of it, put back at the end.
struct Screen(::console::Term);

impl Screen {
    fn open() -> std::io::Result<Self> {
        let term = ::console::Term::stdout();
        term.write_str("\x1b[?1049h")?;
        term.hide_cursor()?;
        Ok(Self(term))
    }

    fn show(&self, text: &str) -> std::io::Result<()> {
        let (height, width) = self.0.size();
        let mut page = String::new();
        for line in text.lines().take(usize::from(height).saturating_sub(1)) {
            page.push_str(&console::cut(line, usize::from(width)));
            // To the end of the line, where the page before may have said more.
            page.push_str("\x1b[K\r\n");
        }
        self.0.move_cursor_to(0, 0)?;
        self.0.write_str(&page)?;
        self.0.clear_to_end_of_screen()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.0.show_cursor().and_then(|()| self.0.write_str("\x1b[?1049l")).unwrap_or_default();
    }
}

/// What was read until the last look, so that a rate can be told.
#[derive(Default)]
struct Rates(BTreeMap<RunId, (Duration, u64, Option<f64>)>);

impl Rates {
    fn of(&mut self, run: RunId, now: Duration, read: u64) -> Option<f64> {
        let before = self.0.get(&run).copied();
        let rate = before.and_then(|(at, was, rate)| {
            let over = now.saturating_sub(at).as_secs_f64();
            // Progress is told once a second: between two tellings the rate is as it was.
            if read == was && over < 2.0 {
                return rate;
            }
            #[expect(clippy::cast_precision_loss, reason = "a rate for the eye")]
            let rows = read.saturating_sub(was) as f64;
            (over > 0.0).then(|| rows / over)
        });
        if before.is_none_or(|(at, was, _)| read != was || now.saturating_sub(at).as_secs() >= 2) {
            self.0.insert(run, (now, read, rate));
        }
        rate
    }
}

fn look(reader: &Reader, clock: &SystemClock, rates: &mut Rates) -> anyhow::Result<String> {
    let (now, moment) = (clock.now(), clock.monotonic());
    let open = vec![State::Queued, State::Waiting, State::Running];
    let filter = RunFilter { states: open, ..RunFilter::default() };
    let mut active = Vec::new();
    for run in reader.list(&filter, None, ACTIVE_MAX)?.runs {
        // One whose process is gone will never end by itself: `runs list` tells of it.
        if reader.is_attended(run.run_id)? {
            active.push(run);
        }
    }
    let colour = console::stdout_colour();
    let mut text = format!(
        "flowglass top  {}  {} running  {}\n\n",
        words::instant(Some(now)),
        active.len(),
        reader.path().display()
    );
    text.push_str(&running(reader, &active, (now, moment), (rates, colour))?);
    rates.0.retain(|run, _| active.iter().any(|it| it.run_id == *run));
    let ended = vec![State::Complete, State::Failed];
    let last = RunFilter { states: ended, ..RunFilter::default() };
    let room = console::terminal_size().1.saturating_sub(active.len() + 8).clamp(5, 30);
    text.push_str(&ended_runs(&reader.list(&last, None, room)?.runs, now, colour));
    Ok(text)
}

fn running(
    reader: &Reader,
    active: &[RunSummary],
    (now, moment): (Timestamp, Duration),
    (rates, colour): (&mut Rates, bool),
) -> anyhow::Result<String> {
    if active.is_empty() {
        return Ok("nothing runs\n\n".to_owned());
    }
    let mut table = Table::new(&[
        ("RUNNING", Align::Left),
        ("STATE", Align::Left),
        ("SINCE", Align::Right),
        ("NODES", Align::Right),
        ("READ", Align::Right),
        ("ROWS/S", Align::Right),
        ("WRITTEN", Align::Right),
        ("DEAD LETTERS", Align::Right),
        ("SAYS", Align::Left),
    ]);
    for run in active {
        let after = run.last_seq.saturating_sub(EVENTS_LOOKED_AT);
        let events = reader.events(run.run_id, after, usize::MAX)?;
        let counts = latest_counts(&events).unwrap_or(run.counts);
        let read = counts.extracted.unwrap_or_default();
        let rate = rates.of(run.run_id, moment, read);
        let nodes = &run.nodes;
        let over = nodes.of(State::Complete) + nodes.of(State::Failed) + nodes.of(State::Skipped);
        table.row([
            names(run),
            words::state(run.state, colour),
            words::duration(run.started_at.map(|it| now.duration_since(it).as_secs_f64())),
            format!("{over}/{}", nodes.total),
            words::number(counts.extracted),
            rate.map_or_else(|| "-".to_owned(), words::compact),
            words::number(words::rows_written(&counts)),
            words::number(counts.dead_lettered.filter(|it| *it > 0)),
            warning(&events),
        ]);
    }
    Ok(format!("{}\n", table.render()))
}

fn ended_runs(runs: &[RunSummary], now: Timestamp, colour: bool) -> String {
    if runs.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&[
        ("ENDED", Align::Left),
        ("STATE", Align::Left),
        ("WHEN", Align::Right),
        ("TOOK", Align::Right),
        ("READ", Align::Right),
        ("WHY", Align::Left),
    ]);
    for run in runs {
        let why = run.error.as_ref().map(|it| words::printable(&it.detail));
        table.row([
            names(run),
            words::state(run.state, colour),
            words::ago(run.ended_at, now),
            words::duration(run.duration_seconds),
            words::number(run.counts.extracted),
            why.unwrap_or_default(),
        ]);
    }
    table.render()
}

fn names(run: &RunSummary) -> String {
    run.pipelines.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn latest_counts(events: &[Event]) -> Option<Counts> {
    events.iter().rev().filter(|it| it.kind == EventKind::Progress).find_map(|it| it.counts)
}

/// The last warning that the engine gave and did not take back.
fn warning(events: &[Event]) -> String {
    let said = events.iter().rev().find_map(|it| it.log.as_ref().map(|log| (log.level, &log.text)));
    match said {
        Some((LogLevel::Warn | LogLevel::Error, text)) => words::printable(text),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flowglass_model::RunId;

    use super::Rates;

    #[test]
    fn a_rate_lasts_until_it_is_told_anew_and_falls_when_nothing_comes() {
        let run = RunId::from_parts(1, [0; 10]);
        let mut rates = Rates::default();
        let at = Duration::from_millis;
        assert_eq!(rates.of(run, at(0), 100), None);
        assert_eq!(rates.of(run, at(1_000), 600), Some(500.0));
        assert_eq!(rates.of(run, at(1_500), 600), Some(500.0));
        assert_eq!(rates.of(run, at(3_500), 600), Some(0.0));
    }
}
