//! `dlq replay`: letters once more, to the sinks that did not take them.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use flowglass_connect::stream::{
    Hold, LetterBox, LetterFilter, StoredLetter, StreamSink, StreamState,
};
use flowglass_connect::{Registry, Surroundings, SystemClock};
use flowglass_engine::stream::{REPLAY_LETTERS_MAX, Replay, ReplayJob, Sent};
use flowglass_manifest::{StreamPlan, StreamSink as SinkPlan};
use flowglass_store::Store;
use serde::Serialize;

use super::Format;
use super::choice::{Deed, StateChoice};
use crate::commands::store_words::open_existing;
use crate::commands::target::{TargetArgs, refuse_unknown};
use crate::console;
use crate::exit::{BadUsage, Exit};
use crate::registry::registry;
use crate::words;

/// Letters of which it is told why they were not delivered; programs get all of them.
const REASONS_TOLD_MAX: usize = 10;

/// Send dead letters again, to the sinks that did not take them. The stream must not run meanwhile.
///
/// Their rows are encoded as the manifest asks for now, with the idempotency keys that they had
/// before; the sink's position does not move. A letter that is refused again stays, with one try more.
/// A change that is sent late comes after newer changes of the same row, if there were any.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass stop orders-cdc && flowglass dlq replay orders-cdc --class too_large\n  \
    flowglass dlq replay stream.yaml --all --dry-run\n\n\
    Exit codes: 0 all were delivered, 1 some were not, 2 bad usage or manifest.")]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    deed: Deed,
    /// Only letters in this state: `open`, `acknowledged`, `replayed` or `all`.
    #[arg(long, value_name = "STATE", default_value = "open")]
    state: StateChoice,
    /// Send to sinks that keep one row a key too, where an old change replaces a newer one.
    #[arg(long)]
    accept_older: bool,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) async fn run(store: &Path, args: &ReplayArgs) -> anyhow::Result<Exit> {
    args.deed.refuse_silence()?;
    let filter = args.deed.choice.filter(args.state.states())?;
    let store = Arc::new(open_existing(store)?);
    let reader = store.reader()?;
    let plan = args.target.plan(&reader)?;
    refuse_unknown(&reader, plan.pipeline())?;
    let scratch = tempfile::tempdir()?;
    let work = Work {
        around: Surroundings {
            base_dir: plan.base_dir().to_path_buf(),
            scratch_dir: scratch.path().to_path_buf(),
            clock: Arc::new(SystemClock::new()),
        },
        held: store.hold(plan.pipeline().as_str()).await?,
        store,
        plan,
        registry: registry(),
    };
    let mut tally = Tally::default();
    tally.kept_back_for_good(&work, &filter).await?;
    for to in work.plan.sinks() {
        if filter.sink.as_ref().is_none_or(|it| *it == to.id) {
            let filter = LetterFilter { sink: Some(to.id.clone()), ..filter.clone() };
            work.to_sink(to, &filter, (args, &mut tally)).await?;
        }
    }
    tally.tell(args, &work.plan)
}

/// What a replay stands on.
struct Work {
    plan: StreamPlan,
    registry: Registry,
    around: Surroundings,
    store: Arc<Store>,
    held: Hold,
}

impl Work {
    async fn to_sink(
        &self,
        to: &SinkPlan,
        filter: &LetterFilter,
        (args, tally): (&ReplayArgs, &mut Tally),
    ) -> anyhow::Result<()> {
        let stream = self.plan.pipeline().as_str();
        let mut letters = self.store.letters(stream, filter, (0, REPLAY_LETTERS_MAX)).await?;
        if letters.is_empty() {
            return Ok(());
        }
        let job = ReplayJob {
            stream: stream.to_owned(),
            sink: self.sink(to, args.accept_older)?,
            state: Arc::<Store>::clone(&self.store),
            letters: Arc::<Store>::clone(&self.store),
            clock: Arc::clone(&self.around.clock),
        };
        let mut replay = None;
        while let Some(last) = letters.last().map(|it| it.number) {
            if args.deed.dry_run {
                tally.planned += letters.len() as u64;
            } else {
                let replay = match &mut replay {
                    Some(open) => open,
                    none => none.insert(Replay::open(&job, &self.held).await?),
                };
                let sent = replay.send(&letters).await?;
                tally.add(&letters, sent);
            }
            letters = self.store.letters(stream, filter, (last, REPLAY_LETTERS_MAX)).await?;
        }
        Ok(())
    }

    fn sink(&self, to: &SinkPlan, accept_older: bool) -> anyhow::Result<Arc<dyn StreamSink>> {
        let (stream, config) = (self.plan.pipeline().as_str(), to.connector.expose().clone());
        let sink = self.registry.stream_sink(&to.connector.kind, stream, config, &self.around)?;
        if Replay::overwrites(sink.as_ref()) && !accept_older {
            let said = format!(
                "sink `{}` keeps one row a key, and an old change would replace a newer one\n  \
                 hint: Bring the rows as they are now with `flowglass resync {stream} TABLE`, or say \
                 `--accept-older` when nothing changed them since.",
                to.id
            );
            return Err(BadUsage(said).into());
        }
        Ok(sink)
    }
}

/// What became of the letters.
#[derive(Debug, Default, Serialize)]
struct Tally {
    replayed: u64,
    failed_again: u64,
    kept_back: u64,
    #[serde(skip)]
    planned: u64,
    letters: Vec<Line>,
}

/// What became of one of them.
#[derive(Debug, Serialize)]
struct Line {
    number: u64,
    sink: String,
    id: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl Tally {
    /// Letters of sinks that the manifest does not have any more.
    async fn kept_back_for_good(
        &mut self,
        work: &Work,
        filter: &LetterFilter,
    ) -> anyhow::Result<()> {
        let sinks = work.plan.sinks();
        let stream = work.plan.pipeline().as_str();
        let mut after = 0;
        loop {
            let letters = work.store.letters(stream, filter, (after, REPLAY_LETTERS_MAX)).await?;
            let Some(last) = letters.last() else { return Ok(()) };
            after = last.number;
            for stored in &letters {
                if !sinks.iter().any(|it| it.id == stored.letter.sink) {
                    let why = format!("the manifest has no sink `{}`", stored.letter.sink);
                    self.add(std::slice::from_ref(stored), vec![Sent::KeptBack { why }]);
                }
            }
        }
    }

    fn add(&mut self, letters: &[StoredLetter], sent: Vec<Sent>) {
        for (stored, sent) in letters.iter().zip(sent) {
            let (outcome, why) = match sent {
                Sent::Delivered => {
                    self.replayed += 1;
                    ("replayed", None)
                }
                Sent::FailedAgain { class, detail } => {
                    self.failed_again += 1;
                    ("failed_again", Some(format!("{class}: {detail}")))
                }
                Sent::KeptBack { why } => {
                    self.kept_back += 1;
                    ("kept_back", Some(why))
                }
            };
            let (sink, id) = (stored.letter.sink.clone(), stored.letter.id.clone());
            self.letters.push(Line { number: stored.number, sink, id, outcome, why });
        }
    }

    /// Says why letters were not delivered, as far as somebody reads it.
    fn say_why(&self) {
        let told = || self.letters.iter().filter_map(|line| Some((line, line.why.as_ref()?)));
        for (line, why) in told().take(REASONS_TOLD_MAX) {
            let why = words::printable(why);
            console::say(&format!("letter {} to `{}`: {why}", line.number, line.sink));
        }
        let more = told().count().saturating_sub(REASONS_TOLD_MAX);
        if more > 0 {
            console::say(&format!("… and {more} more; `dlq list` shows them"));
        }
    }

    fn tell(&self, args: &ReplayArgs, plan: &StreamPlan) -> anyhow::Result<Exit> {
        let count = |it| words::number(Some(it));
        if args.deed.dry_run {
            console::out(&format!("{} dead letter(s) would be sent\n", count(self.planned)))?;
            return Ok(Exit::Done);
        }
        let text = match args.format {
            Format::Json => format!("{:#}\n", serde_json::to_value(self)?),
            Format::Ndjson => self
                .letters
                .iter()
                .map(|it| Ok(serde_json::to_string(it)? + "\n"))
                .collect::<Result<String, serde_json::Error>>()?,
            Format::Text => {
                self.say_why();
                format!(
                    "{} replayed, {} failed again, {} kept back\n",
                    count(self.replayed),
                    count(self.failed_again),
                    count(self.kept_back)
                )
            }
        };
        // Where rows go to standard output, nothing else is written there.
        if plan.sinks().iter().any(|it| it.connector.kind == "stdout") {
            console::say(text.trim_end());
        } else {
            console::out(&text)?;
        }
        let whole = self.failed_again == 0 && self.kept_back == 0;
        Ok(if whole { Exit::Done } else { Exit::Failed })
    }
}
