//! Which files a configured path means: one file, all of a folder, or all that match a pattern.

use std::path::{Path, PathBuf};

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

/// A file to read, with the name that messages call it by.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// The path as the manifest's author would write it: relative to the base folder.
    pub(crate) name: String,
}

/// Finds the files that `pattern` means, in the order of their names. A folder gives its files
/// with one of `endings`; hidden files are left out of folders and patterns.
///
/// # Errors
/// `not_found` when nothing is there, `config` when the pattern is broken.
pub(crate) fn expand(base: &Path, pattern: &str, endings: &[&str]) -> Result<Vec<Found>, Fault> {
    let whole = base.join(pattern);
    let paths = match std::fs::metadata(&whole) {
        Ok(meta) if meta.is_dir() => in_folder(&whole, pattern, endings)?,
        Ok(meta) if meta.is_file() => vec![whole],
        Ok(_special) => {
            return Err(Fault::new(
                ErrorClass::Unsupported,
                format!("`{pattern}` is neither a file nor a folder"),
            )
            .hint("Write the stream to a file first: it is read twice, once to look at it."));
        }
        Err(_) if pattern.contains(['*', '?', '[']) => by_pattern(&whole, pattern)?,
        Err(error) => return Err(Fault::io(format!("looking for `{pattern}`"), error)),
    };
    Ok(paths.into_iter().map(|path| named(base, path)).collect())
}

fn named(base: &Path, path: PathBuf) -> Found {
    let name = path.strip_prefix(base).unwrap_or(&path).display().to_string();
    Found { path, name }
}

fn in_folder(folder: &Path, pattern: &str, endings: &[&str]) -> Result<Vec<PathBuf>, Fault> {
    let listing = std::fs::read_dir(folder)
        .map_err(|error| Fault::io(format!("listing the folder `{pattern}`"), error))?;
    let mut paths = Vec::new();
    for entry in listing {
        let entry =
            entry.map_err(|error| Fault::io(format!("listing the folder `{pattern}`"), error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if !name.starts_with('.') && endings.iter().any(|it| name.ends_with(it)) && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(Fault::new(
            ErrorClass::NotFound,
            format!("the folder `{pattern}` holds no file that ends in {}", endings.join(", ")),
        ));
    }
    Ok(paths)
}

fn by_pattern(whole: &Path, pattern: &str) -> Result<Vec<PathBuf>, Fault> {
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let matches = glob::glob_with(&whole.to_string_lossy(), options).map_err(|error| {
        Fault::new(ErrorClass::Config, format!("the pattern `{pattern}` cannot be read"))
            .because(error)
    })?;
    let mut paths = Vec::new();
    for found in matches {
        let path = found.map_err(|error| {
            Fault::io(format!("looking for `{pattern}`"), std::io::Error::other(error))
        })?;
        if path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(Fault::new(ErrorClass::NotFound, format!("no file matches `{pattern}`")));
    }
    Ok(paths)
}
