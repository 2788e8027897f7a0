//! A reader that keeps everything, for the tests.

use std::collections::BTreeMap;

use flowglass_catalog::{MetricDef, Reader, Reading, Registry, SeriesLabels};

/// Every series as `stem{key=value,…}` with its number; of a histogram its count.
#[derive(Default)]
pub(crate) struct Everything {
    stem: &'static str,
    pub(crate) numbers: BTreeMap<String, f64>,
}

impl Reader for Everything {
    fn family(&mut self, def: &'static MetricDef) {
        self.stem = def.stem;
    }

    #[expect(clippy::cast_precision_loss, reason = "test numbers are small")]
    fn series(&mut self, labels: SeriesLabels<'_>, reading: Reading<'_>) {
        let labels: Vec<_> =
            labels.pairs().map(|(key, value)| format!("{}={value}", key.name())).collect();
        let number = match reading {
            Reading::Counter(raw) => raw as f64,
            Reading::Gauge(value) => value,
            Reading::Histogram(reading) => reading.count() as f64,
        };
        let before = self.numbers.insert(format!("{}{{{}}}", self.stem, labels.join(",")), number);
        assert_eq!(before, None, "a series twice");
    }
}

/// Reads all.
pub(crate) fn everything(registry: &Registry) -> BTreeMap<String, f64> {
    let mut all = Everything::default();
    registry.read(&mut all);
    all.numbers
}

/// The number of one series.
#[track_caller]
pub(crate) fn number(registry: &Registry, series: &str) -> f64 {
    let all = everything(registry);
    *all.get(series).unwrap_or_else(|| panic!("no {series} in {all:#?}"))
}
