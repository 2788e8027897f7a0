//! A change as it is compared: what happened to which row, and which write it was. Read once from
//! Postgres by an output plugin that is not ours, and once from each sink.

use std::collections::BTreeMap;

use serde_json::Value;

/// One change. `write` is the number of the statement that made it; none where only the key is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    op: String,
    id: Option<u64>,
    write: Option<u64>,
}

/// The changes of each table, in order.
pub(super) type Histories = BTreeMap<String, Vec<Change>>;

/// Reads a line of `test_decoding`; none for the beginning and the end of a transaction.
/// <https://www.postgresql.org/docs/current/test-decoding.html>
pub(super) fn of_decoded(line: &str) -> Option<(String, Change)> {
    let (table, rest) = line.strip_prefix("table public.")?.split_once(": ")?;
    let (op, cells) = rest.split_once(": ").unwrap();
    // A row whose key changed is told twice: as it was, and as it is.
    let after = cells.split_once("new-tuple: ").map_or(cells, |(_, after)| after);
    let number = |column: &str| {
        let (_, found) = after.split_once(&format!("{column}[bigint]:"))?;
        found.split(' ').next()?.parse().ok()
    };
    let op = op.to_lowercase();
    let write = if op == "delete" { None } else { number("n") };
    Some((table.to_owned(), Change { id: number("id"), write, op }))
}

/// Reads a message of the native envelope.
pub(super) fn of_message(body: &[u8]) -> (String, Change) {
    let message: Value = serde_json::from_slice(body).unwrap();
    let row = message.get("after").or_else(|| message.get("before"));
    let number = |column: &str| row.and_then(|it| it.get(column)).and_then(Value::as_u64);
    let op = message["op"].as_str().unwrap().to_owned();
    let write = if op == "delete" { None } else { number("n") };
    (message["table"].as_str().unwrap().to_owned(), Change { id: number("id"), write, op })
}

/// The changes of each row, in order.
pub(super) fn by_key(histories: &Histories) -> Histories {
    let mut by_key = Histories::new();
    for (table, changes) in histories {
        for change in changes {
            let of = change.id.map_or("emptied".to_owned(), |id| id.to_string());
            by_key.entry(format!("{table}/{of}")).or_default().push(change.clone());
        }
    }
    by_key
}

/// Holds what a sink has to what was committed.
#[track_caller]
pub(super) fn same(sink: &str, found: &Histories, committed: &Histories) {
    for (table, expected) in committed {
        let none = Vec::new();
        let found = found.get(table).unwrap_or(&none);
        let first = found.iter().zip(expected).position(|(found, expected)| found != expected);
        let around = |list: &[Change]| {
            let at = first.unwrap_or(list.len().min(found.len().min(expected.len())));
            list.iter().skip(at.saturating_sub(2)).take(5).cloned().collect::<Vec<_>>()
        };
        assert!(
            found == expected,
            "{sink}: {table} has {} changes of {}; the first other one is number {first:?}:\nfound \
             {:?}\ncommitted {:?}",
            found.len(),
            expected.len(),
            around(found),
            around(expected)
        );
    }
    let more: Vec<_> = found.keys().filter(|it| !committed.contains_key(*it)).collect();
    assert!(more.is_empty(), "{sink}: nobody wrote to {more:?}");
}
