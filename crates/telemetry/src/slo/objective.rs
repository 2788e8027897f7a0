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
        let text = text.trim();
        let (metric, rest) = split_name(text);
        let (labels, rest) = match rest.trim_start().strip_prefix('{') {
            Some(inner) => labels(inner)?,
            None => (BTreeMap::new(), rest),
        };
        let rest = rest.trim_start();
        let (operator, bound) = match (rest.strip_prefix("<="), rest.strip_prefix(">=")) {
            (Some(bound), _) => (Operator::Max, bound),
            (_, Some(bound)) => (Operator::Min, bound),
            _ if text.contains("<=") || text.contains(">=") => return Err(BadObjective::Metric),
            _ => return Err(BadObjective::Operator),
        };
        if metric.is_empty() {
            return Err(BadObjective::Metric);
        }
        if bound.contains("<=") || bound.contains(">=") {
            return Err(BadObjective::Operator);
        }
        let bound: f64 = bound.trim().parse().map_err(|_| BadObjective::Bound)?;
        if !bound.is_finite() {
            return Err(BadObjective::Bound);
        }
        Ok(Self { metric: metric.to_owned(), labels, operator, bound })
    }
}

/// The name of a metric or a label that a text begins with, and what follows.
fn split_name(text: &str) -> (&str, &str) {
    let other = |it: char| !(it.is_ascii_alphanumeric() || it == '_');
    text.split_at(text.find(other).unwrap_or(text.len()))
}

/// `label=value` pairs behind an opening brace, and what follows the closing one. A value is bare, or
/// in double quotes with `\\`, `\"` and `\n` for what cannot stand there, as in a Prometheus selector.
fn labels(mut rest: &str) -> Result<(BTreeMap<String, String>, &str), BadObjective> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start();
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok((labels, rest));
        }
        let (name, behind) = split_name(rest);
        let value = behind.trim_start().strip_prefix('=').ok_or(BadObjective::Labels)?;
        let (value, behind) = match value.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted).ok_or(BadObjective::Labels)?,
            None => bare(value).ok_or(BadObjective::Labels)?,
        };
        if name.is_empty() {
            return Err(BadObjective::Labels);
        }
        labels.insert(name.to_owned(), value);
        let behind = behind.trim_start();
        rest = match behind.strip_prefix(',') {
            Some(rest) => rest,
            None if behind.starts_with('}') => behind,
            None => return Err(BadObjective::Labels),
        };
    }
}

/// A value up to the comma or brace behind it.
fn bare(text: &str) -> Option<(String, &str)> {
    let end = text.find([',', '}'])?;
    let (value, rest) = text.split_at(end);
    let clean = !value.contains(['"', '{', '<', '>', '=']);
    clean.then(|| (value.trim().to_owned(), rest))
}

/// A value behind its opening quote, and what follows the closing one.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(match letters.next()?.1 {
                'n' => '\n',
                same @ ('"' | '\\') => same,
                _ => return None,
            }),
            _ => value.push(letter),
        }
    }
    None
}

/// The text in double quotes, so that [`unquote`] reads it.
fn quoted(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{value}\"")
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.metric)?;
        if !self.labels.is_empty() {
            let pairs: Vec<_> = self
                .labels
                .iter()
                .map(|(name, value)| format!("{name}={}", quoted(value)))
                .collect();
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
        let content = without_comment(line).trim();
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

/// A line up to the `#` that stands outside quotes.
fn without_comment(line: &str) -> &str {
    let (mut inside, mut escaped) = (false, false);
    let comment = line.find(|it| {
        let here = it == '#' && !inside;
        inside ^= it == '"' && !escaped;
        escaped = inside && it == '\\' && !escaped;
        here
    });
    comment.and_then(|at| line.get(..at)).unwrap_or(line)
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
        for bad in ["a{b}<=3", "a{b=c<=3", "a{=c}<=3", "a{b=\"c}<=3", "a{b=\"c\"d}<=3", "a{b={}<=3"]
        {
            check(bad, Err(BadObjective::Labels));
        }
    }

    #[test]
    fn a_label_may_hold_anything_in_quotes() {
        let shown = r#"a{b="<=1,} \"c\\ \n#"}>=2"#;
        check(shown, Ok(shown));
        check("a{}<=1", Ok("a<=1"));
        check("a{b=c,}<=1", Ok("a{b=\"c\"}<=1"));
        let mut problems = Problems::new(false);
        let read = parse_objectives(&format!("{shown} # why"), &Arc::from("slo"), &mut problems);
        assert_eq!(read.iter().map(ToString::to_string).collect::<Vec<_>>(), [shown]);
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
