//! The walk over the tree that puts values in and notes which of them are secret.

use std::collections::BTreeMap;

use crate::complaint::{Code, Severity};
use crate::doc::Reporter;
use crate::nearest::nearest;
use crate::path::Path;
use crate::secret::{STARS, Secrets, is_secret_key, masked, passwords};
use crate::text::Span;
use crate::tree::{Body, Core, Node, Scalar};

use super::template::{self, Piece};

/// How much text the expansions of one document may come to.
const EXPANDED_BYTES_MAX: usize = 16 << 20;

/// Where variables and files come from. The caller owns the environment and the disk.
pub trait Lookup {
    /// The value of a variable; `None` when it is not set.
    fn variable(&self, name: &str) -> Option<String>;

    /// The text of the file named by `${file:…}`. A relative path was joined to the manifest's
    /// folder before.
    ///
    /// # Errors
    /// Why it cannot be read, as a lower-case fragment such as `no such file`.
    fn file(&self, path: &std::path::Path) -> Result<String, String>;
}

/// What expansion needs besides the tree.
pub(crate) struct Inputs<'a> {
    /// Variables and files.
    pub(crate) lookup: &'a dyn Lookup,
    /// Parameters given by the caller.
    pub(crate) params: &'a BTreeMap<String, String>,
    /// The manifest's folder.
    pub(crate) base_dir: &'a std::path::Path,
    /// How grave it is that a variable, file or parameter has no value.
    pub(crate) missing: Severity,
}

/// A parameter of the document.
#[derive(Clone, Debug, Default)]
pub(crate) struct Param {
    /// Its value; `None` when it has none.
    pub(crate) value: Option<String>,
    /// Whether the manifest names it as a secret.
    pub(crate) secret: bool,
}

/// What expansion found out.
pub(crate) struct Expanded {
    /// Every secret value.
    pub(crate) secrets: Secrets,
    /// The parameters and their values.
    pub(crate) params: BTreeMap<String, Param>,
    /// Where secrets are written in the text.
    pub(crate) hidden: Vec<Span>,
}

/// Expands every scalar value of a document.
pub(crate) fn expand(root: &mut Node, report: &mut Reporter<'_>, inputs: &Inputs<'_>) -> Expanded {
    let named = named_secrets(root);
    let mut secrets = Secrets::default();
    for name in named.iter().filter(|name| !name.starts_with("param.")) {
        // Also when nothing here refers to it: a command inherits it and may print it.
        if let Some(value) = inputs.lookup.variable(name) {
            secrets.add(&value);
        }
    }
    let found = Expanded { secrets, params: BTreeMap::new(), hidden: Vec::new() };
    let mut walk = Walk { report, inputs, named, found, spent_bytes: 0, params_known: false };
    let spec = Path::root().key("spec");
    if let Some(params) = root.get_mut("spec").and_then(|it| it.get_mut("params")) {
        walk.node(params, &spec.key("params"), Zone::default());
        walk.read_params(params, &spec.key("params"));
    }
    walk.params_known = true;
    walk.node(root, &Path::root(), Zone::default());
    walk.found
}

fn named_secrets(root: &Node) -> Vec<String> {
    let list = root.get("spec").and_then(|spec| spec.get("secrets"));
    let items = list.map_or(&[][..], Node::items);
    items.iter().filter_map(Node::text).map(str::to_owned).collect()
}

/// What kind of text a scalar is, by the keys above it.
#[derive(Clone, Copy, Default)]
struct Zone {
    /// Inside a connector or an environment, where `password: …` is a password.
    secret_keys: bool,
    /// A query or a script, where `password = x` is code.
    code: bool,
}

impl Zone {
    fn below(self, key: &str) -> Self {
        Self {
            secret_keys: self.secret_keys
                || matches!(key, "from" | "to" | "tables" | "env" | "config"),
            code: matches!(key, "query" | "sql" | "shell" | "where" | "script"),
        }
    }
}

struct Walk<'a, 't> {
    report: &'a mut Reporter<'t>,
    inputs: &'a Inputs<'a>,
    named: Vec<String>,
    found: Expanded,
    spent_bytes: usize,
    params_known: bool,
}

/// A template's value.
#[derive(Default)]
struct Outcome {
    value: String,
    shown: String,
    unresolved: bool,
}

impl Walk<'_, '_> {
    fn node(&mut self, node: &mut Node, path: &Path, zone: Zone) {
        let span = node.span;
        match &mut node.body {
            Body::Scalar(scalar) => self.scalar(scalar, span, path, zone),
            Body::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.node(item, &path.index(index), zone);
                }
            }
            Body::Map(entries) => {
                for entry in entries {
                    let below = path.key(&entry.key);
                    // What decides how the rest is read is never itself expanded.
                    let fixed = match below.to_string().as_str() {
                        "apiVersion" | "kind" | "spec.secrets" => true,
                        "spec.params" => self.params_known,
                        _ => false,
                    };
                    if !fixed {
                        self.node(&mut entry.node, &below, zone.below(&entry.key));
                    }
                }
            }
        }
    }

    fn scalar(&mut self, scalar: &mut Scalar, span: Span, path: &Path, zone: Zone) {
        if scalar.text.contains("${") {
            self.expand_scalar(scalar, span, path);
        }
        let is_word = scalar.core() == Core::Text || scalar.expanded;
        let is_secret = zone.secret_keys
            && path.last_key().is_some_and(is_secret_key)
            && !scalar.text.is_empty()
            && matches!(scalar.core(), Core::Text | Core::Integer(_) | Core::Float(_));
        let ranges = if is_word { passwords(&scalar.text, !zone.code) } else { Vec::new() };
        if is_secret {
            self.found.secrets.add(&scalar.text);
            scalar.shown = STARS.to_owned();
        } else if !ranges.is_empty() {
            for range in &ranges {
                self.found.secrets.add(scalar.text.get(range.clone()).unwrap_or_default());
            }
            scalar.shown = masked(&scalar.shown, !zone.code);
        }
        if (is_secret || !ranges.is_empty()) && !scalar.expanded {
            if is_secret {
                self.found.hidden.push(span);
            }
            self.report
                .warn(Code::LiteralSecret, span, path, "a password is written in the manifest")
                .advise(
                    "take it from a variable, `${NAME}`, or a file, `${file:/run/secrets/name}`",
                );
        }
    }

    fn expand_scalar(&mut self, scalar: &mut Scalar, span: Span, path: &Path) {
        let pieces = match template::parse(&scalar.text) {
            Ok(pieces) => pieces,
            Err(fault) => {
                self.report.error(Code::BadVariable, span, path, fault.message).advise(fault.help);
                scalar.unresolved = true;
                return;
            }
        };
        let mut outcome = Outcome::default();
        self.evaluate(&pieces, &mut outcome, (span, path));
        self.spent_bytes = self.spent_bytes.saturating_add(outcome.value.len());
        if self.spent_bytes > EXPANDED_BYTES_MAX {
            self.report
                .error(Code::TooLarge, span, path, "the expanded values come to more than 16 MiB")
                .advise("read large values where they are used, not through the manifest");
            outcome = Outcome { unresolved: true, ..Outcome::default() };
        }
        // `$${` alone is an escape, not a reference: such a text keeps its look.
        scalar.expanded = pieces.iter().any(|it| !matches!(it, Piece::Literal(_)));
        scalar.text = outcome.value;
        scalar.shown = outcome.shown;
        scalar.unresolved = outcome.unresolved;
    }

    fn evaluate(&mut self, pieces: &[Piece], out: &mut Outcome, at: (Span, &Path)) {
        for piece in pieces {
            match piece {
                Piece::Literal(text) => {
                    out.value.push_str(text);
                    out.shown.push_str(text);
                }
                Piece::Variable { name, default } => {
                    let value = self.inputs.lookup.variable(name);
                    let secret = self.named.iter().any(|it| it == name);
                    match (value, default) {
                        (Some(value), Some(default)) if value.is_empty() => {
                            self.evaluate(default, out, at);
                        }
                        (Some(value), _) => self.put(out, &value, secret),
                        (None, Some(default)) => self.evaluate(default, out, at),
                        (None, None) => {
                            let help = format!(
                                "set it, or write `${{{name}:-default}}`; a literal `${{` is `$${{`"
                            );
                            let said = format!("the variable `{name}` is not set");
                            self.missing(Code::UnsetVariable, at, said, help);
                            out.unresolved = true;
                        }
                    }
                }
                Piece::File(name) => self.file(name, out, at),
                Piece::Param(name) => self.param(name, out, at),
            }
        }
    }

    fn put(&mut self, out: &mut Outcome, value: &str, secret: bool) {
        out.value.push_str(value);
        if secret {
            self.found.secrets.add(value);
            out.shown.push_str(STARS);
        } else {
            out.shown.push_str(value);
        }
    }

    fn file(&mut self, name: &str, out: &mut Outcome, at: (Span, &Path)) {
        match self.inputs.lookup.file(&self.inputs.base_dir.join(name)) {
            Ok(text) => {
                // Editors and `echo` end a file with a newline that is no part of the secret.
                let text = text.strip_suffix('\n').unwrap_or(&text);
                self.put(out, text.strip_suffix('\r').unwrap_or(text), true);
            }
            Err(why) => {
                let said = format!("the file `{name}` cannot be read: {why}");
                let help = "create the file or correct the path".to_owned();
                self.missing(Code::UnreadableFile, at, said, help);
                out.unresolved = true;
            }
        }
    }

    fn param(&mut self, name: &str, out: &mut Outcome, at: (Span, &Path)) {
        if !self.params_known {
            self.report
                .error(Code::BadVariable, at.0, at.1, "a parameter cannot refer to a parameter")
                .advise("write the value out, or use a variable");
            out.unresolved = true;
            return;
        }
        match self.found.params.get(name).cloned() {
            Some(Param { value: Some(value), secret }) => self.put(out, &value, secret),
            // Already complained about where it is declared.
            Some(Param { value: None, .. }) => out.unresolved = true,
            None => {
                let known = self.found.params.keys().map(String::as_str);
                let help = match nearest(name, known) {
                    Some(near) => format!("did you mean `${{param.{near}}}`?"),
                    None => format!("declare it: `params: {{ {name}: default }}` under `spec`"),
                };
                let said = format!("no parameter `{name}` is declared");
                self.report.error(Code::UnknownParam, at.0, at.1, said).advise(help);
                out.unresolved = true;
            }
        }
    }

    fn missing(&mut self, code: Code, at: (Span, &Path), said: String, help: String) {
        let complaint = self.report.error(code, at.0, at.1, said);
        complaint.severity = self.inputs.missing;
        complaint.advise(help);
    }

    /// Reads `spec.params` before it is checked: what has no value that can be used is left to
    /// the checker, which complains about its shape.
    fn read_params(&mut self, params: &Node, path: &Path) {
        for entry in params.entries() {
            let name = entry.key.as_str();
            let at = path.key(name);
            let default = match &entry.node.body {
                Body::Scalar(_) => Some(&entry.node),
                Body::Map(_) => entry.node.get("default"),
                Body::List(_) => None,
            };
            let unresolved = default.and_then(Node::scalar).is_some_and(|it| it.unresolved);
            let default = default.and_then(Node::text).map(str::to_owned);
            let given = self.inputs.params.get(name).cloned();
            let secret = self.named.iter().any(|it| it.strip_prefix("param.") == Some(name));
            let value = given.or(default);
            if value.is_none() && !unresolved {
                let said = format!("the parameter `{name}` has no value");
                let help = format!("pass `--param {name}=…`, or give it a default");
                self.missing(Code::BadParam, (entry.key_span, &at), said, help);
            }
            if secret {
                self.found.hidden.push(entry.node.span);
                value.iter().for_each(|value| self.found.secrets.add(value));
            }
            self.found.params.insert(name.to_owned(), Param { value, secret });
        }
    }
}
