//! Rows, conditions and choices of columns drawn at random: a filter agrees with a naive one, and no
//! processor touches what the ledger counts by.

use std::sync::Arc;

use flowglass_connect::stream::{Identity, Kind, Relation, StreamBatch};
use flowglass_processors::{filter, mask, project, rename};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{Rows, V, after, before, going_on, heads, process, t, table};

/// A whole number, a text and a truth value, any of them null.
type Row = (Option<i64>, Option<String>, Option<bool>);

#[derive(Debug, Clone)]
enum Change {
    Insert(Row),
    Update(Option<Row>, Row),
    Delete(Row),
}

#[derive(Debug, Clone)]
enum Question {
    Number(&'static str, i64),
    Text(&'static str, String),
    Among(Vec<i64>),
    Holds,
    IsNull(usize),
    Not(Box<Question>),
    And(Box<Question>, Box<Question>),
    Or(Box<Question>, Box<Question>),
}

const NAMES: [&str; 3] = ["n", "s", "b"];

impl Question {
    fn sql(&self) -> String {
        match self {
            Self::Number(by, number) => format!("n {by} {number}"),
            Self::Text(by, text) => format!("s {by} '{}'", text.replace('\'', "''")),
            Self::Among(list) => {
                let list: Vec<_> = list.iter().map(ToString::to_string).collect();
                format!("n IN ({})", list.join(", "))
            }
            Self::Holds => "b".to_owned(),
            Self::IsNull(column) => format!("{} IS NULL", NAMES[*column]),
            Self::Not(inner) => format!("NOT ({})", inner.sql()),
            Self::And(a, b) => format!("({} AND {})", a.sql(), b.sql()),
            Self::Or(a, b) => format!("({} OR {})", a.sql(), b.sql()),
        }
    }

    /// SQL's answer, in values of ours.
    fn answer(&self, (n, s, b): &Row) -> Option<bool> {
        match self {
            Self::Number(by, number) => n.map(|n| compare(by, n.cmp(number))),
            Self::Text(by, text) => {
                s.as_ref().map(|s| compare(by, s.as_bytes().cmp(text.as_bytes())))
            }
            Self::Among(list) => n.map(|n| list.contains(&n)),
            Self::Holds => *b,
            Self::IsNull(column) => Some([n.is_none(), s.is_none(), b.is_none()][*column]),
            Self::Not(inner) => inner.answer(&(*n, s.clone(), *b)).map(|it| !it),
            Self::And(x, y) => {
                let row = (*n, s.clone(), *b);
                match (x.answer(&row), y.answer(&row)) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                }
            }
            Self::Or(x, y) => {
                let row = (*n, s.clone(), *b);
                match (x.answer(&row), y.answer(&row)) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                }
            }
        }
    }
}

fn compare(by: &str, order: std::cmp::Ordering) -> bool {
    match by {
        "=" => order.is_eq(),
        "<>" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    }
}

fn row() -> impl Strategy<Value = Row> {
    let number = prop_oneof![4 => -3_i64..4, 1 => any::<i64>()];
    let text = prop_oneof![4 => "[ab']{0,2}", 1 => "\\PC{0,8}"];
    (proptest::option::of(number), proptest::option::of(text), proptest::option::of(any::<bool>()))
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        row().prop_map(Change::Insert),
        (proptest::option::of(row()), row()).prop_map(|(old, new)| Change::Update(old, new)),
        row().prop_map(Change::Delete),
    ]
}

fn question() -> impl Strategy<Value = Question> {
    let by = || proptest::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        (by(), -3_i64..4).prop_map(|(by, number)| Question::Number(by, number)),
        (by(), "[ab']{0,2}").prop_map(|(by, text)| Question::Text(by, text)),
        proptest::collection::vec(-3_i64..4, 1..5).prop_map(Question::Among),
        Just(Question::Holds),
        (0_usize..3).prop_map(Question::IsNull),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|it| Question::Not(Box::new(it))),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| Question::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Question::Or(Box::new(a), Box::new(b))),
        ]
    })
}

fn relation() -> Arc<Relation> {
    table("t", &[("n", Kind::Int64), ("s", Kind::Text), ("b", Kind::Bool)], &[0])
}

fn cells((n, s, b): &Row) -> Vec<V> {
    let bool_text = |it: &bool| t(if *it { "t" } else { "f" });
    vec![
        n.map_or(V::Null, |n| t(n.to_string())),
        s.as_ref().map_or(V::Null, |s| t(s.clone())),
        b.as_ref().map_or(V::Null, bool_text),
    ]
}

fn batch(changes: &[Change], slice_rows: usize) -> StreamBatch {
    let relation = relation();
    let rows = changes.iter().fold(Rows::of(&relation), |rows, change| match change {
        Change::Insert(row) => rows.insert(&cells(row)),
        Change::Update(None, new) => rows.update(None, &cells(new)),
        Change::Update(Some(old), new) => {
            rows.update(Some((Identity::Full, &cells(old))), &cells(new))
        }
        Change::Delete(old) => rows.delete(Identity::Full, &cells(old)),
    });
    rows.sliced(slice_rows)
}

proptest! {
    #[test]
    fn a_filter_agrees_with_a_naive_one(
        changes in proptest::collection::vec(change(), 1..30),
        question in question(),
        slice_rows in 1_usize..10,
    ) {
        let batch = batch(&changes, slice_rows);
        let wanted: Vec<usize> = changes.iter().enumerate().filter(|(_, change)| {
            let holds = |row: &Row| question.answer(row) == Some(true);
            match change {
                Change::Insert(row) | Change::Delete(row) => holds(row),
                Change::Update(old, new) => holds(new) || old.as_ref().is_some_and(holds),
            }
        }).map(|(at, _)| at).collect();
        let before = heads(&batch);
        let done = process(&filter::Connector, json!({ "where": question.sql() }), batch).unwrap();
        prop_assert_eq!(heads(&done), before);
        prop_assert_eq!(going_on(&done), wanted, "{}", question.sql());
    }

    #[test]
    fn columns_change_and_nothing_else(
        changes in proptest::collection::vec(change(), 1..30),
        slice_rows in 1_usize..10,
        steps in proptest::collection::vec(0_usize..4, 1..5),
    ) {
        let original = batch(&changes, slice_rows);
        let (mut done, mut name) = (original.clone(), "s".to_owned());
        let mut gone = false;
        for (number, step) in steps.into_iter().enumerate() {
            done = match step {
                0 => {
                    let new = format!("s{number}");
                    let config = json!({ "columns": { name.clone(): new.clone() } });
                    name = new;
                    process(&rename::Connector, config, done).unwrap()
                }
                1 => process(&mask::Connector, json!({ "columns": &name }), done).unwrap(),
                2 if !gone => {
                    gone = true;
                    process(&project::Connector, json!({ "columns": ["n", &name] }), done).unwrap()
                }
                _ => process(&filter::Connector, json!({ "where": "n is null or n > 0" }), done).unwrap(),
            };
        }
        prop_assert_eq!(heads(&done), heads(&original));
        prop_assert_eq!(done.position(), original.position());
        prop_assert_eq!(done.wire_bytes(), original.wire_bytes());
        for index in 0..done.spanned() {
            let (now, then) = (done.change(index).unwrap(), original.change(index).unwrap());
            prop_assert_eq!(now.position(), then.position());
            prop_assert_eq!(now.after().is_some(), then.after().is_some());
            prop_assert_eq!(now.before().is_some(), then.before().is_some());
            // The key is untouched by all of these.
            let key = |text: String| text.split(' ').next().map(str::to_owned);
            if now.after().is_some() {
                prop_assert_eq!(key(after(&done, index)), key(after(&original, index)));
            }
            if now.before().is_some() {
                prop_assert_eq!(key(before(&done, index)), key(before(&original, index)));
            }
        }
        // Who has reached a place of the original has as much of the derived slices.
        for (slice, first) in done.slices().iter().zip(original.slices()) {
            let marks = |slice: &flowglass_connect::stream::Slice| {
                let inside = slice.chunk.marks().iter().filter(|mark| {
                    mark.after > slice.from && mark.after <= slice.to
                });
                inside.map(|mark| (mark.after - slice.from, mark.position.clone()))
                    .filter(|(after, _)| *after <= slice.len()).collect::<Vec<_>>()
            };
            let (now, then) = (marks(slice), marks(first));
            prop_assert!(then.iter().all(|mark| now.contains(mark)), "{:?} {:?}", now, then);
        }
    }
}
