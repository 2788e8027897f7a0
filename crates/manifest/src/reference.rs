//! The reference page, printed from the schema so that it cannot differ from what is checked.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::complaint::Code;

/// `docs/src/reference/manifest.md`: every key with its type, its default and its meaning, and
/// every code of a complaint.
#[must_use]
pub fn reference(schema: &Value) -> String {
    let mut page = String::from(
        "# Manifest\n\n<!-- Printed from the program by `cargo xtask generate`. Do not edit. -->\n\n\
         A manifest is YAML. A file may hold several, separated by `---`. Relative paths start at the\n\
         file's folder. `${NAME}`, `${NAME:-default}`, `${file:path}` and `${param.name}` are expanded\n\
         inside values, never in keys; a literal `${` is written `$${`.\n",
    );
    if let Some(root) = schema.as_object() {
        section(&mut page, "The document", root);
    }
    let defs = schema.get("$defs").and_then(Value::as_object);
    for (name, def) in defs.into_iter().flatten() {
        if let Some(def) = def.as_object() {
            section(&mut page, &heading(name), def);
        }
    }
    page.push_str("\n## Complaints\n\n| code | means |\n|---|---|\n");
    for code in Code::ALL {
        row(&mut page, &[&format!("`{}`", code.name()), code.meaning()]);
    }
    page
}

fn section(page: &mut String, title: &str, def: &Map<String, Value>) {
    let _infallible = write!(page, "\n## {title}\n");
    if let Some(about) = def.get("description").and_then(Value::as_str) {
        let _infallible = write!(page, "\n{about}\n");
    }
    let branches = ["oneOf", "anyOf"].iter().find_map(|word| def.get(*word)?.as_array());
    if let Some(Value::Object(properties)) = def.get("properties") {
        let required = def.get("required").and_then(Value::as_array);
        page.push_str("\n| key | type | default | meaning |\n|---|---|---|---|\n");
        for (key, property) in properties {
            let must = required.is_some_and(|all| all.iter().any(|it| it == key));
            let default = property.get("default").map_or_else(
                || if must { "required".to_owned() } else { String::new() },
                |default| format!("`{default}`"),
            );
            let about = property.get("description").and_then(Value::as_str).unwrap_or_default();
            row(page, &[&format!("`{key}`"), &kind(property), &default, about]);
        }
        let one_of: Vec<&str> = branches
            .into_iter()
            .flatten()
            .filter_map(|branch| branch.pointer("/required/0")?.as_str())
            .collect();
        if !one_of.is_empty() {
            let keys: Vec<String> = one_of.iter().map(|key| format!("`{key}`")).collect();
            let _infallible = write!(page, "\nExactly one of {} is there.\n", keys.join(", "));
        }
        return;
    }
    if let Some(words) = branches.filter(|all| all.iter().all(|it| it.get("const").is_some())) {
        page.push_str("\n| value | meaning |\n|---|---|\n");
        for word in words {
            let value = word.get("const").map(ToString::to_string).unwrap_or_default();
            let about = word.get("description").and_then(Value::as_str).unwrap_or_default();
            row(page, &[&format!("`{}`", value.trim_matches('"')), about]);
        }
        return;
    }
    let _infallible = write!(page, "\nType: {}.\n", kind(&Value::Object(def.clone())));
    if let Some(pattern) = def.get("pattern").and_then(Value::as_str) {
        let _infallible = write!(page, "\nPattern: `{pattern}`.\n");
    }
    if let Some(examples) = def.get("examples").and_then(Value::as_array) {
        let examples: Vec<String> =
            examples.iter().map(|it| format!("`{}`", it.as_str().unwrap_or_default())).collect();
        let _infallible = write!(page, "\nExamples: {}.\n", examples.join(", "));
    }
}

/// A type in words, with links to the sections of named ones.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = heading(reference.trim_start_matches("#/$defs/"));
        return format!("[{name}](#{})", anchor(&name));
    }
    let branches = ["anyOf", "oneOf"].iter().find_map(|word| schema.get(*word)?.as_array());
    if let Some(branches) = branches.filter(|all| all.iter().all(|it| it.get("required").is_none()))
    {
        let mut kinds: Vec<String> = branches.iter().map(kind).collect();
        kinds.dedup();
        return kinds.join(" or ");
    }
    if let Some(Value::Array(words)) = schema.get("enum") {
        let words: Vec<String> =
            words.iter().map(|it| format!("`{}`", it.as_str().unwrap_or_default())).collect();
        return words.join(", ");
    }
    if let Some(constant) = schema.get("const") {
        return format!("`{}`", constant.to_string().trim_matches('"'));
    }
    let one = |name: &str| match name {
        "array" => match schema.get("items") {
            Some(items) => format!("list of {}", kind(items)),
            None => "list".to_owned(),
        },
        "object" => match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => format!("mapping to {}", kind(values)),
            _ => "mapping".to_owned(),
        },
        "string" => "text".to_owned(),
        "integer" => "whole number".to_owned(),
        "boolean" => "true or false".to_owned(),
        other => other.to_owned(),
    };
    match schema.get("type") {
        Some(Value::String(name)) => one(name),
        Some(Value::Array(names)) => {
            let names: Vec<String> = names.iter().filter_map(Value::as_str).map(one).collect();
            names.join(" or ")
        }
        _ => "any value".to_owned(),
    }
}

/// `CopyDraft` is "copy" to a reader; `source.csv` is "source csv".
fn heading(name: &str) -> String {
    let name = name.strip_suffix("Draft").unwrap_or(name);
    let mut words = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !words.is_empty() && !words.ends_with(' ') {
            words.push(' ');
        }
        let is_space = matches!(character, '.' | '_');
        words.push(if is_space { ' ' } else { character.to_ascii_lowercase() });
    }
    words
}

fn anchor(heading: &str) -> String {
    heading.replace(' ', "-")
}

fn row(page: &mut String, cells: &[&str]) {
    for cell in cells {
        let cell = cell.replace('\n', " ").replace('|', "\\|");
        let _infallible = write!(page, "| {cell} ");
    }
    page.push_str("|\n");
}
