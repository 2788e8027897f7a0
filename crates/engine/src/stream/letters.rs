//! Rows that cannot be delivered become dead letters, kept before the stream goes past them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::stream::{
    ChangeRef, Datum, DeadLetter, DeadLetterLimits, Overflow, Refused, RowRef, SavedChange,
    SetAside, StreamBatch, StreamState,
};
use flowglass_connect::{Clock, Fault};
use flowglass_model::ErrorClass;
use tokio::sync::watch;

/// How often a lane that waits for room looks again.
const ROOM_POLL: Duration = Duration::from_secs(1);

/// What became of refused rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// All are kept.
    Kept,
    /// The last `rows` of them found no room and were dropped, by a rule that says so.
    Dropped {
        /// How many.
        rows: usize,
    },
}

/// What the stream's dead letters have come to, for its metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LetterTotals {
    /// Letters there are now.
    pub(super) entries: u64,
    /// Letters that made room.
    pub(super) evicted: u64,
    /// Letters that found none.
    pub(super) rejected: u64,
    /// Letters that were sent again with success and are still kept.
    pub(super) replayed: u64,
    /// Times that the store did not take letters.
    pub(super) write_failures: u64,
    /// Rows that were set aside, by sink and class.
    pub(super) set_aside: BTreeMap<(String, ErrorClass), u64>,
}

/// A lane's way to the dead letters.
pub(super) struct Letters {
    pub(super) stream: Arc<str>,
    pub(super) sink: String,
    pub(super) limits: DeadLetterLimits,
    pub(super) state: Arc<dyn StreamState>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) totals: Arc<watch::Sender<LetterTotals>>,
}

impl Letters {
    /// Keeps the refused rows of a batch. Under [`Overflow::Block`] it waits until there is room.
    ///
    /// # Errors
    /// When the store does not take them; none of the rows counts as set aside then.
    pub(super) async fn keep(
        &self,
        batch: &StreamBatch,
        refused: &[Refused],
    ) -> Result<Fate, Fault> {
        let letters: Vec<_> = refused
            .iter()
            .filter_map(|row| {
                let by = batch.refused().find(|(index, _)| *index == row.change);
                let by = by.map(|(_, refused)| refused.processor.to_string());
                Some(self.letter(batch.change(row.change)?, row, by))
            })
            .collect();
        loop {
            let done = self.state.set_aside(letters.clone(), self.limits).await;
            if done.is_err() {
                self.totals.send_modify(|totals| totals.write_failures += 1);
            }
            let done = done?;
            let blocked = done.rejected > 0 && self.limits.overflow == Overflow::Block;
            self.count(done, blocked);
            if !blocked {
                self.count_rows(refused);
                let rows = usize::try_from(done.rejected).unwrap_or(usize::MAX);
                return Ok(if rows == 0 { Fate::Kept } else { Fate::Dropped { rows } });
            }
            tokio::time::sleep(ROOM_POLL).await;
        }
    }

    fn count(&self, done: SetAside, blocked: bool) {
        self.totals.send_modify(|totals| {
            totals.entries = done.entries;
            totals.evicted += done.evicted;
            totals.rejected += if blocked { 0 } else { done.rejected };
        });
    }

    fn count_rows(&self, refused: &[Refused]) {
        self.totals.send_modify(|totals| {
            for row in refused {
                let of = (self.sink.clone(), row.fault.class());
                *totals.set_aside.entry(of).or_default() += 1;
            }
        });
    }

    fn letter(
        &self,
        change: ChangeRef<'_>,
        refused: &Refused,
        processor: Option<String>,
    ) -> DeadLetter {
        let relation = change.relation();
        let whole = SavedChange::bytes_of(&change) <= self.limits.row_bytes_max;
        let saved = whole.then(|| SavedChange::of(&change));
        let shown = change.row().map(|row| shown(change, row, None)).unwrap_or_default();
        let key = change.row().filter(|_| !relation.key.is_empty());
        let key = key.map(|row| shown_of(change, row));
        let cut = floor_char_boundary(&shown, self.limits.row_bytes_max);
        DeadLetter {
            stream: self.stream.to_string(),
            sink: self.sink.clone(),
            processor,
            table: relation.name(),
            op: change.op(),
            id: id_of(change),
            key,
            class: refused.fault.class(),
            detail: refused.fault.chain(),
            truncated: cut < shown.len() || saved.is_none(),
            change: saved,
            row: shown.get(..cut).unwrap_or_default().to_owned(),
            at: self.clock.now(),
        }
    }
}

/// The name of a change: the same in every message about it.
fn id_of(change: ChangeRef<'_>) -> String {
    let mut id = Vec::new();
    flowglass_connect::encode::idempotency_key(&change, 0, &mut id);
    String::from_utf8_lossy(&id).into_owned()
}

fn shown_of(change: ChangeRef<'_>, row: RowRef<'_>) -> String {
    shown(change, row, Some(&change.relation().key))
}

/// A row as a JSON object of the source's own texts. What is no UTF-8, which may be why the row
/// was refused, is shown with replacement characters.
fn shown(change: ChangeRef<'_>, row: RowRef<'_>, only: Option<&Vec<usize>>) -> String {
    let columns = &change.relation().columns;
    let wanted = columns
        .iter()
        .enumerate()
        .filter(|(index, _)| only.is_none_or(|only| only.contains(index)));
    let object: serde_json::Map<_, _> = wanted
        .filter_map(|(index, column)| {
            let value = match row.datum(index) {
                Datum::Null => serde_json::Value::Null,
                Datum::Unchanged => return None,
                Datum::Text(bytes) | Datum::Binary(bytes) => {
                    serde_json::Value::String(String::from_utf8_lossy(bytes).into_owned())
                }
            };
            Some((column.name.clone(), value))
        })
        .collect();
    serde_json::Value::Object(object).to_string()
}

fn floor_char_boundary(text: &str, most: usize) -> usize {
    if text.len() <= most {
        return text.len();
    }
    (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
