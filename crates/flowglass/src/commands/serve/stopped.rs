//! Which pipelines somebody stopped: kept beside the store, so that a server that was started anew
//! does not start what a person has stopped.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;

/// The names, in memory and in a file of one name a line.
#[derive(Debug)]
pub(super) struct Stopped {
    file: PathBuf,
    names: Mutex<BTreeSet<String>>,
}

impl Stopped {
    /// Reads the file; a missing one holds no name.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub(super) fn open(file: PathBuf) -> anyhow::Result<Self> {
        let text = match std::fs::read_to_string(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("reading {}", file.display()))?,
        };
        let names = text.lines().map(ToOwned::to_owned).filter(|it| !it.is_empty()).collect();
        Ok(Self { file, names: Mutex::new(names) })
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    /// Remembers a name. What cannot be written is remembered as long as the process lives.
    pub(super) fn add(&self, name: &str) {
        self.change(|names| names.insert(name.to_owned()));
    }

    /// Forgets a name.
    pub(super) fn remove(&self, name: &str) {
        self.change(|names| names.remove(name));
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<String>) -> bool) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if change(&mut names) {
            let text: String = names.iter().map(|it| format!("{it}\n")).collect();
            write(&self.file, &text).unwrap_or_default();
        }
    }
}

/// Writes a file aside, and gives it its name when it is whole.
pub(super) fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut aside = tempfile::Builder::new().prefix(".flowglass-").tempfile_in(folder)?;
    aside.write_all(text.as_bytes())?;
    aside.as_file().sync_all()?;
    aside.persist(file).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Stopped;

    #[test]
    fn a_name_is_remembered_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("stopped");
        let first = Stopped::open(file.clone()).unwrap();
        first.add("shop");
        first.add("other");
        first.remove("other");
        let second = Stopped::open(file).unwrap();
        assert!(second.holds("shop") && !second.holds("other"));
    }
}
