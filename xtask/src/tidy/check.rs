//! Running the rules over this repository.

use std::path::Path;

use anyhow::Result;

use super::exceptions::Exceptions;
use super::{crates, links, modules, text};
use crate::args::Args;
use crate::{repo, say};

/// `tidy`.
pub(crate) fn command(args: Args) -> Result<bool> {
    args.finish()?;
    let fine = check()?;
    if fine {
        say::talk("tidy: nothing to tidy");
    }
    Ok(fine)
}

/// Prints what is untidy; true when nothing is.
pub(crate) fn check() -> Result<bool> {
    let root = repo::root();
    let complaints = complaints(&root, &repo::files(&root)?)?;
    for complaint in &complaints {
        say::talk(&format!("tidy: {complaint}"));
    }
    Ok(complaints.is_empty())
}

fn complaints(root: &Path, files: &[String]) -> Result<Vec<String>> {
    let exceptions = Exceptions::read(root)?;
    let mut found = exceptions.complaints(root);
    for path in files {
        if path.ends_with(".snap.new") {
            found.push(format!(
                "{path}: a golden file that nobody has looked at; accept it or remove it"
            ));
        }
        let Ok(source) = std::fs::read_to_string(root.join(path)) else {
            // Not text: nothing here speaks about it.
            continue;
        };
        let mut lines = text::complaints(path, &source);
        if let Some(large) = text::too_large(path, &source)
            && !exceptions.is_large(path)
        {
            lines.push((1, large));
        }
        lines.extend(crates::complaints(path, &source));
        found.extend(lines.into_iter().map(|(line, words)| format!("{path}:{line}: {words}")));
    }
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    found.extend(modules::complaints(files, read));
    found.extend(links::complaints(files, read));
    found.sort();
    Ok(found)
}
