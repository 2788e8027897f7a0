//! The reader against known texts, and against `serde_json` on random ones.

use proptest::prelude::*;

use super::{Note, Value, parse};

fn to_serde(value: &Value<'_>) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(raw) => serde_json::from_str(raw).unwrap(),
        Value::Text(text) => text.as_ref().into(),
        Value::List(items) => items.iter().map(|node| to_serde(&node.value)).collect(),
        Value::Object(object) => {
            object.iter().map(|(key, node)| (key.to_owned(), to_serde(&node.value))).collect()
        }
    }
}

#[track_caller]
fn refused(text: &str, at: usize, says: &str) {
    let fault = parse(text).unwrap_err();
    assert_eq!((fault.at, fault.says.as_str()), (at, says));
}

#[test]
fn complaints_name_the_place() {
    refused("{\"a\" 1}", 5, "`:` should be here");
    refused("[1 2]", 3, "`,` or `]` should be here");
    refused("{\"a\":", 5, "the text ends where a value should be");
    refused("[01]", 2, "`,` or `]` should be here");
    refused("\"a\nb\"", 2, "a raw control character in a text");
    refused("{} x", 3, "text after the end of the JSON");
    refused("", 0, "the file is empty: the run may have failed before it wrote its report");
    refused(
        "INFO start\nINFO go\n{\"a\":1}\n",
        0,
        "log lines before the JSON, which begins on line 3: redirect stdout alone",
    );
    refused(
        "{\"a\":1}\n{\"a\":2}\n",
        8,
        "a second JSON object begins on line 2: one report a file",
    );
}

#[test]
fn deep_nesting_is_refused_without_recursion_trouble() {
    let fault = parse(&"[".repeat(1_000_000)).unwrap_err();
    assert_eq!((fault.at, fault.says.as_str()), (257, "nested deeper than 256 levels"));
}

#[test]
fn python_extensions_are_read_and_noted() {
    let document =
        parse(r#"{"a": NaN, "b": -Infinity, "a": "\ud800x", "c": "\ud83d\ude00"}"#).unwrap();
    let notes: Vec<Note> = document.notes.iter().map(|(_, note)| *note).collect();
    assert_eq!(
        notes,
        [Note::BareNumber, Note::BareNumber, Note::LoneSurrogate, Note::DuplicateKey]
    );
    let Value::Object(root) = document.root.value else { panic!("no object") };
    let Value::Text(last) = &root.get("a").unwrap().value else { panic!("no text") };
    assert_eq!(last, "\u{FFFD}x");
    let Value::Text(pair) = &root.get("c").unwrap().value else { panic!("no text") };
    assert_eq!(pair, "\u{1F600}");
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".*".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
            prop::collection::btree_map(".*", inner, 0..8)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn what_serde_writes_is_read_alike(value in json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let ours = parse(&text).unwrap();
        prop_assert_eq!(to_serde(&ours.root.value), serde_json::from_str::<serde_json::Value>(&text).unwrap());
        prop_assert!(ours.notes.is_empty());
    }

    #[test]
    fn both_agree_on_damaged_text(value in json(), cut in any::<prop::sample::Index>(), with in "[\\[\\]{}\",:0-9a-z\\\\ ]{0,3}") {
        let mut text = serde_json::to_string(&value).unwrap();
        let mut at = cut.index(text.len());
        while !text.is_char_boundary(at) { at -= 1; }
        let end = (at + 1..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
        text.replace_range(at..end, &with);
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        // What serde takes we take, with the same meaning; what it refuses we refuse, unless it is
        // one of the extensions that are noted.
        match (parse(&text), theirs) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(to_serde(&ours.root.value), theirs),
            (Ok(ours), Err(error)) => prop_assert!(
                !ours.notes.is_empty() || error.to_string().contains("number out of range"),
                "taken: {text}: {error}"
            ),
            (Err(fault), Ok(_)) => prop_assert!(false, "refused: {text}: {fault:?}"),
            (Err(_), Err(_)) => {}
        }
    }
}
