//! All series of one metric: finding, adding within the limit, removing, listing in order.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::MetricDef;

use super::cell::Cell;
use super::read::Reader;
use super::series::{Owner, Series, SeriesLabels, Values, hash_parts};

/// Series in the order of a page; shared, so that a page is written without the family's lock.
#[derive(Debug)]
pub(super) struct Page<C> {
    pub(super) series: Box<[Arc<Series<C>>]>,
    /// The labels of all series as the text formats write them, end to end, made by the first
    /// reader that wants them. A page of many series costs what it costs to fetch them from memory:
    /// so the texts lie in the order in which they are read, and not beside each number.
    texts: OnceLock<Texts>,
}

#[derive(Debug, Default)]
struct Texts {
    joined: String,
    ends: Vec<usize>,
}

impl<C> Page<C> {
    /// Each series with the text of its labels, which is empty for a reader that wants none.
    pub(super) fn with_texts<'a>(
        &'a self,
        def: &'static MetricDef,
        reader: &dyn Reader,
    ) -> impl Iterator<Item = (&'a Series<C>, &'a str)> + use<'a, C> {
        let texts = reader.wants_text().then(|| self.texts.get_or_init(|| self.write(def, reader)));
        let mut start = 0;
        self.series.iter().enumerate().map(move |(at, series)| {
            let text = texts.and_then(|texts| {
                let end = *texts.ends.get(at)?;
                let text = texts.joined.get(start..end);
                start = end;
                text
            });
            (series.as_ref(), text.unwrap_or_default())
        })
    }

    fn write(&self, def: &'static MetricDef, reader: &dyn Reader) -> Texts {
        let mut texts = Texts::default();
        for series in &self.series {
            let labels = SeriesLabels { def, values: &series.values, text: "" };
            reader.write_labels(labels, &mut texts.joined);
            texts.ends.push(texts.joined.len());
        }
        texts
    }
}

#[derive(Debug)]
struct Shelf<C> {
    table: HashTable<Arc<Series<C>>>,
    /// The series that stands for all past the limit. It belongs to nobody and stays, so that sums
    /// never fall.
    other: Option<Arc<Series<C>>>,
    /// Made by the first reader after a change.
    page: Option<Arc<Page<C>>>,
}

#[derive(Debug)]
pub(super) struct Family<C> {
    pub(super) def: &'static MetricDef,
    hasher: DefaultHashBuilder,
    shelf: RwLock<Shelf<C>>,
    folded: AtomicU64,
}

impl<C: Cell> Family<C> {
    pub(super) fn new(def: &'static MetricDef) -> Self {
        let shelf = Shelf { table: HashTable::new(), other: None, page: None };
        Self {
            def,
            hasher: DefaultHashBuilder::default(),
            shelf: RwLock::new(shelf),
            folded: AtomicU64::new(0),
        }
    }

    /// The series of a label set: the one there is, or a new one while fewer than `series_max` are
    /// there, or the one that stands for all others. Callers keep what they get.
    pub(super) fn resolve(
        &self,
        owner: &Owner,
        values: &[Cow<'_, str>],
        series_max: usize,
    ) -> Arc<Series<C>> {
        if let Some(series) = self.find(owner, values) {
            return series;
        }
        self.add(owner, values, series_max)
    }

    /// The series of a label set, if there is one.
    pub(super) fn find(&self, owner: &Owner, values: &[Cow<'_, str>]) -> Option<Arc<Series<C>>> {
        let hash = hash_parts(&self.hasher, values.iter().map(AsRef::as_ref));
        let ours = |series: &Arc<Series<C>>| series.owner == owner.id && series.values.is(values);
        self.read().table.find(hash, ours).map(Arc::clone)
    }

    fn add(&self, owner: &Owner, values: &[Cow<'_, str>], series_max: usize) -> Arc<Series<C>> {
        let hash = hash_parts(&self.hasher, values.iter().map(AsRef::as_ref));
        let mut shelf = self.write();
        let new = || Arc::new(Series::new(self.def, owner.id, Values::new(values)));
        // Asked under the lock: an owner that leaves says so before it takes this lock to remove
        // its series.
        if owner.gone.load(Relaxed) {
            return new();
        }
        if let Ok(found) = shelf.table.find_entry(hash, |series| series.values.is(values)) {
            if found.get().owner == owner.id {
                return Arc::clone(found.get());
            }
            // Left by an owner of the same name that is on its way out.
            let _stale = found.remove();
        }
        if shelf.table.len() >= series_max {
            self.folded.fetch_add(1, Relaxed);
            return self.fold(&mut shelf).unwrap_or_else(new);
        }
        let series = new();
        shelf.table.insert_unique(hash, Arc::clone(&series), |it| it.values.hash(&self.hasher));
        shelf.page = None;
        series
    }

    /// The common series; `None` when numbers of this metric cannot be added up.
    fn fold(&self, shelf: &mut Shelf<C>) -> Option<Arc<Series<C>>> {
        if !C::FOLDS {
            return None;
        }
        let Shelf { other, page, .. } = shelf;
        let series = other.get_or_insert_with(|| {
            *page = None;
            Arc::new(Series::new(self.def, 0, Values::other(self.def)))
        });
        Some(Arc::clone(series))
    }

    /// Removes every series for which `leaves` holds.
    pub(super) fn remove(&self, leaves: impl Fn(&Series<C>) -> bool) {
        let mut shelf = self.write();
        let before = shelf.table.len();
        shelf.table.retain(|series| !leaves(series));
        if shelf.table.len() != before {
            shelf.page = None;
        }
    }

    /// All series in the order of a page.
    pub(super) fn page(&self) -> Arc<Page<C>> {
        if let Some(page) = &self.read().page {
            return Arc::clone(page);
        }
        let mut shelf = self.write();
        let mut all: Vec<_> = shelf.table.iter().chain(&shelf.other).map(Arc::clone).collect();
        all.sort_unstable_by(|left, right| left.page_order(right));
        let page = Arc::new(Page { series: all.into(), texts: OnceLock::new() });
        shelf.page = Some(Arc::clone(&page));
        page
    }

    /// How many label sets there are, the common one included.
    pub(super) fn len(&self) -> usize {
        let shelf = self.read();
        shelf.table.len() + usize::from(shelf.other.is_some())
    }

    /// How many times a new label set was folded.
    pub(super) fn folded(&self) -> u64 {
        self.folded.load(Relaxed)
    }

    // A panic while the lock was held cannot leave a shelf half-changed: nothing in this file can
    // panic between changes.
    fn read(&self) -> RwLockReadGuard<'_, Shelf<C>> {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Shelf<C>> {
        self.shelf.write().unwrap_or_else(PoisonError::into_inner)
    }
}
