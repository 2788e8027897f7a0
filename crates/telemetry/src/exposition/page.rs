//! Writing a page.

use flowglass_catalog::{
    Exemplar, HistogramReading, Kind, MetricDef, Prefix, Reader, Reading, Registry, Scale,
    SeriesLabels,
};

use super::Format;
use super::number::{double, help, label_value, seconds, whole};

/// Writes the page of a registry, its names under `prefix`, in `format`, onto the end of `out`.
///
/// The order is fixed: the same numbers give the same bytes. A caller that keeps `out` for the next
/// scrape saves growing it.
pub fn render(registry: &Registry, prefix: &Prefix, format: Format, out: &mut String) {
    let openmetrics = format.is_openmetrics();
    registry.read(&mut Page { out, prefix, openmetrics, family: Family::default() });
    if openmetrics {
        out.push_str("# EOF\n");
    }
}

struct Page<'a> {
    out: &'a mut String,
    prefix: &'a Prefix,
    openmetrics: bool,
    family: Family,
}

/// What is the same on all lines of a family, put together once.
#[derive(Default)]
struct Family {
    scale: Option<Scale>,
    /// The sample's name, with `{` when there are labels.
    head: String,
    /// For histograms: `name_bucket{`, `name_sum` and `name_count` with `{` when there are labels.
    bucket: String,
    sum: String,
    count: String,
    /// What follows the labels of each bucket: `,le="0.005"} `.
    tails: Vec<String>,
    labelled: bool,
}

impl Family {
    fn new(def: &'static MetricDef, name: &str, openmetrics: bool) -> Self {
        let labelled = !def.labels.is_empty();
        let open = if labelled { "{" } else { "" };
        let head = |suffix: &str| format!("{name}{suffix}{open}");
        let comma = if labelled { "," } else { "" };
        let bounds = def
            .bounds()
            .map(|bound| bound_text(bound, openmetrics))
            .chain(std::iter::once("+Inf".to_owned()));
        let tails = match def.kind {
            Kind::Histogram => bounds.map(|bound| format!("{comma}le=\"{bound}\"}} ")).collect(),
            Kind::Counter | Kind::Gauge => Vec::new(),
        };
        Self {
            scale: Some(def.scale),
            head: head(""),
            bucket: format!("{name}_bucket{{"),
            sum: head("_sum"),
            count: head("_count"),
            tails,
            labelled,
        }
    }

    fn number(&self, out: &mut String, raw: u64) {
        match self.scale {
            Some(Scale::Nanoseconds) => seconds(out, raw),
            Some(Scale::One) | None => whole(out, raw),
        }
    }

    /// Writes a sample up to its number.
    fn begin(&self, out: &mut String, head: &str, labels: &str) {
        out.push_str(head);
        if self.labelled {
            out.push_str(labels);
            out.push_str("} ");
        } else {
            out.push(' ');
        }
    }

    fn histogram(
        &self,
        out: &mut String,
        labels: &str,
        reading: &HistogramReading<'_>,
        exemplars: bool,
    ) {
        let mut so_far = 0_u64;
        for ((index, count), tail) in reading.counts().iter().enumerate().zip(&self.tails) {
            so_far = so_far.saturating_add(*count);
            out.push_str(&self.bucket);
            out.push_str(labels);
            out.push_str(tail);
            whole(out, so_far);
            if let Some(exemplar) = exemplars.then(|| reading.exemplar(index)).flatten() {
                self.exemplar(out, exemplar);
            }
            out.push('\n');
        }
        self.begin(out, &self.sum, labels);
        self.number(out, reading.sum());
        out.push('\n');
        self.begin(out, &self.count, labels);
        whole(out, so_far);
        out.push('\n');
    }

    fn exemplar(&self, out: &mut String, exemplar: Exemplar) {
        out.push_str(" # {trace_id=\"");
        out.push_str(&exemplar.trace_id.to_string());
        out.push_str("\"} ");
        self.number(out, exemplar.raw);
        out.push(' ');
        seconds(out, exemplar.unix_nanos);
    }
}

impl Reader for Page<'_> {
    fn wants_text(&self) -> bool {
        true
    }

    fn write_labels(&self, labels: SeriesLabels<'_>, out: &mut String) {
        write_labels(labels, out);
    }

    fn family(&mut self, def: &'static MetricDef) {
        let name = def.name(self.prefix);
        self.metadata(def, &name);
        self.family = Family::new(def, &name, self.openmetrics);
    }

    fn series(&mut self, labels: SeriesLabels<'_>, reading: Reading<'_>) {
        let (out, family) = (&mut *self.out, &self.family);
        let labels = labels.text();
        match reading {
            Reading::Counter(raw) => {
                family.begin(out, &family.head, labels);
                family.number(out, raw);
                out.push('\n');
            }
            Reading::Gauge(value) => {
                family.begin(out, &family.head, labels);
                double(out, value);
                out.push('\n');
            }
            Reading::Histogram(reading) => {
                family.histogram(out, labels, &reading, self.openmetrics);
            }
        }
    }
}

impl Page<'_> {
    /// The lines before a family's samples. OpenMetrics names the family without the suffix that
    /// its samples carry, has a type for info metrics, and says the unit when the name ends with
    /// it.
    fn metadata(&mut self, def: &'static MetricDef, name: &str) {
        let info = self.openmetrics.then(|| name.strip_suffix("_info")).flatten();
        let total = self.openmetrics.then(|| name.strip_suffix("_total")).flatten();
        let family = info.or(total).unwrap_or(name);
        let kind = if info.is_some() { "info" } else { def.kind.name() };
        self.line(&["# HELP ", family, " "]);
        help(self.out, def.help, self.openmetrics);
        self.line(&["\n# TYPE ", family, " ", kind, "\n"]);
        if let Some(unit) =
            def.unit.suffix().filter(|unit| self.openmetrics && family.ends_with(unit))
        {
            self.line(&["# UNIT ", family, " ", unit, "\n"]);
        }
    }

    fn line(&mut self, parts: &[&str]) {
        parts.iter().for_each(|part| self.out.push_str(part));
    }
}

/// The labels of a series as both formats write them, without the braces: `tenant="acme",node="n"`.
fn write_labels(labels: SeriesLabels<'_>, out: &mut String) {
    for (at, (key, value)) in labels.pairs().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(key.name());
        out.push_str("=\"");
        label_value(out, value);
        out.push('"');
    }
}

/// A bound as it stands in `le`. OpenMetrics wants a decimal point; the older text has always gone
/// without.
fn bound_text(bound: f64, openmetrics: bool) -> String {
    let mut text = String::new();
    double(&mut text, bound);
    if openmetrics && !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    text
}
