//! `dlq show`: letters whole, with their rows.

use std::path::Path;

use clap::Args;
use flowglass_connect::stream::{LetterFilter, StoredLetter};
use flowglass_connect::{Clock, SystemClock};
use jiff::Timestamp;

use super::Format;
use super::page::LetterPage;
use crate::commands::store_words::open_reader;
use crate::commands::target::{TargetArgs, refuse_unknown};
use crate::console;
use crate::exit::{BadUsage, Exit};
use crate::words;

/// Show dead letters whole: the reason, the key and the row. Rows are printed as they are.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass dlq show orders-cdc 17\n  \
    flowglass dlq show orders-cdc 17 18 --format ndjson | jq .row")]
pub(super) struct ShowArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// The letters, by their numbers.
    #[arg(value_name = "NUMBER", required = true)]
    numbers: Vec<u64>,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(store: &Path, args: &ShowArgs) -> anyhow::Result<Exit> {
    let stream = args.target.name()?;
    let reader = open_reader(store)?;
    refuse_unknown(&reader, &stream)?;
    let filter = LetterFilter { numbers: args.numbers.clone(), ..LetterFilter::default() };
    let letters = reader.letters(stream.as_str(), &filter, (0, args.numbers.len()))?;
    let missing = args.numbers.iter().find(|it| !letters.iter().any(|had| had.number == **it));
    if let Some(missing) = missing {
        let said =
            format!("`{stream}` has no dead letter {missing}; `dlq list` shows those it has");
        return Err(BadUsage(said).into());
    }
    let pages = letters.iter().map(|it| LetterPage::of(it, true));
    let text = match args.format {
        Format::Json => format!("{:#}\n", serde_json::to_value(pages.collect::<Vec<_>>())?),
        Format::Ndjson => pages
            .map(|it| Ok(serde_json::to_string(&it)? + "\n"))
            .collect::<Result<String, serde_json::Error>>()?,
        Format::Text => {
            let now = SystemClock::new().now();
            let texts: Vec<String> = letters.iter().map(|it| text(it, now)).collect();
            texts.join("\n")
        }
    };
    console::out(&text)?;
    Ok(Exit::Done)
}

fn text(stored: &StoredLetter, now: Timestamp) -> String {
    let letter = &stored.letter;
    let at = |time| format!("{} ({})", words::instant(Some(time)), words::ago(Some(time), now));
    let mut facts = vec![
        ("number", stored.number.to_string()),
        ("stream", letter.stream.clone()),
        ("sink", words::printable(&letter.sink)),
    ];
    if let Some(processor) = &letter.processor {
        facts.push(("processor", words::printable(processor)));
    }
    facts.extend([
        ("table", words::printable(&letter.table)),
        ("operation", letter.op.name().to_owned()),
        ("change", letter.id.clone()),
        ("state", format!("{}, {}", stored.state.name(), words::ago(Some(stored.changed_at), now))),
        ("tries", stored.attempts.to_string()),
        ("set aside", at(letter.at)),
        ("class", letter.class.name().to_owned()),
        ("why", words::printable(&letter.detail)),
        ("hint", letter.class.hint().to_owned()),
    ]);
    if let Some(key) = &letter.key {
        facts.push(("key", words::printable(key)));
    }
    if letter.truncated {
        let said = "the row is longer than `dlq.max_event_bytes` and was not kept whole: it cannot \
                    be replayed, and a resync of its table brings it again";
        facts.push(("note", said.to_owned()));
    }
    let width = facts.iter().map(|it| it.0.len()).max().unwrap_or(0);
    let mut text: String =
        facts.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect();
    let whole = serde_json::from_str::<serde_json::Value>(&letter.row);
    let row = whole.map_or_else(|_cut| letter.row.clone(), |row| format!("{row:#}"));
    for line in row.lines() {
        text.push_str(&format!("  {}\n", words::printable(line)));
    }
    text
}
