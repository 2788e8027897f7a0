//! From facts to metric points: one group a name, each series once.
//!
//! Both file formats want one group a name and leave a series that stands twice undefined, so the
//! points are kept by name from the start and repeated series are settled here, with a warning,
//! rather than in each renderer.

use std::collections::HashMap;
use std::sync::Arc;

use flowglass_catalog::Prefix;
use flowglass_catalog::offline::{METRICS, MetricDef, NumberKind, by_stem};

use crate::problem::{Code, Problems};
use crate::report::{Facts, Number};

use super::labels::{LabelSet, Labeller, last_of_each, shown};
use super::names::metric_name;

/// Label sets of one metric in the Prometheus file beyond which a warning is due.
pub const SERIES_USUAL_MAX: usize = 1_000;

/// One value of one series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// Index of its label set.
    pub(crate) set: usize,
    pub(crate) value: Number,
    pub(crate) time_unix_nano: u64,
    /// False when another point has the same labels in the Prometheus file.
    pub(crate) in_prometheus: bool,
}

/// All points of one name.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) help: String,
    pub(crate) unit: &'static str,
    /// Whether the type of the metric is known; a custom one with the suffix of a counter is not a
    /// gauge that anybody could vouch for.
    pub(crate) is_gauge: bool,
    pub(crate) points: Vec<Point>,
}

/// Everything that the renderers write.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetricSet {
    pub(crate) labels: Vec<LabelSet>,
    pub(crate) groups: Vec<Group>,
}

impl MetricSet {
    /// Number of points.
    pub(crate) fn len(&self) -> usize {
        self.groups.iter().map(|group| group.points.len()).sum()
    }
}

/// What shapes the points besides the facts.
pub(crate) struct Shape<'r> {
    pub(crate) prefix: &'r Prefix,
    pub(crate) labeller: &'r Labeller<'r>,
    /// `--metric`, in the order given.
    pub(crate) custom: &'r [(String, Number)],
    /// Time of points whose run does not say when it ended.
    pub(crate) time_unix_nano: u64,
}

/// Facts and the name of the report that they came from.
pub(crate) struct Sourced {
    pub(crate) source: Arc<str>,
    pub(crate) facts: Facts,
}

/// Puts the points together.
pub(crate) fn gather(shape: &Shape<'_>, all: &[Sourced], problems: &mut Problems) -> MetricSet {
    let mut gathered = Gathered::default();
    let mut groups: Vec<Vec<Point>> = vec![Vec::new(); METRICS.len()];
    for sourced in all {
        let facts = &sourced.facts;
        let time_unix_nano = facts.finished_unix_nano.unwrap_or(shape.time_unix_nano);
        let mut last: Option<(&[(&'static str, String)], usize)> = None;
        for sample in &facts.samples {
            // Neighbouring samples share their labels: all of a run, or all of one case.
            let set = match last {
                Some((extra, set)) if extra == sample.extra => set,
                _ => {
                    let labels =
                        shape.labeller.set(&facts.labels, &sample.extra, &sourced.source, problems);
                    gathered.intern(labels)
                }
            };
            last = Some((&sample.extra, set));
            if let Some(points) = groups.get_mut(sample.metric as usize) {
                let value = sample.value;
                points.push(Point { set, value, time_unix_nano, in_prometheus: true });
            }
        }
    }
    let mut named: Vec<Group> =
        METRICS.iter().zip(groups).map(|(def, points)| known(shape.prefix, def, points)).collect();
    for group in &mut named {
        gathered.settle(group, problems);
    }
    add_custom(shape, all, &mut gathered, &mut named, problems);
    named.retain(|group| !group.points.is_empty());
    let most = named.iter().map(Group::series).max().unwrap_or(0);
    if most > SERIES_USUAL_MAX {
        problems.add(Code::SeriesTooMany, None, format!("{most} label sets on one metric"));
    }
    MetricSet { labels: gathered.sets, groups: named }
}

fn known(prefix: &Prefix, def: &MetricDef, points: Vec<Point>) -> Group {
    Group {
        name: prefix.join(def.stem),
        help: def.help.to_owned(),
        unit: def.unit,
        is_gauge: true,
        points,
    }
}

impl Group {
    fn series(&self) -> usize {
        self.points.iter().filter(|point| point.in_prometheus).count()
    }
}

/// Label sets, each once, and which of them look alike in the Prometheus file.
#[derive(Default)]
struct Gathered {
    sets: Vec<LabelSet>,
    by_attributes: HashMap<String, usize>,
    /// For each set, the number that all sets with the same Prometheus form share.
    alike: Vec<usize>,
    by_prometheus: HashMap<String, usize>,
    /// Sets that were already complained about.
    said: Vec<bool>,
}

impl Gathered {
    fn intern(&mut self, set: LabelSet) -> usize {
        if let Some(index) = self.by_attributes.get(set.attributes.get()) {
            return *index;
        }
        let index = self.sets.len();
        self.by_attributes.insert(set.attributes.get().to_owned(), index);
        let alike = match self.by_prometheus.get(&set.prometheus) {
            Some(alike) => *alike,
            None => {
                self.by_prometheus.insert(set.prometheus.clone(), index);
                index
            }
        };
        self.alike.push(alike);
        self.said.push(false);
        self.sets.push(set);
        index
    }

    /// Keeps one point a label set, and one a Prometheus form in the Prometheus file: the one whose
    /// run ended last, of equals the one that came last.
    fn settle(&mut self, group: &mut Group, problems: &mut Problems) {
        const NONE: usize = usize::MAX;
        let mut place = vec![NONE; self.sets.len()];
        let mut kept: Vec<Point> = Vec::with_capacity(group.points.len());
        let mut repeated: Vec<usize> = Vec::new();
        for point in &group.points {
            let Some(slot) = place.get_mut(point.set) else { continue };
            match kept.get_mut(*slot) {
                Some(earlier) => {
                    repeated.push(point.set);
                    if point.time_unix_nano >= earlier.time_unix_nano {
                        *earlier = *point;
                    }
                }
                None => {
                    *slot = kept.len();
                    kept.push(*point);
                }
            }
        }
        place.fill(NONE);
        for index in 0..kept.len() {
            let Some(point) = kept.get(index).copied() else { continue };
            let alike = self.alike.get(point.set).copied().unwrap_or(point.set);
            let Some(slot) = place.get_mut(alike) else { continue };
            let earlier = *slot;
            if earlier == NONE {
                *slot = index;
                continue;
            }
            repeated.push(point.set);
            let newer =
                kept.get(earlier).is_none_or(|other| point.time_unix_nano >= other.time_unix_nano);
            let (winner, loser) = if newer { (index, earlier) } else { (earlier, index) };
            *slot = winner;
            if let Some(lost) = kept.get_mut(loser) {
                lost.in_prometheus = false;
            }
        }
        for set in repeated {
            self.complain(set, problems);
        }
        group.points = kept;
    }

    fn complain(&mut self, set: usize, problems: &mut Problems) {
        let Some(said) = self.said.get_mut(set).filter(|said| !**said) else { return };
        *said = true;
        let labels = self.sets.get(set).map_or("", |set| set.prometheus.as_str());
        let shown = if labels.is_empty() { "{}" } else { labels };
        let says = format!("more than one report has the labels {shown}");
        problems.add(Code::SeriesRepeated, None, says);
    }
}

/// The labels on which all runs agree: what a custom metric can be said to belong to.
fn common_labels(all: &[Sourced]) -> Vec<(&'static str, String)> {
    let Some((first, rest)) = all.split_first() else { return Vec::new() };
    let mut common = first.facts.labels.clone();
    common.retain(|label| rest.iter().all(|other| other.facts.labels.contains(label)));
    common
}

fn add_custom(
    shape: &Shape<'_>,
    all: &[Sourced],
    gathered: &mut Gathered,
    groups: &mut Vec<Group>,
    problems: &mut Problems,
) {
    if shape.custom.is_empty() {
        return;
    }
    let flag: Arc<str> = Arc::from("--metric");
    let labels = shape.labeller.set(&common_labels(all), &[], &flag, problems);
    let set = gathered.intern(labels);
    let finished = all.first().and_then(|one| one.facts.finished_unix_nano);
    let agreed =
        finished.filter(|time| all.iter().all(|it| it.facts.finished_unix_nano == Some(*time)));
    let time_unix_nano = agreed.unwrap_or(shape.time_unix_nano);
    let first_custom = groups.len();
    let prefix = shape.prefix.join("");
    for (raw, value) in last_values(shape.custom, &flag, problems) {
        let name = custom_name(shape.prefix, &raw, &flag, problems);
        let stem = name.strip_prefix(&prefix).unwrap_or(&name);
        let def = by_stem(stem);
        let value = as_kind(value, def.map(|def| def.kind));
        if !value.is_finite() {
            problems.add(Code::MetricNotFinite, Some(&flag), format!("`{name}` is {value}"));
        }
        let point = Point { set, value, time_unix_nano, in_prometheus: true };
        let found = groups.iter_mut().position(|group| group.name == name);
        match found.and_then(|index| groups.get_mut(index).map(|group| (index, group))) {
            Some((index, group)) => {
                let said = if index < first_custom {
                    Code::MetricOverridesReport
                } else {
                    Code::MetricNameCollision
                };
                gathered.put(group, point, said, problems);
            }
            None => groups.push(custom_group(name, &raw, point)),
        }
    }
    if let Some(custom) = groups.get_mut(first_custom..) {
        custom.sort_by(|left, right| left.name.cmp(&right.name));
    }
}

impl Gathered {
    /// Puts a custom point into a group that exists, in the place of one with the same labels.
    fn put(&self, group: &mut Group, point: Point, code: Code, problems: &mut Problems) {
        let alike = |set: usize| self.alike.get(set).copied().unwrap_or(set);
        let before = group.points.len();
        group.points.retain(|other| other.set != point.set);
        for other in &mut group.points {
            if alike(other.set) == alike(point.set) {
                other.in_prometheus = false;
            }
        }
        let hidden = group.points.iter().any(|other| alike(other.set) == alike(point.set));
        if group.points.len() < before || hidden {
            let says = format!("`{}` is {} by the flag", group.name, point.value);
            problems.add(code, Some(&Arc::from("--metric")), says);
        }
        group.points.push(point);
    }
}

fn last_values(
    custom: &[(String, Number)],
    flag: &Arc<str>,
    problems: &mut Problems,
) -> Vec<(String, Number)> {
    let indexed: Vec<(String, String)> = custom
        .iter()
        .enumerate()
        .map(|(index, (name, _))| (name.clone(), index.to_string()))
        .collect();
    let mut kept: Vec<usize> = last_of_each(&indexed, Code::MetricRepeated, flag, problems)
        .iter()
        .filter_map(|(_, index)| index.parse().ok())
        .collect();
    // In the order given, so that of two names that collide the later one counts.
    kept.sort_unstable();
    kept.into_iter().filter_map(|index| custom.get(index).cloned()).collect()
}

fn custom_name(prefix: &Prefix, raw: &str, flag: &Arc<str>, problems: &mut Problems) -> String {
    let clean = metric_name(prefix, raw);
    if clean.lossy || clean.cut {
        let says = format!("`{}` is written as `{}`", shown(raw), shown(&clean.name));
        problems.add(Code::MetricNameChanged, Some(flag), says);
    }
    clean.name
}

/// Suffixes that belong to counters, histograms and summaries.
const TYPED_SUFFIXES: &[&str] = &["_total", "_count", "_sum", "_bucket", "_info", "_created"];

fn custom_group(name: String, raw: &str, point: Point) -> Group {
    Group {
        is_gauge: !TYPED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)),
        help: format!("Custom metric `{}`.", shown(raw)),
        unit: "1",
        name,
        points: vec![point],
    }
}

/// A custom number under a known name takes that name's kind; else it is a measure, so that its type
/// does not change with its value from one export to the next.
#[expect(clippy::cast_possible_truncation, reason = "the bound is part of the condition")]
fn as_kind(value: Number, kind: Option<NumberKind>) -> Number {
    match value {
        Number::Int(int) if kind != Some(NumberKind::Count) && int.unsigned_abs() < 1 << 53 => {
            Number::Double(value.as_f64())
        }
        Number::Double(float)
            if kind == Some(NumberKind::Count)
                && float.fract() == 0.0
                && float.abs() < 9_007_199_254_740_992.0 =>
        {
            Number::Int(float as i64)
        }
        other => other,
    }
}
