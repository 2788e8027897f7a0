//! A planted secret reaches the connector and nothing else.

use flowglass_manifest::{Action, Severity, Style, to_json, to_text};

use crate::support::{Fake, file, load_with, said};

const MARK: &str = "hunter2-mark";

fn surroundings() -> Fake {
    let mut fake = Fake::usual();
    fake.variables.insert("DSN".to_owned(), format!("postgres://u:{MARK}@db/x"));
    fake.variables.insert("NAMED".to_owned(), MARK.to_owned());
    fake.files.insert("/run/secrets/mark".into(), format!("{MARK}\n"));
    fake
}

const GOOD: &str = "apiVersion: flowglass/v1
kind: Workflow
metadata: { name: test }
spec:
  secrets: [NAMED, param.token]
  params: { token: '' }
  env: { API_TOKEN: \"${param.token}\", OTHER: \"x ${NAMED} y\" }
  nodes:
    - id: a
      copy:
        from: { type: postgres, dsn: \"${DSN}\", table: t, password: \"${NAMED}\" }
        to: { type: postgres, dsn: \"host=h password=${NAMED}\", table: u }
    - id: b
      needs: [a]
      command: [curl, \"-H\", \"Bearer ${file:/run/secrets/mark}\", \"--password=${NAMED}\"]
    - id: c
      needs: [a]
      sql: { query: \"select '${NAMED}'\", to: { type: csv, path: c.csv } }
    - id: d
      needs: [c]
      check: { asset: c.csv, rules: [ { sql: \"select '${NAMED}' from data\" } ] }
";

#[test]
fn no_view_of_a_plan_shows_it() {
    let params = [("token", MARK)];
    let loaded =
        load_with(&surroundings(), &[file("x.yaml", GOOD.as_bytes())], &params, Severity::Error);
    assert!(loaded.complaints.is_empty(), "{}", said(&loaded));
    let plan = &loaded.plans[0];
    for view in
        [format!("{plan:?}"), plan.to_text(), plan.to_json().to_string(), format!("{loaded:?}")]
    {
        assert!(!view.contains(MARK), "{view}");
        assert!(view.contains("***"), "{view}");
    }
    let Some(Action::Copy(copy)) = plan.node("a").map(|node| &node.action) else {
        panic!("a copy")
    };
    assert_eq!(copy.from.expose()["dsn"], format!("postgres://u:{MARK}@db/x"));
    assert_eq!(copy.from.shown()["dsn"], "postgres://u:***@db/x");
    assert!(plan.secrets().expose().any(|secret| secret == MARK));
}

#[test]
fn no_complaint_shows_it() {
    // The marked value stands wherever a complaint quotes something.
    let places = [
        "needs: [\"${NAMED}\"], command: [x]",
        "when: \"${NAMED}\", command: [x]",
        "timeout: \"${NAMED}\", command: [x]",
        "retry: { max_attempts: \"${NAMED}\" }, command: [x]",
        "command: \"${NAMED}\"",
        "copy: { from: { type: \"${NAMED}\" }, to: { type: csv, path: x } }",
        "copy: { from: { type: postgres, dsn: 'postgres://u:hunter2-mark@h/x', tabel: t }, to: { type: csv, path: x } }",
        "copy: { from: { type: postgres, dsn: x, table: t, password: hunter2-mark, nope: 1 }, to: { type: csv, path: x } }",
        "copy: { from: { type: csv, path: x }, to: { type: csv, path: x }, columns: { a: \"${NAMED}\" }, batch: { bytes: \"${NAMED}\" } }",
        "check: { asset: \"${NAMED}\", rules: [ { row_count: {} } ] }",
        "if: { param: \"${NAMED}\", equals: 1 }, command: [x]",
        "id: \"${NAMED} \", command: [x]",
    ];
    for place in places {
        let id = if place.contains("id:") { "" } else { "id: a, " };
        let text = format!(
            "apiVersion: flowglass/v1\nkind: Workflow\nmetadata: {{ name: x }}\nspec:\n  secrets: [NAMED]\n  nodes:\n    - {{ {id}{place} }}\n"
        );
        let loaded =
            load_with(&surroundings(), &[file("x.yaml", text.as_bytes())], &[], Severity::Error);
        assert!(loaded.has_errors(), "{place}");
        for view in
            [to_text(&loaded.complaints, Style::Plain), to_json(&loaded.complaints).to_string()]
        {
            assert!(!view.contains(MARK), "{place}\n{view}");
        }
    }
}

#[test]
fn a_broken_line_with_a_password_is_starred() {
    let text = format!("from: {{ dsn: postgres://u:{MARK}@h, [\n  password: {MARK}\n bad");
    let loaded =
        load_with(&surroundings(), &[file("x.yaml", text.as_bytes())], &[], Severity::Error);
    assert!(loaded.has_errors());
    assert!(!said(&loaded).contains(MARK), "{}", said(&loaded));
}
