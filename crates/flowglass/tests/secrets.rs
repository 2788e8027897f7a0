//! A secret that a run is given comes out nowhere: not on a stream, not in an event, a report, a log
//! line, an evidence file, nor in the bytes of the store.
//!
//! The search is through every byte of every file that is left, so that a secret in a place that no
//! reader of ours shows is found too.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use flowglass_testkit::{Database, Flowglass, Postgres, Said, Scratch};

use crate::support::{flowglass, wait};

const PASSWORD: &str = "dsn-Planted-4711";
const TOKEN: &str = "env-Planted/4712+x";
const IN_FILE: &str = "file-Planted-4713";

const PIPELINE: &str = r#"
apiVersion: flowglass/v1
kind: Workflow
metadata: { name: secretive }
spec:
  max_parallel: 1
  secrets: [API_TOKEN]
  env: { TOKEN_FOR_ALL: "${API_TOKEN}" }
  nodes:
    - id: reads
      copy:
        from: { type: postgres, dsn: "${SHOP_DSN}", table: rows }
        to: { type: csv, path: out/rows.csv }
    - id: argument
      command: [echo, "--token=${API_TOKEN}", "${file:token.txt}"]
    - id: prints
      command:
        shell: |
          echo "out $TOKEN and $TOKEN_FOR_ALL"
          echo "err $TOKEN" >&2
          printf '{"attributes":{"token":"%s"}}\n' "$TOKEN" > "$FLOWGLASS_EVENTS"
          exit 3
        env: { TOKEN: "${API_TOKEN}" }
    - id: fails
      copy:
        from: { type: postgres, dsn: "${SHOP_DSN}", query: "SELECT '${API_TOKEN}'::integer AS it" }
        to: { type: csv, path: out/fails.csv }
    - id: no_table
      copy:
        from: { type: postgres, dsn: "${SHOP_DSN}", table: absent }
        to: { type: sqlite, path: out/never.db, table: rows }
    - id: refused
      copy:
        from: { type: postgres, dsn: "${WRONG_DSN}", table: rows }
        to: { type: csv, path: out/refused.csv }
    - id: no_server
      copy:
        from: { type: postgres, dsn: "postgres://somebody:${API_TOKEN_ENCODED}@127.0.0.1:1/none", table: rows }
        to: { type: csv, path: out/no_server.csv }
    - id: in_sql
      sql:
        query: "SELECT CAST(concat(name, '${API_TOKEN}') AS INTEGER) AS it FROM names"
        tables: { names: { type: csv, path: names.csv } }
        to: { type: csv, path: out/in_sql.csv }
"#;

/// Everything that could have been told a secret.
struct Planted {
    role: &'static str,
    scratch: Scratch,
    database: Database,
    said: Vec<Said>,
}

impl Planted {
    /// Roles belong to the server that all tests share, so each test has its own.
    fn new(role: &'static str) -> Self {
        let server = Postgres::shared();
        let database = wait(server.database());
        wait(server.role(role, PASSWORD));
        wait(database.execute(&format!(
            "CREATE TABLE rows AS SELECT i AS id FROM generate_series(1, 3) AS i;
             GRANT SELECT ON rows TO {role}"
        )));
        let scratch = Scratch::project(&[
            ("pipeline.yaml", PIPELINE),
            ("token.txt", IN_FILE),
            ("names.csv", "name\nsomebody\n"),
        ]);
        Self { role, scratch, database, said: Vec::new() }
    }

    fn call(&self, args: &[&str]) -> Flowglass {
        flowglass(&self.scratch, args)
            .env("API_TOKEN", TOKEN)
            .env("API_TOKEN_ENCODED", "encoded-Planted-4714")
            .env("SHOP_DSN", self.database.dsn_of(self.role, PASSWORD))
            .env("WRONG_DSN", self.database.dsn_of(self.role, "wrong-Planted-4715"))
    }

    fn say(&mut self, args: &[&str]) -> &Said {
        let said = self.call(args).run();
        self.said.push(said);
        self.said.last().unwrap()
    }

    /// Looks for the planted words, and says where one is.
    fn search(&self) {
        for said in &self.said {
            for stream in [&said.stdout, &said.stderr] {
                assert!(!stream.contains("Planted"), "{said}");
            }
        }
        for file in self.scratch.files() {
            if file == "token.txt" {
                continue;
            }
            let bytes = std::fs::read(self.scratch.path(&file)).unwrap();
            let found = bytes.windows(7).position(|it| it == b"Planted");
            let around = found.map(|at| {
                let (from, to) = (at.saturating_sub(120), (at + 80).min(bytes.len()));
                String::from_utf8_lossy(&bytes[from..to]).into_owned()
            });
            assert_eq!(around, None, "a secret is in {file}");
        }
    }
}

#[test]
fn a_secret_of_a_run_comes_out_nowhere() {
    let mut planted = Planted::new("planter_reader");
    let report = planted.say(&["run", "pipeline.yaml", "--format", "json", "--output-dir", "kept"]);
    assert_eq!(report.code(), Some(1), "{report}");
    let report = report.json();
    // Each node got as far as it was meant to, or the search would prove nothing.
    let class = |node: &str| {
        let errors = report["errors"].as_array().unwrap();
        errors.iter().find(|it| it["node"] == node).map(|it| it["class"].clone())
    };
    assert_eq!(class("reads"), None, "{report:#}");
    assert_eq!(class("argument"), None, "{report:#}");
    assert_eq!(class("prints"), Some("exit_code".into()), "{report:#}");
    for node in ["fails", "no_table", "refused", "no_server", "in_sql"] {
        assert!(class(node).is_some(), "{node}: {report:#}");
    }
    for args in [
        &["run", "pipeline.yaml"][..],
        &["run", "pipeline.yaml", "--format", "ndjson"],
        &["run", "--resume", "latest"],
        &["validate", "pipeline.yaml"],
        &["plan", "pipeline.yaml"],
        &["plan", "pipeline.yaml", "--format", "json"],
        &["runs", "list", "--format", "json"],
        &["runs", "show", "latest"],
        &["runs", "show", "latest", "--format", "json"],
        &["runs", "events", "latest"],
        &["runs", "logs", "latest"],
        &["runs", "logs", "latest", "--format", "json"],
        &["runs", "export", "latest", "--output-dir", "exported"],
        &["observability", "metrics-export", "--run", "latest", "--output-dir", "metrics"],
    ] {
        planted.say(args);
    }
    let logs = planted.say(&["runs", "logs", "latest", "--node", "prints"]);
    assert!(logs.stdout.contains("out ***"), "the line is kept, without the secret: {logs}");
    planted.search();
}

#[test]
fn a_secret_in_a_manifest_that_cannot_be_used_is_not_shown() {
    let mut planted = Planted::new("planter_breaker");
    let broken = PIPELINE.replace("type: csv, path: out/rows.csv", "type: csv, pth: out/rows.csv");
    let no_table = PIPELINE.replace("FROM names", "FROM absent");
    planted.scratch.write("no_table.yaml", no_table);
    assert_eq!(planted.say(&["run", "no_table.yaml"]).code(), Some(2));
    let literal = broken.replace("${SHOP_DSN}", &planted.database.dsn_of(planted.role, PASSWORD));
    planted.scratch.write("broken.yaml", broken);
    for args in [["validate", "broken.yaml"], ["run", "broken.yaml"], ["plan", "broken.yaml"]] {
        assert_eq!(planted.say(&args).code(), Some(2));
    }
    planted.search();
    let file = planted.scratch.write("literal.yaml", literal);
    assert_eq!(planted.say(&["validate", "literal.yaml"]).code(), Some(2));
    std::fs::remove_file(file).unwrap();
    planted.search();
}

#[test]
fn exec_hides_the_variables_it_is_told_to() {
    let mut planted = Planted::new("planter_executor");
    let args = ["exec", "--pipeline", "p", "--secret", "API_TOKEN", "--", "sh", "-c"];
    let said = planted.call(&[&args[..], &["echo $API_TOKEN"]].concat()).run();
    // What the command writes is the caller's own; the record of it is what must not tell.
    assert_eq!(said.ok().stdout, format!("{TOKEN}\n"));
    planted.say(&["runs", "logs", "latest"]);
    planted.search();
}
