//! `metric<=value`, `metric>=value`, with labels in braces when only some series are meant.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::problem::{Code, Place, Problems};
use crate::report::{Number, number_of_token};

/// Objectives of one call at most.
const OBJECTIVES_MAX: usize = 10_000;

/// On which side of the bound the metric must be. The bound itself is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `<=`: at most the bound.
    Max,
    /// `>=`: at least the bound.
    Min,
}

impl Operator {
    /// `max` or `min`, as codes and reports name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Min => "min",
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Max => "<=",
            Self::Min => ">=",
        }
    }

    /// Whether `actual` is on the good side. NaN never is.
    #[must_use]
    pub fn holds(self, actual: f64, bound: f64) -> bool {
        match self {
            Self::Max => actual <= bound,
            Self::Min => actual >= bound,
        }
    }
}

/// One objective.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// The metric, with or without prefix.
    pub metric: String,
    /// Labels that a series must have to be meant; none means every series.
    pub labels: BTreeMap<String, String>,
    /// The side.
    pub operator: Operator,
    /// The bound; a finite number.
    pub bound: f64,
}

/// Why a text is no objective.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadObjective {
    /// Neither `<=` nor `>=` is there, or another sign is.
    #[error("there must be one `<=` or `>=` between metric and number")]
    Operator,
    /// No name of a metric stands before the sign.
    #[error("the metric before the sign must be a name of letters, digits and `_`")]
    Metric,
    /// The braces do not hold `name=value` pairs.
    #[error("the braces must hold `label=value` pairs, separated by commas")]
    Labels,
    /// The bound is no finite number.
    #[error("the bound after the sign must be a finite number")]
    Bound,
}

impl FromStr for Objective {
    type Err = BadObjective;

    fn from_str(text: &str) -> Result<Self, BadObjective> {
        let (subject, operator, bound) = match (text.rsplit_once("<="), text.rsplit_once(">=")) {
            (Some((subject, bound)), None) => (subject, Operator::Max, bound),
            (None, Some((subject, bound))) => (subject, Operator::Min, bound),
            _ => return Err(BadObjective::Operator),
        };
        let bound: f64 = bound.trim().parse().map_err(|_| BadObjective::Bound)?;
        if !bound.is_finite() {
            return Err(BadObjective::Bound);
        }
        let subject = subject.trim();
        let (metric, labels) = match subject.split_once('{') {
            None => (subject, BTreeMap::new()),
            Some((metric, rest)) => {
                let inner = rest.strip_suffix('}').ok_or(BadObjective::Labels)?;
                (metric.trim(), labels(inner)?)
            }
        };
        let clean = metric.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if metric.is_empty() || !clean {
            return Err(BadObjective::Metric);
        }
        Ok(Self { metric: metric.to_owned(), labels, operator, bound })
    }
}

fn labels(inner: &str) -> Result<BTreeMap<String, String>, BadObjective> {
    let mut labels = BTreeMap::new();
    for pair in inner.split(',') {
        let (name, value) = pair.split_once('=').ok_or(BadObjective::Labels)?;
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(value);
        if name.trim().is_empty() {
            return Err(BadObjective::Labels);
        }
        labels.insert(name.trim().to_owned(), value.to_owned());
    }
    Ok(labels)
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.metric)?;
        if !self.labels.is_empty() {
            let pairs: Vec<_> =
                self.labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
            write!(f, "{{{}}}", pairs.join(","))?;
        }
        write!(f, "{}{}", self.operator.sign(), self.bound)
    }
}

/// Reads a file of objectives: one a line, `#` begins a comment; or the JSON that other tools use,
/// `{"metric": {"max": 3, "min": 1}}` and `{"metric": 3}` for a maximum. What cannot be read is a
/// blocker with its place, and a bound of an unknown name is one too.
#[must_use]
pub fn parse_objectives(text: &str, source: &Arc<str>, problems: &mut Problems) -> Vec<Objective> {
    let text = text.trim_start_matches('\u{FEFF}');
    let objectives = if text.trim_start().starts_with('{') {
        from_json(text, source, problems)
    } else {
        from_lines(text, source, problems)
    };
    if objectives.len() > OBJECTIVES_MAX {
        let says = format!("more than {OBJECTIVES_MAX} objectives");
        problems.add(Code::SloInvalidObjective, Some(source), says);
    }
    objectives
}

fn from_lines(text: &str, source: &Arc<str>, problems: &mut Problems) -> Vec<Objective> {
    let mut objectives = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let content = line.split('#').next().unwrap_or("").trim();
        if content.is_empty() {
            continue;
        }
        match content.parse() {
            Ok(objective) => objectives.push(objective),
            Err(error) => {
                let column = line.chars().take_while(|c| c.is_whitespace()).count() + 1;
                let place = Place { line: index + 1, column };
                let says = format!("{error}");
                problems.add_at(Code::SloInvalidObjective, Some(source), Some(place), says);
            }
        }
    }
    objectives
}

fn from_json(text: &str, source: &Arc<str>, problems: &mut Problems) -> Vec<Objective> {
    // Bounds stay as they are written until they become a float, once.
    let root: BTreeMap<String, Box<RawValue>> = match serde_json::from_str(text) {
        Ok(root) => root,
        Err(error) => {
            let place = Place { line: error.line(), column: error.column() };
            let says = "the objectives are no JSON object".to_owned();
            problems.add_at(Code::SloInvalidObjective, Some(source), Some(place), says);
            return Vec::new();
        }
    };
    let mut objectives = Vec::new();
    for (metric, bounds) in root {
        let named: BTreeMap<String, Box<RawValue>> = match serde_json::from_str(bounds.get()) {
            Ok(bounds) => bounds,
            Err(_single) => BTreeMap::from([("max".to_owned(), bounds)]),
        };
        if named.is_empty() {
            let says = format!("`{metric}` has no bound");
            problems.add(Code::SloInvalidObjective, Some(source), says);
        }
        for (name, bound) in named {
            let sign = match name.as_str() {
                "max" => "<=",
                "min" => ">=",
                _ => {
                    let says =
                        format!("`{metric}` has the unknown bound `{name}`: write `max` or `min`");
                    problems.add(Code::SloInvalidObjective, Some(source), says);
                    continue;
                }
            };
            let bound = number_of_token(bound.get()).map(Number::as_f64);
            let parsed = bound.map(|bound| format!("{metric}{sign}{bound}").parse());
            match parsed.unwrap_or(Err(BadObjective::Bound)) {
                Ok(objective) => objectives.push(objective),
                Err(error) => {
                    let says = format!("`{metric}`: {error}");
                    problems.add(Code::SloInvalidObjective, Some(source), says);
                }
            }
        }
    }
    objectives
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{BadObjective, Objective, parse_objectives};
    use crate::problem::Problems;

    #[track_caller]
    fn check(text: &str, expect: Result<&str, BadObjective>) {
        let parsed = text.parse::<Objective>().map(|objective| objective.to_string());
        assert_eq!(parsed, expect.map(str::to_owned));
    }

    #[test]
    fn both_signs_and_labels() {
        check(" duration_seconds <= 300 ", Ok("duration_seconds<=300"));
        check("final_rows>=1e3", Ok("final_rows>=1000"));
        check("a{process=orders, env=\"p\"}<=-1.5", Ok("a{env=\"p\",process=\"orders\"}<=-1.5"));
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in ["a<3", "a==3", "a", "", "a<=1<=2>=3"] {
            check(bad, Err(BadObjective::Operator));
        }
        for bad in ["a<=", "a<=x", "a>=NaN", "a<=inf", "a<=1e999"] {
            check(bad, Err(BadObjective::Bound));
        }
        for bad in ["<=3", "a b<=3", "a<=1<=2", "a{}x<=3"] {
            assert!(bad.parse::<Objective>().is_err(), "{bad}");
        }
        check("a{b}<=3", Err(BadObjective::Labels));
        check("a{b=c<=3", Err(BadObjective::Labels));
    }

    #[test]
    fn files_in_both_forms() {
        let source: Arc<str> = Arc::from("slo");
        for (text, expect) in [
            ("# bounds\na<=1\n\n b>=2 # why\n", "a<=1 b>=2"),
            ("{\"a\": {\"max\": 1, \"min\": 0}, \"b\": 2}", "a<=1 a>=0 b<=2"),
            (
                "{\"a\": {\"maximum\": 1}}",
                "!slo.invalid_objective: slo: `a` has the unknown bound `maximum`: write `max` or `min`",
            ),
            ("{\"a\": {}}", "!slo.invalid_objective: slo: `a` has no bound"),
            (
                "{\"a\": \"1\"}",
                "!slo.invalid_objective: slo: `a`: the bound after the sign must be a finite number",
            ),
            ("{", "!slo.invalid_objective: slo:1:1: the objectives are no JSON object"),
            (
                "a<=1\n  a<1\n",
                "a<=1 !slo.invalid_objective: slo:2:3: there must be one `<=` or `>=` between metric and number",
            ),
        ] {
            let mut problems = Problems::new(false);
            let objectives = parse_objectives(text, &source, &mut problems);
            let mut said: Vec<String> = objectives.iter().map(ToString::to_string).collect();
            said.extend(problems.into_list().iter().map(|problem| format!("!{problem}")));
            assert_eq!(said.join(" "), expect);
        }
    }
}
