//! Each strategy on each kind of file: rows, figures, cursor, token, new columns.

use std::sync::Arc;

use arrow::array::{Array as _, BooleanArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use flowglass_connect::{SchemaChange, Strategy};
use serde_json::json;

use super::{KINDS, cursor, load, orders, owner, plan, read, read_orders, target, wait};

#[test]
fn a_refresh_replaces_and_an_append_adds() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let target = target(kind, json!({ "path": "out" }), folder.path());
        let first = orders(0..5_000, "a");
        let schema = first.schema();
        let told = load(
            &*target,
            plan(&schema, Strategy::FullRefresh, "t1"),
            std::slice::from_ref(&first),
            None,
        );
        assert_eq!((told.unwrap().inserted, read_orders(kind, folder.path())), (5_000, first));

        let second = orders(10..20, "b");
        load(
            &*target,
            plan(&schema, Strategy::FullRefresh, "t2"),
            std::slice::from_ref(&second),
            None,
        )
        .unwrap();
        assert_eq!(read_orders(kind, folder.path()), second, "{kind}");

        let third = orders(20..30, "c");
        let append = plan(&schema, Strategy::IncrementalAppend, "t3");
        let told =
            load(&*target, append, std::slice::from_ref(&third), Some(cursor("29"))).unwrap();
        assert_eq!((told.inserted, told.final_rows), (10, 20), "{kind}");
        let both = concat_batches(&schema, [&second, &third]).unwrap();
        assert_eq!(read_orders(kind, folder.path()), both, "{kind}");

        wait(async {
            assert_eq!(target.cursor(&owner()).await.unwrap(), Some(cursor("29")));
            assert_eq!(target.committed(&owner(), "t3").await.unwrap(), Some(told));
            assert!(target.committed(&owner(), "t1").await.unwrap().is_some());
            assert_eq!(target.committed(&owner(), "t4").await.unwrap(), None);
            let mut other = owner();
            other.node = "other".into();
            assert_eq!(target.cursor(&other).await.unwrap(), None);
        });
    }
}

#[test]
fn a_load_without_rows_keeps_the_columns_and_the_token() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let target = target(kind, json!({ "path": "deep/er/out" }), folder.path());
        let schema = orders([], "a").schema();
        for token in ["t1", "t2"] {
            let told = load(&*target, plan(&schema, Strategy::Append, token), &[], None).unwrap();
            assert_eq!((told.inserted, told.final_rows), (0, 0), "{kind}");
        }
        wait(async { assert!(target.committed(&owner(), "t2").await.unwrap().is_some()) });
    }
}

#[test]
fn new_columns_follow_schema_change() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let target = target(kind, json!({ "path": "out" }), folder.path());
        let first = orders(0..3, "a");
        load(
            &*target,
            plan(&first.schema(), Strategy::Append, "t1"),
            std::slice::from_ref(&first),
            None,
        )
        .unwrap();

        let more = orders(3..5, "b");
        let mut fields = more.schema().fields().to_vec();
        fields.push(Arc::new(Field::new("gift", DataType::Boolean, true)));
        let mut columns = more.columns().to_vec();
        columns.push(Arc::new(BooleanArray::from(vec![true, false])));
        let wider = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();

        let with = |change, token| {
            let mut plan = plan(&wider.schema(), Strategy::Append, token);
            plan.schema_change = change;
            load(&*target, plan, std::slice::from_ref(&wider), None)
        };
        let fault = with(SchemaChange::Fail, "t2").unwrap_err();
        assert_eq!(
            fault.to_string(),
            "the target has no column `gift` and `schema_change` is `fail`"
        );
        let told = with(SchemaChange::Ignore, "t3").unwrap();
        assert_eq!((told.final_rows, told.columns_added.len()), (5, 0), "{kind}");
        let told = with(SchemaChange::Evolve, "t4").unwrap();
        assert_eq!(told.final_rows, 7, "{kind}");
        assert_eq!(told.columns_added[0].0, "gift");
        let all = read(kind, json!({ "path": "out" }), folder.path());
        let gift = all.column_by_name("gift").unwrap();
        assert_eq!((all.num_rows(), gift.null_count()), (7, 5), "{kind}");
        // Rows that lack a column of the target get null there.
        let told = load(&*target, plan(&first.schema(), Strategy::Append, "t5"), &[first], None);
        assert_eq!(told.unwrap().final_rows, 10, "{kind}");
    }
}

#[test]
fn files_of_other_programs_are_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    // No line end at the end, CRLF, a byte order mark, and columns in another order.
    std::fs::write(
        folder.path().join("out"),
        "\u{feff}name,id,amount\r\n\"x\ny\",1,1.00\r\nz,2,2.00",
    )
    .unwrap();
    let target_csv = target("csv", json!({ "path": "out" }), folder.path());
    let more = orders([6], "m");
    let told = load(
        &*target_csv,
        plan(&more.schema(), Strategy::Append, "t"),
        std::slice::from_ref(&more),
        None,
    )
    .unwrap();
    assert_eq!((told.inserted, told.final_rows), (1, 3));
    let text = std::fs::read_to_string(folder.path().join("out")).unwrap();
    assert_eq!(
        text,
        "\u{feff}name,id,amount\r\n\"x\ny\",1,1.00\r\nz,2,2.00\n\"m, \"\"6\"\"\nline\",6,6.06\n"
    );

    // A Parquet file with columns that cannot be null, as other writers make them.
    let path = folder.path().join("p");
    let strict = Schema::new(vec![Field::new("id", DataType::Int64, false)]);
    let ids = RecordBatch::try_new(Arc::new(strict), vec![Arc::clone(more.column(0))]).unwrap();
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, ids.schema(), None).unwrap();
    writer.write(&ids).unwrap();
    writer.close().unwrap();
    let target_parquet = target("parquet", json!({ "path": "p" }), folder.path());
    let told =
        load(&*target_parquet, plan(&ids.schema(), Strategy::Append, "t"), &[ids], None).unwrap();
    assert_eq!(told.final_rows, 2);
    assert_eq!(read("parquet", json!({ "path": "p" }), folder.path()).num_rows(), 2);
}

#[test]
fn a_refresh_replaces_what_cannot_be_read() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("out"), "{\"id\": no, \"parquet\n\"").unwrap();
        let target = target(kind, json!({ "path": "out" }), folder.path());
        wait(async {
            assert_eq!(target.committed(&owner(), "t").await.unwrap(), None);
            assert_eq!(target.cursor(&owner()).await.unwrap(), None);
        });
        let rows = orders(0..3, "a");
        let plan = plan(&rows.schema(), Strategy::FullRefresh, "t");
        load(&*target, plan, std::slice::from_ref(&rows), None).unwrap();
        assert_eq!(read_orders(kind, folder.path()), rows, "{kind}");
    }
}
