//! Inserts, updates, deletes, truncates, and tables that change their shape on the way.

use flowglass_connect::stream::{Identity, Kind};

use super::{Bench, Taken};

#[tokio::test]
async fn every_operation_is_told_with_what_is_known_of_the_row() {
    let bench = Bench::new(
        "CREATE TABLE t (a int, b text, c int, PRIMARY KEY (c, a)); \
         CREATE TABLE full_t (a int PRIMARY KEY, b text); \
         ALTER TABLE full_t REPLICA IDENTITY FULL; \
         CREATE TABLE not_meant (a int PRIMARY KEY)",
        &["t", "public.full%"],
    )
    .await;
    let mut stream = bench.open(None).await;
    bench
        .database
        .execute(
            "INSERT INTO t VALUES (1, 'x', 2), (3, NULL, 4); \
             UPDATE t SET b = 'y' WHERE a = 1; UPDATE t SET a = 9 WHERE a = 3; \
             INSERT INTO not_meant VALUES (1); \
             DELETE FROM t WHERE a = 1; INSERT INTO full_t VALUES (1, 'x'); \
             UPDATE full_t SET b = 'y'; DELETE FROM full_t; TRUNCATE t, full_t",
        )
        .await;
    let taken = stream.take(10).await;
    let lines: Vec<String> = taken.iter().map(Taken::line).collect();
    assert_eq!(
        lines,
        [
            "insert public.t [1, x, 2]",
            "insert public.t [3, null, 4]",
            "update public.t [1, y, 2]",
            "update public.t [3, null, 4] -> [9, null, 4]",
            "delete public.t [1, null, 2]",
            "insert public.full_t [1, x]",
            "update public.full_t [1, x] -> [1, y]",
            "delete public.full_t [1, y]",
            "truncate public.t",
            "truncate public.full_t",
        ]
    );
    let identities: Vec<Identity> = taken.iter().map(|it| it.identity).collect();
    assert_eq!(identities[2..5], [Identity::None, Identity::Key, Identity::Key]);
    assert_eq!(identities[6..9], [Identity::Full, Identity::Full, Identity::None]);
    // In the key's own order.
    assert_eq!(taken[0].relation.key, [2, 0]);
    assert_eq!(taken[5].relation.key, [0]);
    // One transaction: numbered through, and whole at its end.
    let commit = taken[0].position.commit;
    let rows: Vec<u64> = taken.iter().map(|it| it.position.rows).collect();
    assert_eq!(rows, (1..=10).collect::<Vec<_>>());
    assert!(taken.iter().all(|it| it.position.commit == commit));
    assert!(stream.reach(commit).await.is_between_transactions());
}

#[tokio::test]
async fn a_large_value_that_did_not_change_is_said_to_be_so() {
    let bench = Bench::new(
        "CREATE TABLE t (a int PRIMARY KEY, big text, small int); \
         ALTER TABLE t ALTER big SET STORAGE EXTERNAL; \
         CREATE TABLE f (LIKE t INCLUDING ALL); ALTER TABLE f REPLICA IDENTITY FULL",
        &["t", "f"],
    )
    .await;
    let mut stream = bench.open(None).await;
    bench
        .database
        .execute(
            "INSERT INTO t VALUES (1, repeat('x', 10000), 1); UPDATE t SET small = 2; \
             INSERT INTO f VALUES (1, repeat('x', 10000), 1); UPDATE f SET small = 2",
        )
        .await;
    let taken = stream.take(4).await;
    assert_eq!(taken[1].after.as_deref().unwrap(), ["1", "unchanged", "2"]);
    // The whole row before has it.
    assert_eq!(taken[3].after.as_deref().unwrap()[1], "x".repeat(10_000));
    assert_eq!(taken[3].before.as_deref().unwrap()[1], "x".repeat(10_000));
}

#[tokio::test]
async fn a_table_that_changes_its_shape_is_another_version_from_there_on() {
    let bench = Bench::new("CREATE TABLE t (a int PRIMARY KEY)", &["t"]).await;
    let mut stream = bench.open(None).await;
    bench
        .database
        .execute(
            "BEGIN; INSERT INTO t VALUES (1); ALTER TABLE t ADD b numeric(5,1) DEFAULT 7; \
             INSERT INTO t VALUES (2); COMMIT; ALTER TABLE t RENAME b TO c; \
             UPDATE t SET c = 8 WHERE a = 2; ALTER TABLE t DROP c; INSERT INTO t VALUES (3)",
        )
        .await;
    let taken = stream.take(4).await;
    let shape = |taken: &Taken| {
        let columns = taken.relation.columns.iter().map(|column| column.name.clone());
        (taken.relation.version, columns.collect::<Vec<_>>().join(" "), taken.line())
    };
    let shapes: Vec<_> = taken.iter().map(shape).collect();
    let expected = [
        (1, "a", "insert public.t [1]"),
        (2, "a b", "insert public.t [2, 7.0]"),
        (3, "a c", "update public.t [2, 8.0]"),
        (4, "a", "insert public.t [3]"),
    ];
    for (found, (version, columns, line)) in shapes.iter().zip(expected) {
        assert_eq!((found.0, found.1.as_str(), found.2.as_str()), (version, columns, line));
    }
    assert_eq!(taken[1].relation.columns[1].kind, Kind::Decimal(Some((5, 1))));
}

#[tokio::test]
async fn partitions_are_told_as_their_table() {
    let bench = Bench::new(
        "CREATE TABLE t (a int PRIMARY KEY, b text) PARTITION BY RANGE (a); \
         CREATE TABLE t_low PARTITION OF t FOR VALUES FROM (0) TO (10); \
         CREATE TABLE t_high PARTITION OF t FOR VALUES FROM (10) TO (20)",
        &["t%"],
    )
    .await;
    let mut stream = bench.open(None).await;
    bench
        .database
        .execute("INSERT INTO t VALUES (1, 'x'), (11, 'y'); UPDATE t SET a = 12 WHERE a = 1")
        .await;
    assert_eq!(
        stream.lines(4).await,
        [
            "insert public.t [1, x]",
            "insert public.t [11, y]",
            "delete public.t [1, null]",
            "insert public.t [12, x]",
        ]
    );
}

#[tokio::test]
async fn a_publication_of_everything_is_used_as_it_is() {
    let bench = Bench::new(
        "CREATE TABLE t (a int PRIMARY KEY); CREATE TABLE other (a int PRIMARY KEY)",
        &["t"],
    )
    .await;
    bench.database.execute(&format!("CREATE PUBLICATION {} FOR ALL TABLES", bench.slot)).await;
    let mut stream = bench.open(None).await;
    bench.database.execute("INSERT INTO other VALUES (1), (2); INSERT INTO t VALUES (1)").await;
    let taken = stream.take(1).await;
    assert_eq!(taken[0].line(), "insert public.t [1]");
    // What is left out is counted, so that the number does not hang on the configuration.
    assert_eq!(taken[0].position.rows, 3);
}

#[tokio::test]
async fn rows_as_large_as_a_chunk_and_larger_come_whole() {
    let bench = Bench::new("CREATE TABLE t (a int PRIMARY KEY, b text)", &["t"]).await;
    let mut stream = bench.open(None).await;
    for (key, length) in [(1, 100), (2, 600_000), (3, 5_000_000), (4, 100)] {
        let sql = format!("INSERT INTO t VALUES ({key}, repeat('{key}', {length}))");
        bench.database.execute(&sql).await;
    }
    let lengths: Vec<usize> =
        stream.take(4).await.iter().map(|it| it.after.as_ref().unwrap()[1].len()).collect();
    assert_eq!(lengths, [100, 600_000, 5_000_000, 100]);
}
