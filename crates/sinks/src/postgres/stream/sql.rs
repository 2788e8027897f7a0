//! The statements: each takes a text array a column, and reads every text as its column's type.
//!
//! The text is the source's own, and Postgres reads its own text exactly. It is read as the column's
//! type without its modifier and then assigned: an explicit cast to `varchar(3)` would cut a longer
//! text off, where an assignment refuses it.

use super::tables::{Column, Fit};

/// Inserts rows, or brings those that are there to what they are now.
pub(super) fn upsert(fit: &Fit) -> String {
    let columns: Vec<&Column> = fit.columns.iter().collect();
    let names: Vec<&str> = columns.iter().map(|column| column.quoted.as_str()).collect();
    let (values, source) = arrays(&columns);
    // What an identity column would give itself, the source has given already.
    let insert = format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {source}",
        fit.table.sql(),
        names.join(", "),
        values.join(", "),
    );
    let key = fit.key();
    if key.is_empty() {
        return insert;
    }
    let key: Vec<&str> = key.iter().map(|column| column.quoted.as_str()).collect();
    let others = columns.iter().filter(|column| column.key.is_none());
    let set: Vec<String> =
        others.map(|column| format!("{0} = EXCLUDED.{0}", column.quoted)).collect();
    let then = if set.is_empty() {
        "DO NOTHING".to_owned()
    } else {
        format!("DO UPDATE SET {}", set.join(", "))
    };
    format!("{insert} ON CONFLICT ({}) {then}", key.join(", "))
}

/// Deletes rows by their keys.
pub(super) fn delete(fit: &Fit) -> String {
    let key = fit.key();
    let (values, source) = arrays(&key);
    format!("DELETE FROM {} AS t USING {source} WHERE {}", fit.table.sql(), same(&key, &values))
}

/// Changes some columns of rows that are there; finds them by what their keys were before.
pub(super) fn patch(fit: &Fit, columns: &[&Column]) -> String {
    let key = fit.key();
    let all: Vec<&Column> = key.iter().copied().chain(columns.iter().copied()).collect();
    let (values, source) = arrays(&all);
    let set = columns.iter().zip(values.iter().skip(key.len()));
    let set: Vec<String> =
        set.map(|(column, value)| format!("{} = {value}", column.quoted)).collect();
    format!(
        "UPDATE {} AS t SET {} FROM {source} WHERE {}",
        fit.table.sql(),
        set.join(", "),
        same(&key, &values)
    )
}

/// The arrays as a table `s`, and each of its columns as a value of its type.
fn arrays(columns: &[&Column]) -> (Vec<String>, String) {
    let numbered = || (1..).zip(columns);
    let values = numbered().map(|(at, column)| format!("s.c{at}::{}", column.cast)).collect();
    let marks: Vec<String> = numbered().map(|(at, _)| format!("${at}::text[]")).collect();
    let names: Vec<String> = numbered().map(|(at, _)| format!("c{at}")).collect();
    (values, format!("unnest({}) AS s({})", marks.join(", "), names.join(", ")))
}

fn same(key: &[&Column], values: &[String]) -> String {
    let pairs = key.iter().zip(values);
    let pairs: Vec<String> =
        pairs.map(|(column, value)| format!("t.{} = {value}", column.quoted)).collect();
    pairs.join(" AND ")
}

/// The name of a type without its modifier. `bit` and `character` without one mean one digit and one
/// character to the grammar, so they go by the names that do not.
pub(super) fn cast_of(type_name: &str) -> String {
    let mut plain = String::with_capacity(type_name.len());
    let (mut quoted, mut depth) = (false, 0_u32);
    for character in type_name.chars() {
        match character {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => {
                depth = depth.saturating_sub(1);
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            plain.push(character);
        }
    }
    let (element, dimensions) = match plain.find("[]") {
        Some(at) => plain.split_at(at),
        None => (plain.as_str(), ""),
    };
    match element {
        "bit" => format!("pg_catalog.\"bit\"{dimensions}"),
        "character" => format!("pg_catalog.bpchar{dimensions}"),
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::cast_of;

    #[test]
    fn modifiers_are_left_out_and_names_stay() {
        for (name, cast) in [
            ("integer", "integer"),
            ("numeric(12,2)", "numeric"),
            ("character varying(20)[]", "character varying[]"),
            ("timestamp(3) with time zone", "timestamp with time zone"),
            ("character(5)", "pg_catalog.bpchar"),
            ("bit(8)[]", "pg_catalog.\"bit\"[]"),
            ("shop.\"odd (name)\"", "shop.\"odd (name)\""),
            ("\"char\"", "\"char\""),
        ] {
            assert_eq!(cast_of(name), cast);
        }
    }
}
