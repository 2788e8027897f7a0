//! Handles for metrics that are only known while the program runs, such as those that another
//! process reports.
//!
//! Where the metric is known when the program is written, use the methods of the scopes: there a
//! wrong label does not compile. Here it is an error that says what is wrong.

use std::borrow::Cow;

use crate::{Counter, LabelKey, Metric, Scale};

use super::core::Registry;
use super::handle::{CounterHandle, GaugeHandle, Handle, SecondsHandle, SizeHandle, TimingHandle};

/// A handle on any metric.
#[derive(Clone, Debug)]
pub enum AnyHandle {
    /// Counts whole things.
    Counter(CounterHandle),
    /// Adds up time.
    Seconds(SecondsHandle),
    /// Shows a number.
    Gauge(GaugeHandle),
    /// Counts durations.
    Timing(TimingHandle),
    /// Counts sizes.
    Size(SizeHandle),
}

/// Labels that do not belong to the metric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongLabels {
    /// Not the keys of the catalog.
    #[error("metric `{stem}` takes the labels {wants}, in this order; it was given {given}")]
    Keys {
        /// The metric.
        stem: &'static str,
        /// The keys that the catalog has for it.
        wants: String,
        /// The keys that came.
        given: String,
    },
    /// A word outside a closed set.
    #[error("label `{key}` of metric `{stem}` cannot be {value:?}; use one of {wants}")]
    Value {
        /// The metric.
        stem: &'static str,
        /// The label.
        key: &'static str,
        /// The word that came.
        value: String,
        /// The words of the set.
        wants: String,
    },
}

impl Registry {
    /// The handle of any metric, with the labels as text: keys and values in the catalog's order.
    ///
    /// # Errors
    /// When the keys are not those of the metric, in order, or a value is not in its closed set.
    pub fn resolve(
        &self,
        metric: Metric,
        labels: &[(LabelKey, &str)],
    ) -> Result<AnyHandle, WrongLabels> {
        check(metric, labels)?;
        let values: Vec<_> = labels.iter().map(|(_, value)| Cow::Borrowed(*value)).collect();
        let scope = match labels {
            [(LabelKey::Tenant, tenant), (LabelKey::Pipeline, pipeline), ..] => {
                Some(self.pipeline(tenant, pipeline))
            }
            _ => None,
        };
        let owner =
            scope.as_ref().map_or_else(|| self.process_owner(), |scope| scope.owner.as_ref());
        Ok(match metric {
            Metric::Counter(it) => counter(it, self.counter(it, owner, &values)),
            Metric::Gauge(it) => AnyHandle::Gauge(Handle::on(self.gauge(it, owner, &values))),
            Metric::Histogram(it) => {
                let series = self.histogram(it, owner, &values);
                match it.def().scale {
                    Scale::One => AnyHandle::Size(Handle::on(series)),
                    Scale::Nanoseconds => AnyHandle::Timing(Handle::on(series)),
                }
            }
        })
    }
}

fn counter(it: Counter, series: std::sync::Arc<super::Series<super::CounterCell>>) -> AnyHandle {
    match it.def().scale {
        Scale::One => AnyHandle::Counter(Handle::on(series)),
        Scale::Nanoseconds => AnyHandle::Seconds(Handle::on(series)),
    }
}

fn check(metric: Metric, labels: &[(LabelKey, &str)]) -> Result<(), WrongLabels> {
    let def = metric.def();
    if !def.labels.iter().map(|label| label.key).eq(labels.iter().map(|(key, _)| *key)) {
        let wants = list(def.labels.iter().map(|label| label.key.name()));
        let given = list(labels.iter().map(|(key, _)| key.name()));
        return Err(WrongLabels::Keys { stem: def.stem, wants, given });
    }
    for (label, (_, value)) in def.labels.iter().zip(labels) {
        if let Some(words) = label.values.filter(|words| !words.contains(value)) {
            return Err(WrongLabels::Value {
                stem: def.stem,
                key: label.key.name(),
                // The word may be anything, so only its beginning goes into the message.
                value: value.chars().take(64).collect(),
                wants: list(words.iter().copied()),
            });
        }
    }
    Ok(())
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.map(|word| format!("`{word}`")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
