//! Tables as the log has described them, and which description is the newest.
//!
//! A description inside a transaction that is sent before its commit is learned when that is told:
//! perhaps behind a newer one of the same table, which came in between and holds again afterwards.
//! The server sends none of them twice, so the order in which they came is kept.

use std::collections::HashMap;
use std::sync::Arc;

use flowglass_connect::stream::Relation;

/// A table that the log has described.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) relation: Arc<Relation>,
    pub(super) wanted: bool,
    /// The chunk in which it has an index, and the index.
    pub(super) indexed: (u64, u16),
    /// Which description of all it is from.
    heard: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Tables {
    known: HashMap<u32, Known>,
    /// How many descriptions have come.
    latest: u64,
    /// Which one is learned next.
    heard: u64,
    /// Those that are newer than what a transaction is told with.
    newer: Vec<Known>,
}

impl Tables {
    pub(super) fn get(&self, table: u32) -> Option<&Known> {
        self.known.get(&table)
    }

    pub(super) fn get_mut(&mut self, table: u32) -> Option<&mut Known> {
        self.known.get_mut(&table)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Known> {
        self.known.values()
    }

    /// A description has come. Answers its number.
    pub(super) const fn describe(&mut self) -> u64 {
        self.latest += 1;
        self.latest
    }

    /// What is learned next is from the description of that number.
    pub(super) const fn speak_of(&mut self, heard: u64) {
        self.heard = heard;
    }

    pub(super) fn learn(&mut self, relation: Arc<Relation>, wanted: bool) {
        let heard = self.heard;
        let known = Known { relation, wanted, indexed: (0, 0), heard };
        let before = self.known.insert(known.relation.id, known);
        self.newer.extend(before.filter(|before| before.heard > heard));
    }

    /// A transaction has been told, or was given up: the newest descriptions hold again. One of
    /// another shape is another version.
    pub(super) fn settle(&mut self) {
        self.heard = self.latest;
        for newer in std::mem::take(&mut self.newer) {
            let Some(told) = self.known.get_mut(&newer.relation.id) else { continue };
            told.heard = newer.heard;
            told.wanted = newer.wanted;
            let again = with_version(&newer.relation, told.relation.version);
            if again != *told.relation {
                told.relation = Arc::new(with_version(&again, again.version + 1));
                told.indexed = (0, 0);
            }
        }
    }
}

fn with_version(relation: &Relation, version: u32) -> Relation {
    Relation {
        id: relation.id,
        database: Arc::clone(&relation.database),
        schema: Arc::clone(&relation.schema),
        table: Arc::clone(&relation.table),
        columns: relation.columns.clone(),
        key: relation.key.clone(),
        version,
    }
}
