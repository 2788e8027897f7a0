//! What is taken for a credential, and what is not.

use super::{is_secret_name, redact, redact_named};

#[track_caller]
fn check(text: &str, expect: &str) {
    assert_eq!(redact(text), expect);
}

#[test]
fn credentials_leave() {
    check("postgres://bob:hunter2@db:5432/shop", "postgres://***@db:5432/shop");
    check("postgres://bob:p@ss/w0rd@db/shop", "postgres://***@db/shop");
    check("https://ghp_abc@github.com/x", "https://***@github.com/x");
    check("bob:pw@tcp(db:3306)/shop", "***@tcp(db:3306)/shop");
    check("host=db password=hunter2 user=bob", "host=db password=*** user=bob");
    check("Server=x;Pwd=a b;Uid=y", "Server=x;Pwd=*** b;Uid=y");
    check("https://h/p?api_key=abc&x=1", "https://h/p?api_key=***&x=1");
    check("{\"token\": \"abc\", \"x\": 1}", "{\"token\": \"***\", \"x\": 1}");
    check("Authorization: Bearer abc.def", "Authorization: ***");
    check("curl -H 'bearer abc123xyz'", "curl -H 'bearer ***'");
    check("mysql --password hunter2 -h db", "mysql --password *** -h db");
    check("key AKIAIOSFODNN7EXAMPLE used", "key *** used");
    check("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "***");
    check("push ghp_16C7e42F292c6912E7710c838347Ae178B4a", "push ***");
    check("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def", "***");
    check("a -----BEGIN RSA PRIVATE KEY-----\nMII\n", "a ***");
    check("x9Kq2LmZ8Rt4Vw1Yb7Nc3Pd6Hf5Jg0S", "***");
}

#[test]
fn ordinary_labels_stay() {
    for plain in [
        "orders",
        "success",
        "manual-0123456789abcdef0123456789abcdef",
        "main",
        "",
        "0198c5d2-7f3e-7c4a-9b1d-2f6e8a4c0d11",
        "01J8ZQ4K2M7N9P3R5T6V8W0X1Y",
        "9c1185a5c5e9fc54612808977ee8f548b2258d31",
        "incremental_merge",
        "https://example.org/path?x=1",
        "/data/Orders2024/Part-0001/file.parquet",
        "refs/heads/feature/A1-new-loader",
        "postgres_to_mssql__full_refresh",
        "12:30:45",
        "https://github.com/acme/app/actions/runs/123456789/attempts/2",
        "basic checks passed",
        "deployment.environment=prod",
        "s3://bucket/key@version",
        "token_count: 3 rows",
        "OrdersPipelineProductionEuropeJanuary2024",
        "2026-01-01T00:00:00Z",
    ] {
        check(plain, plain);
    }
}

#[test]
fn names_decide_too() {
    for secret in [
        "password",
        "DB_PASSWORD",
        "api-key",
        "auth.token",
        "aws_secret_access_key",
        "clientSecret",
    ] {
        assert!(is_secret_name(secret), "{secret}");
    }
    for plain in ["token_count", "author", "run_id", "passed", "keyspace", "assign", "pipeline"] {
        assert!(!is_secret_name(plain), "{plain}");
    }
    assert_eq!(redact_named("api_key", "x"), "***");
    assert_eq!(redact_named("api_key", ""), "");
    assert_eq!(redact_named("env", "x"), "x");
}
