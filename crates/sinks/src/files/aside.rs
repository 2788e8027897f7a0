//! A file that is written beside its target and takes the target's place in one rename.
//!
//! The file has a fixed hidden name and is locked while it is written. So a second writer of the
//! same target is refused, and what a killed writer left behind is found, unlocked, and reused.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use serde::{Deserialize, Serialize};

/// Tells a file from another that took its place, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// The number of its inode.
    pub(crate) inode: u64,
    /// Its size in bytes.
    pub(crate) bytes: u64,
}

impl Identity {
    /// Of the file at a path; `None` when nothing is there.
    pub(crate) fn at(path: &Path, shown: &str) -> Result<Option<Self>, Fault> {
        match std::fs::metadata(path) {
            Ok(meta) => Ok(Some(Self { inode: meta.ino(), bytes: meta.len() })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Fault::io(format!("looking at `{shown}`"), error)),
        }
    }
}

/// A file under way to become its target. Dropping it leaves the target as it was.
#[derive(Debug)]
pub(crate) struct Aside {
    file: File,
    path: PathBuf,
    target: PathBuf,
    shown: String,
    kept: bool,
}

impl Aside {
    /// Makes the file, empty and locked, and the folders above it. `shown` is the target's path
    /// as the manifest says it.
    ///
    /// # Errors
    /// `conflict` when another writer is at work, `config` when the target is a folder, otherwise
    /// what the system says.
    pub(crate) fn begin(target: &Path, shown: &str) -> Result<Self, Fault> {
        let doing = |what: &str| format!("{what} `{shown}`");
        // A link is written through: what it points at is replaced, not the link.
        let target = std::fs::canonicalize(target).unwrap_or_else(|_new| target.to_owned());
        if target.is_dir() {
            return Err(Fault::new(ErrorClass::Config, format!("`{shown}` is a folder"))
                .hint("Give the path of a file."));
        }
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned());
        let Some(name) = name else {
            return Err(Fault::new(ErrorClass::Config, format!("`{shown}` names no file")));
        };
        let folder = folder_of(&target);
        std::fs::create_dir_all(folder)
            .map_err(|error| Fault::io(doing("making the folder of"), error))?;
        let path = folder.join(format!(".{name}.flowglass-new"));
        let file = lock(&path, shown)?;
        file.set_len(0).map_err(|error| Fault::io(doing("writing beside"), error))?;
        if let Ok(meta) = std::fs::metadata(&target) {
            file.set_permissions(meta.permissions())
                .map_err(|error| Fault::io(doing("copying the rights of"), error))?;
        }
        Ok(Self { file, path, target, shown: shown.to_owned(), kept: false })
    }

    /// The file to write to.
    pub(crate) fn file(&self) -> Result<File, Fault> {
        self.file.try_clone().map_err(|error| self.failed("writing beside", error))
    }

    /// A new look at what was written, from its beginning.
    pub(crate) fn reread(&self) -> Result<File, Fault> {
        File::open(&self.path).map_err(|error| self.failed("reading back", error))
    }

    /// Where the target is, links followed.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The target's path as the manifest says it.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// The file's identity, which it keeps when it takes the target's place.
    pub(crate) fn identity(&self) -> Result<Identity, Fault> {
        let meta = self.file.metadata().map_err(|error| self.failed("looking at", error))?;
        Ok(Identity { inode: meta.ino(), bytes: meta.len() })
    }

    /// Brings all that was written to the disk.
    pub(crate) fn sync(&self) -> Result<(), Fault> {
        self.file.sync_all().map_err(|error| self.failed("bringing to disk", error))
    }

    /// Takes the target's place. Call [`Self::sync`] before.
    pub(crate) fn keep(mut self) -> Result<(), Fault> {
        std::fs::rename(&self.path, &self.target)
            .map_err(|error| self.failed("replacing", error))?;
        self.kept = true;
        sync_folder(folder_of(&self.target), &self.shown)
    }

    /// The fault of a failed system call on this file.
    pub(crate) fn failed(&self, doing: &str, error: std::io::Error) -> Fault {
        Fault::io(format!("{doing} `{}`", self.shown), error)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed now is reused by the next writer.
            std::fs::remove_file(&self.path).unwrap_or_default();
        }
    }
}

/// Opens and locks, and makes sure that the name still means the locked file: its last writer may
/// have renamed or removed it between the two.
fn lock(path: &Path, shown: &str) -> Result<File, Fault> {
    loop {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| Fault::io(format!("writing beside `{shown}`"), error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Fault::new(
                    ErrorClass::Conflict,
                    format!("another writer is at work on `{shown}`"),
                ));
            }
            Err(TryLockError::Error(error)) => {
                return Err(Fault::io(format!("locking the file beside `{shown}`"), error));
            }
        }
        let locked = file.metadata().map(|meta| (meta.dev(), meta.ino()));
        let named = std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
        if let (Ok(locked), Ok(named)) = (locked, named)
            && locked == named
        {
            return Ok(file);
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Makes renames in a folder last over a power cut.
fn sync_folder(folder: &Path, shown: &str) -> Result<(), Fault> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Fault::io(format!("bringing the folder of `{shown}` to disk"), error))
}
