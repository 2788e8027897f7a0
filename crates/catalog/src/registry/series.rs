//! One series: its label values, its owner, its number.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::AtomicBool;

use crate::metric::LABELS_MAX;
use crate::{LabelKey, MetricDef};

use super::cell::Cell;

/// The value that stands for every label set past a metric's limit.
pub const OTHER: &str = "__other__";

/// The values of a series in the order of its metric's labels, in one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Values {
    joined: Box<str>,
    ends: [u32; LABELS_MAX],
    count: u8,
}

impl Values {
    pub(super) fn new(parts: &[Cow<'_, str>]) -> Self {
        let mut joined = String::with_capacity(parts.iter().map(|part| part.len()).sum());
        let mut ends = [0; LABELS_MAX];
        for (part, end) in parts.iter().zip(&mut ends) {
            joined.push_str(part);
            *end = u32::try_from(joined.len()).unwrap_or(u32::MAX);
        }
        let count = u8::try_from(parts.len().min(LABELS_MAX)).unwrap_or(0);
        Self { joined: joined.into(), ends, count }
    }

    /// The values of the series that stands for all others.
    pub(super) fn other(def: &MetricDef) -> Self {
        let parts: Vec<_> = def.labels.iter().map(|_| Cow::Borrowed(OTHER)).collect();
        Self::new(&parts)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().take(usize::from(self.count)).map(move |end| {
            let end = *end as usize;
            let part = self.joined.get(start..end).unwrap_or_default();
            start = end;
            part
        })
    }

    pub(super) fn is(&self, parts: &[Cow<'_, str>]) -> bool {
        usize::from(self.count) == parts.len()
            && self.iter().zip(parts).all(|(ours, theirs)| ours == theirs)
    }

    pub(super) fn hash(&self, state: &impl BuildHasher) -> u64 {
        hash_parts(state, self.iter())
    }

    fn in_order(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

/// The hash of values, the same for a stored set and for one that is looked up.
pub(super) fn hash_parts<'a>(
    state: &impl BuildHasher,
    parts: impl Iterator<Item = &'a str>,
) -> u64 {
    let mut hasher = state.build_hasher();
    for part in parts {
        part.hash(&mut hasher);
    }
    hasher.finish()
}

/// Who a series belongs to. Two pipelines of one name, one after the other, are two owners.
#[derive(Debug)]
pub(super) struct Owner {
    /// 0 for the process itself.
    pub(super) id: u64,
    /// Set when the owner has left: what it registers afterwards is not shown.
    pub(super) gone: AtomicBool,
}

/// A number with its labels.
#[derive(Debug)]
pub(crate) struct Series<C> {
    pub(super) values: Values,
    pub(super) owner: u64,
    pub(super) cell: C,
}

impl<C: Cell> Series<C> {
    pub(super) fn new(def: &'static MetricDef, owner: u64, values: Values) -> Self {
        Self { values, owner, cell: C::new(def) }
    }

    pub(super) fn page_order(&self, other: &Self) -> Ordering {
        self.values.in_order(&other.values)
    }
}

/// The labels of a series as a reader sees them.
#[derive(Clone, Copy, Debug)]
pub struct SeriesLabels<'a> {
    pub(super) def: &'static MetricDef,
    pub(super) values: &'a Values,
    pub(super) text: &'a str,
}

impl<'a> SeriesLabels<'a> {
    /// Keys and values, in the order of the metric's labels.
    pub fn pairs(&self) -> impl Iterator<Item = (LabelKey, &'a str)> + use<'a> {
        self.def.labels.iter().map(|label| label.key).zip(self.values.iter())
    }

    /// The value under a key.
    #[must_use]
    pub fn get(&self, key: LabelKey) -> Option<&'a str> {
        self.pairs().find(|(it, _)| *it == key).map(|(_, value)| value)
    }

    /// The labels as [`Reader::write_labels`](crate::Reader::write_labels) wrote them; empty for a
    /// reader that wants no text.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }
}
