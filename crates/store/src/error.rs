//! What can go wrong with a store, in words a person can act on.
//!
//! The errors can be cloned, because one failed transaction answers every append that shared it.

use std::path::PathBuf;
use std::sync::Arc;

use flowglass_connect::Fault;
use flowglass_model::{ErrorClass, IllegalMove, RunId};
use rusqlite::ErrorCode;

/// A failure of the store. `Display` says where and what; [`StoreError::hint`] says what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// There is no file at the path.
    #[error("there is no store at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The path holds something else.
    #[error("{} is no flowglass store: {what}", path.display())]
    NotAStore {
        /// The path.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// A later flowglass wrote it.
    #[error(
        "the store {} has format {found}, and this flowglass knows formats up to {known}",
        path.display()
    )]
    Newer {
        /// The path.
        path: PathBuf,
        /// The format of the file.
        found: i64,
        /// The newest format that this build knows.
        known: i64,
    },
    /// An older store was opened for reading only, which cannot bring it up to date.
    #[error(
        "the store {} has the old format {found}, and only a writer may bring it to format {known}",
        path.display()
    )]
    Older {
        /// The path.
        path: PathBuf,
        /// The format of the file.
        found: i64,
        /// The format that this build reads.
        known: i64,
    },
    /// SQLite refused.
    #[error("{doing} in the store {}", path.display())]
    Database {
        /// What was being done.
        doing: &'static str,
        /// The store's path.
        path: PathBuf,
        /// SQLite's answer.
        #[source]
        cause: Arc<rusqlite::Error>,
    },
    /// The file system refused.
    #[error("{doing} {}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        cause: Arc<std::io::Error>,
    },
    /// An event leaves a gap: something before it was never handed over.
    #[error("run {run} continues at seq {expected}, but an event with seq {given} was given")]
    Gap {
        /// The run.
        run: RunId,
        /// The next place.
        expected: u64,
        /// What was given.
        given: u64,
    },
    /// Another event holds the same place of the run.
    #[error("run {run} holds another event at seq {seq} already")]
    Rewritten {
        /// The run.
        run: RunId,
        /// The place.
        seq: u64,
    },
    /// The event moves an entity in a way that the model refuses.
    #[error("event {seq} of run {run} was not stored")]
    Illegal {
        /// The run.
        run: RunId,
        /// The event's place.
        seq: u64,
        /// Why it is refused.
        #[source]
        cause: IllegalMove,
    },
    /// A stored line does not read back.
    #[error("event {seq} of run {run} does not read back: {why}")]
    Unreadable {
        /// The run, as far as it is known.
        run: String,
        /// The event's place.
        seq: u64,
        /// What the parser said.
        why: String,
    },
    /// No run has this id or prefix.
    #[error("no run is known by `{given}`")]
    UnknownRun {
        /// What was asked for.
        given: String,
    },
    /// More than one run begins like this.
    #[error("`{given}` is the beginning of several runs, such as {}", listed(candidates))]
    AmbiguousRun {
        /// What was asked for.
        given: String,
        /// Some of the runs.
        candidates: Vec<RunId>,
    },
    /// The store's writer has ended.
    #[error("the store is closed")]
    Closed,
}

fn listed(runs: &[RunId]) -> String {
    runs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl StoreError {
    /// The class that decides what happens next.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Missing { .. } | Self::UnknownRun { .. } => ErrorClass::NotFound,
            Self::NotAStore { .. } | Self::AmbiguousRun { .. } => ErrorClass::Config,
            Self::Newer { .. } | Self::Older { .. } => ErrorClass::Unsupported,
            Self::Database { cause, .. } => class_of(cause),
            Self::File { cause, .. } => Fault::io("", clone_io(cause)).class(),
            Self::Rewritten { .. } => ErrorClass::Conflict,
            Self::Gap { .. } | Self::Illegal { .. } | Self::Closed => ErrorClass::Internal,
            Self::Unreadable { .. } => ErrorClass::Malformed,
        }
    }

    /// What to do about it, as one sentence.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "Run a pipeline first, or name another store with `--store PATH`."
            }
            Self::NotAStore { .. } => {
                "Name another path with `--store PATH`; the file was not touched."
            }
            Self::Newer { .. } => {
                "Use the newer flowglass that wrote it, or name another store with `--store PATH`."
            }
            Self::Older { .. } => {
                "Make the file and its folder writable once, so that it can be brought up to date."
            }
            Self::UnknownRun { .. } => "`flowglass runs list` shows the runs that are kept.",
            Self::AmbiguousRun { .. } => "Give more digits of the run's id.",
            Self::Database { cause, .. } => match cause.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => {
                    "Free space on the store's disk; what was answered as stored is safe."
                }
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    "Another process holds the store for long; end it, or name another store."
                }
                Some(ErrorCode::DatabaseCorrupt) => {
                    "Move the file away and keep it: `sqlite3 FILE .recover` can save its rows."
                }
                _ => self.class().hint(),
            },
            _ => self.class().hint(),
        }
    }

    /// Whether the store's disk or quota is full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.class() == ErrorClass::DiskFull
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let hint = error.hint();
        let fault = Self::new(error.class(), error.to_string()).hint(hint);
        match error {
            StoreError::Database { cause, .. } => fault.because(cause.to_string()),
            StoreError::File { cause, .. } => fault.because(cause.to_string()),
            StoreError::Illegal { cause, .. } => fault.because(cause),
            _ => fault,
        }
    }
}

/// I/O errors cannot be cloned; the kind is what classes are made of.
fn clone_io(error: &std::io::Error) -> std::io::Error {
    std::io::Error::new(error.kind(), error.to_string())
}

fn class_of(cause: &rusqlite::Error) -> ErrorClass {
    match cause.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ErrorClass::DiskFull,
        Some(
            ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::AuthorizationForStatementDenied,
        ) => ErrorClass::Permission,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ErrorClass::Conflict,
        Some(ErrorCode::NotADatabase) => ErrorClass::Config,
        Some(ErrorCode::TooBig) => ErrorClass::TooLarge,
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::FileLockingProtocolFailed,
        ) => ErrorClass::Io,
        _ => ErrorClass::Internal,
    }
}
