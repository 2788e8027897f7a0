//! `project`, `rename` and `mask`: which columns there are, and what stands in them.

use std::sync::Arc;

use flowglass_connect::stream::{Identity, Kind};
use flowglass_model::ErrorClass;
use flowglass_processors::{mask, project, rename};
use serde_json::json;

use crate::support::{
    Rows, V, after, before, going_on, heads, open, order, orders, process, run, t, table,
};

/// HMAC-SHA-256 with a key of 131 times `a`, by Python's `hmac`.
const HMAC: &str = "d021303c2f34bf3ae541b4ec9c672691694c6f71c5c0c55781545a66115b14a7";

fn key_of(id: u64) -> Vec<V> {
    [t(id.to_string())].into_iter().chain(std::iter::repeat_n(V::Null, 5)).collect()
}

#[test]
fn project_keeps_columns_in_the_tables_order() {
    let mut hidden = order(2, "paid");
    hidden[5] = V::Unchanged;
    let batch = Rows::of(&orders())
        .insert(&order(1, "new"))
        .update(Some((Identity::Full, &order(2, "new"))), &hidden)
        .delete(Identity::Key, &key_of(3))
        .truncate()
        .batch();
    let heads_before = heads(&batch);
    let config = json!({ "columns": ["doc", "status", "id"] });
    let done = process(&project::Connector, config, batch).unwrap();
    assert_eq!(heads(&done), heads_before);
    assert_eq!(after(&done, 0), r#"id=1 status=new doc={"note": "x"}"#);
    assert_eq!(after(&done, 1), "id=2 status=paid doc?");
    assert_eq!(before(&done, 1), r#"id=2 status=new doc={"note": "x"}"#);
    assert_eq!(before(&done, 2), "id=3 status=null doc=null");
    let truncate = done.change(3).unwrap();
    assert!(truncate.after().is_none() && truncate.before().is_none());
    assert_eq!(truncate.relation().columns.len(), 3);
    assert_eq!(truncate.relation().key, [0]);
}

#[test]
fn a_key_moves_with_its_columns() {
    let relation = table("t", &[("a", Kind::Text), ("b", Kind::Text), ("k", Kind::Int32)], &[2, 1]);
    let batch = Rows::of(&relation).insert(&[t("x"), t("y"), t("7")]).batch();
    let done =
        process(&project::Connector, json!({ "columns": ["k", "b"] }), batch.clone()).unwrap();
    assert_eq!(after(&done, 0), "b=y k=7");
    assert_eq!(done.change(0).unwrap().relation().key, [1, 0]);

    let fault =
        process(&project::Connector, json!({ "columns": ["a", "k"] }), batch.clone()).unwrap_err();
    assert_eq!(fault.class(), ErrorClass::Config);
    assert!(fault.to_string().contains("leaves out `b`, which is part of the key"), "{fault}");
    let fault = process(&project::Connector, json!({ "columns": "nope" }), batch).unwrap_err();
    assert_eq!(fault.class(), ErrorClass::Schema);
    assert!(fault.to_string().contains("table public.t has no column `nope`"), "{fault}");
}

#[test]
fn a_shape_has_one_relation_from_batch_to_batch() {
    let relation = orders();
    let mut renames =
        open(&rename::Connector, json!({ "columns": { "status": "state" } })).unwrap();
    let mut relations = Vec::new();
    for id in 0..3 {
        let batch =
            Rows::of(&relation).insert(&order(id, "new")).insert(&order(id, "new")).sliced(1);
        let done = run(renames.as_mut(), batch).unwrap();
        assert!(after(&done, 1).contains("state=new"));
        relations.extend((0..2).map(|at| Arc::clone(done.change(at).unwrap().relation())));
    }
    assert!(relations.iter().all(|it| Arc::ptr_eq(it, &relations[0])));
}

#[test]
fn rename_refuses_two_columns_of_one_name() {
    let batch = Rows::of(&orders()).insert(&order(1, "new")).batch();
    let config = json!({ "columns": { "status": "paid" } });
    let fault = process(&rename::Connector, config, batch.clone()).unwrap_err();
    assert!(fault.to_string().contains("two columns of public.orders would be called `paid`"));
    // Names may be exchanged.
    let config = json!({ "columns": { "status": "paid", "paid": "status" } });
    let done = process(&rename::Connector, config, batch.clone()).unwrap();
    assert!(after(&done, 0).contains("paid=new") && after(&done, 0).contains("status=t"));
    // A table that it does not fit is left alone and told, unless it was named.
    let config = json!({ "columns": { "nope": "x" } });
    let mut renames = open(&rename::Connector, config).unwrap();
    let done = run(renames.as_mut(), batch.clone()).unwrap();
    assert!(after(&done, 0).contains("status=new"));
    assert_eq!(renames.remarks().len(), 1);
    let config = json!({ "columns": { "nope": "x" }, "tables": ["orders"] });
    assert_eq!(process(&rename::Connector, config, batch).unwrap_err().class(), ErrorClass::Schema);
}

#[test]
fn mask_hides_a_value_wherever_it_stands() {
    let mut nothing = order(2, "paid");
    (nothing[1], nothing[5]) = (V::Null, V::Unchanged);
    let batch = Rows::of(&orders())
        .insert(&order(1, "paid"))
        .update(Some((Identity::Full, &order(2, "paid"))), &nothing)
        .batch();
    let heads_before = heads(&batch);
    let config = json!({ "columns": ["status", "amount", "doc"], "how": "redact" });
    let done = process(&mask::Connector, config, batch.clone()).unwrap();
    assert_eq!(heads(&done), heads_before);
    assert_eq!(
        after(&done, 0),
        "id=1 status=*** amount=*** paid=t at=2024-02-29 12:00:00+00 doc=***"
    );
    assert_eq!(
        after(&done, 1),
        "id=2 status=null amount=*** paid=t at=2024-02-29 12:00:00+00 doc?"
    );
    assert!(!before(&done, 1).contains("=paid") && before(&done, 1).contains("status=***"));
    let relation = done.change(0).unwrap().relation();
    assert_eq!(
        (&relation.columns[2].kind, relation.columns[2].native.as_str()),
        (&Kind::Text, "text")
    );

    let config = json!({ "columns": ["id", "status"], "how": "hash" });
    let done = process(&mask::Connector, config, batch.clone()).unwrap();
    let digest = {
        use sha2::{Digest, Sha256};
        Sha256::digest(b"paid").iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert!(after(&done, 0).contains(&format!("status={digest} ")));
    let of_id = |text: String| text.split(' ').next().unwrap().to_owned();
    assert_eq!(of_id(after(&done, 1)), of_id(before(&done, 1)), "a key stays the same key");
    assert_ne!(of_id(after(&done, 0)), of_id(after(&done, 1)));

    let keyed = json!({ "columns": "status", "how": "hash", "key": "0123456789abcdef" });
    let done = process(&mask::Connector, keyed, batch).unwrap();
    assert!(!after(&done, 0).contains(&digest) && !after(&done, 0).contains("status=paid"));
}

/// The text of RFC 4231's sixth case, under a key that is longer than a block as there.
#[test]
fn a_keyed_sum_is_an_hmac() {
    let relation = table("t", &[("v", Kind::Text)], &[]);
    let row = [t("Test Using Larger Than Block-Size Key - Hash Key First")];
    let batch = Rows::of(&relation).insert(&row).batch();
    let config = json!({ "columns": "v", "how": "hash", "key": "a".repeat(131) });
    let done = process(&mask::Connector, config, batch).unwrap();
    assert_eq!(after(&done, 0), format!("v={HMAC}"));
}

#[test]
fn a_mask_that_would_lose_the_key_or_miss_its_column_stops_the_stream() {
    let batch = Rows::of(&orders()).insert(&order(1, "paid")).batch();
    let fault = process(&mask::Connector, json!({ "columns": ["id"] }), batch.clone()).unwrap_err();
    assert!(
        fault.to_string().contains("`redact` would give all rows of public.orders the same key")
    );
    let fault =
        process(&mask::Connector, json!({ "columns": ["status", "emial"] }), batch).unwrap_err();
    assert_eq!(fault.class(), ErrorClass::Schema);
    assert!(fault.to_string().contains("has no column `emial`"));
    for config in [
        json!({ "columns": "a", "how": "hash", "key": "short" }),
        json!({ "columns": "a", "key": "0123456789abcdef" }),
        json!({ "columns": "a", "how": "blur" }),
    ] {
        assert_eq!(open(&mask::Connector, config).err().unwrap().class(), ErrorClass::Config);
    }
}

#[test]
fn processors_of_columns_follow_each_other() {
    let batch = Rows::of(&orders()).insert(&order(1, "paid")).insert(&order(2, "new")).sliced(1);
    let wanted = heads(&batch);
    let steps: [(&dyn flowglass_connect::stream::ProcessorConnector, _); 4] = [
        (&mask::Connector, json!({ "columns": "doc" })),
        (&rename::Connector, json!({ "columns": { "doc": "note" } })),
        (&flowglass_processors::filter::Connector, json!({ "where": "note = '***' and id = 2" })),
        (&project::Connector, json!({ "columns": ["id", "note"] })),
    ];
    let mut done = batch;
    for (connector, config) in steps {
        done = process(connector, config, done).unwrap();
    }
    assert_eq!(heads(&done), wanted);
    assert_eq!(going_on(&done), [1]);
    assert_eq!(after(&done, 1), "id=2 note=***");
    // What went no further stays as it was when it was left out.
    assert!(after(&done, 0).contains("status=paid"));
}
