//! What is said before a stream is opened, and what opening refuses.

use flowglass_connect::stream::Precondition;
use flowglass_model::ErrorClass;
use flowglass_testkit::{Postgres, Settings};

use super::{Bench, server, source};

fn finding<'a>(findings: &'a [Precondition], name: &str) -> &'a Precondition {
    let found = findings.iter().find(|it| it.name == name);
    found.unwrap_or_else(|| panic!("nothing is said of {name}: {findings:?}"))
}

#[tokio::test]
async fn a_server_that_is_ready_is_found_so() {
    let bench = Bench::new("CREATE TABLE t (a int PRIMARY KEY)", &["t"]).await;
    let findings = bench.source.examine().await.unwrap();
    for name in [
        "server version",
        "wal_level",
        "replication right",
        "replication slots",
        "wal senders",
        "clock",
        "wal_sender_timeout",
        "tables",
        "replica identity of public.t",
        &format!("publication {}", bench.slot),
        &format!("slot {}", bench.slot),
    ] {
        let finding = finding(&findings, name);
        assert!(finding.fine && finding.remedy.is_none(), "{finding:?}");
    }
    let beat = finding(&findings, "heartbeat");
    assert!(!beat.fine && beat.optional);
    drop(bench.open(None).await);
    let findings = bench.source.examine().await.unwrap();
    let publication = finding(&findings, &format!("publication {}", bench.slot));
    assert_eq!(publication.found, "carries every table");
}

#[tokio::test]
async fn what_is_missing_is_said_with_the_statement_that_mends_it() {
    let server = Postgres::start(Settings::default().set("max_replication_slots", "0"));
    let database = server.database().await;
    database
        .execute(
            "CREATE TABLE t (a int); CREATE ROLE weak LOGIN; GRANT USAGE ON SCHEMA public TO weak",
        )
        .await;
    let dsn = database.dsn().replace("postgres@", "weak@");
    let weak = source(
        &database,
        &["t"],
        &serde_json::json!({
            "dsn": dsn, "snapshot": { "mode": "initial" }
        }),
    )
    .unwrap();
    let findings = weak.examine().await.unwrap();
    let remedies = [
        ("wal_level", "ALTER SYSTEM SET wal_level = 'logical'"),
        ("replication right", "ALTER ROLE \"weak\" REPLICATION"),
        ("replication slots", "ALTER SYSTEM SET max_replication_slots = 5"),
        ("replica identity of public.t", "ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL"),
        ("select on public.t", "GRANT SELECT ON \"public\".\"t\""),
    ];
    for (name, remedy) in remedies {
        let finding = finding(&findings, name);
        assert!(!finding.fine && !finding.optional, "{finding:?}");
        assert!(finding.remedy.as_ref().unwrap().starts_with(remedy), "{finding:?}");
    }
    let publication = findings.iter().find(|it| it.name.starts_with("publication ")).unwrap();
    assert!(!publication.fine);
    assert!(publication.remedy.as_ref().unwrap().starts_with("CREATE PUBLICATION"));
}

#[tokio::test]
async fn a_table_that_is_not_there_is_answered_with_the_nearest() {
    let bench = Bench::new("CREATE TABLE orders (a int PRIMARY KEY)", &["ordres"]).await;
    let fault = bench.try_open(None).await.err().unwrap();
    assert_eq!(fault.class(), ErrorClass::NotFound);
    assert_eq!(fault.advice(), "Did you mean `public.orders`?");
    let findings = bench.source.examine().await.unwrap();
    assert!(!finding(&findings, "tables").fine);
}

#[tokio::test]
async fn a_table_is_not_published_when_that_would_stop_its_writers() {
    let bench = Bench::new("CREATE TABLE t (a int)", &["t"]).await;
    let fault = bench.try_open(None).await.err().unwrap();
    assert_eq!(fault.class(), ErrorClass::Config);
    assert!(fault.advice().contains("REPLICA IDENTITY FULL"), "{}", fault.advice());
    bench.database.execute("INSERT INTO t VALUES (1); UPDATE t SET a = 2").await;
    bench.database.execute("ALTER TABLE t REPLICA IDENTITY FULL").await;
    let mut stream = bench.open(None).await;
    bench.database.execute("UPDATE t SET a = 3").await;
    assert_eq!(stream.lines(1).await, ["update public.t [2] -> [3]"]);
}

#[tokio::test]
async fn a_further_table_that_is_meant_joins_the_publication() {
    let bench = Bench::new("CREATE TABLE t_1 (a int PRIMARY KEY)", &["t_%"]).await;
    let mut stream = bench.open(None).await;
    bench.database.execute("INSERT INTO t_1 VALUES (1)").await;
    let from = stream.take(1).await[0].position.clone();
    drop(stream);
    bench.database.execute("CREATE TABLE t_2 (a int PRIMARY KEY)").await;
    let mut stream = bench.open(Some(from)).await;
    bench.database.execute("INSERT INTO t_2 VALUES (1)").await;
    assert_eq!(stream.lines(1).await, ["insert public.t_2 [1]"]);
}

#[tokio::test]
async fn a_password_is_proved_and_a_wrong_one_is_refused() {
    let bench = Bench::new("CREATE TABLE t (a int PRIMARY KEY)", &["t"]).await;
    let role = format!("reader_{}", bench.slot);
    server().role(&role, "right").await;
    let publication = &bench.slot;
    bench
        .database
        .execute(&format!(
            "ALTER ROLE {role} REPLICATION; CREATE PUBLICATION {publication} FOR TABLE t"
        ))
        .await;
    let of = |password: &str| {
        let dsn = bench.database.dsn_of(&role, password);
        source(&bench.database, &["t"], &serde_json::json!({ "dsn": dsn })).unwrap()
    };
    let right =
        Bench { source: of("right"), database: bench.database.clone(), slot: bench.slot.clone() };
    let mut stream = right.open(None).await;
    bench.database.execute("INSERT INTO t VALUES (1)").await;
    assert_eq!(stream.lines(1).await, ["insert public.t [1]"]);
    let wrong = Bench { source: of("s3cret"), ..right };
    let fault = wrong.try_open(None).await.err().unwrap();
    assert_eq!(fault.class(), ErrorClass::Auth);
    assert!(!format!("{fault:?}{}", fault.advice()).contains("s3cret"));
}

#[tokio::test]
async fn tls_is_used_and_the_certificate_is_checked() {
    let server = Postgres::start(Settings::default().logical_replication().tls());
    let database = server.database().await;
    database.execute("CREATE TABLE t (a int PRIMARY KEY)").await;
    server.role("sealed", "right").await;
    database.execute("ALTER ROLE sealed REPLICATION SUPERUSER").await;
    let dsn = |root: &std::path::Path| {
        let dsn = database.dsn_of("sealed", "right").replace("127.0.0.1", "localhost");
        format!("{dsn}?sslmode=verify-full&channel_binding=require&sslrootcert={}", root.display())
    };
    let of = |root: &std::path::Path| {
        source(&database, &["t"], &serde_json::json!({ "dsn": dsn(root) })).unwrap()
    };
    let slot = super::slot_of(&database);
    let bench = Bench { source: of(&server.root_certificate()), database: database.clone(), slot };
    let mut stream = bench.open(None).await;
    database.execute("INSERT INTO t VALUES (1)").await;
    assert_eq!(stream.lines(1).await, ["insert public.t [1]"]);
    let sealed = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_replication USING (pid)";
    assert_eq!(database.lines(sealed).await, ["t"]);
    let stranger = Postgres::start(Settings::default().tls());
    let deceived = Bench { source: of(&stranger.root_certificate()), ..bench };
    assert!(deceived.try_open(None).await.is_err());
}
