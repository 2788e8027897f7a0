//! Merges against a map, through the real files.

use std::collections::BTreeMap;

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use flowglass_connect::Strategy;
use proptest::prelude::*;
use serde_json::json;

use super::{KINDS, cursor, load, orders, plan, read_orders, target};

fn contents(kind: &str, base: &std::path::Path) -> BTreeMap<i64, Option<String>> {
    let all = read_orders(kind, base);
    let ids = all.column(0).as_primitive::<Int64Type>();
    let names = all.column(1).as_string::<i32>();
    let map: BTreeMap<i64, Option<String>> =
        ids.values().iter().copied().zip(names.iter().map(|it| it.map(str::to_owned))).collect();
    assert_eq!(map.len(), all.num_rows(), "each key stands once");
    map
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_merge_is_what_a_map_says(
        loads in prop::collection::vec(
            prop::collection::vec((0i64..40, prop::sample::select(vec!["a", "b"])), 1..40), 1..4),
    ) {
        for kind in KINDS {
            let folder = tempfile::tempdir().unwrap();
            let target = target(kind, json!({ "path": "out" }), folder.path());
            let mut model: BTreeMap<i64, Option<String>> = BTreeMap::new();
            for (at, rows) in loads.iter().enumerate() {
                let batches: Vec<_> = rows.iter().map(|(id, mark)| orders([*id], mark)).collect();
                let schema = batches[0].schema();
                let plan = plan(&schema, Strategy::IncrementalMerge, &format!("t{at}"));
                let told = load(&*target, plan, &batches, Some(cursor("1"))).unwrap();
                let (mut inserted, mut updated) = (0, 0);
                let last: BTreeMap<i64, &str> = rows.iter().copied().collect();
                for (id, mark) in &last {
                    let row = orders([*id], mark);
                    let name = row.column(1).as_string::<i32>().iter().next();
                    let name = name.unwrap().map(str::to_owned);
                    match model.insert(*id, name.clone()) {
                        None => inserted += 1,
                        Some(before) if before != name => updated += 1,
                        Some(_same) => {}
                    }
                }
                prop_assert_eq!((told.inserted, told.updated), (inserted, updated), "{}", kind);
                prop_assert_eq!(told.inserted + told.updated + told.unchanged, rows.len() as u64);
                prop_assert_eq!(told.final_rows, model.len() as u64);
                prop_assert_eq!(&contents(kind, folder.path()), &model);
            }
        }
    }
}

#[test]
fn a_key_that_is_null_is_refused() {
    use arrow::array::{Int64Array, RecordBatch};
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let target = target(kind, json!({ "path": "out" }), folder.path());
        let good = orders([1], "a");
        let mut columns = good.columns().to_vec();
        columns[0] = std::sync::Arc::new(Int64Array::from(vec![None]));
        let bad = RecordBatch::try_new(good.schema(), columns).unwrap();
        let fault =
            load(&*target, plan(&good.schema(), Strategy::IncrementalMerge, "t"), &[bad], None)
                .unwrap_err();
        assert_eq!(
            fault.to_string(),
            "the key column `id` is null in a row, which a merge cannot match"
        );
        assert!(!folder.path().join("out").exists());
    }
}
