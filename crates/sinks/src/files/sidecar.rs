//! Cursor and tokens beside a text file, which has no room for them inside.
//!
//! Two files cannot be renamed at once, so the sidecar says before the data's rename what will
//! hold after it, and which file that will be:
//!
//! 1. the new data is on disk, beside its target;
//! 2. the sidecar is replaced: what holds for the file that is there, and what will hold for the
//!    one that is coming, each with the file's identity;
//! 3. the data is renamed into place: **this is the commit**;
//! 4. the sidecar is replaced: only what holds now.
//!
//! After a crash anywhere between, the identity of the data file says which of the two holds. A
//! file that is neither (copied, or written by somebody else) is told by its size, and refused
//! when that says nothing either, since a guess could double or lose rows.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use serde::{Deserialize, Serialize};

use super::aside::{Aside, Identity};
use super::state::KeptStates;

/// The version of the sidecar's format that is written.
const VERSION: u32 = 1;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Document {
    version: u32,
    current: Half,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending: Option<Half>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Half {
    /// The data file that the states belong to; `None` when there was none.
    file: Option<Identity>,
    states: KeptStates,
}

/// The sidecar of one data file.
#[derive(Debug, Clone)]
pub(crate) struct Sidecar {
    data: PathBuf,
    path: PathBuf,
    shown: String,
}

impl Sidecar {
    /// The sidecar of the file at `data`, which need not be there.
    pub(crate) fn of(data: &Path, shown: &str) -> Self {
        let data = std::fs::canonicalize(data).unwrap_or_else(|_new| data.to_owned());
        let mut name = data.file_name().unwrap_or_default().to_owned();
        name.push(".flowglass.json");
        let path = data.with_file_name(name);
        Self { data, path, shown: shown.to_owned() }
    }

    /// What holds for the data file as it is now. A file without sidecar has no past, and a
    /// sidecar without file describes what somebody removed.
    pub(crate) fn states(&self) -> Result<KeptStates, Fault> {
        let Some(document) = self.load()? else { return Ok(KeptStates::default()) };
        let Some(found) = Identity::at(&self.data, &self.shown)? else {
            return Ok(KeptStates::default());
        };
        let Some(pending) = document.pending else { return Ok(document.current.states) };
        let is = |half: &Half| half.file.is_some_and(|file| file.inode == found.inode);
        let sized = |half: &Half| half.file.is_some_and(|file| file.bytes == found.bytes);
        let kept = match (is(&document.current), is(&pending)) {
            (true, false) => document.current,
            (false, true) => pending,
            _ => match (sized(&document.current), sized(&pending)) {
                (true, false) => document.current,
                (false, true) => pending,
                _ => return Err(self.ambiguous()),
            },
        };
        Ok(kept.states)
    }

    /// Takes the last step of a commit that a crash cut off after the data was in place. What is
    /// under way or cannot be written now is left as it is: the document says what holds anyway.
    pub(crate) fn settle(&self) {
        drop(self.try_settle());
    }

    fn try_settle(&self) -> Result<(), Fault> {
        if self.load()?.is_none_or(|it| it.pending.is_none()) {
            return Ok(());
        }
        // The lock of a writer of the data, so that none is between its own steps meanwhile.
        let _lock = Aside::begin(&self.data, &self.shown)?;
        let current = Half { file: Identity::at(&self.data, &self.shown)?, states: self.states()? };
        self.store(&Document { version: VERSION, current, pending: None })
    }

    /// Puts the data in place together with `states`.
    pub(crate) fn commit(&self, data: Aside, states: KeptStates) -> Result<(), Fault> {
        data.sync()?;
        let current = Half { file: Identity::at(&self.data, &self.shown)?, states: self.states()? };
        let pending = Half { file: Some(data.identity()?), states };
        self.store(&Document { version: VERSION, current, pending: Some(pending.clone()) })?;
        // A fault leaves both halves: the file's identity says whether it was replaced.
        data.keep()?;
        // The commit is done; a fault from here on must not tell otherwise, and the document
        // above already says what holds.
        drop(self.store(&Document { version: VERSION, current: pending, pending: None }));
        Ok(())
    }

    fn load(&self) -> Result<Option<Document>, Fault> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Fault::io(format!("reading the state beside `{}`", self.shown), error));
            }
        };
        let document: Document = serde_json::from_slice(&text)
            .map_err(|error| self.broken("cannot be read").because(error))?;
        if document.version > VERSION {
            return Err(self.broken("was written by a newer version of Flowglass"));
        }
        Ok(Some(document))
    }

    fn store(&self, document: &Document) -> Result<(), Fault> {
        let aside = Aside::begin(&self.path, &format!("{}.flowglass.json", self.shown))?;
        let mut text = serde_json::to_vec_pretty(document)
            .map_err(|error| self.broken("cannot be written").because(error))?;
        text.push(b'\n');
        let mut file: File = aside.file()?;
        file.write_all(&text).map_err(|error| aside.failed("writing beside", error))?;
        aside.sync()?;
        aside.keep()
    }

    fn broken(&self, what: &str) -> Fault {
        Fault::new(
            ErrorClass::Conflict,
            format!("the state beside `{}` (`{}`) {what}", self.shown, self.path.display()),
        )
        .hint("Remove it to start without cursor, or bring back the one that belongs to the file.")
    }

    fn ambiguous(&self) -> Fault {
        self.broken("was left by an interrupted commit, and the file was changed since")
    }
}
