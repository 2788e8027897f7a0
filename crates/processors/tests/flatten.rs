//! `flatten`: fields become columns, exact and the same each time.

use std::sync::Arc;

use flowglass_connect::stream::{Identity, Kind, StreamBatch};
use flowglass_model::ErrorClass;
use flowglass_processors::flatten::Connector;
use serde_json::json;

use crate::support::{Rows, V, after, before, heads, open, process, refused, run, t, table};

fn docs() -> Arc<flowglass_connect::stream::Relation> {
    table("docs", &[("id", Kind::Int64), ("doc", Kind::Json), ("z", Kind::Text)], &[0])
}

fn row(doc: &str) -> Vec<V> {
    vec![t("1"), t(doc), t("z")]
}

fn flat(config: serde_json::Value, batch: StreamBatch) -> StreamBatch {
    let wanted = heads(&batch);
    let done = process(&Connector, config, batch).unwrap();
    assert_eq!(heads(&done), wanted);
    done
}

#[test]
fn fields_take_the_place_of_their_column() {
    let doc = r#"{"a": 12345678901234567890.10, "b": {"c": "x\"\u00e4", "d": {"e": true}}, "n": null,
        "list": [1, {"x": 2}], "i": -7, "big": 1e400, "none": {}, "word": "f"}"#;
    let done = flat(json!({}), Rows::of(&docs()).insert(&row(doc)).batch());
    assert_eq!(
        after(&done, 0),
        "id=1 doc_a=12345678901234567890.10 doc_b_c=x\"ä doc_b_d_e=t doc_n=null \
         doc_list=[1, {\"x\": 2}] doc_i=-7 doc_big=1e400 doc_none={} doc_word=f z=z"
    );
    let relation = done.change(0).unwrap().relation();
    let kinds: Vec<_> = relation.columns.iter().map(|it| it.kind.clone()).collect();
    assert_eq!(
        kinds,
        [
            Kind::Int64,
            Kind::Decimal(None),
            Kind::Text,
            Kind::Bool,
            Kind::Text,
            Kind::Json,
            Kind::Int64,
            Kind::Json,
            Kind::Json,
            Kind::Text,
            Kind::Text
        ]
    );
    let config = json!({ "columns": "doc", "separator": ".", "max_depth": 2 });
    let done = flat(config, Rows::of(&docs()).insert(&row(doc)).batch());
    assert!(after(&done, 0).contains("doc.b.c=x\"ä doc.b.d={\"e\": true} doc.n=null"));
}

#[test]
fn rows_of_one_shape_have_one_relation_and_what_is_no_object_stays() {
    let relation = docs();
    let mut work = open(&Connector, json!({})).unwrap();
    let mut batch = || {
        let rows = Rows::of(&relation)
            .insert(&row(r#"{"a": 1}"#))
            .insert(&row(r#"{"b": 1}"#))
            .insert(&row(r#"{"a": 5}"#))
            .insert(&row("[1]"))
            .insert(&row("{}"))
            .insert(&[t("1"), V::Null, t("z")])
            .truncate();
        run(work.as_mut(), rows.batch()).unwrap()
    };
    let (first, second) = (batch(), batch());
    let relation_of = |batch: &StreamBatch, at| Arc::clone(batch.change(at).unwrap().relation());
    for (a, b, same) in [(0, 2, true), (0, 1, false), (3, 4, true), (4, 5, true)] {
        assert_eq!(Arc::ptr_eq(&relation_of(&first, a), &relation_of(&first, b)), same, "{a} {b}");
        assert!(Arc::ptr_eq(&relation_of(&first, a), &relation_of(&second, a)));
    }
    assert_eq!(after(&first, 3), "id=1 doc=[1] z=z");
    assert_eq!(after(&first, 4), "id=1 doc={} z=z");
    assert_eq!(after(&first, 5), "id=1 doc=null z=z");
}

#[test]
fn both_rows_of_a_change_have_the_fields_of_both() {
    let mut hidden = row("");
    hidden[1] = V::Unchanged;
    let key = [t("1"), V::Null, V::Null];
    let full = |doc: &str| row(doc);
    let batch = Rows::of(&docs())
        .update(
            Some((Identity::Full, &full(r#"{"a": 1, "c": "x"}"#))),
            &full(r#"{"b": 2, "a": "y"}"#),
        )
        .update(Some((Identity::Full, &full(r#"{"a": 1}"#))), &hidden)
        .update(None, &hidden)
        .update(Some((Identity::Full, &full(r#"{"a": 1}"#))), &full("[]"))
        .update(Some((Identity::Key, &key)), &full(r#"{"a": 1}"#))
        .delete(Identity::Key, &key)
        .update(Some((Identity::Full, &full(r#"{"a": 1.5}"#))), &full(r#"{"a": 2}"#))
        .batch();
    let done = flat(json!({}), batch);
    assert_eq!(after(&done, 0), "id=1 doc_b=2 doc_a=\"y\" doc_c=null z=z");
    assert_eq!(before(&done, 0), "id=1 doc_b=null doc_a=1 doc_c=x z=z");
    assert_eq!(
        (after(&done, 1), before(&done, 1)),
        ("id=1 doc_a? z=z".into(), "id=1 doc_a=1 z=z".into())
    );
    assert_eq!(after(&done, 2), "id=1 doc? z=z");
    assert_eq!(
        (after(&done, 3), before(&done, 3)),
        ("id=1 doc=[] z=z".into(), "id=1 doc={\"a\": 1} z=z".into())
    );
    assert_eq!(
        (after(&done, 4), before(&done, 4)),
        ("id=1 doc_a=1 z=z".into(), "id=1 doc_a=null z=null".into())
    );
    assert_eq!(before(&done, 5), "id=1 doc=null z=null");
    let column = &done.change(6).unwrap().relation().columns[1];
    assert_eq!((column.name.as_str(), &column.kind), ("doc_a", &Kind::Decimal(None)));
}

#[test]
fn a_row_that_would_have_a_name_twice_is_refused() {
    let relation =
        table("t", &[("id", Kind::Int64), ("doc", Kind::Json), ("doc_a", Kind::Text)], &[0]);
    let row = |doc: &str| vec![t("1"), t(doc), t("z")];
    let wide: Vec<_> = (0..1_001).map(|n| format!("\"f{n}\": 1")).collect();
    let batch = Rows::of(&relation)
        .insert(&row(r#"{"a": 1}"#))
        .insert(&row(r#"{"b": 1, "b": 2}"#))
        .insert(&row(r#"{"x": {"y": 1}, "x_y": 2}"#))
        .insert(&row(r#"{"x": "#))
        .insert(&row(&format!("{{{}}}", wide.join(","))))
        .insert(&row(r#"{"fine": 1}"#))
        .batch();
    let done = flat(json!({}), batch);
    let said = refused(&done);
    assert_eq!(said.iter().map(|it| it.0).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    for (at, wanted) in
        ["two columns called `doc_a`", "`doc_b`", "`doc_x_y`", "does not hold JSON", "1003 columns"]
            .iter()
            .enumerate()
    {
        assert!(said[at].1.contains(wanted), "{:?}", said[at]);
    }
    assert_eq!(after(&done, 5), "id=1 doc_fine=1 doc_a=z");
}

#[test]
fn columns_that_cannot_be_taken_apart_are_named() {
    let batch = || Rows::of(&docs()).insert(&row("{}")).batch();
    for (config, class, wanted) in [
        (json!({ "columns": "id" }), ErrorClass::Config, "`id` is part of the key"),
        (json!({ "columns": "no", "tables": ["docs"] }), ErrorClass::Schema, "no column `no`"),
    ] {
        let fault = process(&Connector, config, batch()).unwrap_err();
        assert_eq!(fault.class(), class);
        assert!(fault.to_string().contains(wanted), "{fault}");
    }
    // A text that is named may hold a document, and need not.
    let texts = table("texts", &[("id", Kind::Int64), ("s", Kind::Text)], &[0]);
    let batch =
        Rows::of(&texts).insert(&[t("1"), t("{\"a\": 1}")]).insert(&[t("2"), t("{x")]).batch();
    let done = flat(json!({ "columns": "s" }), batch);
    assert_eq!((after(&done, 0), after(&done, 1)), ("id=1 s_a=1".into(), "id=2 s={x".into()));
}
