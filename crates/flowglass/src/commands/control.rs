//! `flowglass pause`, `resume`, `stop` and `resync`: ask something of a stream that runs in another
//! process, and wait for its answer. The request lies in the store, where the stream finds it.

use std::time::Duration;

use clap::{Args, ValueEnum};
use flowglass_connect::stream::{Answer, AnswerState, StreamState, Verb};
use flowglass_connect::{Clock, SystemClock};
use flowglass_model::PipelineId;
use flowglass_store::{Reader, Store};
use jiff::SignedDuration;
use serde::Serialize;

use super::store_words::{ThereStore, in_words, open_existing};
use super::target::{TargetArgs, refuse_unknown};
use crate::console;
use crate::exit::Exit;
use crate::words;

/// How often an answer is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// What all of these commands take.
#[derive(Debug, Clone, Args)]
pub(crate) struct AskArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    store: ThereStore,
    /// How long to wait for the answer.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_wait)]
    timeout: Duration,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Let a stream read nothing more until `flowglass resume`, also after a restart.
///
/// It stays open: what was read is delivered, its place in the source is kept, and the source's log
/// is held back for it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass pause orders-cdc\n\n\
    Exit codes: 0 done, 1 refused or no answer, 2 bad usage.")]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    ask: AskArgs,
}

/// Let a paused stream read again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass resume orders-cdc\n\n\
    Exit codes: 0 done, 1 refused or no answer, 2 bad usage.")]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    ask: AskArgs,
}

/// Stop a stream in order: it delivers what it has read, and its process ends.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass stop orders-cdc --timeout 2m\n\n\
    Exit codes: 0 it is stopped, 1 refused or no answer, 2 bad usage.")]
pub(crate) struct StopArgs {
    #[command(flatten)]
    ask: AskArgs,
}

/// Let a running stream read the rows of one table again, beside the log.
///
/// They come as operation `read`. No row that was read follows a newer one of the log.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass resync orders-cdc public.orders\n\n\
    Exit codes: 0 it is being read, 1 refused or no answer, 2 bad usage.")]
pub(crate) struct ResyncArgs {
    #[command(flatten)]
    ask: AskArgs,
    /// The table, as `schema.table`.
    #[arg(value_name = "TABLE")]
    table: String,
}

pub(crate) async fn pause(args: &PauseArgs) -> anyhow::Result<Exit> {
    run(&args.ask, Verb::Pause).await
}

pub(crate) async fn resume(args: &ResumeArgs) -> anyhow::Result<Exit> {
    run(&args.ask, Verb::Resume).await
}

pub(crate) async fn stop(args: &StopArgs) -> anyhow::Result<Exit> {
    run(&args.ask, Verb::Stop).await
}

pub(crate) async fn resync(args: &ResyncArgs) -> anyhow::Result<Exit> {
    run(&args.ask, Verb::Resync { table: args.table.clone() }).await
}

fn parse_wait(text: &str) -> Result<Duration, String> {
    let read = text.parse::<SignedDuration>().ok().and_then(|it| Duration::try_from(it).ok());
    read.ok_or_else(|| format!("`{text}` is no duration: write `30s` or `5m`"))
}

async fn run(args: &AskArgs, verb: Verb) -> anyhow::Result<Exit> {
    match ask(args, verb).await {
        Ok(told) => told.print(args.format),
        Err(error) => in_words(error),
    }
}

async fn ask(args: &AskArgs, verb: Verb) -> anyhow::Result<Told> {
    let stream = args.target.name()?;
    let store = open_existing(args.store.path())?;
    let reader = store.reader()?;
    refuse_unknown(&reader, &stream)?;
    let clock = SystemClock::new();
    let asked = store.ask(stream.as_str(), verb.clone(), (who(), clock.now())).await?;
    let asking = Asking { store, reader, stream, verb, asked };
    let answer = if asking.is_attended()? {
        tokio::time::timeout(args.timeout, asking.wait()).await
    } else {
        Ok(asking.answer_for_nobody().await)
    };
    let answer = match answer {
        Ok(answer) => Some(answer?),
        Err(_elapsed) => asking.latest()?,
    };
    Ok(Told {
        stream: asking.stream.to_string(),
        verb: asking.verb.name(),
        request: asked,
        outcome: answer.as_ref().map_or("no_answer", |it| it.state.name()),
        said: answer.map_or_else(
            || {
                let wait = words::duration(Some(args.timeout.as_secs_f64()));
                format!("no answer within {wait}; the request stays, and may still be followed")
            },
            |it| it.said,
        ),
    })
}

/// A request that was made.
struct Asking {
    store: Store,
    reader: Reader,
    stream: PipelineId,
    verb: Verb,
    asked: u64,
}

impl Asking {
    fn is_attended(&self) -> anyhow::Result<bool> {
        Ok(self.reader.attended_run_of(&self.stream)?.is_some())
    }

    fn latest(&self) -> anyhow::Result<Option<Answer>> {
        Ok(self.reader.request(self.asked)?.and_then(|it| it.answer))
    }

    /// Waits for the last answer.
    async fn wait(&self) -> anyhow::Result<Answer> {
        loop {
            // Asked before the answer is read: a process that ends has answered before.
            let attended = self.is_attended()?;
            let answer = self.latest()?;
            if let Some(answer) = answer.filter(|it| it.state != AnswerState::Accepted) {
                return Ok(answer);
            }
            if !attended {
                return self.answer_for_nobody().await;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What the request comes to when no process runs the stream; kept as its answer, so that a stream
    /// that is started later does not follow it.
    async fn answer_for_nobody(&self) -> anyhow::Result<Answer> {
        let answer = match &self.verb {
            Verb::Pause => Answer::done("it does not run; it will be paused when it is started"),
            Verb::Resume => Answer::done("it does not run; it will read when it is started"),
            Verb::Stop => Answer::done("it does not run"),
            Verb::Resync { .. } => {
                Answer::refused("it does not run; start it with `flowglass run`, then ask again")
            }
        };
        self.store.answer(self.asked, answer.clone(), SystemClock::new().now()).await?;
        Ok(answer)
    }
}

/// What a person or a program is told.
#[derive(Debug, Serialize)]
struct Told {
    stream: String,
    verb: &'static str,
    request: u64,
    /// `accepted`, `done`, `refused` or `no_answer`.
    outcome: &'static str,
    said: String,
}

impl Told {
    fn print(&self, format: Format) -> anyhow::Result<Exit> {
        let done = self.outcome == AnswerState::Done.name();
        let said = words::printable(&self.said);
        match format {
            Format::Json => console::out(&format!("{:#}\n", serde_json::to_value(self)?))?,
            Format::Text if done => console::out(&format!("{}: {said}\n", self.stream))?,
            Format::Text => {
                let outcome = self.outcome.replace('_', " ");
                console::say(&format!("{}: {outcome}: {said}", self.stream));
            }
        }
        Ok(if done { Exit::Done } else { Exit::Failed })
    }
}

/// Who asks, for the stream's history.
fn who() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let user = std::env::var("USER").unwrap_or_else(|_unset| "somebody".to_owned());
    format!("{user}@{} (process {})", host.trim(), std::process::id())
}
