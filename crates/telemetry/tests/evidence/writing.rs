//! What is on the disk after good, blocked and impossible exports, and that no secret is.

use std::collections::BTreeMap;
use std::path::Path;

use flowglass_telemetry::evidence::{
    BLOCKED_JSON_FILE, BLOCKED_MARKDOWN_FILE, Input, JSON_FILE, METRICS_INDEX, OPENTELEMETRY_FILE,
    PROMETHEUS_FILE, Request, export, verify_folder,
};
use flowglass_telemetry::report::Number;

use super::support::{QUICKSTART, bytes, file, otlp, pair, promtool, request};

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect()
}

fn good(folder: &Path) -> Request {
    Request { inputs: vec![bytes("r", QUICKSTART)], ..request(folder) }
}

fn blocked(folder: &Path) -> Request {
    Request { inputs: vec![Input::Path(folder.join("absent.json"))], ..request(folder) }
}

#[test]
fn a_blocked_export_leaves_the_last_good_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    assert!(export(&good(folder.path())).summary.passed);
    let before = contents(folder.path());
    assert_eq!(before.len(), 5);

    let exported = export(&blocked(folder.path()));
    assert!(exported.summary.kept_last_good && !exported.summary.passed);
    assert_eq!(exported.summary.blockers, ["run_report.missing", "metrics.empty"]);
    let mut after = contents(folder.path());
    let report = after.remove(BLOCKED_JSON_FILE).unwrap();
    assert!(String::from_utf8(report).unwrap().contains("run_report.missing"));
    assert!(after.remove(BLOCKED_MARKDOWN_FILE).is_some());
    assert_eq!(before, after);
    assert!(verify_folder(folder.path(), None).passed);

    assert!(export(&good(folder.path())).summary.passed);
    assert_eq!(before, contents(folder.path()));
}

#[test]
fn a_first_blocked_export_writes_all_five_files() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let exported = export(&blocked(folder.path()));
        assert!(!exported.summary.kept_last_good);
        let names: Vec<String> = contents(folder.path()).into_keys().collect();
        assert_eq!(
            names,
            [METRICS_INDEX, OPENTELEMETRY_FILE, PROMETHEUS_FILE, JSON_FILE, "runtime_metrics.md"]
        );
    }
    assert_eq!(promtool(&file(folder.path(), PROMETHEUS_FILE)).0, 0);
    assert!(otlp(&file(folder.path(), OPENTELEMETRY_FILE)).resource_metrics.is_empty());
    assert!(verify_folder(folder.path(), None).passed, "the files are what the index says");
}

#[test]
fn strict_turns_a_warning_into_a_blocker() {
    let folder = tempfile::tempdir().unwrap();
    let labels = vec![pair("le", "1")];
    let lenient = Request { labels, ..good(folder.path()) };
    let exported = export(&lenient);
    assert_eq!(
        (exported.summary.passed, exported.summary.warnings),
        (true, vec!["label.reserved"])
    );
    let exported = export(&Request { strict: true, ..lenient });
    assert_eq!(
        (exported.summary.passed, exported.summary.blockers),
        (false, vec!["label.reserved"])
    );
}

#[test]
fn an_output_that_cannot_be_written_is_a_blocker() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("file");
    std::fs::write(&taken, "x").unwrap();
    let odd = folder.path().join("odd");
    std::fs::create_dir_all(odd.join(METRICS_INDEX)).unwrap();
    for output_dir in [taken.clone(), taken.join("below"), odd.clone()] {
        let exported = export(&Request { output_dir, ..good(folder.path()) });
        assert_eq!(exported.summary.blockers, ["output.unwritable"]);
        assert!(exported.markdown.contains("output.unwritable"));
    }
    assert_eq!(std::fs::read(&taken).unwrap(), b"x");
    // Not one of five was written, and nothing was left aside.
    assert_eq!(std::fs::read_dir(&odd).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn files_can_be_read_by_others_as_the_umask_allows() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    export(&good(folder.path()));
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&folder.path().join(PROMETHEUS_FILE)), mode(&plain));
}

#[cfg(unix)]
#[test]
fn a_report_comes_through_a_named_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = {
        let pipe = pipe.clone();
        std::thread::spawn(move || std::fs::write(pipe, QUICKSTART))
    };
    let output_dir = folder.path().join("out");
    let exported = export(&Request { inputs: vec![Input::Path(pipe)], ..request(&output_dir) });
    writer.join().unwrap().unwrap();
    assert!(exported.summary.passed, "{:?}", exported.summary.problems);
}

#[test]
fn a_folder_of_reports_is_read_in_order_without_our_own_files() {
    let folder = tempfile::tempdir().unwrap();
    let reports = folder.path().join("reports");
    std::fs::create_dir_all(reports.join("b")).unwrap();
    for (name, id) in [("b/2.json", "two"), ("a.json", "one"), ("c.json", "one")] {
        std::fs::write(reports.join(name), QUICKSTART.replace("01J8ZQ4K2M", id)).unwrap();
    }
    std::fs::write(reports.join("notes.txt"), "no report").unwrap();
    // The output lies inside the folder of reports and is not read back.
    let inputs = vec![Input::Path(reports.clone())];
    let twice = Request { inputs, ..request(&reports.join("out")) };
    export(&twice);
    let exported = export(&twice);
    let read: Vec<&str> = exported.summary.inputs.iter().map(|it| it.path.as_str()).collect();
    let names: Vec<String> =
        ["a.json", "b/2.json"].iter().map(|it| reports.join(it).display().to_string()).collect();
    assert_eq!(read, names);
    assert_eq!(exported.summary.warnings, ["run_report.repeated"]);

    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let inputs = vec![Input::Path(empty)];
    let exported = export(&Request { inputs, ..request(&folder.path().join("o")) });
    assert_eq!(exported.summary.blockers, ["run_report.missing", "metrics.empty"]);
}

#[test]
fn a_planted_secret_is_in_no_file_and_in_nothing_printed() {
    const SECRET: &str = "Planted5ecret";
    let folder = tempfile::tempdir().unwrap();
    let report = format!(
        r#"{{"run_id": "postgres://bob:{SECRET}@db/shop", "process": "password={SECRET}", "selector": "Authorization: Bearer {SECRET}",
        "attempts": 1, "errors": ["token={SECRET}"], "result": {{"status": "api_key: {SECRET}", "final_rows": "{SECRET}"}}}}"#
    );
    let request = Request {
        inputs: vec![
            bytes(&format!("https://bob:{SECRET}@host/report.json"), report.clone()),
            Input::Missing { name: "run:x".to_owned(), why: format!("password={SECRET}") },
        ],
        metrics: vec![(format!("password={SECRET}"), Number::Int(1))],
        labels: vec![
            pair("db_password", SECRET),
            pair("dsn", &format!("mysql://u:{SECRET}@h/d")),
            pair("note", &format!("secret: {SECRET}")),
        ],
        resource_attributes: vec![pair("auth.token", SECRET)],
        service_name: format!("pwd={SECRET}"),
        namespace: format!("ftp://u:{SECRET}@h"),
        ..request(folder.path())
    };
    let printed = export(&request);
    let only_good = Request { inputs: vec![bytes("r", report)], ..request };
    let printed_good = export(&only_good);
    assert!(printed_good.summary.passed);
    for (name, bytes) in contents(folder.path()) {
        let text = String::from_utf8(bytes).unwrap().to_lowercase();
        assert!(!text.contains(&SECRET.to_lowercase()), "{name}: {text}");
    }
    for exported in [printed, printed_good] {
        let text = exported.summary.to_json() + &exported.markdown;
        assert!(!text.to_lowercase().contains(&SECRET.to_lowercase()), "{text}");
    }
}
