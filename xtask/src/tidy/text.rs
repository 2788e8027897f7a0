//! Rules about the lines of one file.

use crate::rust_source::{is_whole_word, line_of, test_module, views};

/// More lines than this ask for a second file, or for a reason in `tidy.toml`.
const LINES_MAX: usize = 600;

/// More lines of tests than this inside a file ask for a file of their own.
const INLINE_TEST_LINES_MAX: usize = 150;

/// Kinds of files that people write by hand and that others read.
const WRITTEN: &[&str] = &[
    "rs",
    "toml",
    "md",
    "yml",
    "yaml",
    "sh",
    "py",
    "ts",
    "tsx",
    "js",
    "css",
    "html",
    "sql",
    "gitattributes",
];

/// What is refused anywhere, spelt in two halves so that this file passes itself.
const UNFINISHED: &[[&str; 2]] = &[["TO", "DO"], ["FIX", "ME"], ["XX", "X"]];
const UNFINISHED_MACROS: &[[&str; 2]] = &[["to", "do!("], ["unimple", "mented!("]];

/// Beginnings of paths that exist on one machine only.
const MACHINE_PATHS: &[[&str; 2]] =
    &[["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"], ["/Us", "ers/"]];

/// Everything untidy in one text file: line and words.
pub(crate) fn complaints(path: &str, source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    if path.ends_with("Cargo.lock") {
        return found;
    }
    words(source, &mut found);
    if is_data(path) {
        return found;
    }
    if is_kind(path, WRITTEN) {
        blanks(source, &mut found);
    }
    if path.ends_with(".rs") {
        rust(path, source, &mut found);
    }
    if path.starts_with(".github/workflows/") {
        pinned(source, &mut found);
    }
    found
}

/// What is said of a file with too many lines.
pub(crate) fn too_large(path: &str, source: &str) -> Option<String> {
    let lines = source.lines().count();
    let counted = is_kind(path, &["rs", "sh", "py", "ts", "tsx", "js", "css"]) && !is_data(path);
    (counted && lines > LINES_MAX).then(|| {
        format!(
            "{lines} lines; split it at a seam, or give the reason in tidy.toml (over {LINES_MAX})"
        )
    })
}

/// Input and golden output of tests and examples is as it has to be.
fn is_data(path: &str) -> bool {
    let in_tests =
        path.contains("/tests/") || path.contains("/snapshots/") || path.contains("/samples/");
    (in_tests && !path.ends_with(".rs")) || path.ends_with(".snap")
}

fn is_kind(path: &str, kinds: &[&str]) -> bool {
    path.rsplit(['.', '/']).next().is_some_and(|kind| kinds.contains(&kind)) || path == ".ci/run"
}

fn words(source: &str, found: &mut Vec<(usize, String)>) {
    for word in UNFINISHED.iter().map(|halves| halves.concat()) {
        for (at, _) in
            source.match_indices(&word).filter(|(at, _)| is_whole_word(source, *at, &word))
        {
            found.push((
                line_of(source, at),
                format!("`{word}`: finish it, or write down what is missing and why"),
            ));
        }
    }
    for word in UNFINISHED_MACROS.iter().map(|halves| halves.concat()) {
        for (at, _) in source.match_indices(&word) {
            found.push((
                line_of(source, at),
                format!("`{word}…)`: nothing unfinished is committed"),
            ));
        }
    }
    for word in MACHINE_PATHS.iter().map(|halves| halves.concat()) {
        for (at, _) in source.match_indices(&word).filter(|(at, _)| starts_a_path(source, *at)) {
            found.push((line_of(source, at), format!("`{word}…` exists on one machine only")));
        }
    }
}

/// A slash in the middle of an address or of a longer path begins no path.
fn starts_a_path(source: &str, at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|it| source.as_bytes().get(it));
    !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_-./}>*".contains(byte))
}

fn blanks(source: &str, found: &mut Vec<(usize, String)>) {
    for (index, line) in source.lines().enumerate() {
        if line.ends_with([' ', '\t', '\r']) {
            found.push((index + 1, "blanks at the end of the line".to_owned()));
        }
    }
    let lines = source.lines().count();
    if !source.is_empty() && !source.ends_with('\n') {
        found.push((lines, "no line end at the end of the file".to_owned()));
    }
    if source.ends_with("\n\n") {
        found.push((lines, "empty lines at the end of the file".to_owned()));
    }
}

fn rust(path: &str, source: &str, found: &mut Vec<(usize, String)>) {
    if !source.starts_with("//!") && !source.starts_with("#![doc = include_str!") {
        found.push((
            1,
            "begin with a `//!` comment: what the file is for and why it is so".to_owned(),
        ));
    }
    let code = views(source).code;
    let tests = test_module(&code);
    if let Some((start, end)) = tests {
        let lines = line_of(&code, end) - line_of(&code, start);
        if lines > INLINE_TEST_LINES_MAX {
            let words =
                format!("{lines} lines of tests in the file; move them to a `tests.rs` beside it");
            found.push((line_of(&code, start), words));
        }
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    if path.contains("/src/") && name == "lib.rs" {
        let (front, _) = code
            .split_at_checked(tests.map_or(code.len(), |(start, _)| start))
            .unwrap_or((&code, ""));
        let first = ["fn", "struct", "enum", "impl", "trait", "static"]
            .iter()
            .flat_map(|word| front.match_indices(word))
            .filter(|(at, word)| is_item(front, *at, word))
            .min();
        if let Some((at, word)) = first {
            let words = format!("`{word}` in a {name}, which holds docs, `mod` and `pub use` only");
            found.push((line_of(front, at), words));
        }
    }
}

/// Whether a word of the language stands here, and not a part of a name, a path or a macro.
fn is_item(code: &str, at: usize, word: &str) -> bool {
    is_whole_word(code, at, word) && code.as_bytes().get(at + word.len()) == Some(&b' ')
}

/// A tag of somebody else's action can be moved to other code; a commit cannot.
fn pinned(source: &str, found: &mut Vec<(usize, String)>) {
    for (index, line) in source.lines().enumerate() {
        let Some((_, used)) = line.split_once("uses:") else { continue };
        let used = used.split('#').next().unwrap_or(used).trim();
        let is_commit =
            |it: &str| it.len() == 40 && it.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !used.starts_with("./")
            && !used.rsplit_once('@').is_some_and(|(_, version)| is_commit(version))
        {
            found.push((index + 1, format!("`{used}`: name the commit, not a tag")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, source: &str) -> Vec<usize> {
        complaints(path, source).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn unfinished_work_and_machine_paths_are_found_and_lookalikes_are_not() {
        for halves in UNFINISHED {
            let source = format!("//! a\n// {}: later\n", halves.concat());
            assert_eq!(lines("a.rs", &source), [2], "{source}");
        }
        assert_eq!(lines("a.sh", "mktemp -d /tmp/aXXXXXX\n"), [0; 0]);
        let home = MACHINE_PATHS[2].concat();
        assert_eq!(lines("a.md", &format!("see `{home}me/x`\n")), [1]);
        assert_eq!(lines("a.md", &format!("see https://example.org{home}\n")), [0; 0]);
    }

    #[test]
    fn a_file_begins_with_what_it_is_for_and_ends_with_a_line_end() {
        assert_eq!(lines("a.rs", "fn a() {}"), [1, 1]);
        assert_eq!(lines("a.rs", "//! A.\nfn a() {} \n\n"), [2, 3]);
        assert_eq!(lines("x/tests/broken/a.yaml", "a: "), [0; 0]);
    }

    #[test]
    fn the_front_of_a_crate_holds_no_code() {
        assert_eq!(lines("crates/a/src/lib.rs", "//! A.\nmod b;\npub use b::fnord;\n"), [0; 0]);
        assert_eq!(lines("crates/a/src/lib.rs", "//! A.\npub fn b() {}\n"), [2]);
        assert_eq!(lines("crates/a/src/b.rs", "//! A.\npub fn b() {}\n"), [0; 0]);
    }

    #[test]
    fn large_files_and_large_inline_tests_are_told() {
        let body = "//! A.\n".to_owned() + &"//\n".repeat(600);
        assert!(too_large("a.rs", &body).is_some() && too_large("a.json", &body).is_none());
        let tests = format!("//! A.\n#[cfg(test)]\nmod tests {{\n{}}}\n", "//\n".repeat(151));
        assert_eq!(lines("a.rs", &tests), [2]);
    }

    #[test]
    fn actions_are_pinned_to_a_commit() {
        let commit = "a".repeat(40);
        let source = format!("- uses: a/b@v4\n- uses: a/b@{commit} # v4.1\n- uses: ./local\n");
        assert_eq!(lines(".github/workflows/ci.yml", &source), [1]);
    }
}
