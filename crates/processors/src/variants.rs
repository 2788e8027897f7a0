//! The shapes that rows of one table take when each row decides on its columns: made once, and found
//! again by the list of columns, so that rows of one shape have one relation from batch to batch.

use std::collections::HashMap;
use std::sync::Arc;

use flowglass_connect::stream::{Column, Kind, Relation};

use crate::config;

/// Shapes that are remembered for a table; past it they are forgotten all at once. A table whose rows
/// all differ costs time and no memory.
const VARIANTS_MAX: usize = 4_096;

/// A column of a shape: one of the table's own, by its index, or a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Code(u32);

/// The shapes of the rows of a table.
#[derive(Debug)]
pub(crate) struct Variants {
    base: Arc<Relation>,
    /// Columns that are not the table's own.
    others: Vec<Column>,
    by_name: HashMap<String, Vec<Code>>,
    known: HashMap<Box<[Code]>, Arc<Relation>>,
}

impl Variants {
    /// Those of a table.
    pub(crate) fn new(base: &Arc<Relation>) -> Self {
        Self {
            base: Arc::clone(base),
            others: Vec::new(),
            by_name: HashMap::new(),
            known: HashMap::new(),
        }
    }

    /// The table's own column with that index.
    pub(crate) fn own(index: usize) -> Code {
        Code(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// The index among the table's own columns; `None` for a new one.
    pub(crate) fn index_of(&self, code: Code) -> Option<usize> {
        let index = code.0 as usize;
        (index < self.base.columns.len()).then_some(index)
    }

    /// A column that is not the table's own.
    pub(crate) fn other(&mut self, name: &str, kind: &Kind, native: &str) -> Code {
        if let Some(codes) = self.by_name.get(name) {
            let of = |code: &&Code| {
                self.others
                    .get((code.0 as usize).wrapping_sub(self.base.columns.len()))
                    .is_some_and(|column| column.kind == *kind)
            };
            if let Some(code) = codes.iter().find(of) {
                return *code;
            }
        }
        let code = Self::own(self.base.columns.len() + self.others.len());
        self.others.push(Column {
            name: name.to_owned(),
            kind: kind.clone(),
            native: native.to_owned(),
            nullable: true,
        });
        self.by_name.entry(name.to_owned()).or_default().push(code);
        code
    }

    /// Forgets shapes when there are too many; to be called before a row's codes are asked for.
    pub(crate) fn tidy(&mut self) {
        if self.known.len() > VARIANTS_MAX || self.others.len() > VARIANTS_MAX {
            self.others.clear();
            self.by_name.clear();
            self.known.clear();
        }
    }

    /// The relation with these columns. `Err` names a column that stands twice.
    pub(crate) fn relation(&mut self, codes: &[Code]) -> Result<Arc<Relation>, String> {
        if let Some(known) = self.known.get(codes) {
            return Ok(Arc::clone(known));
        }
        let own = self.base.columns.len();
        let column = |code: &Code| {
            let index = code.0 as usize;
            self.base.columns.get(index).or_else(|| self.others.get(index.wrapping_sub(own)))
        };
        let columns: Vec<Column> = codes.iter().filter_map(column).cloned().collect();
        let mut names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair.first() == pair.get(1)) {
            return Err(twice.first().copied().unwrap_or_default().to_owned());
        }
        // A key that lost a column would be another key.
        let place = |index: &usize| codes.iter().position(|code| *code == Self::own(*index));
        let key: Option<Vec<usize>> = self.base.key.iter().map(place).collect();
        let relation = Arc::new(Relation {
            columns,
            key: key.unwrap_or_default(),
            ..config::shape_of(&self.base)
        });
        self.known.insert(codes.into(), Arc::clone(&relation));
        Ok(relation)
    }
}
