//! Where the programs that tests need are installed; what is missing is a failed test that says how
//! to mend it.

use std::path::{Path, PathBuf};

/// Finds a program on `PATH` and in the folders where Debian puts it for the administrator only.
///
/// # Panics
/// With "… is not installed: run `cargo xtask deps`" when it is nowhere.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    find(name, &[]).unwrap_or_else(|| missing(name))
}

/// Prometheus' own checker of metric pages and rules.
///
/// # Panics
/// When it is not installed.
#[must_use]
pub fn promtool() -> PathBuf {
    program("promtool")
}

/// The SQLite shell, an independent reader of the files that we write.
///
/// # Panics
/// When it is not installed.
#[must_use]
pub fn sqlite3() -> PathBuf {
    program("sqlite3")
}

/// A program of the newest installed Postgres. Debian keeps the server's programs off `PATH`, a
/// folder a version.
pub(crate) fn postgres_program(name: &str) -> PathBuf {
    let mut folders: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    folders.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    let folders: Vec<PathBuf> = folders.into_iter().map(|(_, folder)| folder).collect();
    find(name, &folders).unwrap_or_else(|| missing("postgres"))
}

fn find(name: &str, first: &[PathBuf]) -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    first
        .iter()
        .cloned()
        .chain(std::env::split_paths(&on_path))
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn missing(name: &str) -> ! {
    panic!("{name} is not installed: run `cargo xtask deps`")
}
