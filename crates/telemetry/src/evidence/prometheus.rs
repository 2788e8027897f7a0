//! The Prometheus text format 0.0.4: one group a name, no timestamps.
//!
//! Timestamps are left out because node_exporter's textfile collector refuses files that have them.

use super::points::MetricSet;

/// What the file holds when there is no metric, so that it is not mistaken for a torn one.
const EMPTY: &str = "# No metrics: see runtime_metrics.json for the blockers.\n";

/// Renders the file.
pub(crate) fn render(metrics: &MetricSet) -> String {
    if metrics.groups.is_empty() {
        return EMPTY.to_owned();
    }
    let mut out = String::with_capacity(size(metrics));
    for group in &metrics.groups {
        out.push_str("# HELP ");
        out.push_str(&group.name);
        out.push(' ');
        for character in group.help.chars() {
            match character {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                other => out.push(other),
            }
        }
        out.push_str("\n# TYPE ");
        out.push_str(&group.name);
        out.push_str(if group.is_gauge { " gauge\n" } else { " untyped\n" });
        for point in group.points.iter().filter(|point| point.in_prometheus) {
            out.push_str(&group.name);
            out.push_str(metrics.labels.get(point.set).map_or("", |set| &set.prometheus));
            out.push(' ');
            out.push_str(&point.value.to_string());
            out.push('\n');
        }
    }
    out
}

fn size(metrics: &MetricSet) -> usize {
    let labels: usize = metrics.labels.iter().map(|set| set.prometheus.len()).sum();
    labels * metrics.groups.len() + metrics.len() * 64 + metrics.groups.len() * 256
}
