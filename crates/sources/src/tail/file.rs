//! Which file is which: by device and number, and by its first bytes.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// So many of the first bytes tell one file from another.
const HEAD_BYTES: u64 = 256;

/// With fewer first bytes two files may well look alike.
const TELLING_BYTES: u64 = 64;

/// What tells a file from another, whatever it is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    device: u64,
    number: u64,
    /// How many of its first bytes are in `head`.
    head_bytes: u64,
    /// Their hash.
    head: String,
}

#[cfg(unix)]
fn number(found: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (found.dev(), found.ino())
}

#[cfg(not(unix))]
fn number(_found: &Metadata) -> (u64, u64) {
    (0, 0)
}

fn hash(file: &mut File, count: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    Read::by_ref(file).take(count).read_to_end(&mut bytes)?;
    let digest = Sha256::digest(&bytes);
    Ok(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

impl Identity {
    /// Of a file whose first `taken` bytes will not change any more.
    pub(super) fn of(file: &mut File, taken: u64) -> io::Result<Self> {
        let (device, number) = number(&file.metadata()?);
        let head_bytes = taken.min(HEAD_BYTES);
        Ok(Self { device, number, head_bytes, head: hash(file, head_bytes)? })
    }

    /// Whether more of the first bytes could be known.
    pub(super) const fn is_short(&self) -> bool {
        self.head_bytes < HEAD_BYTES
    }

    /// Whether its first bytes are what they were.
    pub(super) fn has_head(&self, file: &mut File) -> io::Result<bool> {
        Ok(file.metadata()?.len() >= self.head_bytes && hash(file, self.head_bytes)? == self.head)
    }

    /// Whether that is the same file, when nobody has rewritten it.
    pub(super) fn is_at(&self, found: &Metadata) -> bool {
        number(found) == (self.device, self.number)
    }

    /// Whether a copy of the file can be told from other files.
    pub(super) const fn is_telling(&self) -> bool {
        self.head_bytes >= TELLING_BYTES
    }
}

/// A file beside the one that is followed, which that one may have been before.
#[derive(Debug)]
pub(super) struct Sibling {
    pub(super) path: PathBuf,
    pub(super) created: Option<SystemTime>,
}

/// The files whose names begin like that of the file, the file itself left out: `app.log.1`,
/// `app.log-2026-01-31`. What is compressed cannot be followed.
pub(super) fn siblings(path: &Path) -> io::Result<Vec<Sibling>> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
    let mut siblings = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let other = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        let rest = other.strip_prefix(name).unwrap_or_default();
        let packed = [".gz", ".zst", ".bz2", ".xz", ".lz4"].iter().any(|it| rest.ends_with(it));
        if !rest.starts_with(['.', '-', '_']) || packed {
            continue;
        }
        // It may have been renamed or removed in between.
        let Ok(found) = std::fs::metadata(&path) else { continue };
        if found.is_file() {
            siblings.push(Sibling { created: found.created().ok(), path });
        }
    }
    Ok(siblings)
}

/// The file that was begun next behind one that was begun at `created`: the oldest sibling that is
/// younger and not `current`. `None` when there is none, or when nobody knows.
pub(super) fn next_of(path: &Path, created: Option<SystemTime>) -> io::Result<Option<PathBuf>> {
    let Some(created) = created else { return Ok(None) };
    let mut younger: Vec<Sibling> = siblings(path)?
        .into_iter()
        .filter(|it| it.created.is_some_and(|at| at > created))
        .collect();
    // A copy of a file that is emptied and written to again is younger than that file, which is the
    // one that goes on.
    if let Ok(current) = std::fs::metadata(path)
        && let Ok(begun) = current.created()
    {
        younger.retain(|it| it.created.is_some_and(|at| at <= begun));
    }
    younger.sort_by_key(|it| it.created);
    Ok(younger.into_iter().next().map(|it| it.path))
}
