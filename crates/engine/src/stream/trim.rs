//! Leaves out of a batch what a sink has already. Pure.

use std::sync::Arc;

use flowglass_connect::stream::{Op, Position, Slice, StreamBatch};

/// The part of a batch that lies behind `position`: the batch itself when that is all of it, and
/// `None` when the sink has everything.
pub(super) fn trim(
    batch: &Arc<StreamBatch>,
    position: Option<&Position>,
) -> Option<Arc<StreamBatch>> {
    let Some(position) = position else { return Some(Arc::clone(batch)) };
    if position.reaches(batch.position()) {
        return None;
    }
    let slices = batch.slices();
    let had: Vec<usize> = slices.iter().map(|slice| had_of(slice, position)).collect();
    if had.iter().all(|count| *count == 0) {
        return Some(Arc::clone(batch));
    }
    let rest =
        slices.iter().zip(had).filter(|(slice, had)| *had < slice.len()).map(|(slice, had)| {
            let mut slice = slice.clone();
            slice.from += had;
            slice.left_out =
                slice.left_out.map(|marks| marks.get(had..).unwrap_or_default().into());
            slice
        });
    Some(Arc::new(StreamBatch::new(rest.collect(), batch.position().clone())))
}

/// How many of a slice's first changes the sink has.
fn had_of(slice: &Slice, position: &Position) -> usize {
    // Whole transactions, and whole parts of a snapshot, by the marks.
    let marks = slice.chunk.marks().iter();
    let marked = marks.take_while(|mark| position.reaches(&mark.position)).last();
    let whole = marked.map_or(0, |mark| mark.after).clamp(slice.from, slice.to);
    // Then the first rows of the transaction that the sink has in part.
    let part = slice.chunk.changes(whole, slice.to).take_while(|change| {
        change.op() != Op::Read && position.covers(change.transaction().commit, change.head().row)
    });
    whole + part.count() - slice.from
}
