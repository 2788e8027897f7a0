//! The manifest: which bytes of the folder count, and the position behind them.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flowglass_connect::Fault;
use flowglass_connect::stream::Position;
use flowglass_model::ErrorClass;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A batch is written in less; who holds the lock for longer hangs.
const LOCK_WITHIN: Duration = Duration::from_secs(10);
const LOCK_LOOK_EVERY: Duration = Duration::from_millis(5);

/// What is kept beside the files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The one writer.
    pub(super) owner: String,
    /// Behind the last batch; none before the first.
    #[serde(default)]
    pub(super) position: Option<Position>,
    /// By destination, the file that is written now.
    #[serde(default)]
    pub(super) files: BTreeMap<String, Current>,
}

/// The file of a destination that is written now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Current {
    /// Counts the files of a destination from 1. Those before are closed.
    pub(super) number: u64,
    /// How much of it counts.
    pub(super) bytes: u64,
    /// How many lines or rows that is.
    pub(super) rows: u64,
    /// When its first line was written.
    #[serde(default)]
    pub(super) begun_at: Option<Timestamp>,
    /// Which columns it has, as a number that is another for other columns; none where every line
    /// says so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shape: Option<String>,
}

/// A manifest's place, locked. Dropping it unlocks.
#[derive(Debug)]
pub(super) struct Locked {
    path: PathBuf,
    _lock: File,
}

impl Locked {
    /// Waits for the lock.
    ///
    /// # Errors
    /// `conflict` when somebody holds it for too long; what the system says otherwise.
    pub(super) fn wait(path: &Path) -> Result<Self, Fault> {
        let doing = || format!("locking {}", path.display());
        let beside = path.with_extension("lock");
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        let lock = options.open(beside).map_err(|error| Fault::io(doing(), error))?;
        let mut waited = Duration::ZERO;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { path: path.to_owned(), _lock: lock }),
                Err(TryLockError::WouldBlock) if waited < LOCK_WITHIN => {
                    std::thread::sleep(LOCK_LOOK_EVERY);
                    waited += LOCK_LOOK_EVERY;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Fault::new(ErrorClass::Conflict, doing()));
                }
                Err(TryLockError::Error(error)) => return Err(Fault::io(doing(), error)),
            }
        }
    }

    /// What is kept; none when there is nothing yet.
    ///
    /// # Errors
    /// When it cannot be read, or is not ours.
    pub(super) fn load(&self) -> Result<Option<Manifest>, Fault> {
        let doing = || format!("reading {}", self.path.display());
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::io(doing(), error)),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Fault::new(ErrorClass::Conflict, doing())
                .because(error)
                .hint("Another program wrote it: choose another folder or `id`.")
        })
    }

    /// The same, for the writer with this token alone.
    ///
    /// # Errors
    /// `conflict` when another writer has taken over.
    pub(super) fn check(&self, owner: &str) -> Result<(), Fault> {
        if self.load()?.is_some_and(|kept| kept.owner == owner) {
            return Ok(());
        }
        let what = format!("another writer has taken over {}", self.path.display());
        Err(Fault::new(ErrorClass::Conflict, what)
            .hint("Two processes run the same stream: stop one of them."))
    }

    /// Takes the place of what is kept, all at once and for good.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn keep(&self, manifest: &Manifest) -> Result<(), Fault> {
        let doing = || format!("writing {}", self.path.display());
        let json = serde_json::to_vec(manifest)
            .map_err(|error| Fault::new(ErrorClass::Internal, doing()).because(error))?;
        let written = || -> io::Result<()> {
            let aside = self.path.with_extension("new");
            let mut file = File::create(&aside)?;
            file.write_all(&json)?;
            file.sync_data()?;
            std::fs::rename(&aside, &self.path)?;
            sync_folder(self.path.parent())
        };
        written().map_err(|error| Fault::io(doing(), error))
    }
}

/// Makes new names in a folder last over a power cut.
pub(super) fn sync_folder(folder: Option<&Path>) -> io::Result<()> {
    folder.map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
