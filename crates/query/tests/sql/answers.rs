//! What queries answer: names, types, figures.

use super::*;
use flowglass_connect::{CursorBound, CursorKind, CursorValue};

async fn golden(sql: &str) -> String {
    let said = match ask(sql, vec![table("orders", &orders())]).await {
        Ok(batches) => shown(&batches),
        Err(fault) => format!("{}: {}", fault.class().name(), fault.chain()),
    };
    format!("{sql}\n{said}")
}

#[tokio::test]
async fn names_are_found_whatever_their_case_and_keep_their_spelling() {
    let queries = [
        "SELECT orderid, AMOUNT, date FROM Orders ORDER BY orderid LIMIT 2",
        "SELECT o.OrderID AS Number, \"Ship To\" FROM orders o WHERE O.orderid = 1",
        "SELECT \"OrderID\", \"it's \"\"größe\"\"\" FROM \"orders\" ORDER BY 1 LIMIT 1",
        "SELECT Date, count(*) AS \"How Many\", sum(amount) AS Total FROM orders GROUP BY date ORDER BY total NULLS LAST, Date",
        "WITH Big AS (SELECT orderid AS Id, amount FROM orders WHERE amount > 0.15) SELECT ID, Amount FROM BIG ORDER BY id LIMIT 2",
        "SELECT CAST('2024-10-04' AS date) AS a, date '2024-10-04' = date AS b FROM orders LIMIT 1",
        "SELECT * EXCLUDE (amount, date, updated_at) FROM orders ORDER BY orderid LIMIT 1",
    ];
    let mut all = Vec::new();
    for sql in queries {
        all.push(golden(sql).await);
    }
    insta::assert_snapshot!(all.join("\n\n"));
}

#[tokio::test]
async fn numbers_stay_exact() {
    let queries = [
        "SELECT 0.1 + 0.2 AS a, amount * 1.19 AS b, sum(amount) OVER () AS c FROM orders ORDER BY orderid LIMIT 1",
        "SELECT sum(amount) AS total, max(orderid) AS top, avg(amount) AS mean, min(updated_at) AS first FROM orders",
        "SELECT NULL AS nothing, 'text' AS text, true AS truth, now() AS now",
        "SELECT sum(orderid) AS s FROM (SELECT orderid FROM orders WHERE orderid < 5)",
        "SELECT sum(DISTINCT orderid) AS s FROM orders WHERE orderid < 5",
    ];
    let mut all = Vec::new();
    for sql in queries {
        all.push(golden(sql).await);
    }
    insta::assert_snapshot!(all.join("\n\n"));
}

#[tokio::test]
async fn columns_that_differ_in_case_only_are_told_apart_by_quotes() {
    let one = source(
        "t",
        vec![
            ("ID", Arc::new(Int64Array::from(vec![1])) as _),
            ("id", Arc::new(Int64Array::from(vec![2])) as _),
            ("Other", Arc::new(Int64Array::from(vec![3])) as _),
        ],
    );
    let batches = ask("SELECT \"ID\", \"id\", other FROM t", vec![table("t", &one)]).await.unwrap();
    insta::assert_snapshot!(shown(&batches));
}

#[tokio::test]
async fn a_scan_reads_only_what_it_needs_and_once() {
    let orders = orders();
    drop(ask("SELECT count(*) FROM orders", vec![table("orders", &orders)]).await.unwrap());
    drop(
        ask("SELECT amount FROM orders WHERE orderid > 1", vec![table("orders", &orders)])
            .await
            .unwrap(),
    );
    let twice =
        "SELECT a.orderid FROM orders a JOIN orders b ON a.orderid = b.orderid AND a.orderid = 1";
    drop(ask(twice, vec![table("orders", &orders)]).await.unwrap());
    let columns: Vec<Option<Vec<String>>> = orders.asked();
    // Each query looks once at all columns.
    assert_eq!(columns.iter().filter(|it| it.is_none()).count(), 3);
    let read: Vec<String> = columns.into_iter().flatten().map(|it| it.join(",")).collect();
    assert_eq!(read, ["Date", "OrderID,Amount", "OrderID", "OrderID"]);
    assert_eq!(orders.readers_open(), 0);
}

#[tokio::test]
async fn tables_that_are_not_named_are_not_opened() {
    let (orders, other) = (orders(), orders());
    let tables = vec![table("orders", &orders), table("other", &other)];
    drop(ask("WITH other AS (SELECT 1 AS a) SELECT * FROM other, orders", tables).await.unwrap());
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn a_request_chooses_columns_and_begins_at_its_cursor() {
    let value =
        CursorValue { kind: CursorKind::Timestamp, text: "2023-11-14T22:13:20.123458Z".to_owned() };
    let request = ReadRequest {
        columns: Some(vec!["Total".to_owned(), "At".to_owned()]),
        from_cursor: Some(CursorBound { column: "At".to_owned(), value: Some(value) }),
        batch_rows_max: 2,
        ..ReadRequest::default()
    };
    let sql = "SELECT orderid, amount AS Total, updated_at AS At FROM orders ORDER BY orderid";
    let batches = ask_with(sql, vec![table("orders", &orders())], request).await.unwrap();
    assert!(batches.iter().all(|batch| batch.num_rows() <= 2));
    insta::assert_snapshot!(shown(&batches));
}

#[tokio::test]
async fn a_query_without_rows_still_has_its_columns() {
    let batches =
        ask("SELECT orderid, amount FROM orders WHERE false", vec![table("orders", &orders())])
            .await;
    insta::assert_snapshot!(shown(&batches.unwrap()));
}
