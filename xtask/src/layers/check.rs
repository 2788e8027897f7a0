//! Running the laws over this repository.

use anyhow::{Context, Result};

use super::{arrows, sources};
use crate::args::Args;
use crate::metadata::Metadata;
use crate::{repo, say};

/// `layers [--graph]`.
pub(crate) fn command(mut args: Args) -> Result<bool> {
    let graph = args.flag("--graph");
    args.finish()?;
    if graph {
        say::print(&arrows::graph(&arrows::of(&Metadata::ours()?)));
        return Ok(true);
    }
    let fine = check()?;
    if fine {
        say::talk("layers: every law holds");
    }
    Ok(fine)
}

/// Prints what breaks a law; true when nothing does.
pub(crate) fn check() -> Result<bool> {
    let metadata = Metadata::ours()?;
    let mut complaints: Vec<String> =
        arrows::of(&metadata).iter().filter_map(arrows::complaint).collect();
    let root = repo::root();
    for path in repo::files(&root)? {
        let Some(room) = room_of(&path) else { continue };
        let source = std::fs::read_to_string(root.join(&path))
            .with_context(|| format!("cannot read {path}"))?;
        let found = sources::complaints(room, &source);
        complaints.extend(found.into_iter().map(|(line, words)| format!("{path}:{line}: {words}")));
    }
    for complaint in &complaints {
        say::talk(&format!("layers: {complaint}"));
    }
    Ok(complaints.is_empty())
}

/// The room of a source file of the product; nothing for tests and for files elsewhere.
fn room_of(path: &str) -> Option<&str> {
    let (room, inside) = path.strip_prefix("crates/")?.split_once('/')?;
    let is_source = inside.starts_with("src/") && inside.ends_with(".rs");
    let is_test = inside.ends_with("/tests.rs") || inside.contains("/tests/");
    (is_source && !is_test).then_some(room)
}
