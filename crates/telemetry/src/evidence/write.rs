//! Writing a set of files so that no reader ever sees half of one.
//!
//! Every file is written in full beside its place and then renamed over it, in the order given, so
//! that the index, which comes last, is never newer than what it lists. There is no `fsync`: after a
//! power cut a file may be empty, which `verify` tells; the price on a slow disk would be larger than
//! the whole export, and the files can be made again from the report.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file or folder that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct WriteError {
    path: PathBuf,
    #[source]
    cause: std::io::Error,
}

impl WriteError {
    /// The path that could not be written.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the operating system said.
    #[must_use]
    pub const fn cause(&self) -> &std::io::Error {
        &self.cause
    }
}

/// Writes `files` (name and content) into `folder`, making it when it is not there. Either all files
/// are new or, unless the disk fails between two renames, none.
///
/// # Errors
/// When the folder cannot be made, a name is taken by a folder, or the disk refuses.
pub fn write_all(folder: &Path, files: &[(&str, &[u8])]) -> Result<(), WriteError> {
    let failed = |path: PathBuf| move |cause| WriteError { path, cause };
    fs::create_dir_all(folder).map_err(failed(folder.to_owned()))?;
    let mut staged = Vec::with_capacity(files.len());
    for (name, content) in files {
        let place = folder.join(name);
        // Found out before the first rename: a rename onto a folder fails half-way through the set.
        if place.is_dir() {
            let cause = std::io::Error::from(std::io::ErrorKind::IsADirectory);
            return Err(WriteError { path: place, cause });
        }
        let mut aside = tempfile();
        aside.prefix(".flowglass-").suffix(".tmp");
        let mut file = aside.tempfile_in(folder).map_err(failed(place.clone()))?;
        file.write_all(content).map_err(failed(place.clone()))?;
        staged.push((file, place));
    }
    for (file, place) in staged {
        file.persist(&place).map_err(|error| WriteError { path: place, cause: error.error })?;
    }
    Ok(())
}

/// Temporary files are private by default, but these become files that a collector under another
/// account reads: the process's umask decides, as for any file.
fn tempfile() -> tempfile::Builder<'static, 'static> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only unix has modes"))]
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder
}
