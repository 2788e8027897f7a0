//! `dlq list`: letters in the order in which they were set aside, filtered, a page at a time.

use std::path::Path;

use clap::Args;
use flowglass_connect::stream::StoredLetter;
use flowglass_connect::{Clock, SystemClock};
use serde::Serialize;

use super::Format;
use super::choice::{Choice, StateChoice};
use super::page::{LetterPage, Room, table};
use crate::commands::store_words::open_reader;
use crate::commands::target::{TargetArgs, refuse_unknown};
use crate::console;
use crate::exit::Exit;

/// List dead letters, oldest first, without their rows.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass dlq list orders-cdc\n  \
    flowglass dlq list orders-cdc --sink kafka-main --class too_large --since 24h\n  \
    flowglass dlq list orders-cdc --format json | jq .saturation")]
pub(super) struct ListArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    choice: Choice,
    /// Only letters in this state: `open`, `acknowledged`, `replayed` or `all`.
    #[arg(long, value_name = "STATE", default_value = "open")]
    state: StateChoice,
    /// Letters to list.
    #[arg(long, short = 'n', default_value_t = 50, value_name = "LETTERS")]
    limit: u16,
    /// Go on behind this number: that of the last letter of the page before.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    after: u64,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// The document of `--format json`.
#[derive(Serialize)]
struct ListPage<'a> {
    #[serde(flatten)]
    room: &'a Room,
    letters: Vec<LetterPage<'a>>,
    next: Option<u64>,
}

pub(super) fn run(store: &Path, args: &ListArgs) -> anyhow::Result<Exit> {
    let stream = args.target.name()?;
    let reader = open_reader(store)?;
    refuse_unknown(&reader, &stream)?;
    let states = args.state.states();
    let filter = args.choice.filter(states)?;
    let most = usize::from(args.limit);
    // One more than asked for says whether there is a next page.
    let mut letters = reader.letters(stream.as_str(), &filter, (args.after, most + 1))?;
    let more = letters.len() > most;
    letters.truncate(most);
    let next = letters.last().filter(|_| more).map(|it| it.number);
    let room = Room::of(&reader, stream.as_str())?;
    print(&letters, (next, &room), args.format)?;
    Ok(Exit::Done)
}

fn print(
    letters: &[StoredLetter],
    (next, room): (Option<u64>, &Room),
    format: Format,
) -> anyhow::Result<()> {
    let pages = letters.iter().map(|it| LetterPage::of(it, false));
    match format {
        Format::Json => {
            let page = ListPage { room, letters: pages.collect(), next };
            return console::out(&format!("{:#}\n", serde_json::to_value(page)?));
        }
        Format::Ndjson => {
            let lines = pages.map(|it| Ok(serde_json::to_string(&it)? + "\n"));
            console::out(&lines.collect::<Result<String, serde_json::Error>>()?)?;
        }
        Format::Text => {
            let now = SystemClock::new().now();
            if letters.is_empty() {
                console::say("no dead letter fits");
            } else {
                console::out(&table(letters, now))?;
            }
            for line in room.lines(now) {
                console::say(&line);
            }
        }
    }
    if let Some(next) = next {
        console::say(&format!("more: --after {next}"));
    }
    Ok(())
}
