//! The law table: who may see whom, and which outside library is spoken in which room.

/// One of our crates and those that it may depend on.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) name: &'static str,
    /// What it may link.
    pub(crate) sees: &'static [&'static str],
    /// What its tests may link beside that.
    pub(crate) tests_see: &'static [&'static str],
}

const fn room(
    name: &'static str,
    sees: &'static [&'static str],
    tests_see: &'static [&'static str],
) -> Room {
    Room { name, sees, tests_see }
}

/// Every room; a crate that is not here is refused, so that a new one is a decision.
pub(crate) const ROOMS: &[Room] = &[
    room("model", &[], &["testkit"]),
    room("catalog", &["model"], &["testkit"]),
    room("manifest", &["model"], &["testkit"]),
    room("connect", &["model", "catalog"], &["testkit"]),
    room("clients", &["model", "catalog", "connect"], &["testkit"]),
    room("sources", &["model", "catalog", "connect", "clients"], &["testkit"]),
    room("processors", &["model", "catalog", "connect"], &["testkit"]),
    room("query", &["model", "connect"], &["testkit"]),
    // What a sink wrote is read back by our own source, among other readers.
    room("sinks", &["model", "catalog", "connect", "clients"], &["testkit", "sources"]),
    room("store", &["model", "catalog", "connect"], &["testkit"]),
    // Its tests resume from a real log and ask a real query engine, and not fakes alone.
    room(
        "engine",
        &["model", "catalog", "manifest", "connect"],
        &["testkit", "store", "sources", "processors", "query"],
    ),
    room("telemetry", &["model", "catalog", "connect"], &["testkit"]),
    room(
        "server",
        &["model", "catalog", "manifest", "connect", "engine", "store", "telemetry"],
        &["testkit"],
    ),
    room(
        "flowglass",
        &[
            "model",
            "catalog",
            "manifest",
            "connect",
            "clients",
            "processors",
            "query",
            "sources",
            "sinks",
            "store",
            "engine",
            "telemetry",
            "server",
        ],
        &["testkit"],
    ),
    room("testkit", &["model", "catalog", "manifest", "connect"], &[]),
    room(
        "benches",
        &[
            "model",
            "catalog",
            "manifest",
            "connect",
            "clients",
            "processors",
            "query",
            "sources",
            "sinks",
            "store",
            "engine",
            "telemetry",
            "server",
            "testkit",
        ],
        &[],
    ),
    room("xtask", &[], &[]),
];

/// Outside libraries that only some rooms may link, by the beginning of their name up to a `*`.
#[derive(Debug)]
pub(crate) struct Spoken {
    pub(crate) crates: &'static [&'static str],
    pub(crate) rooms: &'static [&'static str],
    pub(crate) why: &'static str,
}

const fn spoken(
    crates: &'static [&'static str],
    rooms: &'static [&'static str],
    why: &'static str,
) -> Spoken {
    Spoken { crates, rooms, why }
}

/// Tests and benchmarks drive everything from outside, so these rooms may link anything.
pub(crate) const FREE_ROOMS: &[&str] = &["testkit", "benches", "xtask"];

/// Held for normal and build dependencies; a room's tests may use what they like as an independent
/// oracle.
pub(crate) const SPOKEN: &[Spoken] = &[
    spoken(&["clap", "clap_*"], &["flowglass"], "only the binary parses arguments"),
    spoken(
        &["anyhow", "eyre", "color-eyre"],
        &["flowglass"],
        "library errors are typed and carry their class",
    ),
    spoken(
        &["indicatif", "crossterm", "console", "ratatui", "owo-colors", "anstream"],
        &["flowglass"],
        "only the binary prints",
    ),
    spoken(
        &["rusqlite", "libsqlite3-sys", "sqlx", "sqlx-*"],
        &["clients", "sources", "sinks", "store"],
        "only connectors and the store speak SQL",
    ),
    spoken(
        &[
            "tokio-postgres",
            "postgres",
            "postgres-*",
            "pgwire-*",
            "mysql_async",
            "mysql_common",
            "tiberius",
            "duckdb",
        ],
        &["clients", "sources", "sinks"],
        "only connectors hold database clients",
    ),
    spoken(
        &["rdkafka", "rdkafka-*", "redis", "fred"],
        &["clients", "sources", "sinks"],
        "only connectors hold brokers",
    ),
    spoken(&["datafusion", "datafusion-*"], &["query"], "a query has a room of its own"),
    spoken(
        &["sqlparser", "rquickjs", "rquickjs-*"],
        &["processors"],
        "what users write for each row is read by the processors",
    ),
    spoken(&["parquet"], &["sources", "sinks"], "file formats belong to connectors"),
    spoken(
        &["arrow", "arrow-*"],
        &["connect", "clients", "query", "sources", "sinks", "engine"],
        "a record batch is what moves; who does not move it has no business with it",
    ),
    spoken(
        &[
            "prost",
            "prost-*",
            "opentelemetry",
            "opentelemetry-*",
            "opentelemetry_*",
            "tonic",
            "snap",
            "prometheus*",
        ],
        &["telemetry"],
        "only telemetry speaks an observability protocol",
    ),
    spoken(
        &["axum", "axum-*", "tower-http"],
        &["server"],
        "only the server speaks HTTP to readers",
    ),
    spoken(
        &["hyper", "hyper-*"],
        &["server", "sinks"],
        "the server answers HTTP, and a sink posts to webhooks",
    ),
    spoken(
        &["mimalloc", "tikv-jemallocator"],
        &["flowglass"],
        "the allocator is the binary's choice",
    ),
    spoken(
        &["inventory", "linkme", "ctor", "typetag"],
        &[],
        "the registry is an explicit list, with no magic at link time",
    ),
    spoken(
        &["lazy_static", "openssl", "native-tls", "chrono", "time"],
        &[],
        "we use std, rustls and jiff for this",
    ),
];

/// Rooms with no I/O, no async and no clock, and what they may therefore not link.
pub(crate) const PURE_ROOMS: &[&str] = &["model", "catalog", "manifest"];
pub(crate) const NOT_PURE: &[&str] =
    &["tokio", "tokio-*", "futures", "async-*", "reqwest", "hyper", "rusqlite", "tempfile"];

/// Names that the engine must not know, since what it names it depends on. Whole words, in code and
/// in strings.
pub(crate) const NOT_IN_ENGINE: &[&str] = &[
    "postgres",
    "postgresql",
    "mysql",
    "mariadb",
    "sqlite",
    "duckdb",
    "csv",
    "jsonl",
    "parquet",
    "kafka",
    "redis",
    "prometheus",
    "otlp",
    "loki",
    "grafana",
    "openlineage",
];

/// Rooms whose sources may print, read the environment and parse arguments.
pub(crate) const EDGE_ROOMS: &[&str] = &["flowglass", "testkit", "benches", "xtask"];

/// What stands for printing, or for reading the world around the process, with why it is refused
/// below the binary.
pub(crate) const EDGE_WORDS: &[(&str, &str)] = &[
    ("env::", "the environment and the arguments are read by the binary alone and handed down"),
    ("println!", "only the binary prints"),
    ("eprintln!", "only the binary prints"),
    ("print!", "only the binary prints"),
    ("eprint!", "only the binary prints"),
    ("io::stdout", "only the binary prints"),
    ("io::stderr", "only the binary prints"),
    ("process::exit", "only the binary ends the process"),
];

/// Rooms that must hold no SQL of ours.
pub(crate) const NO_SQL_ROOMS: &[&str] =
    &["model", "catalog", "manifest", "connect", "engine", "telemetry", "server"];

/// How a string that is SQL begins.
pub(crate) const SQL_STARTS: &[&str] =
    &["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "CREATE TABLE ", "PRAGMA "];

/// A question that a room may ask after all: checks put theirs to the query engine's doorframe, whose
/// language is SQL. They read, and they write nothing.
pub(crate) const SQL_ASKED: &[(&str, &str)] = &[("engine", "SELECT ")];
