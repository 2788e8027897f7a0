//! The reference page, printed from the catalog.

use std::fmt::Write as _;

use crate::{LabelDef, LabelKey, Metric, MetricDef, Prefix, Surface, offline};

/// The text of `docs/src/reference/metrics.md`, to the byte.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(INTRODUCTION);
    for surface in Surface::ALL {
        section(&mut page, *surface);
    }
    offline_section(&mut page);
    page
}

const INTRODUCTION: &str = "\
<!-- Printed from crates/catalog by `cargo xtask generate`. Edit the catalog, not this page. -->

# Metrics

Every number that `/metrics`, OTLP and remote write carry. Names are shown with the default prefix, `flowglass`;
`--metrics-prefix deltaforge` prints the same numbers under that one. Names that begin with `http_` or `process_` never
carry a prefix. Metrics of a pipeline carry the labels `tenant` and `pipeline` besides those shown, and leave the page when
the pipeline is deleted.

A metric has at most 1,000 label sets (`series_per_metric_max`). Further sets of a counter or a histogram are added up in
one series whose labels are all `__other__`; further sets of a gauge are not shown, since a gauge cannot be added up.
`flowglass_metric_label_overflow_total` counts both.
";

fn section(page: &mut String, surface: Surface) {
    let metrics: Vec<_> =
        Metric::all().iter().map(|it| it.def()).filter(|def| def.surface == surface).collect();
    line(page, &format!("\n## {}\n", surface.title()));
    line(page, "| Metric | Type | Unit | Labels | Meaning |");
    line(page, "|---|---|---|---|---|");
    for def in &metrics {
        line(page, &row(def));
    }
    let closed: Vec<_> = metrics
        .iter()
        .flat_map(|def| def.labels.iter().filter_map(move |it| values(def, *it)))
        .collect();
    if !closed.is_empty() {
        line(page, "\nLabel values:\n");
        closed.iter().for_each(|it| line(page, it));
    }
    let buckets: Vec<_> = metrics.iter().filter_map(|def| bounds(def)).collect();
    if !buckets.is_empty() {
        line(page, "\nBuckets:\n");
        buckets.iter().for_each(|it| line(page, it));
    }
}

fn row(def: &MetricDef) -> String {
    let labels: Vec<_> = def
        .labels
        .iter()
        .filter(|label| !matches!(label.key, LabelKey::Tenant | LabelKey::Pipeline))
        .map(|label| format!("`{}`", label.key.name()))
        .collect();
    let labels = match (labels.is_empty(), def.belongs_to_pipeline()) {
        (true, true) => "(pipeline)".to_owned(),
        (true, false) => "none".to_owned(),
        (false, true) => format!("(pipeline) {}", labels.join(", ")),
        (false, false) => labels.join(", "),
    };
    let name = def.name(&Prefix::default());
    format!("| `{name}` | {} | {} | {labels} | {} |", def.kind.name(), def.unit.word(), def.help)
}

fn values(def: &MetricDef, label: LabelDef) -> Option<String> {
    let words: Vec<_> = label.values?.iter().map(|word| format!("`{word}`")).collect();
    Some(format!("- `{}` of `{}`: {}", label.key.name(), def.stem, words.join(", ")))
}

fn bounds(def: &MetricDef) -> Option<String> {
    if def.buckets.is_empty() {
        return None;
    }
    let bounds: Vec<_> = def.bounds().map(|bound| bound.to_string()).collect();
    Some(format!("- `{}`: {}", def.stem, bounds.join(", ")))
}

fn offline_section(page: &mut String) {
    line(page, "\n## Offline exporter\n");
    line(
        page,
        "`flowglass observability metrics-export` writes these gauges, each with the labels that the report has a value for:",
    );
    let labels: Vec<_> = offline::LABELS.iter().map(|key| format!("`{key}`")).collect();
    line(page, &format!("{}.\n", labels.join(", ")));
    line(page, "| Metric | Unit | Type | Meaning |");
    line(page, "|---|---|---|---|");
    for def in offline::METRICS {
        let name = Prefix::default().join(def.stem);
        let kind = match def.kind {
            offline::NumberKind::Count => "integer",
            offline::NumberKind::Measure => "float",
        };
        line(page, &format!("| `{name}` | `{}` | {kind} | {} |", def.unit, def.help));
    }
}

fn line(page: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _always_ok = writeln!(page, "{text}");
}
