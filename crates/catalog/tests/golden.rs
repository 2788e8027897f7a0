//! The list of all names. A change here is a change of the contract: a renamed or removed metric,
//! label, value or bucket breaks somebody's dashboard, so it needs a new version and a word in the
//! changelog; an addition does not.

use std::fmt::Write as _;

use flowglass_catalog::{Metric, offline};

#[test]
fn the_contract_of_names() {
    let mut list = String::new();
    for def in Metric::all().iter().map(|it| it.def()) {
        let labels: Vec<_> = def.labels.iter().map(|it| it.key.name()).collect();
        let prefix = if def.prefixed { "*_" } else { "" };
        writeln!(
            list,
            "{prefix}{} {} {} {{{}}}",
            def.stem,
            def.kind.name(),
            def.unit.ucum(),
            labels.join(",")
        )
        .unwrap();
    }
    for metric in offline::METRICS {
        writeln!(list, "*_{} gauge {} (offline)", metric.stem, metric.unit).unwrap();
    }
    insta::assert_snapshot!("names", list);
}

#[test]
fn the_contract_of_closed_values_and_buckets() {
    let mut list = String::new();
    for def in Metric::all().iter().map(|it| it.def()) {
        for it in def.labels {
            if let Some(values) = it.values {
                writeln!(list, "{} {}: {}", def.stem, it.key.name(), values.join(" ")).unwrap();
            }
        }
        if !def.buckets.is_empty() {
            let bounds: Vec<_> = def.bounds().map(|it| it.to_string()).collect();
            writeln!(list, "{} le: {}", def.stem, bounds.join(" ")).unwrap();
        }
    }
    insta::assert_snapshot!("values", list);
}
