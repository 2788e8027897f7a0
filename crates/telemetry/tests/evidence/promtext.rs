//! A strict reader of the text format 0.0.4, as its page in the Prometheus documentation has it.
//!
//! Stricter than `promtool`, which takes a series twice and a group in two places.

use std::collections::{BTreeMap, BTreeSet};

/// One group of the page.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) kind: String,
    pub(crate) series: Vec<(BTreeMap<String, String>, f64)>,
}

/// Reads a page of gauges and untyped metrics.
pub(crate) fn read(page: &str) -> Result<Vec<(String, Group)>, String> {
    let body = page.strip_suffix('\n').ok_or("the last line has no end")?;
    let mut groups: Vec<(String, Group)> = Vec::new();
    let mut names = BTreeSet::new();
    for line in body.split('\n') {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("no help")?;
            is_name(name)?;
            if !names.insert(name.to_owned()) {
                return Err(format!("the group {name} stands in two places"));
            }
            unescape(help, false)?;
            groups.push((name.to_owned(), Group::default()));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("no type")?;
            let group = groups.last_mut().filter(|(last, _)| last == name).ok_or("a stray type")?;
            if !group.1.kind.is_empty() || !["gauge", "untyped"].contains(&kind) {
                return Err(format!("type {kind}"));
            }
            kind.clone_into(&mut group.1.kind);
        } else if line.starts_with('#') {
            if !groups.is_empty() {
                return Err("a comment between groups".to_owned());
            }
        } else {
            let (name, labels, value) = sample(line)?;
            let group =
                groups.last_mut().filter(|(last, _)| *last == name).ok_or("stray sample")?;
            if group.1.kind.is_empty() {
                return Err("a sample before its type".to_owned());
            }
            if group.1.series.iter().any(|(other, _)| *other == labels) {
                return Err(format!("the series {line} stands twice"));
            }
            group.1.series.push((labels, value));
        }
    }
    Ok(groups)
}

fn sample(line: &str) -> Result<(String, BTreeMap<String, String>, f64), String> {
    let end = line.find(['{', ' ']).ok_or_else(|| format!("no value: {line}"))?;
    let (name, mut rest) = line.split_at(end);
    is_name(name)?;
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").ok_or("no label")?;
            is_name(label)?;
            if label.starts_with("__") || label.contains(':') {
                return Err(format!("label {label}"));
            }
            let close = closing_quote(after).ok_or("no closing quote")?;
            let value = unescape(&after[..close], true)?;
            if value.is_empty() || labels.insert(label.to_owned(), value).is_some() {
                return Err(format!("label {label} is empty or stands twice"));
            }
            rest = &after[close + 1..];
            if let Some(done) = rest.strip_prefix('}') {
                rest = done;
                break;
            }
            rest = rest.strip_prefix(',').ok_or("no comma")?;
        }
    }
    let value = rest.strip_prefix(' ').ok_or("no blank before the value")?;
    let number = match value {
        "NaN" => f64::NAN,
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        _ if value.bytes().all(|b| b.is_ascii_digit() || b"+-.e".contains(&b)) => {
            value.parse().map_err(|_| format!("number {value}"))?
        }
        _ => return Err(format!("number {value}")),
    };
    Ok((name.to_owned(), labels, number))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, character)| {
        let closes = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        closes.then_some(at)
    })
}

fn unescape(text: &str, quotes: bool) -> Result<String, String> {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('\\') => out.push('\\'),
            Some('n') => out.push('\n'),
            Some('"') if quotes => out.push('"'),
            other => return Err(format!("escape {other:?}")),
        }
    }
    Ok(out)
}

fn is_name(name: &str) -> Result<(), String> {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if first && rest { Ok(()) } else { Err(format!("name {name:?}")) }
}

#[test]
fn the_reader_refuses_what_the_format_forbids() {
    let good = "# HELP a Help.\n# TYPE a gauge\na{b=\"c\"} 1\na 2\n";
    assert!(read(good).is_ok());
    for (from, to) in [
        ("a 2\n", "a 2"),
        ("a 2\n", "a{b=\"c\"} 2\n"),
        ("a 2\n", "b 2\n"),
        ("a 2\n", "a 2\n# HELP a Again.\n"),
        (" 2\n", " two\n"),
        ("b=\"c\"", "b=\"\""),
        ("b=\"c\"", "__b=\"c\""),
        ("b=\"c\"", "é=\"c\""),
        ("\"c\"", "\"\\c\""),
        ("# TYPE a gauge\n", ""),
        ("gauge", "counter"),
        ("a 2\n", "\na 2\n"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert!(read(&bad).is_err(), "{bad}");
    }
}
