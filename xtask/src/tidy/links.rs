//! Links between our own pages lead somewhere, and every page of the book is in its table of
//! contents.

use std::collections::BTreeSet;

const BOOK: &str = "docs/src/";
const CONTENTS: &str = "docs/src/SUMMARY.md";

/// Complaints about links that lead nowhere and pages that nothing leads to. `read` gives the text
/// of a file.
pub(crate) fn complaints(files: &[String], read: impl Fn(&str) -> String) -> Vec<String> {
    let known: BTreeSet<&str> = files.iter().map(String::as_str).collect();
    let exists = |path: &str| {
        known.contains(path)
            || known.range(path..).next().is_some_and(|it| it.starts_with(&format!("{path}/")))
    };
    let mut found = Vec::new();
    let mut listed = BTreeSet::new();
    for page in files.iter().filter(|path| path.ends_with(".md") && !path.contains("/tests/")) {
        for (line, target) in links(&read(page)) {
            let path = resolve(page, &target);
            if !exists(&path) {
                found.push(format!("{page}:{line}: `{target}` leads nowhere (no file {path})"));
            }
            if page == CONTENTS {
                listed.insert(path);
            }
        }
    }
    let lost = |page: &&String| {
        page.starts_with(BOOK)
            && page.ends_with(".md")
            && *page != CONTENTS
            && !listed.contains(page.as_str())
    };
    found.extend(
        files
            .iter()
            .filter(lost)
            .map(|page| format!("{page}: not in {CONTENTS}, so no reader finds it")),
    );
    found
}

/// Targets of the relative links of a page, with their lines; code blocks and anchors are passed
/// over.
fn links(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (index, line) in page.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let rest = line.get(at + 2..).unwrap_or_default();
            let target = rest.split([')', ' ', '#']).next().unwrap_or_default();
            let elsewhere =
                target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            if !elsewhere {
                found.push((index + 1, target.to_owned()));
            }
        }
    }
    found
}

/// A target as seen from a page, as a path from the root.
fn resolve(page: &str, target: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_nothing_and_a_page_without_a_link_are_told() {
        let tree = [
            (
                "README.md",
                "[a](docs/src/a.md#x) [site](https://example.org) [gone](b.md) [dir](docs)\n```\n[no](c.md)\n```\n",
            ),
            ("docs/src/SUMMARY.md", "- [A](a.md)\n- [Up](../../README.md)\n"),
            ("docs/src/a.md", "[here](#below)"),
            ("docs/src/lost.md", ""),
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
            found[0].contains("README.md:1: `b.md`") && found[1].starts_with("docs/src/lost.md"),
            "{found:?}"
        );
    }
}
