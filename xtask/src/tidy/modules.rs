//! A Rust file that no other file names is compiled by nobody, and a test in it never runs.

use std::collections::BTreeSet;

use crate::rust_source::views;

/// Files that Cargo finds by itself, seen from their crate's folder.
const ROOTS: &[&str] = &["src/lib.rs", "src/main.rs", "tests/main.rs", "build.rs"];

/// Folders in which each file is a program of its own.
const FOLDERS: &[&str] = &["src/bin/", "examples/", "benches/", "fuzz_targets/"];

/// Complaints about files that are not registered. `read` gives the text of a file.
pub(crate) fn complaints(files: &[String], read: impl Fn(&str) -> String) -> Vec<String> {
    let known: BTreeSet<&str> = files.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    for path in files.iter().filter(|path| path.ends_with(".rs")) {
        let Some((folder, inside)) = crate_of(path, &known) else { continue };
        let is_root = ROOTS.contains(&inside) || FOLDERS.iter().any(|it| inside.starts_with(it));
        if is_root {
            continue;
        }
        let parents = parents(path);
        if !parents
            .iter()
            .any(|parent| known.contains(parent.as_str()) && declares(&read(parent), path))
        {
            let nearest =
                parents.iter().find(|parent| known.contains(parent.as_str())).or(parents.first());
            let expected = nearest.map(String::as_str).unwrap_or_default();
            let shown = expected.strip_prefix(folder).unwrap_or(expected).trim_start_matches('/');
            found.push(format!(
                "{path}: nobody declares this module (`mod {};` in {shown})",
                stem(path)
            ));
        }
    }
    found
}

/// The folder of the crate that the file belongs to, and its path in there.
fn crate_of<'a>(path: &'a str, known: &BTreeSet<&str>) -> Option<(&'a str, &'a str)> {
    path.match_indices('/').map(|(at, _)| path.split_at(at)).find_map(|(folder, inside)| {
        known
            .contains(format!("{folder}/Cargo.toml").as_str())
            .then_some((folder, inside.trim_start_matches('/')))
    })
}

fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rs");
    if name != "mod" {
        return name;
    }
    path.rsplit('/').nth(1).unwrap_or(name)
}

/// Files that may declare this one, the most usual first.
fn parents(path: &str) -> Vec<String> {
    let folder_of =
        |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let mut folder = folder_of(path);
    if path.ends_with("/mod.rs") {
        folder = folder_of(&folder);
    }
    let mut parents: Vec<String> =
        ["main.rs", "lib.rs", "mod.rs"].iter().map(|it| format!("{folder}/{it}")).collect();
    parents.push(format!("{folder}.rs"));
    parents.retain(|parent| parent != path);
    parents
}

fn declares(source: &str, path: &str) -> bool {
    let name = stem(path);
    let views = views(source);
    let declared = views.code.match_indices(&format!("mod {name};")).next().is_some();
    // `#[path = "…"] mod …;` names the file itself.
    declared
        || path.rsplit('/').next().is_some_and(|file| views.text.contains(&format!("{file}\"]")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_declared_beside_it_or_above_it() {
        let tree = [
            ("a/Cargo.toml", ""),
            ("a/src/lib.rs", "mod one; // mod two;\npub mod three;"),
            ("a/src/one.rs", ""),
            ("a/src/two.rs", ""),
            ("a/src/three/mod.rs", "mod four;"),
            ("a/src/three/four.rs", "mod five;"),
            ("a/src/three/four/five.rs", ""),
            ("a/tests/main.rs", "mod here;"),
            ("a/tests/here.rs", ""),
            ("a/tests/lost.rs", ""),
        ];
        let files: Vec<String> = tree.iter().map(|(path, _)| (*path).to_owned()).collect();
        let read = |path: &str| {
            tree.iter()
                .find(|(it, _)| *it == path)
                .map(|(_, text)| (*text).to_owned())
                .unwrap_or_default()
        };
        let found = complaints(&files, read);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("a/src/two.rs:") && found[1].starts_with("a/tests/lost.rs:"),
            "{found:?}"
        );
    }
}
