//! `dlq ack` and `dlq purge`: letters that nobody needs to send again.

use std::path::Path;

use clap::Args;
use flowglass_connect::stream::{LetterBox, LetterFilter, LetterState};
use flowglass_connect::{Clock, SystemClock};
use flowglass_store::{Reader, Store};

use super::choice::{Deed, StateChoice};
use crate::commands::store_words::open_existing;
use crate::commands::target::{TargetArgs, refuse_unknown};
use crate::console;
use crate::exit::Exit;
use crate::words;

/// Letters that are dealt with in one transaction.
const PART_LETTERS_MAX: usize = 1000;

/// Acknowledge open dead letters: they have been seen, and take no room any more.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass dlq ack orders-cdc --id 17\n  \
    flowglass dlq ack orders-cdc --class malformed --until 7d")]
pub(super) struct AckArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    deed: Deed,
}

/// Remove dead letters for good.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass dlq purge orders-cdc --state replayed --all\n  \
    flowglass dlq purge orders-cdc --until 30d --dry-run")]
pub(super) struct PurgeArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    deed: Deed,
    /// Only letters in this state: `open`, `acknowledged`, `replayed` or `all`.
    #[arg(long, value_name = "STATE", default_value = "all")]
    state: StateChoice,
}

pub(super) async fn ack(store: &Path, args: &AckArgs) -> anyhow::Result<Exit> {
    let open = vec![LetterState::Open];
    let mut work = Work::begin(store, (&args.target, &args.deed), open)?;
    let now = SystemClock::new().now();
    while let Some(numbers) = work.part()? {
        work.done += work.store.mark(numbers, LetterState::Acknowledged, now).await?;
    }
    work.tell("acknowledged")
}

pub(super) async fn purge(store: &Path, args: &PurgeArgs) -> anyhow::Result<Exit> {
    let states = args.state.states();
    let mut work = Work::begin(store, (&args.target, &args.deed), states)?;
    while let Some(numbers) = work.part()? {
        work.done += work.store.remove_letters(numbers).await?;
    }
    work.tell("removed")
}

/// Letters that are being dealt with, part by part.
struct Work {
    store: Store,
    reader: Reader,
    stream: String,
    filter: LetterFilter,
    after: u64,
    only_count: bool,
    done: u64,
}

impl Work {
    fn begin(
        store: &Path,
        (target, deed): (&TargetArgs, &Deed),
        states: Vec<LetterState>,
    ) -> anyhow::Result<Self> {
        deed.refuse_silence()?;
        let filter = deed.choice.filter(states)?;
        let stream = target.name()?;
        let store = open_existing(store)?;
        let reader = store.reader()?;
        refuse_unknown(&reader, &stream)?;
        let stream = stream.to_string();
        let only_count = deed.dry_run;
        Ok(Self { store, reader, stream, filter, after: 0, only_count, done: 0 })
    }

    /// The numbers of the next part.
    fn part(&mut self) -> anyhow::Result<Option<Vec<u64>>> {
        if self.only_count {
            self.done = self.reader.count_letters(&self.stream, &self.filter)?;
            return Ok(None);
        }
        let page = (self.after, PART_LETTERS_MAX);
        let letters = self.reader.letters(&self.stream, &self.filter, page)?;
        let Some(last) = letters.last() else { return Ok(None) };
        self.after = last.number;
        Ok(Some(letters.iter().map(|it| it.number).collect()))
    }

    fn tell(self, word: &str) -> anyhow::Result<Exit> {
        let would = if self.only_count { "would be " } else { "" };
        let count = words::number(Some(self.done));
        console::out(&format!("{count} dead letter(s) {would}{word}\n"))?;
        Ok(Exit::Done)
    }
}
