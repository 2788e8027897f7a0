//! Types, words, numbers and texts.

use regex_lite::Regex;
use serde_json::Value;

use crate::complaint::Code;
use crate::draft::TAKEN_AS_TEXT;
use crate::nearest::{listed, nearest};
use crate::path::Path;
use crate::text::Span;
use crate::tree::{Body, Core, Node, Scalar, core_of};

use super::union::short_for;
use super::view::{View, shown};
use super::walk::{At, Checker};

/// How much of a value is quoted in a complaint.
const QUOTED_MAX: usize = 40;

impl<'s> Checker<'s, '_, '_> {
    /// Whether the value has a type that is taken; complains when not.
    pub(super) fn typed(&mut self, node: &mut Node, view: &View<'s>, at: At<'_>) -> bool {
        if take_type(node, view) {
            return true;
        }
        let span = match &node.body {
            Body::Scalar(scalar) if scalar.text.is_empty() => at.owner,
            _ => node.span,
        };
        let name = at.path.last_key().map_or_else(String::new, |key| format!("`{key}` "));
        let said = match found(node) {
            None => format!("{name}has no value"),
            Some(found) => format!("{name}must be {}, not {found}", view.expected()),
        };
        let help = advice(node, view);
        let complaint = self.report.error(Code::WrongType, span, at.path, said);
        if let Some(help) = help {
            complaint.advise(help);
        }
        false
    }

    /// A value out of a closed list.
    pub(super) fn words(
        &mut self,
        node: &mut Node,
        view: &View<'s>,
        words: &[&'s Value],
        at: At<'_>,
    ) -> bool {
        if let Body::Scalar(scalar) = &mut node.body
            && scalar.expanded
        {
            // A word that came from a variable is compared as text when words are texts.
            scalar.taken_as_text = words.iter().any(|word| word.is_string());
        }
        let value = node.value(false);
        if words.iter().any(|word| **word == value) {
            return true;
        }
        let name = at.path.last_key().unwrap_or("the value").to_owned();
        // Where another word leads to another branch, the choice is larger than this branch's.
        let choice: Vec<&Value> = match view.list("x-flowglass-words") {
            [] => words.to_vec(),
            all => all.iter().collect(),
        };
        let texts = || choice.iter().filter_map(|word| word.as_str());
        let all =
            choice.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned));
        let all: Vec<String> = all.collect();
        let allowed = listed(all.iter().map(String::as_str), "or");
        let Some(text) = node.scalar().filter(|it| it.core() != Core::Null) else {
            let found = found(node).unwrap_or_else(|| "nothing".to_owned());
            let said = format!("`{name}` must be {allowed}, not {found}");
            self.report.error(Code::WrongType, node.span, at.path, said);
            return false;
        };
        let said = format!("`{name}` cannot be `{}`", clipped(&text.shown));
        let help = match nearest(&text.text, texts()) {
            _ if all.len() == 1 => format!("write {allowed}"),
            Some(near) => format!("did you mean `{near}`? It can be {allowed}"),
            None => format!("it can be {allowed}"),
        };
        self.report.error(Code::UnknownValue, node.span, at.path, said).advise(help);
        false
    }

    /// The bounds of a single value.
    pub(super) fn scalar(
        &mut self,
        scalar: &mut Scalar,
        span: Span,
        view: &View<'s>,
        path: &Path,
    ) -> bool {
        match scalar.core() {
            Core::Text => self.text(scalar, span, view, path),
            Core::Integer(number) => self.number(&Value::Number(number), span, view, path),
            Core::Float(number) => self.number(&Value::Number(number), span, view, path),
            Core::Null | Core::Bool(_) => true,
        }
    }

    fn number(&mut self, value: &Value, span: Span, view: &View<'s>, path: &Path) -> bool {
        let (least, most) = bounds(view);
        let number = value.as_f64().unwrap_or_default();
        let below = least.is_some_and(|it| number < it);
        let above = most.is_some_and(|it| number > it);
        let open = |keyword: &str| view.get(keyword).and_then(Value::as_f64);
        let touches = open("exclusiveMinimum").is_some_and(|it| number <= it)
            || open("exclusiveMaximum").is_some_and(|it| number >= it);
        if !(below || above || touches) {
            return true;
        }
        let name = path.last_key().unwrap_or("the number");
        let said = format!("`{name}` is {value}, which is out of range");
        let help = match (least, most) {
            (Some(least), Some(most)) if most < 1e15 => format!("use {least} to {most}"),
            (Some(least), _) if below => format!("use {least} or more"),
            (_, Some(most)) if above => format!("use {most} or less"),
            _ => "use a number between the bounds".to_owned(),
        };
        self.report.error(Code::OutOfRange, span, path, said).advise(help);
        false
    }

    fn text(&mut self, scalar: &Scalar, span: Span, view: &View<'s>, path: &Path) -> bool {
        let name = path.last_key().unwrap_or("the text");
        let length = scalar.text.chars().count() as u64;
        if let Some(least) = view.count("minLength").filter(|least| length < *least) {
            let said = match length {
                0 => format!("`{name}` is empty"),
                _ => format!("`{name}` has {length} characters; at least {least} are needed"),
            };
            self.report.error(Code::OutOfRange, span, path, said);
            return false;
        }
        if let Some(most) = view.count("maxLength").filter(|most| length > *most) {
            let said = format!("`{name}` has {length} characters; at most {most} are taken");
            self.report.error(Code::OutOfRange, span, path, said);
            return false;
        }
        let Some(pattern) = view.str("pattern") else { return true };
        // A pattern that we cannot compile is the business of serde and of the connector.
        let regex = self.patterns.entry(pattern).or_insert_with(|| Regex::new(pattern).ok());
        if regex.as_ref().is_none_or(|regex| regex.is_match(&scalar.text)) {
            return true;
        }
        let what = view.str("title").map_or_else(|| format!("value for `{name}`"), str::to_owned);
        let said = format!("`{}` is not a valid {what}", clipped(&scalar.shown));
        let example = view.list("examples").first().map(|it| format!("for example {}", shown(it)));
        // The type says what its texts look like; the key's own words say what it is for.
        let rule = view.beside("pattern", "description").map_or_else(
            || format!("it must match `{pattern}`"),
            |rule| super::walk::lower_first(rule.trim_end_matches('.')),
        );
        let help: Vec<String> = std::iter::once(rule).chain(example).collect();
        self.report.error(Code::BadFormat, span, path, said).advise(help.join("; "));
        false
    }
}

/// Whether the type fits; tells a scalar what it was taken as.
pub(super) fn take_type(node: &mut Node, view: &View<'_>) -> bool {
    let Some(types) = view.types() else {
        return view.branches().is_none_or(|all| fits_any(node, &all));
    };
    let has = |name: &str| types.contains(&name);
    let scalar = match &mut node.body {
        Body::List(_) => return has("array"),
        Body::Map(_) => return has("object"),
        Body::Scalar(scalar) => scalar,
    };
    let as_text = view.get(TAKEN_AS_TEXT).is_some_and(|it| it == true);
    let core = scalar.core();
    match core {
        Core::Bool(_) | Core::Integer(_) | Core::Float(_) if as_text => {
            let wanted = match core {
                Core::Bool(_) => has("boolean"),
                Core::Integer(_) => has("integer") || has("number"),
                _ => has("number"),
            };
            scalar.taken_as_text = wanted;
            return wanted;
        }
        Core::Null if has("null") => return true,
        Core::Bool(_) if has("boolean") => return true,
        Core::Integer(_) if has("integer") || has("number") => return true,
        Core::Float(_) if has("number") => return true,
        Core::Text if has("string") => return true,
        _ => {}
    }
    // What came from a variable follows the schema, whatever its look and its quotes.
    if scalar.expanded && has("string") {
        scalar.taken_as_text = true;
        return true;
    }
    let fits = scalar.expanded
        && match core_of(&scalar.text) {
            Core::Integer(_) => has("integer") || has("number"),
            Core::Float(_) => has("number"),
            Core::Bool(_) => has("boolean"),
            Core::Null | Core::Text => false,
        };
    if fits {
        scalar.plain = true;
    }
    fits
}

fn fits_any(node: &mut Node, branches: &[View<'_>]) -> bool {
    branches.iter().any(|branch| take_type(&mut node.clone(), branch))
}

/// What a value is, for people; `None` when it is nothing.
fn found(node: &Node) -> Option<String> {
    let scalar = match &node.body {
        Body::List(_) => return Some("a list".to_owned()),
        Body::Map(_) => return Some("a mapping".to_owned()),
        Body::Scalar(scalar) => scalar,
    };
    Some(match scalar.core() {
        Core::Null => return None,
        Core::Bool(value) => format!("{value}"),
        Core::Integer(_) | Core::Float(_) => format!("the number {}", clipped(&scalar.shown)),
        Core::Text => format!("the text `{}`", clipped(&scalar.shown)),
    })
}

fn advice(node: &Node, view: &View<'_>) -> Option<String> {
    if let Some(help) = view.str("x-flowglass-help") {
        return Some(help.to_owned());
    }
    let types = view.types().unwrap_or_default();
    let Some(scalar) = node.scalar() else {
        return match (&node.body, types.as_slice()) {
            (Body::Map(_), ["array"]) => {
                Some("write a list: each item begins with `- `".to_owned())
            }
            _ => None,
        };
    };
    if let Some(help) = short_for(&scalar.shown, view) {
        return Some(help);
    }
    let text = clipped(&scalar.shown);
    match (scalar.core(), types.as_slice()) {
        (Core::Null, _) => Some("give it a value, or remove the key".to_owned()),
        (Core::Integer(_), ["string"]) if view.str("title") == Some("duration") => {
            Some(format!("add a unit, such as `{text}s` for seconds"))
        }
        (Core::Bool(_) | Core::Integer(_) | Core::Float(_), types) if types.contains(&"string") => {
            Some(format!("put it in quotes: \"{text}\""))
        }
        (_, ["array"]) => Some(format!("write it as a list: [{text}]")),
        (Core::Text, types)
            if !scalar.plain
                && !types.contains(&"object")
                && core_of(&scalar.text) != Core::Text =>
        {
            Some("remove the quotes".to_owned())
        }
        _ => None,
    }
}

/// The least and the greatest number, from the bounds and from the width of the integer.
fn bounds(view: &View<'_>) -> (Option<f64>, Option<f64>) {
    let width = match view.str("format") {
        Some("uint8") => (Some(0.0), Some(f64::from(u8::MAX))),
        Some("uint16") => (Some(0.0), Some(f64::from(u16::MAX))),
        Some("uint32") => (Some(0.0), Some(f64::from(u32::MAX))),
        Some("uint64" | "uint") => (Some(0.0), None),
        Some("int8") => (Some(f64::from(i8::MIN)), Some(f64::from(i8::MAX))),
        Some("int16") => (Some(f64::from(i16::MIN)), Some(f64::from(i16::MAX))),
        Some("int32") => (Some(f64::from(i32::MIN)), Some(f64::from(i32::MAX))),
        _ => (None, None),
    };
    let given = |keyword: &str| view.get(keyword).and_then(Value::as_f64);
    (given("minimum").or(width.0), given("maximum").or(width.1))
}

/// A value short enough to be quoted, on one line.
pub(crate) fn clipped(text: &str) -> String {
    let mut clipped: String = text.chars().take(QUOTED_MAX).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped.replace(['\n', '\r', '\t'], " ")
}
