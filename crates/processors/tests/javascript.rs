//! `javascript`: what a user's function is given, what it may return, and what stops it.

use flowglass_connect::stream::{Identity, Kind, StreamBatch};
use flowglass_model::{ErrorClass, Policy};
use flowglass_processors::javascript::Connector;
use serde_json::{Value, json};

use crate::support::{
    Rows, V, after, before, going_on, heads, open, order, orders, process, refused, run, t, table,
};

fn scripted(script: &str, batch: StreamBatch) -> StreamBatch {
    let wanted = heads(&batch);
    let done = process(&Connector, json!({ "script": script }), batch).unwrap();
    assert_eq!(heads(&done), wanted);
    done
}

#[test]
fn a_row_is_changed_left_out_or_left_alone() {
    let batch = Rows::of(&orders())
        .insert(&order(1, "new"))
        .insert(&order(2, "paid"))
        .insert(&order(3, "sent"))
        .insert(&order(4, "void"))
        .truncate()
        .batch();
    let script = "
        const states = { new: 'NEW' };
        function process(row) {
            if (row.status === 'paid') return null;
            if (row.status === 'void') return false;
            if (states[row.status]) row.status = states[row.status];
            return row;
        }";
    let done = scripted(script, batch.clone());
    assert_eq!(going_on(&done), [0, 2, 4]);
    assert_eq!(after(&done, 0), after(&batch, 0).replace("=new", "=NEW"));
    assert_eq!(after(&done, 2), after(&batch, 2));
    assert!(refused(&done).is_empty());
}

/// A value of each kind that is dear to keep.
fn digits() -> StreamBatch {
    let relation = table(
        "t",
        &[
            ("i", Kind::Int64),
            ("big", Kind::Int64),
            ("u", Kind::UInt64),
            ("d", Kind::Decimal(None)),
            ("f", Kind::Float64),
            ("f4", Kind::Float32),
            ("nan", Kind::Float64),
            ("b", Kind::Bool),
            ("j", Kind::Json),
            ("bytes", Kind::Bytes),
            ("nothing", Kind::Text),
            ("list", Kind::Array(Box::new(Kind::Int32))),
        ],
        &[0],
    );
    let row = [
        t("9007199254740991"),
        t("9223372036854775807"),
        t("18446744073709551615"),
        t("12345678901234567890.123456789012345678901234567890"),
        t("0.1"),
        t("0.1"),
        t("NaN"),
        t("f"),
        t(r#"{"b": 12345678901234567890, "a": 1.10}"#),
        t("\\x00ff"),
        V::Null,
        t("{1,2,NULL}"),
    ];
    Rows::of(&relation).insert(&row).batch()
}

#[test]
fn values_keep_every_digit() {
    let batch = digits();
    let types = "
        function process(row) {
            const seen = Object.entries(row).map(([k, v]) => k + ':' + (v === null ? 'null' : typeof v));
            if (seen.join(' ') !== 'i:number big:bigint u:bigint d:string f:number f4:number nan:number '
                + 'b:boolean j:object bytes:string nothing:null list:string') throw new Error(seen.join(' '));
            if (row.j.a !== 1.1 || row.big !== 9223372036854775807n || row.b !== false) throw new Error();
            return { ...row };
        }";
    // A row that was taken apart and put together again is the same to the last byte.
    let done = scripted(types, batch.clone());
    assert!(refused(&done).is_empty(), "{:?}", refused(&done));
    assert_eq!(after(&done, 0), after(&batch, 0));
}

#[test]
fn changed_values_stay_in_their_columns_types() {
    let batch = digits();
    let changes = "
        function process(row) {
            row.big -= 1n;
            row.u = row.u - 1n;
            row.d = row.d + '1';
            row.f = row.f * 2;
            row.f4 = 1/3;
            row.nan = -Infinity;
            row.b = !row.b;
            row.j.a = 2;
            row.nothing = 'now';
            return row;
        }";
    let done = scripted(changes, batch.clone());
    let text = after(&done, 0);
    for wanted in [
        "big=9223372036854775806 ",
        "u=18446744073709551614 ",
        "d=12345678901234567890.1234567890123456789012345678901 ",
        "f=0.2 ",
        "f4=0.3333333333333333 ",
        "nan=-Infinity ",
        "b=t ",
        "\"a\":2}",
        "nothing=now",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let columns = |batch: &StreamBatch| batch.change(0).unwrap().relation().columns.clone();
    assert_eq!(columns(&done), columns(&batch));
}

#[test]
fn columns_come_and_go_and_take_their_values_kind() {
    let batch = Rows::of(&orders()).insert(&order(1, "new")).insert(&order(2, "new")).batch();
    let script = "
        function process(row) {
            delete row.doc;
            delete row.at;
            row.paid = 'yes';
            row.total = row.amount * 2;
            row.count = 3n;
            row.tags = ['a', { b: null }];
            row.on = new Date(0);
            row.none = null;
            row.skipped = undefined;
            return row;
        }";
    let done = scripted(script, batch);
    let wanted = "id=1 status=new amount=12.50 paid=yes total=25 count=3 tags=[\"a\",{\"b\":null}] \
                  on=1970-01-01T00:00:00.000Z none=null";
    assert_eq!(after(&done, 0), wanted);
    let relation = done.change(0).unwrap().relation();
    let kinds: Vec<_> = relation.columns.iter().map(|it| it.kind.clone()).collect();
    assert_eq!(
        kinds[3..],
        [Kind::Text, Kind::Float64, Kind::Decimal(None), Kind::Json, Kind::Text, Kind::Text]
    );
    assert_eq!(relation.key, [0]);
    assert!(std::sync::Arc::ptr_eq(relation, done.change(1).unwrap().relation()));
}

#[test]
fn it_is_given_what_is_known_and_the_row_before_is_cut_to_its_key() {
    let mut hidden = order(1, "new");
    hidden[5] = V::Unchanged;
    let key: Vec<V> = [t("3")].into_iter().chain(std::iter::repeat_n(V::Null, 5)).collect();
    let batch = Rows::of(&orders())
        .update(None, &hidden) // 0
        .update(Some((Identity::Full, &order(1, "old"))), &hidden) // 1
        .delete(Identity::Key, &key) // 2
        .delete(Identity::Full, &order(4, "gone")) // 3
        .batch();
    let script = "
        function process(row, meta) {
            row.seen = meta.op + ' ' + meta.table + ' ' + Object.keys(row).length;
            return row;
        }";
    let done = scripted(script, batch);
    assert!(refused(&done).is_empty(), "{:?}", refused(&done));
    assert!(after(&done, 0).ends_with("doc? seen=update orders 5"), "{}", after(&done, 0));
    // The old row had what the new one was not sent.
    assert!(after(&done, 1).ends_with("doc={\"note\": \"x\"} seen=update orders 6"));
    assert_eq!(
        before(&done, 1),
        "id=1 status=null amount=null paid=null at=null doc=null seen=null"
    );
    assert_eq!(done.change(1).unwrap().head().identity, Identity::Key);
    assert!(before(&done, 2).ends_with("seen=delete orders 1"));
    assert_eq!(done.change(2).unwrap().head().identity, Identity::Key);
    assert!(before(&done, 3).contains("status=gone"));
    assert_eq!(done.change(3).unwrap().head().identity, Identity::Full);

    // A row that the script left alone does not show an old one that it never saw.
    let batch = Rows::of(&orders())
        .update(Some((Identity::Full, &order(1, "secret"))), &order(1, "new"))
        .batch();
    let done = scripted("const process = row => row", batch);
    assert!(!before(&done, 0).contains("secret"));
}

#[test]
fn a_row_that_it_cannot_take_is_refused_and_the_others_go_on() {
    let batch = Rows::of(&orders())
        .insert(&order(1, "new"))
        .insert(&order(2, "private@example.com"))
        .insert(&order(3, "promise"))
        .insert(&order(4, "number"))
        .insert(&order(5, "key"))
        .insert(&order(6, "no key"))
        .insert(&order(7, "new"))
        .batch();
    let original = after(&batch, 1);
    let script = "
        function process(row) {
          switch (row.status) {
            case 'private@example.com': throw new RangeError(row.status);
            case 'promise': return Promise.resolve(row);
            case 'number': return 5;
            case 'key': row.id = 99; return row;
            case 'no key': delete row.id; return row;
          }
          return row;
        }";
    let done = scripted(script, batch);
    assert_eq!(going_on(&done), [0, 6]);
    let said = refused(&done);
    assert_eq!(said.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(said[0].1.contains("the script threw RangeError at it.js:4:"), "{}", said[0].1);
    assert!(said.iter().all(|(_, said)| !said.contains("example.com")), "{said:?}");
    assert!(said[0].1.contains("row 0/16B3749/0 of public.orders"), "{}", said[0].1);
    assert!(said[3].1.contains("changed `id`, which is part of the key"));
    assert!(said[4].1.contains("took `id` away"));
    assert!(done.refused().all(|(_, row)| row.fault.class().policy() == Policy::SetAside));
    assert_eq!(after(&done, 1), original, "a refused row stays as it came");
}

fn limited(
    script: &str,
    limits: &Value,
    batch: StreamBatch,
) -> Result<StreamBatch, flowglass_connect::Fault> {
    let mut open = open(&Connector, json!({ "script": script, "limits": limits })).unwrap();
    run(open.as_mut(), batch)
}

#[test]
fn a_row_that_runs_away_is_stopped_and_named_and_the_next_one_goes_on() {
    let batch = || {
        Rows::of(&orders())
            .insert(&order(1, "new"))
            .insert(&order(2, "loop"))
            .insert(&order(3, "new"))
            .insert(&order(4, "fill"))
            .insert(&order(5, "new"))
            .batch()
    };
    let script = "
        let seen = 0;
        function process(row) {
            seen += 1;
            if (row.status === 'loop') for (;;) {}
            if (row.status === 'fill') { const all = []; for (;;) all.push(new Array(1000).fill(seen)); }
            row.seen = seen;
            return row;
        }";
    let limits = json!({ "cpu": "100ms", "time": "20s", "memory": "8MiB" });
    let done = limited(script, &limits, batch()).unwrap();
    assert_eq!(going_on(&done), [0, 2, 4]);
    let said = refused(&done);
    assert!(said[0].1.contains("used up 100ms of processor time, at row 0/16B3749/0"), "{said:?}");
    assert!(said[1].1.contains("bytes of memory, at row 0/16B374B/0"), "{said:?}");
    // A script that was stopped half-way has lost what it kept.
    assert!(after(&done, 2).ends_with("seen=1") && after(&done, 0).ends_with("seen=1"));

    let limits = json!({ "cpu": "20s", "time": "50ms" });
    let waits = script.replace("'fill'", "'never'");
    let done = limited(&waits, &limits, batch()).unwrap();
    assert!(refused(&done)[0].1.contains("used up 50ms of time"), "{:?}", refused(&done));
}

#[test]
fn a_script_that_is_to_blame_itself_stops_the_stream() {
    let mut rows = Rows::of(&orders());
    for id in 0..20 {
        rows = rows.insert(&order(id, "new"));
    }
    let limits = json!({ "cpu": "20ms" });
    let fault = limited("function process() { for (;;) {} }", &limits, rows.batch()).unwrap_err();
    assert_eq!(fault.class().policy(), Policy::Stop);
    assert!(fault.to_string().contains("for more than 8 rows of a batch"), "{fault}");

    let mut rows = Rows::of(&orders());
    for id in 0..3_000 {
        rows = rows.insert(&order(id, "new"));
    }
    let slow = "function process(row) { for (let i = 0; i < 20000; i++) row.n = i; return row }";
    let fault = limited(slow, &json!({ "cpu": "100ms" }), rows.batch()).unwrap_err();
    assert!(
        fault.to_string().contains("needs more than 100ms of processor time for a batch"),
        "{fault}"
    );
}

#[test]
fn a_script_that_cannot_be_read_is_refused_when_it_is_built() {
    for (script, wanted) in [
        ("function process(row) {", "SyntaxError"),
        ("let x = 1", "defines no function `process(row, meta)`"),
        ("throw new TypeError('no')", "TypeError at it.js:1"),
        ("for (;;) {}", "did not end within its limits"),
        ("let process = 5", "defines no function"),
    ] {
        let config = json!({ "script": script, "limits": { "cpu": "100ms" } });
        let fault = open(&Connector, config).err().unwrap();
        assert_eq!(fault.class(), ErrorClass::Config, "{script}");
        assert!(fault.chain().contains(wanted), "{script}: {}", fault.chain());
    }
    for script in
        ["const process = row => row", "let process = function (row, meta) { return row }"]
    {
        assert!(open(&Connector, json!({ "script": script })).is_ok(), "{script}");
    }
    assert!(open(&Connector, json!({})).is_err());
    assert!(open(&Connector, json!({ "script": "x", "file": "y" })).is_err());
    let missing = open(&Connector, json!({ "file": "nowhere.js" })).err().unwrap();
    assert_eq!(missing.class(), ErrorClass::NotFound);
}

#[test]
fn it_has_no_way_to_the_outside() {
    let script = "
        const names = ['require', 'std', 'os', 'fetch', 'console', 'setTimeout', 'Deno', 'load', 'print'];
        const found = names.filter(name => typeof globalThis[name] !== 'undefined');
        if (typeof process === 'undefined' && found.length > 0) throw new Error(found.join());
        function process(row) { row.found = found.join(); return row }";
    let batch = Rows::of(&orders()).insert(&order(1, "new")).batch();
    assert!(after(&scripted(script, batch), 0).ends_with("found="));
}
