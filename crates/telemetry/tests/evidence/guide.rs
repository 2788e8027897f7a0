//! The user guide says what the code does: its table of codes is the code's own.

use flowglass_telemetry::problem::{Code, run_book};

fn guide() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/evidence.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_run_book_is_the_table_of_codes() {
    let table = run_book();
    assert!(guide().contains(&table), "docs/src/evidence.md must hold this table:\n{table}");
    let mut texts: Vec<&str> = Code::ALL.iter().map(|code| code.text()).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), Code::ALL.len(), "a code stands for two problems");
}
