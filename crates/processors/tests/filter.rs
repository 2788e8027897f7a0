//! `filter`: which rows go on.

use flowglass_connect::stream::{Identity, Kind, StreamBatch};
use flowglass_model::ErrorClass;
use flowglass_processors::filter::Connector;
use serde_json::json;

use crate::support::{Rows, V, going_on, heads, open, order, orders, process, run, t, table};

fn filtered(condition: &str, batch: StreamBatch) -> Vec<usize> {
    let before = heads(&batch);
    let batch = process(&Connector, json!({ "where": condition }), batch).unwrap();
    assert_eq!(heads(&batch), before);
    going_on(&batch)
}

/// A condition, whether it holds for the row below, and whether for a row of nulls.
const QUESTIONS: &[(&str, bool, bool)] = &[
    ("i = -5", true, false),
    ("i <> -5", false, false),
    ("i < 0 and i > -5.01", true, false),
    ("-5 >= i", true, false),
    ("i in (1, 2, -5.0)", true, false),
    ("i not in (1, 2)", true, false),
    ("i not in (1, null)", false, false),
    ("i in (-5, null)", true, false),
    ("i in (null)", false, false),
    ("i not in (null)", false, false),
    ("i between -6 and -4", true, false),
    ("i not between -6 and -4", false, false),
    ("d = 12345678901234567890.1", true, false),
    ("d > 12345678901234567890.09", true, false),
    ("d < 1e20", true, false),
    ("d = '12345678901234567890.100'", true, false),
    ("f = 0.00000015", true, false),
    ("f < 'NaN'", true, false),
    ("s = 'paid'", true, false),
    ("s <> 'paid'", false, false),
    ("s < 'pb' and s > 'Z'", true, false),
    ("s like 'p_i%'", true, false),
    ("s not like 'p%'", false, false),
    ("s ilike 'PAID'", true, false),
    ("s like 'p!_id' escape '!'", false, false),
    ("b", true, false),
    ("not b", false, false),
    ("b = true", true, false),
    ("b is true", true, false),
    ("b is not true", false, true),
    ("(i = 1) is unknown", false, true),
    ("i is null", false, true),
    ("i is not null", true, false),
    ("not (i is null)", true, false),
    ("day = '2024-02-29'", true, false),
    ("day < DATE '10000-01-01'", true, false),
    ("ts >= '2024-02-29' and ts < '2024-03-01'", true, false),
    ("tz = '2024-02-29 23:59:59+01'", true, false),
    ("tz = TIMESTAMP '2024-02-29 22:59:59'", true, false),
    ("tod between '08:00' and '09:00'", true, false),
    ("u = '0A1B2C3D-0000-0000-0000-000000000001'", true, false),
    ("e in ('new', 'paid')", true, false),
    ("mixed = 9223372036854775807", true, false),
    ("\"Mixed\" > 9223372036854775806.9", true, false),
    ("d > i", true, false),
    ("f < d", true, false),
    ("j is not null", true, false),
    ("i = 1 or s = 'paid'", true, false),
    ("i = 1 or s = 'paid' and not b", false, false),
    ("(i = 1 or s = 'paid') and b", true, false),
    ("true", true, true),
    ("null", false, false),
    ("i = null", false, false),
];

#[test]
fn every_kind_of_question_is_answered() {
    let relation = table(
        "all",
        &[
            ("i", Kind::Int32),
            ("d", Kind::Decimal(None)),
            ("f", Kind::Float64),
            ("s", Kind::Text),
            ("b", Kind::Bool),
            ("day", Kind::Date),
            ("ts", Kind::Timestamp(6)),
            ("tz", Kind::TimestampTz),
            ("tod", Kind::Time(6)),
            ("u", Kind::Uuid),
            ("e", Kind::Enum),
            ("Mixed", Kind::Int64),
            ("j", Kind::Json),
        ],
        &[0],
    );
    let row = [
        t("-5"),
        t("12345678901234567890.10"),
        t("1.5e-07"),
        t("paid"),
        t("t"),
        t("2024-02-29"),
        t("2024-02-29 23:59:59.5"),
        t("2024-02-29 22:59:59+00"),
        t("08:30:00"),
        t("0a1b2c3d-0000-0000-0000-000000000001"),
        t("new"),
        t("9223372036854775807"),
        t("{}"),
    ];
    let none: Vec<V> = row.iter().map(|_| V::Null).collect();
    for (condition, holds, for_nulls) in QUESTIONS {
        let batch = Rows::of(&relation).insert(&row).insert(&none).batch();
        let wanted: Vec<usize> = [*holds, *for_nulls]
            .iter()
            .enumerate()
            .filter(|(_, on)| **on)
            .map(|(at, _)| at)
            .collect();
        assert_eq!(filtered(condition, batch), wanted, "{condition}");
    }
}

#[test]
fn a_row_is_left_out_only_when_the_condition_cannot_hold() {
    let relation = orders();
    let (new, paid) = (order(1, "new"), order(1, "paid"));
    let key: Vec<V> = [t("1")].into_iter().chain(std::iter::repeat_n(V::Null, 5)).collect();
    let mut hidden = new.clone();
    hidden[1] = V::Unchanged;
    let mut binary = new.clone();
    binary[1] = V::Binary;
    let batch = Rows::of(&relation)
        .insert(&new) // 0: does not fit
        .insert(&paid) // 1: fits
        .update(None, &new) // 2: the old row was not sent, the new one does not fit
        .update(Some((Identity::Full, &paid)), &new) // 3: leaves the filter
        .update(Some((Identity::Full, &new)), &paid) // 4: comes in
        .update(Some((Identity::Full, &new)), &new) // 5: neither fits
        .update(None, &hidden) // 6: a large value that was not sent again
        .update(Some((Identity::Full, &new)), &hidden) // 7: the old row has it
        .update(Some((Identity::Key, &key)), &new) // 8: another key; the old row is not known
        .delete(Identity::Key, &key) // 9: not known
        .delete(Identity::Full, &new) // 10: does not fit
        .delete(Identity::Full, &paid) // 11: fits
        .truncate() // 12: is about every row
        .insert(&binary) // 13: cannot be read
        .batch();
    assert_eq!(filtered("status = 'paid'", batch.clone()), [1, 3, 4, 6, 8, 9, 11, 12, 13]);
    // The key is known in every case.
    assert_eq!(filtered("id = 2", batch.clone()), [12]);
    // What is too large to be sent again is there.
    assert_eq!(filtered("status is null", batch), [8, 9, 12]);
}

#[test]
fn rows_that_went_no_further_before_stay_out() {
    let batch = Rows::of(&orders())
        .insert(&order(1, "new"))
        .insert(&order(2, "paid"))
        .insert(&order(3, "paid"))
        .sliced(2);
    let first = process(&Connector, json!({ "where": "status = 'paid'" }), batch).unwrap();
    assert_eq!(going_on(&first), [1, 2]);
    let second = process(&Connector, json!({ "where": "id <> 2" }), first).unwrap();
    assert_eq!(going_on(&second), [2]);
}

#[test]
fn tables_that_it_is_not_about_pass() {
    let others = table("items", &[("id", Kind::Int64), ("status", Kind::Text)], &[0]);
    let lacking = table("log", &[("id", Kind::Int64)], &[0]);
    let batch = Rows::of(&orders())
        .insert(&order(1, "new"))
        .then(&others)
        .insert(&[t("1"), t("new")])
        .then(&lacking)
        .insert(&[t("1")])
        .batch();
    let config = json!({ "where": "status = 'paid'", "tables": ["public.ord%"] });
    let done = process(&Connector, config, batch.clone()).unwrap();
    assert_eq!(going_on(&done), [1, 2]);

    let mut filter = open(&Connector, json!({ "where": "status = 'paid'" })).unwrap();
    let done = run(filter.as_mut(), batch.clone()).unwrap();
    assert_eq!(going_on(&done), [2]);
    let remarks = filter.remarks();
    assert_eq!(remarks.len(), 1);
    assert!(remarks[0].contains("public.log") && remarks[0].contains("`status`"), "{remarks:?}");
    run(filter.as_mut(), batch.clone()).unwrap();
    assert!(filter.remarks().is_empty(), "a remark is made once");

    let config = json!({ "where": "status = 'paid'", "tables": ["log", "orders"] });
    let fault = process(&Connector, config, batch).unwrap_err();
    assert_eq!(fault.class(), ErrorClass::Schema);
    assert!(fault.to_string().contains("table public.log has no column `status`"), "{fault}");
}

#[test]
fn a_question_that_a_type_cannot_answer_stops_it_with_the_place() {
    let relation = table(
        "t",
        &[
            ("i", Kind::Int32),
            ("s", Kind::Text),
            ("e", Kind::Enum),
            ("j", Kind::Json),
            ("day", Kind::Date),
            ("ts", Kind::Timestamp(6)),
            ("tz", Kind::TimestampTz),
            ("u", Kind::Uuid),
        ],
        &[],
    );
    let row = vec![V::Null; 8];
    for (condition, wanted) in [
        ("i = 'x'", "`where`, column 5: this text is no value of `i`, whose type is int32"),
        ("s = 5", "a number is no value of `s`"),
        ("s > 'a' and e > 'new'", "column 13: only `=`, `<>` and IN can be asked of this column"),
        ("j = '{}'", "only IS NULL can be asked of this column"),
        ("i like '1%'", "LIKE is for text"),
        ("s", "the column `s` is no condition"),
        ("day = '2024-02-29 12:00:00'", "this text is no value of `day`"),
        ("ts = '2024-02-29 12:00:00+01'", "this text is no value of `ts`"),
        ("i = s", "int32 and text cannot be compared"),
        ("ts = tz", "cannot be compared"),
        ("u = 'xyz'", "this text is no value of `u`"),
        ("i = true", "a truth value is no value of `i`"),
    ] {
        let batch = Rows::of(&relation).insert(&row).batch();
        let fault = process(&Connector, json!({ "where": condition }), batch).unwrap_err();
        assert_eq!(fault.class(), ErrorClass::Config, "{condition}");
        let said = fault.to_string();
        assert!(said.contains("table public.t") && said.contains(wanted), "{condition}: {said}");
    }
}

#[test]
fn a_condition_that_is_none_is_refused_when_it_is_built() {
    for (condition, wanted) in [
        ("status = ", "processor `it`: `where`"),
        ("lower(status) = 'paid'", "processor `it`: `where`, column 1: a filter knows"),
    ] {
        let fault = open(&Connector, json!({ "where": condition })).err().unwrap();
        assert_eq!(fault.class(), ErrorClass::Config);
        assert!(fault.to_string().contains(wanted), "{fault}");
    }
    assert!(open(&Connector, json!({ "where": "a", "wher": 1 })).is_err());
}
