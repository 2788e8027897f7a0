//! Where the repository is and which files belong to it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::shell;

/// The folder that holds the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where Cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The files under version control and the new ones that are not ignored, as sorted paths relative
/// to the root. New ones count, so that a check speaks up before the commit and not after it.
pub(crate) fn files(root: &Path) -> Result<Vec<String>> {
    let mut git = shell::quiet("git");
    // A container often checks out as one user and runs as another, at which git balks; a list of
    // names can do no harm.
    git.current_dir(root).arg("-c").arg(format!("safe.directory={}", root.display()));
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed =
        shell::output(&mut git).context("tidiness is judged by the files that git knows")?;
    let mut files: Vec<String> = listed
        .split('\0')
        .filter(|path| !path.is_empty() && root.join(path).is_file())
        .map(str::to_owned)
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}
