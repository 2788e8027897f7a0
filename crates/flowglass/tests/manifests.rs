//! Broken manifests as a person and a script meet them: the complaint on standard error, nothing on
//! standard output, exit code 2, and nothing made on the disk.

use std::path::{Path, PathBuf};

use flowglass_testkit::Scratch;

use crate::support::flowglass;

/// The manifest crate's own tests, with the goldens of its complaints.
fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifest/tests")
}

#[test]
fn every_broken_manifest_is_refused_by_validate_and_by_run() {
    let scratch = Scratch::copy_of(&goldens().join("broken"));
    let files: Vec<String> =
        scratch.files().into_iter().filter(|it| !it.starts_with("warns_")).collect();
    assert!(files.len() >= 40, "{} broken manifests", files.len());
    let before = scratch.files();
    for file in &files {
        for command in ["validate", "run"] {
            let said = flowglass(&scratch, &[command, file]).run().expect_code(2);
            assert_eq!(said.stdout, "", "{command} {file}");
            assert!(said.stderr.contains("error[manifest."), "{command} {file}: {said}");
            assert!(!said.stderr.contains("manifest.internal"), "{command} {file}: {said}");
        }
    }
    assert_eq!(scratch.files(), before, "nothing is made for what cannot be run");
}

#[test]
fn the_binary_says_word_for_word_what_the_checker_found() {
    let scratch = Scratch::copy_of(&goldens().join("broken"));
    for file in [
        "graph_cycle.yaml",
        "graph_duplicate_id.yaml",
        "graph_two_cycles.yaml",
        "graph_unknown_need.yaml",
        "header_version.yaml",
        "text_tab.yaml",
        "text_unclosed.yaml",
        "value_types.yaml",
    ] {
        let name = format!("main__broken__every_broken_manifest_has_its_complaints@{file}.snap");
        let golden = std::fs::read_to_string(goldens().join("snapshots").join(name)).unwrap();
        let (_head, expected) = golden.split_once("---\nerror").unwrap();
        for command in ["validate", "run", "plan"] {
            let said = flowglass(&scratch, &[command, file]).run().expect_code(2);
            assert_eq!(said.stderr.trim_end(), format!("error{expected}").trim_end(), "{command}");
        }
    }
}
