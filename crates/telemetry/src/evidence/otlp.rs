//! OTLP metrics as JSON: the `ExportMetricsServiceRequest` message in protobuf's JSON mapping.
//!
//! The whole message is one line, so that the same file is a JSON document and the JSON-lines form
//! that the Collector's `otlpjsonfile` receiver reads. 64-bit integers are strings and NaN and the
//! infinities are the strings `"NaN"`, `"Infinity"`, `"-Infinity"`, as the mapping demands.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::report::Number;

use super::labels::attributes;
use super::points::{Group, MetricSet, Point};

/// Name of the instrumentation scope.
pub const SCOPE_NAME: &str = "flowglass.observability";

/// Who the metrics belong to.
pub(crate) struct Resource<'r> {
    pub(crate) service_name: &'r str,
    pub(crate) namespace: &'r str,
    /// Further attributes, none of which is one of the two above.
    pub(crate) attributes: &'r [(String, String)],
}

/// Renders the file: one line.
pub(crate) fn render(metrics: &MetricSet, resource: &Resource<'_>) -> String {
    if metrics.groups.is_empty() {
        // An envelope around nothing would be sent on by collectors for nothing.
        return "{\"resourceMetrics\":[]}\n".to_owned();
    }
    let mut pairs: Vec<(&str, String)> = vec![
        ("service.name", resource.service_name.to_owned()),
        ("service.namespace", resource.namespace.to_owned()),
    ];
    pairs.extend(resource.attributes.iter().map(|(key, value)| (key.as_str(), value.clone())));
    pairs.sort_by_key(|(key, _)| *key);
    let request = Request {
        resource_metrics: [ResourceMetrics {
            resource: ResourceJson { attributes: &attributes(&pairs) },
            scope_metrics: [ScopeMetrics {
                scope: Scope { name: SCOPE_NAME, version: env!("CARGO_PKG_VERSION") },
                metrics: Metrics(metrics),
            }],
        }],
    };
    let mut line = serde_json::to_string(&request).unwrap_or_default();
    line.push('\n');
    line
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'r> {
    resource_metrics: [ResourceMetrics<'r>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceMetrics<'r> {
    resource: ResourceJson<'r>,
    scope_metrics: [ScopeMetrics<'r>; 1],
}

#[derive(Serialize)]
struct ResourceJson<'r> {
    attributes: &'r RawValue,
}

#[derive(Serialize)]
struct ScopeMetrics<'r> {
    scope: Scope<'r>,
    metrics: Metrics<'r>,
}

#[derive(Serialize)]
struct Scope<'r> {
    name: &'r str,
    version: &'r str,
}

struct Metrics<'r>(&'r MetricSet);

impl Serialize for Metrics<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.groups.iter().map(|group| MetricJson {
            name: &group.name,
            description: &group.help,
            unit: group.unit,
            gauge: Gauge { data_points: Points { set: self.0, group } },
        }))
    }
}

#[derive(Serialize)]
struct MetricJson<'r> {
    name: &'r str,
    description: &'r str,
    unit: &'r str,
    gauge: Gauge<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Gauge<'r> {
    data_points: Points<'r>,
}

struct Points<'r> {
    set: &'r MetricSet,
    group: &'r Group,
}

impl Serialize for Points<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.group.points.iter().map(|point| PointJson { set: self.set, point }))
    }
}

struct PointJson<'r> {
    set: &'r MetricSet,
    point: &'r Point,
}

impl Serialize for PointJson<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut json = to.serialize_struct("NumberDataPoint", 3)?;
        if let Some(labels) = self.set.labels.get(self.point.set) {
            json.serialize_field("attributes", &*labels.attributes)?;
        }
        json.serialize_field("timeUnixNano", &Quoted(self.point.time_unix_nano))?;
        match self.point.value {
            Number::Int(value) => json.serialize_field("asInt", &Quoted(value))?,
            Number::Double(value) => json.serialize_field("asDouble", &Float(value))?,
        }
        json.end()
    }
}

/// A 64-bit integer as a string.
struct Quoted<T>(T);

impl<T: std::fmt::Display> Serialize for Quoted<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

/// A float, or the name of what JSON has no number for.
pub(crate) struct Float(pub(crate) f64);

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0.is_nan() {
            to.serialize_str("NaN")
        } else if self.0.is_infinite() {
            to.serialize_str(if self.0 > 0.0 { "Infinity" } else { "-Infinity" })
        } else {
            to.serialize_f64(self.0)
        }
    }
}

impl Serialize for Number {
    /// An integer, a float, or the strings `"NaN"`, `"Infinity"`, `"-Infinity"`.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int(value) => to.serialize_i64(*value),
            Self::Double(value) => Float(*value).serialize(to),
        }
    }
}
