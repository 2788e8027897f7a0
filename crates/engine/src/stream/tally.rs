//! What a lane says became of a batch's rows, counted from what it really did with each.

use flowglass_connect::stream::{ChangeRef, Messages, Refused, StreamBatch};

use super::ledger::{ByTable, Outcome};
use super::letters::Fate;

/// Counts the rows that are on their way to the sink, and those that a processor left out.
///
/// For a sink of messages a row counts when there is a message for it, so that an encoder that
/// passed over a row is seen in the ledger.
#[must_use]
pub(super) fn delivered(batch: &StreamBatch, messages: Option<&Messages>) -> ByTable<Outcome> {
    let mut outcome = ByTable::<Outcome>::default();
    let mut items = messages.map(|it| it.items().iter().peekable());
    let mut index = 0_usize;
    for slice in batch.slices() {
        let mut refused = slice.refused().map(|row| row.change - slice.from).peekable();
        for (at, change) in slice.chunk.changes(slice.from, slice.to).enumerate() {
            let part = outcome.of(change.relation());
            let hash = change.head().hash;
            if slice.is_left_out(at) {
                // What a processor refused is counted where it is set aside.
                if refused.next_if_eq(&at).is_none() {
                    part.filtered.add(hash);
                }
            } else if let Some(items) = &mut items {
                let mut told = false;
                while items.next_if(|item| item.change as usize == index).is_some() {
                    told = true;
                }
                if told {
                    part.delivered.add(hash);
                }
            } else {
                part.delivered.add(hash);
            }
            index += 1;
        }
    }
    outcome
}

/// Adds the rows that a processor refused or that could not be encoded, and so were not counted.
pub(super) fn set_aside(
    outcome: &mut ByTable<Outcome>,
    batch: &StreamBatch,
    refused: &[Refused],
    fate: Fate,
) {
    each(batch, refused, fate, |change, fate| {
        let part = outcome.of(change.relation());
        match fate {
            Fate::Kept => part.dead_lettered.add(change.head().hash),
            Fate::Dropped { .. } => part.evicted.add(change.head().hash),
        }
    });
}

/// Moves rows that the sink refused after they had been counted as delivered.
pub(super) fn refused_late(
    outcome: &mut ByTable<Outcome>,
    batch: &StreamBatch,
    refused: &[Refused],
    fate: Fate,
) {
    each(batch, refused, fate, |change, fate| {
        let part = outcome.of(change.relation());
        let hash = change.head().hash;
        part.delivered.rows = part.delivered.rows.saturating_sub(1);
        part.delivered.hash = part.delivered.hash.wrapping_sub(hash);
        match fate {
            Fate::Kept => part.dead_lettered.add(hash),
            Fate::Dropped { .. } => part.evicted.add(hash),
        }
    });
}

fn each(
    batch: &StreamBatch,
    refused: &[Refused],
    fate: Fate,
    mut count: impl FnMut(ChangeRef<'_>, Fate),
) {
    let dropped = match fate {
        Fate::Kept => 0,
        Fate::Dropped { rows } => rows,
    };
    // Letters are kept in order: those without room are the last ones.
    let kept = refused.len().saturating_sub(dropped);
    for (at, row) in refused.iter().enumerate() {
        if let Some(change) = batch.change(row.change) {
            count(change, if at < kept { Fate::Kept } else { Fate::Dropped { rows: 1 } });
        }
    }
}
