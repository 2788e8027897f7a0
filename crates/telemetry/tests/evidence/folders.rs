//! Index and verify: every change to a folder is found and named.

use std::fs;
use std::path::Path;

use flowglass_telemetry::evidence::{
    ARTIFACT_INDEX, METRICS_INDEX, PROMETHEUS_FILE, Request, export, index_folder, parse_time,
    verify_folder,
};

use super::support::{QUICKSTART, bytes, file, request, without_path};

fn exported() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let inputs = vec![bytes("r", QUICKSTART)];
    assert!(export(&Request { inputs, ..request(folder.path()) }).summary.passed);
    folder
}

/// What `verify` says, without the checksums.
fn verdict(folder: &Path) -> Vec<String> {
    let verified = verify_folder(folder, None);
    assert_eq!(verified.passed, verified.problems.is_empty());
    verified
        .problems
        .iter()
        .map(|it| format!("{} {}", it.code.text(), it.source.as_deref().unwrap_or("")))
        .collect()
}

#[test]
fn every_flipped_byte_of_every_file_is_found() {
    let folder = exported();
    assert_eq!(verdict(folder.path()), Vec::<String>::new());
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let before = fs::read(&path).unwrap();
        for at in [0, before.len() / 2, before.len() - 1] {
            let mut after = before.clone();
            after[at] ^= 1;
            fs::write(&path, &after).unwrap();
            let said = verdict(folder.path());
            if name == METRICS_INDEX {
                continue;
            }
            assert_eq!(said, [format!("file.changed {name}")]);
        }
        fs::write(&path, &before).unwrap();
    }
    assert_eq!(verdict(folder.path()), Vec::<String>::new());
}

#[test]
fn missing_and_added_files_are_named() {
    let folder = exported();
    fs::remove_file(folder.path().join(PROMETHEUS_FILE)).unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("sub/new.txt"), "x").unwrap();
    assert_eq!(
        verdict(folder.path()),
        [format!("file.missing {PROMETHEUS_FILE}"), "file.added sub/new.txt".to_owned()]
    );
}

#[test]
fn a_rewritten_index_fails_by_its_digest() {
    let folder = exported();
    let digest = verify_folder(folder.path(), None).indexes[0].digest.clone();
    assert!(verify_folder(folder.path(), Some(&digest)).passed);
    let path = folder.path().join(METRICS_INDEX);
    let index = fs::read_to_string(&path).unwrap();
    // Somebody changes a file and its checksum in the index.
    let page = folder.path().join(PROMETHEUS_FILE);
    let old = fs::read(&page).unwrap();
    let mut new = old.clone();
    new[10] ^= 1;
    fs::write(&page, &new).unwrap();
    let changed = verify_folder(folder.path(), None).problems[0].message.clone();
    let words: Vec<&str> = changed.split([' ', ';']).collect();
    let sums: Vec<&&str> = words.iter().filter(|word| word.len() == 64).collect();
    fs::write(&path, index.replace(*sums[0], sums[1])).unwrap();
    assert_eq!(verdict(folder.path()), ["index.invalid metrics_index.json"]);
    // And the digest over the entries as well: only a digest kept elsewhere finds that.
    let forged = verify_folder(folder.path(), None).indexes[0].digest.clone();
    let index = fs::read_to_string(&path).unwrap();
    fs::write(&path, index.replace(&digest, &forged)).unwrap();
    assert_eq!(verdict(folder.path()), Vec::<String>::new());
    assert!(!verify_folder(folder.path(), Some(&digest)).passed);
}

#[test]
fn broken_and_hostile_indexes_fail() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join(METRICS_INDEX);
    assert_eq!(verdict(folder.path()), [format!("index.missing {}", folder.path().display())]);
    let entry = |path: &str| {
        format!(r#"{{"artifacts":[{{"relative_path":"{path}","sha256":"","size_bytes":0}}]}}"#)
    };
    for bad in [
        String::new(),
        "{}".to_owned(),
        "[]".to_owned(),
        r#"{"artifacts":[]}"#.to_owned(),
        r#"{"schema":"flowglass.metrics-index/v9","artifacts":[]}"#.to_owned(),
        entry("../outside"),
        entry("/etc/passwd"),
        entry("a/../../b"),
        entry(""),
    ] {
        fs::write(&index, &bad).unwrap();
        assert_eq!(verdict(folder.path()), ["index.invalid metrics_index.json"], "{bad}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_does_not_pass_for_a_file() {
    let folder = exported();
    let page = folder.path().join(PROMETHEUS_FILE);
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("same");
    fs::rename(&page, &target).unwrap();
    std::os::unix::fs::symlink(&target, &page).unwrap();
    assert_eq!(verdict(folder.path()), [format!("file.changed {PROMETHEUS_FILE}")]);
}

#[test]
fn an_index_over_a_folder_can_be_verified() {
    let folder = exported();
    fs::create_dir(folder.path().join("logs")).unwrap();
    fs::write(folder.path().join("logs/run.log"), "line\n").unwrap();
    fs::write(folder.path().join("run_report.json"), QUICKSTART).unwrap();
    assert_eq!(verdict(folder.path()).len(), 2);
    let time = parse_time("2026-01-31T12:00:00Z").unwrap();
    let index = index_folder(folder.path(), Some("1.4.0"), time, false);
    assert!(index.passed, "{:?}", index.problems);
    let names: Vec<&str> = index.items.iter().map(|item| item.relative_path.as_str()).collect();
    assert_eq!(
        names,
        [
            "logs/run.log",
            "metrics_index.json",
            "opentelemetry_metrics.json",
            "prometheus_metrics.prom",
            "run_report.json",
            "runtime_metrics.json",
            "runtime_metrics.md"
        ]
    );
    assert_eq!(index.items[4].run_id.as_deref(), Some("01J8ZQ4K2M"));
    assert_eq!(verdict(folder.path()), Vec::<String>::new());
    // The index covers the export's own index too.
    let text = file(folder.path(), METRICS_INDEX);
    fs::write(folder.path().join(METRICS_INDEX), text + " ").unwrap();
    assert_eq!(verdict(folder.path()), ["file.changed metrics_index.json"]);
    // Writing it again takes the change in and gives the same index for the same files.
    let again = index_folder(folder.path(), Some("1.4.0"), time, false);
    assert_eq!(again.items.len(), 7);
    assert_eq!(verdict(folder.path()), Vec::<String>::new());
}

#[test]
fn goldens_of_the_index() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("slo_report.json"), r#"{"passed": false, "run_id": "r|1"}"#)
        .unwrap();
    fs::write(folder.path().join("torn.json"), r#"{"passed": "#).unwrap();
    fs::write(folder.path().join("page.prom"), "a 1\n").unwrap();
    let time = parse_time("2026-01-31T12:00:00Z").unwrap();
    let index = index_folder(folder.path(), None, time, false);
    assert!(!index.passed);
    let text = |name| without_path(&file(folder.path(), name), folder.path());
    insta::assert_snapshot!("artifact_index.json", text(ARTIFACT_INDEX));
    insta::assert_snapshot!("artifact_index.md", text("artifact_index.md"));
    let verified = verify_folder(folder.path(), None);
    assert!(verified.passed);
    insta::assert_snapshot!("verified.md", without_path(&verified.to_markdown(), folder.path()));
    insta::assert_snapshot!("verified.json", without_path(&verified.to_json(), folder.path()));
}

#[test]
fn absent_and_empty_folders_fail_and_get_no_index() {
    let folder = tempfile::tempdir().unwrap();
    let time = parse_time("0").unwrap();
    for path in [folder.path().to_owned(), folder.path().join("absent")] {
        let index = index_folder(&path, None, time, false);
        assert!(index.blockers.contains(&"folder.empty") && !index.passed);
        assert!(!path.join(ARTIFACT_INDEX).exists());
    }
}

#[test]
fn an_index_of_the_peer_is_verified_too() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.prom"), "").unwrap();
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let index = format!(
        r#"{{"artifacts": [{{"artifact_type": "prometheus", "description": "x", "name": "a.prom", "path": "s/a.prom",
        "relative_path": "a.prom", "sha256": "{empty}", "size_bytes": 0}}], "generated_at": "2026-01-31T12:00:00+00:00", "output_dir": "s"}}"#
    );
    fs::write(folder.path().join(METRICS_INDEX), index).unwrap();
    assert!(verify_folder(folder.path(), None).passed);
}
