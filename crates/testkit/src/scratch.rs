//! A throw-away folder for one test, filled from text.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder that is removed when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Scratch {
    /// An empty folder.
    ///
    /// # Panics
    /// When none can be made.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("flowglass-test-")
            .tempdir()
            .expect("cannot make a folder");
        Self { folder }
    }

    /// A folder with these files: relative path and text.
    ///
    /// # Panics
    /// When one cannot be written.
    #[must_use]
    pub fn project(files: &[(&str, &str)]) -> Self {
        let scratch = Self::new();
        for (path, text) in files {
            scratch.write(path, text);
        }
        scratch
    }

    /// A copy of a folder of the repository, such as an example, which a test may then change.
    ///
    /// # Panics
    /// When it cannot be read or copied.
    #[must_use]
    pub fn copy_of(folder: &Path) -> Self {
        let scratch = Self::new();
        copy_tree(folder, scratch.folder());
        scratch
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The full path of something in it, there or not.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder().join(relative)
    }

    /// Writes a file, and the folders on the way to it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, relative: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        let parent = path.parent().expect("a path in a folder has a parent");
        std::fs::create_dir_all(parent).expect("cannot make a folder");
        std::fs::write(&path, contents)
            .unwrap_or_else(|error| panic!("cannot write {relative}: {error}"));
        path
    }

    /// The text of a file.
    ///
    /// # Panics
    /// When it is not there or not text.
    #[must_use]
    #[track_caller]
    pub fn read(&self, relative: &str) -> String {
        std::fs::read_to_string(self.path(relative))
            .unwrap_or_else(|error| panic!("cannot read {relative}: {error}"))
    }

    /// Every file in it, as sorted relative paths. Two of these lists show what a command left
    /// behind.
    ///
    /// # Panics
    /// When a folder cannot be read.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(self.folder(), &mut |path| {
            let relative = path.strip_prefix(self.folder()).expect("a walk stays in its folder");
            found.push(relative.to_string_lossy().into_owned());
        });
        found.sort();
        found
    }
}

fn walk(folder: &Path, each: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).expect("cannot read a folder") {
        let path = entry.expect("cannot read a folder").path();
        if path.is_dir() {
            walk(&path, each);
        } else {
            each(&path);
        }
    }
}

fn copy_tree(from: &Path, to: &Path) {
    walk(from, &mut |path| {
        let target = to.join(path.strip_prefix(from).expect("a walk stays in its folder"));
        let parent = target.parent().expect("a path in a folder has a parent");
        std::fs::create_dir_all(parent).expect("cannot make a folder");
        std::fs::copy(path, &target)
            .unwrap_or_else(|error| panic!("cannot copy {}: {error}", path.display()));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_written_listed_copied_and_removed() {
        let project = Scratch::project(&[("a.yaml", "one"), ("sql/b.sql", "two")]);
        assert_eq!(project.files(), ["a.yaml", "sql/b.sql"]);
        let copy = Scratch::copy_of(project.folder());
        let gone = project.folder().to_owned();
        drop(project);
        assert!(!gone.exists());
        assert_eq!(copy.read("sql/b.sql"), "two");
    }
}
