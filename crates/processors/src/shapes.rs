//! What is prepared once per shape of a table, found again for each row by the shape's address.

use std::collections::HashMap;
use std::sync::Arc;

use flowglass_connect::Fault;
use flowglass_connect::stream::Relation;

/// The shapes that are remembered; past it they are forgotten all at once. A stream with more tables
/// than this prepares them anew once in a while, and one whose tables change for ever stays small.
const SHAPES_MAX: usize = 4_096;

/// What was prepared for the shapes seen so far. Each keeps its relation alive, so that no other
/// relation can come to lie at its address.
#[derive(Debug)]
pub(crate) struct Shapes<T> {
    known: Vec<(Arc<Relation>, T)>,
    by_address: HashMap<usize, usize>,
    last: usize,
}

impl<T> Default for Shapes<T> {
    fn default() -> Self {
        Self { known: Vec::new(), by_address: HashMap::new(), last: 0 }
    }
}

impl<T> Shapes<T> {
    /// What was prepared for a relation; `make` prepares it when it is new.
    ///
    /// # Errors
    /// Those of `make`; it is asked again the next time.
    #[expect(clippy::indexing_slicing, reason = "the index was found or made the line before")]
    pub(crate) fn of(
        &mut self,
        relation: &Arc<Relation>,
        make: impl FnOnce() -> Result<T, Fault>,
    ) -> Result<&mut T, Fault> {
        let hit = self.known.get(self.last).is_some_and(|(it, _)| Arc::ptr_eq(it, relation));
        if !hit {
            self.last = self.find_or_add(relation, make)?;
        }
        Ok(&mut self.known[self.last].1)
    }

    fn find_or_add(
        &mut self,
        relation: &Arc<Relation>,
        make: impl FnOnce() -> Result<T, Fault>,
    ) -> Result<usize, Fault> {
        let address = Arc::as_ptr(relation).addr();
        if let Some(index) = self.by_address.get(&address) {
            return Ok(*index);
        }
        let made = make()?;
        if self.known.len() >= SHAPES_MAX {
            self.known.clear();
            self.by_address.clear();
        }
        self.known.push((Arc::clone(relation), made));
        self.by_address.insert(address, self.known.len() - 1);
        Ok(self.known.len() - 1)
    }
}
