//! Every type of a real schema: what its cells say, and what they are said to be.

use flowglass_connect::stream::{Column, Kind};

use super::Bench;

/// Declared type, a literal, the cell's text, its kind, and its name where that differs from the
/// declaration.
type Case = (&'static str, &'static str, &'static str, Kind, &'static str);

const EXTRAS: &str = "CREATE EXTENSION hstore; CREATE EXTENSION citext; \
    CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'happy'); \
    CREATE TYPE pair AS (a int, b text); \
    CREATE DOMAIN price AS numeric(10,2) CHECK (VALUE >= 0); \
    CREATE DOMAIN small_price AS price; CREATE TYPE span AS RANGE (subtype = float8);";

fn numbers() -> Vec<Case> {
    let decimal = |precision, scale| Kind::Decimal(Some((precision, scale)));
    vec![
        ("bool", "true", "t", Kind::Bool, "boolean"),
        ("int2", "-32768", "-32768", Kind::Int16, "smallint"),
        ("int4", "2147483647", "2147483647", Kind::Int32, "integer"),
        ("int8", "-9223372036854775808", "-9223372036854775808", Kind::Int64, "bigint"),
        ("oid", "4294967295", "4294967295", Kind::Int64, "oid"),
        ("float4", "'0.1'", "0.1", Kind::Float32, "real"),
        ("float4", "'-Infinity'", "-Infinity", Kind::Float32, "real"),
        ("float8", "'0.1'::float8 + 0.2", "0.30000000000000004", Kind::Float64, "double precision"),
        ("float8", "'NaN'", "NaN", Kind::Float64, "double precision"),
        ("numeric(12,2)", "1.5", "1.50", decimal(12, 2), "numeric(12,2)"),
        ("numeric", "'NaN'", "NaN", Kind::Decimal(None), "numeric"),
        (
            "numeric",
            "123456789012345678901234567890.12345678901234567890123456789",
            "123456789012345678901234567890.12345678901234567890123456789",
            Kind::Decimal(None),
            "numeric",
        ),
        ("money", "-1234.5", "-$1,234.50", Kind::Money, "money"),
        ("price", "3.999", "4.00", decimal(10, 2), "public.price"),
        ("small_price", "3", "3.00", decimal(10, 2), "public.small_price"),
    ]
}

fn texts() -> Vec<Case> {
    vec![
        ("text", "E'é\\U0001F600\\n\"\\\\'", "é😀\n\"\\", Kind::Text, "text"),
        ("text", "''", "", Kind::Text, "text"),
        ("varchar(5)", "'abc'", "abc", Kind::Text, "character varying(5)"),
        ("char(5)", "'abc'", "abc  ", Kind::Text, "character(5)"),
        ("\"char\"", "'x'", "x", Kind::Text, "\"char\""),
        ("name", "'some'", "some", Kind::Text, "name"),
        ("citext", "'AbC'", "AbC", Kind::Text, "public.citext"),
        ("xml", "'<a>1</a>'", "<a>1</a>", Kind::Text, "xml"),
        ("mood", "'it''s ok'", "it's ok", Kind::Enum, "public.mood"),
        ("bytea", "'\\x00ff10'", "\\x00ff10", Kind::Bytes, "bytea"),
        ("bit(4)", "B'1010'", "1010", Kind::Bits(4), "bit(4)"),
        ("varbit", "B'1'", "1", Kind::Bits(0), "bit varying"),
        ("json", "'{\"b\": 1,  \"a\":2}'", "{\"b\": 1,  \"a\":2}", Kind::Json, "json"),
        ("jsonb", "'{\"b\":1,  \"a\":2}'", "{\"a\": 2, \"b\": 1}", Kind::Json, "jsonb"),
        (
            "uuid",
            "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            Kind::Uuid,
            "uuid",
        ),
        ("inet", "'192.168.0.1/24'", "192.168.0.1/24", Kind::Other, "inet"),
        ("macaddr", "'08:00:2b:01:02:03'", "08:00:2b:01:02:03", Kind::Other, "macaddr"),
        ("point", "'(1,2)'", "(1,2)", Kind::Other, "point"),
        ("tsvector", "'a fat cat'", "'a' 'cat' 'fat'", Kind::Other, "tsvector"),
        ("hstore", "'a=>1, b=>NULL'", "\"a\"=>\"1\", \"b\"=>NULL", Kind::Hstore, "public.hstore"),
        ("int4range", "'[1,5]'", "[1,6)", Kind::Other, "int4range"),
        ("int4multirange", "'{[1,2],[5,6]}'", "{[1,3),[5,7)}", Kind::Other, "int4multirange"),
        ("span", "'[1.5,2]'", "[1.5,2]", Kind::Other, "public.span"),
        ("pair", "ROW(1, 'a,b')", "(1,\"a,b\")", Kind::Other, "public.pair"),
    ]
}

fn times() -> Vec<Case> {
    vec![
        ("date", "'2024-02-29'", "2024-02-29", Kind::Date, "date"),
        ("date", "'-infinity'", "-infinity", Kind::Date, "date"),
        ("date", "'0044-03-15 BC'", "0044-03-15 BC", Kind::Date, "date"),
        ("time", "'23:59:59.123456'", "23:59:59.123456", Kind::Time(6), "time without time zone"),
        ("time(0)", "'24:00'", "24:00:00", Kind::Time(0), "time(0) without time zone"),
        ("timetz", "'23:59+05:30'", "23:59:00+05:30", Kind::TimeTz, "time with time zone"),
        (
            "timestamp",
            "'2024-02-29 12:00:00.000001'",
            "2024-02-29 12:00:00.000001",
            Kind::Timestamp(6),
            "timestamp without time zone",
        ),
        (
            "timestamp(3)",
            "'2024-02-29 12:00:00.1239'",
            "2024-02-29 12:00:00.124",
            Kind::Timestamp(3),
            "timestamp(3) without time zone",
        ),
        ("timestamp", "'infinity'", "infinity", Kind::Timestamp(6), "timestamp without time zone"),
        (
            "timestamptz",
            "'2024-02-29 12:00:00+05:30'",
            "2024-02-29 06:30:00+00",
            Kind::TimestampTz,
            "timestamp with time zone",
        ),
        (
            "interval",
            "'1 year 2 months 3 days 04:05:06.789'",
            "1 year 2 mons 3 days 04:05:06.789",
            Kind::Interval,
            "interval",
        ),
    ]
}

fn arrays() -> Vec<Case> {
    let array = |kind| Kind::Array(Box::new(kind));
    vec![
        ("int4[]", "'{1,NULL,3}'", "{1,NULL,3}", array(Kind::Int32), "integer[]"),
        ("int4[]", "'{{1,2},{3,4}}'", "{{1,2},{3,4}}", array(Kind::Int32), "integer[]"),
        ("text[]", "'{a,\"b,c\",\"\",NULL}'", "{a,\"b,c\",\"\",NULL}", array(Kind::Text), "text[]"),
        ("mood[]", "'{sad,happy}'", "{sad,happy}", array(Kind::Enum), "public.mood[]"),
        (
            "numeric(6,2)[]",
            "'{1.5,2}'",
            "{1.50,2.00}",
            array(Kind::Decimal(Some((6, 2)))),
            "numeric(6,2)[]",
        ),
        (
            "price[]",
            "'{1,2}'",
            "{1.00,2.00}",
            array(Kind::Decimal(Some((10, 2)))),
            "public.price[]",
        ),
        ("jsonb[]", "'{\"{\\\"a\\\":1}\"}'", "{\"{\\\"a\\\": 1}\"}", array(Kind::Json), "jsonb[]"),
        ("int2vector", "'1 2'", "1 2", Kind::Other, "int2vector"),
    ]
}

#[tokio::test]
async fn every_type_is_exact() {
    let cases: Vec<Case> = [numbers(), texts(), times(), arrays()].concat();
    let columns = cases.iter().enumerate().map(|(at, case)| format!("c{at} {}", case.0));
    let columns = columns.collect::<Vec<_>>().join(", ");
    let sql = format!("{EXTRAS} CREATE TABLE t (id int PRIMARY KEY, {columns})");
    let bench = Bench::new(&sql, &["t"]).await;
    // Whatever the database says, the stream speaks its own way.
    let name = bench.database.dsn().rsplit_once('/').unwrap().1.to_owned();
    bench
        .database
        .execute(&format!(
            "ALTER DATABASE {name} SET datestyle = 'German'; \
             ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'; \
             ALTER DATABASE {name} SET bytea_output = 'escape'; \
             ALTER DATABASE {name} SET intervalstyle = 'iso_8601'; \
             ALTER DATABASE {name} SET extra_float_digits = -2"
        ))
        .await;
    let mut stream = bench.open(None).await;
    let values = cases.iter().map(|case| case.1).collect::<Vec<_>>().join(", ");
    let nulls = vec!["NULL"; cases.len()].join(", ");
    bench
        .database
        .execute(&format!("SET timezone = 'UTC'; INSERT INTO t VALUES (1, {values}), (2, {nulls})"))
        .await;
    let taken = stream.take(2).await;
    let columns: &[Column] = &taken[0].relation.columns;
    assert!(!columns[0].nullable && columns[1].nullable);
    let cells = taken[0].after.as_ref().unwrap();
    for (at, (declared, _, text, kind, native)) in cases.iter().enumerate() {
        assert_eq!(cells[at + 1], *text, "{declared}");
        assert_eq!(columns[at + 1].kind, *kind, "{declared}");
        assert_eq!(columns[at + 1].native, *native, "{declared}");
    }
    assert!(taken[1].after.as_ref().unwrap()[1..].iter().all(|cell| cell == "null"));
}
