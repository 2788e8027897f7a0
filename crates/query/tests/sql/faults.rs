//! What queries refuse, and how they say it.

use super::*;
use arrow::datatypes::{DataType, Field, Schema};
use flowglass_model::ErrorClass;

async fn said(sql: &str) -> String {
    let secret = source(
        "secrets",
        vec![
            ("pin", Arc::new(StringArray::from(vec!["hush4711"])) as _),
            ("big", Arc::new(Int64Array::from(vec![i64::MAX])) as _),
            ("zero", Arc::new(Int64Array::from(vec![0])) as _),
        ],
    );
    let tables = vec![table("orders", &orders()), table("secrets", &secret)];
    match ask(sql, tables).await {
        Ok(batches) => panic!("{sql}\n{}", shown(&batches)),
        Err(fault) => {
            let said =
                format!("{}: {}\n  hint: {}", fault.class().name(), fault.chain(), fault.advice());
            assert!(
                !said.contains("hush4711") && !said.contains("922337"),
                "a value is told: {said}"
            );
            format!("{sql}\n  {said}")
        }
    }
}

#[tokio::test]
async fn mistakes_in_the_text_have_a_place_and_the_nearest_name() {
    let queries = [
        "SELECT\n  ammount FROM orders",
        "SELECT o.ordrid FROM orders o",
        "SELECT * FROM\n ordesr",
        "SELECT * FROM shop.orders",
        "SELECT orderid FROM orders a, orders b",
        "SELECT a.orderid, b.orderid FROM orders a JOIN orders b USING (orderid)",
        "SELECT nosuch(orderid) FROM orders",
        "SELECT orderid + pin FROM orders, secrets",
        "SELECT sum(pin) FROM secrets",
        "SELECT orderid FROM orders GROUP BY amount",
    ];
    let mut all = Vec::new();
    for sql in queries {
        all.push(said(sql).await);
    }
    insta::assert_snapshot!(all.join("\n"));
}

#[tokio::test]
async fn faults_of_rows_have_a_class_and_no_value() {
    let queries = [
        "SELECT big / zero FROM secrets",
        "SELECT big + 1 FROM secrets",
        "SELECT 0 - big - 2 FROM secrets",
        "SELECT big * big FROM secrets",
        "SELECT sum(v) FROM (SELECT big AS v FROM secrets UNION ALL SELECT big FROM secrets)",
        "SELECT zero, sum(v) FROM (SELECT zero, big AS v FROM secrets UNION ALL SELECT zero, big FROM secrets) GROUP BY zero",
        "SELECT CAST(pin AS BIGINT) FROM secrets",
        "SELECT CAST(pin AS TIMESTAMP) FROM secrets",
        "SELECT CAST(pin AS DECIMAL(10, 2)) FROM secrets",
        "SELECT CAST(big AS INT) FROM secrets",
        "SELECT * FROM secrets WHERE CAST(pin AS DATE) > '2020-01-01'",
        "SELECT to_timestamp(pin) FROM secrets",
    ];
    let mut all = Vec::new();
    for sql in queries {
        all.push(said(sql).await);
    }
    insta::assert_snapshot!(all.join("\n"));
}

#[tokio::test]
async fn a_fault_of_a_source_arrives_as_it_is() {
    let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
    let good = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Int64Array::from(vec![1]))])
        .unwrap();
    let source = MemorySource::new("t", schema, vec![good]).breaking_at(1, ErrorClass::Unreachable);
    let source = Arc::new(source);
    for sql in
        ["SELECT * FROM t", "SELECT sum(a) FROM t", "SELECT x.a FROM t x JOIN t y ON x.a = y.a"]
    {
        let fault = ask(&format!("{sql} ORDER BY 1"), vec![table("t", &source)]).await.err();
        let fault = fault.unwrap_or_else(|| panic!("{sql} passed"));
        assert_eq!(fault.class(), ErrorClass::Unreachable, "{sql}: {}", fault.chain());
    }
    assert_eq!(source.readers_open(), 0);
}

#[tokio::test]
async fn long_chains_do_not_overflow_the_stack() {
    let chain = vec!["orderid = 1"; 20_000].join(" OR ");
    // Answered or refused, but never a crash.
    drop(
        ask(
            &format!("SELECT count(*) FROM orders WHERE {chain}"),
            vec![table("orders", &orders())],
        )
        .await,
    );
}
