//! The way through a batch that all processors which change rows share: what becomes of each change,
//! and the slices that come of it.

use std::sync::Arc;

use flowglass_connect::Fault;
use flowglass_connect::stream::{
    ChangeRef, ChunkOverlay, RefusedRow, Relation, Replaced, Slice, StreamBatch,
};
use flowglass_model::ErrorClass;

/// What becomes of a change.
pub(crate) enum Verdict {
    /// It goes on as it is.
    Kept,
    /// It goes on with other rows.
    Replaced(Replaced),
    /// It goes no further.
    LeftOut,
    /// The processor cannot do its work on it.
    Refused(Fault),
}

/// Work on the rows of a slice.
pub(crate) trait RowWork {
    /// Whether it does anything with rows of that table.
    ///
    /// # Errors
    /// When it should, and the table is not as it needs it.
    fn applies(&mut self, relation: &Arc<Relation>) -> Result<bool, Fault>;

    /// Works on a change of a table that it applies to.
    ///
    /// # Errors
    /// When it cannot go on with any row.
    fn work(
        &mut self,
        change: &ChangeRef<'_>,
        overlay: &mut ChunkOverlay,
    ) -> Result<Verdict, Fault>;
}

/// Works on a batch. Slices without a row of a table that `work` applies to stay what they are.
pub(crate) fn work_on(
    batch: StreamBatch,
    processor: &Arc<str>,
    work: &mut impl RowWork,
) -> Result<StreamBatch, Fault> {
    let mut changed = Vec::new();
    for (index, slice) in batch.slices().iter().enumerate() {
        if concerns(slice, work)? {
            changed.push((index, derive(slice, processor, work)?));
        }
    }
    if changed.is_empty() {
        return Ok(batch);
    }
    let mut slices = batch.slices().to_vec();
    for (index, slice) in changed {
        if let Some(place) = slices.get_mut(index) {
            *place = slice;
        }
    }
    Ok(batch.with_slices(slices))
}

fn concerns(slice: &Slice, work: &mut impl RowWork) -> Result<bool, Fault> {
    let mut last: Option<&Arc<Relation>> = None;
    for (at, change) in slice.chunk.changes(slice.from, slice.to).enumerate() {
        let relation = change.relation();
        if slice.is_left_out(at) || last.is_some_and(|last| Arc::ptr_eq(last, relation)) {
            continue;
        }
        if work.applies(relation)? {
            return Ok(true);
        }
        last = Some(relation);
    }
    Ok(false)
}

fn derive(slice: &Slice, processor: &Arc<str>, work: &mut impl RowWork) -> Result<Slice, Fault> {
    let mut overlay = ChunkOverlay::new(slice);
    let mut marks = Marks::of(slice);
    let mut last: Option<(&Arc<Relation>, bool)> = None;
    for (at, change) in slice.chunk.changes(slice.from, slice.to).enumerate() {
        if slice.is_left_out(at) {
            overlay.keep(&change);
            continue;
        }
        let relation = change.relation();
        let applies = match last {
            Some((known, applies)) if Arc::ptr_eq(known, relation) => applies,
            _ => work.applies(relation)?,
        };
        last = Some((relation, applies));
        if !applies {
            overlay.keep(&change);
            continue;
        }
        let start = overlay.cell_start();
        match work.work(&change, &mut overlay)? {
            Verdict::Replaced(with) => {
                overlay.replace(&change, with);
                continue;
            }
            Verdict::Kept => {}
            Verdict::LeftOut => marks.leave_out(at),
            Verdict::Refused(fault) => marks.refuse(at, processor, fault),
        }
        overlay.rewind(start);
        overlay.keep(&change);
    }
    let slice = overlay.finish().ok_or_else(|| {
        Fault::new(ErrorClass::Internal, format!("processor `{processor}` lost count of its rows"))
    })?;
    Ok(marks.mark(slice))
}

/// Which changes of a slice go no further, and which of them were refused.
pub(crate) struct Marks {
    changes: usize,
    left_out: Option<Vec<bool>>,
    refused: Vec<RefusedRow>,
    earlier: usize,
}

impl Marks {
    /// Those that earlier processors made, counted from the slice's first change.
    pub(crate) fn of(slice: &Slice) -> Self {
        let refused: Vec<_> = slice
            .refused()
            .map(|row| RefusedRow { change: row.change - slice.from, ..row.clone() })
            .collect();
        Self {
            changes: slice.len(),
            left_out: slice.left_out.as_deref().map(<[bool]>::to_vec),
            earlier: refused.len(),
            refused,
        }
    }

    /// Leaves a change out.
    pub(crate) fn leave_out(&mut self, at: usize) {
        let marks = self.left_out.get_or_insert_with(|| vec![false; self.changes]);
        if let Some(mark) = marks.get_mut(at) {
            *mark = true;
        }
    }

    /// Refuses a change.
    pub(crate) fn refuse(&mut self, at: usize, processor: &Arc<str>, fault: Fault) {
        self.leave_out(at);
        let (processor, fault) = (Arc::clone(processor), Arc::new(fault));
        self.refused.push(RefusedRow { change: at, processor, fault });
    }

    /// Puts the marks on a slice whose first change has the index 0 in its chunk.
    pub(crate) fn mark(mut self, mut slice: Slice) -> Slice {
        if self.earlier > 0 && self.refused.len() > self.earlier {
            self.refused.sort_by_key(|row| row.change);
        }
        slice.left_out = self.left_out.map(Into::into);
        slice.refused = (!self.refused.is_empty()).then(|| self.refused.into());
        slice
    }
}
