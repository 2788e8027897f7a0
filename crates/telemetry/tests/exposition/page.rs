//! The page as a whole: what stands on it, in what order, and that any value survives it.

use std::collections::BTreeMap;
use std::time::Duration;

use flowglass_catalog::label::{Channel, FinalState, Node, RowOp, Sink, Table};
use flowglass_catalog::{Kind, Metric, Prefix, Registry};
use flowglass_telemetry::exposition::{Format, render};
use proptest::prelude::*;

use super::sample::every_metric;
use super::strict::{Family, read};

const OPEN: Format = Format::OpenMetrics100 { utf8: false };

fn page(registry: &Registry, prefix: &str, format: Format) -> String {
    let mut page = String::new();
    render(registry, &Prefix::parse(prefix).expect("a prefix"), format, &mut page);
    page
}

fn families(registry: &Registry, format: Format) -> BTreeMap<String, Family> {
    let page = page(registry, "flowglass", format);
    read(&page, format.is_openmetrics()).unwrap_or_else(|why| panic!("{why}\n\n{page}"))
}

#[test]
fn every_metric_stands_on_both_pages_with_its_type() {
    let registry = every_metric();
    let (text, open) = (families(&registry, Format::Text004), families(&registry, OPEN));
    for def in Metric::all().iter().map(|it| it.def()) {
        let name = def.name(&Prefix::default());
        assert_eq!(text[&name].kind, def.kind.name(), "{name}");
        assert_eq!(text[&name].help, def.help, "{name}");
        let family = name.strip_suffix("_total").or(name.strip_suffix("_info")).unwrap_or(&name);
        let kind = if name.ends_with("_info") { "info" } else { def.kind.name() };
        assert_eq!(open[family].kind, kind, "{name}");
    }
    assert_eq!(text.len(), Metric::all().len());
    assert_eq!(open.len(), Metric::all().len());
}

#[test]
fn durations_and_exemplars_are_written_in_seconds() {
    let registry = every_metric();
    let open = page(&registry, "flowglass", OPEN);
    let trace = "abababababababababababababababab";
    let line = format!(
        "flowglass_e2e_latency_seconds_bucket{{tenant=\"acme\",pipeline=\"orders\",le=\"0.5\"}} 2 # \
         {{trace_id=\"{trace}\"}} 0.3 1700000000.123\n"
    );
    assert!(open.contains(&line), "{open}");
    assert!(open.contains("flowglass_stage_busy_seconds_total{tenant=\"acme\",pipeline=\"orders\",stage=\"one\"} 1.5\n"));
    assert!(open.contains("# UNIT flowglass_e2e_latency_seconds seconds\n"));
    let text = page(&registry, "flowglass", Format::Text004);
    assert!(!text.contains(trace) && !text.contains("# UNIT") && !text.contains("# EOF"));
}

#[test]
fn the_prefix_is_chosen_when_the_page_is_written_and_spares_shared_names() {
    let registry = every_metric();
    let ours = page(&registry, "flowglass", Format::Text004);
    let theirs = page(&registry, "deltaforge", Format::Text004);
    assert_eq!(ours.replace("flowglass_", "deltaforge_"), theirs);
    assert!(theirs.contains("\nhttp_requests_total{") && theirs.contains("\nprocess_open_fds "));
    assert!(theirs.contains("\ndeltaforge_source_events_total{"));
}

#[test]
fn the_same_numbers_give_the_same_bytes_whatever_the_order_they_came_in() {
    let names = ["b", "a", "c", "ab", "a\u{1}", ""];
    let fill = |names: &mut dyn Iterator<Item = &&str>| {
        let registry = Registry::default();
        for name in names {
            registry
                .pipeline("t", name)
                .source_lag_seconds(flowglass_catalog::label::Source(name))
                .set(0.25);
        }
        page(&registry, "flowglass", OPEN)
    };
    assert_eq!(fill(&mut names.iter()), fill(&mut names.iter().rev()));
}

#[test]
fn an_empty_family_leaves_nothing_and_a_new_registry_shows_its_zeros() {
    let text = page(&Registry::default(), "flowglass", Format::Text004);
    assert!(
        text.contains("flowglass_panics_total 0\n") && text.contains("http_requests_in_flight 0\n")
    );
    assert!(!text.contains("runs_total"), "{text}");
}

#[test]
fn a_histogram_without_labels_and_one_with_read_back() {
    let registry = Registry::default();
    let orders = registry.pipeline("acme", "orders");
    orders.batch_events().observe(50);
    orders.batch_events().observe(51);
    orders.run_duration_seconds().observe(Duration::from_secs(61));
    let families = families(&registry, Format::Text004);
    let at = |le: &str| {
        let is = |labels: &[(String, String)]| {
            labels.iter().any(|(key, value)| key == "le" && value == le)
        };
        families["flowglass_batch_events"].samples.iter().find(|it| is(&it.labels)).unwrap().value
    };
    // A bound is part of its bucket.
    assert_eq!((at("10"), at("50"), at("100"), at("+Inf")), (0.0, 1.0, 2.0, 2.0));
    let runs = &families["flowglass_run_duration_seconds"].samples;
    assert_eq!(runs.iter().find(|it| it.name.ends_with("_sum")).unwrap().value, 61.0);
}

/// What a page says about one counter: its value by node and op.
fn rows(families: &BTreeMap<String, Family>, family: &str) -> BTreeMap<(String, String), f64> {
    let label = |labels: &[(String, String)], key: &str| {
        labels.iter().find(|(it, _)| it == key).map(|(_, value)| value.clone()).expect("the label")
    };
    let samples = families.get(family).map_or(&[][..], |it| &it.samples);
    samples
        .iter()
        .map(|it| ((label(&it.labels, "node"), label(&it.labels, "op")), it.value))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_label_values_read_back(counts in prop::collection::btree_map((any::<String>(), 0..4_usize), 1..1_u64 << 53, 0..20)) {
        let registry = Registry::default();
        let scope = registry.pipeline("a\"b\\c\nd", "é\u{0}");
        let mut expected = BTreeMap::new();
        for ((node, op), count) in &counts {
            let op = RowOp::ALL[*op];
            scope.rows_total(Node(node), op).add(*count);
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            expected.insert((node.clone(), op.as_str().to_owned()), *count as f64);
        }
        prop_assert_eq!(rows(&families(&registry, Format::Text004), "flowglass_rows_total"), expected.clone());
        prop_assert_eq!(rows(&families(&registry, OPEN), "flowglass_rows"), expected);
    }

    #[test]
    fn any_numbers_make_a_page_that_the_strict_reader_takes(
        gauges in prop::collection::vec(any::<f64>(), 0..10),
        nanos in prop::collection::vec(0..u64::MAX / 64, 0..30),
        sizes in prop::collection::vec(0..u64::MAX / 64, 0..30),
    ) {
        let registry = Registry::default();
        let scope = registry.pipeline("t", "p");
        for (at, value) in gauges.iter().enumerate() {
            scope.pipeline_channel_depth(Channel(&at.to_string())).set(*value);
        }
        for (at, nanos) in nanos.iter().enumerate() {
            let state = FinalState::ALL[at % 3];
            scope.node_duration_seconds(Node("n"), state).observe(Duration::from_nanos(*nanos));
            scope.sink_latency_seconds(Sink("s")).observe(Duration::from_nanos(*nanos));
        }
        for (at, size) in sizes.iter().enumerate() {
            scope.batch_bytes().observe(*size);
            scope.source_table_lag_seconds(Table(&at.to_string())).set_count(*size);
        }
        for format in [Format::Text004, Format::Text100 { utf8: true }, Format::OpenMetrics001, OPEN] {
            families(&registry, format);
        }
    }
}

#[test]
fn the_kinds_of_the_catalog_are_the_words_of_the_formats() {
    assert_eq!(
        [Kind::Counter, Kind::Gauge, Kind::Histogram].map(Kind::name),
        ["counter", "gauge", "histogram"]
    );
}
