//! A dead letter and a stream's figures as they are printed.

use flowglass_connect::stream::{LetterFigures, LetterState, StoredLetter};
use flowglass_store::{Reader, StoreError};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::table::{Align, Table};
use crate::words;

/// Characters of a reason that a table shows; `dlq show` has all.
const REASON_SHOWN_MAX: usize = 70;
/// At which share of its room a stream is warned of, and at which it is nearly out of it.
const WARNING_AT: f64 = 0.80;
const CRITICAL_AT: f64 = 0.95;

/// A letter as JSON.
#[derive(Debug, Serialize)]
pub(super) struct LetterPage<'a> {
    number: u64,
    stream: &'a str,
    sink: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    processor: Option<&'a str>,
    table: &'a str,
    op: &'static str,
    id: &'a str,
    key: Option<Box<RawValue>>,
    state: &'static str,
    attempts: u64,
    class: &'static str,
    detail: &'a str,
    set_aside_at: Timestamp,
    changed_at: Timestamp,
    truncated: bool,
    /// Whether enough was kept to send it again.
    replayable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<RowPage<'a>>,
}

/// A row: a document, or the beginning of one.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum RowPage<'a> {
    Whole(Box<RawValue>),
    Cut(&'a str),
}

impl<'a> LetterPage<'a> {
    /// The letter; with its row, where that is asked for.
    pub(super) fn of(stored: &'a StoredLetter, with_row: bool) -> Self {
        let letter = &stored.letter;
        let raw = |text: &str| RawValue::from_string(text.to_owned()).ok();
        let row = with_row.then(|| match raw(&letter.row) {
            Some(whole) => RowPage::Whole(whole),
            None => RowPage::Cut(&letter.row),
        });
        Self {
            number: stored.number,
            stream: &letter.stream,
            sink: &letter.sink,
            processor: letter.processor.as_deref(),
            table: &letter.table,
            op: letter.op.name(),
            id: &letter.id,
            key: letter.key.as_deref().and_then(raw),
            state: stored.state.name(),
            attempts: stored.attempts,
            class: letter.class.name(),
            detail: &letter.detail,
            set_aside_at: letter.at,
            changed_at: stored.changed_at,
            truncated: letter.truncated,
            replayable: letter.change.is_some() && letter.processor.is_none(),
            row,
        }
    }
}

/// How full a stream's room is.
#[derive(Debug, Serialize)]
pub(super) struct Room {
    pub(super) stream: String,
    open: u64,
    acknowledged: u64,
    replayed: u64,
    oldest_at: Option<Timestamp>,
    max_entries: Option<u64>,
    saturation: Option<f64>,
    level: &'static str,
}

impl Room {
    pub(super) fn of(reader: &Reader, stream: &str) -> Result<Self, StoreError> {
        let LetterFigures { open, acknowledged, replayed, oldest } =
            reader.letter_figures(stream)?;
        let max_entries = reader.stream(stream)?.and_then(|it| it.letters_max);
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let saturation = max_entries.map(|max| open as f64 / max.max(1) as f64);
        Ok(Self {
            stream: stream.to_owned(),
            open,
            acknowledged,
            replayed,
            oldest_at: oldest,
            max_entries,
            saturation,
            level: match saturation {
                Some(share) if share >= CRITICAL_AT => "critical",
                Some(share) if share >= WARNING_AT => "warning",
                _ => "ok",
            },
        })
    }

    /// One line about it, and one more when there is little of it left.
    pub(super) fn lines(&self, now: Timestamp) -> Vec<String> {
        let count = |it| words::number(Some(it));
        let mut said = format!("{} open", count(self.open));
        if let Some((max, share)) = self.max_entries.zip(self.saturation) {
            said.push_str(&format!(" of at most {} ({:.0} %)", count(max), share * 100.0));
        }
        if self.oldest_at.is_some() {
            said.push_str(&format!(", the oldest {}", words::ago(self.oldest_at, now)));
        }
        for (number, word) in [
            (self.acknowledged, LetterState::Acknowledged.name()),
            (self.replayed, LetterState::Replayed.name()),
        ] {
            if number > 0 {
                said.push_str(&format!(", {} {word}", count(number)));
            }
        }
        let mut lines = vec![said];
        if self.level != "ok" {
            lines.push(format!(
                "{}: the room for dead letters is nearly used up; `dlq.overflow` of the manifest \
                 says what happens then. Mend and replay them, or acknowledge what you have seen.",
                self.level
            ));
        }
        lines
    }
}

/// Letters as a table.
pub(super) fn table(letters: &[StoredLetter], now: Timestamp) -> String {
    let mut table = Table::new(&[
        ("NUMBER", Align::Right),
        ("STATE", Align::Left),
        ("SINK", Align::Left),
        ("PROCESSOR", Align::Left),
        ("TABLE", Align::Left),
        ("OP", Align::Left),
        ("CHANGE", Align::Left),
        ("TRIES", Align::Right),
        ("SET ASIDE", Align::Left),
        ("CLASS", Align::Left),
        ("WHY", Align::Left),
    ]);
    for stored in letters {
        let letter = &stored.letter;
        table.row([
            stored.number.to_string(),
            stored.state.name().to_owned(),
            words::printable(&letter.sink),
            letter.processor.as_deref().map_or_else(|| "-".to_owned(), words::printable),
            words::printable(&letter.table),
            letter.op.name().to_owned(),
            letter.id.clone(),
            stored.attempts.to_string(),
            words::ago(Some(letter.at), now),
            letter.class.name().to_owned(),
            cut(&words::printable(&letter.detail)),
        ]);
    }
    table.render()
}

fn cut(text: &str) -> String {
    if text.chars().count() <= REASON_SHOWN_MAX {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(REASON_SHOWN_MAX - 1).collect();
    short.push('…');
    short
}
