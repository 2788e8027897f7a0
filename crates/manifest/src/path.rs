//! Where in a document something stands, as `spec.nodes[2].copy.key`.
//!
//! Semantic checks know values by their path alone and find the place in the text through it, so
//! that the draft can be plain data without spans woven in.

use std::fmt;

/// One step down the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a list.
    Index(usize),
}

/// A way from the document's root to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

impl Path {
    /// The document itself.
    pub(crate) const fn root() -> Self {
        Self(Vec::new())
    }

    /// The value of `key` below this.
    pub(crate) fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.to_owned()));
        Self(steps)
    }

    /// The item `index` (from 0) below this.
    pub(crate) fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }

    /// The steps from the root.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// What a person calls this place: the last key, with the index of an item.
    pub(crate) fn name(&self) -> Option<String> {
        let mut name = self.last_key()?.to_owned();
        let last = self.0.iter().rposition(|step| matches!(step, Step::Key(_)))?;
        for step in self.0.iter().skip(last + 1) {
            if let Step::Index(index) = step {
                name.push_str(&format!("[{index}]"));
            }
        }
        Some(name)
    }

    /// The last key on the way, for words such as "in `copy`".
    pub(crate) fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
