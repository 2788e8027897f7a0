//! Unions: into the branch that was meant, so that complaints are about what the user wrote.

use serde_json::Value;

use crate::complaint::Code;
use crate::nearest::{are, listed, nearest};
use crate::tree::{Body, Core, Entry, Node, Scalar};

use super::scalar::{clipped, take_type};
use super::view::View;
use super::walk::{At, Checker};

impl<'s> Checker<'s, '_, '_> {
    /// Checks a value against a choice of schemas.
    pub(super) fn union(
        &mut self,
        node: &mut Node,
        view: &View<'s>,
        branches: &[View<'s>],
        at: At<'_>,
    ) -> bool {
        if matches!(node.body, Body::Map(_))
            && let Some(tag) = tag_of(branches)
        {
            return self.tagged(node, (view, branches), tag, at);
        }
        let fitting: Vec<&View<'s>> =
            branches.iter().filter(|branch| take_type(&mut node.clone(), branch)).collect();
        match fitting.as_slice() {
            [] => self.typed(node, view, at),
            [only] => self.viewed(node, only, at),
            several => {
                // Words with an explanation each are a branch each; to the reader they are one list.
                let words: Option<Vec<_>> = several.iter().map(|branch| branch.words()).collect();
                match words.filter(|_| node.scalar().is_some()) {
                    Some(words) => self.words(node, view, &words.concat(), at),
                    None => self.best(node, several, at),
                }
            }
        }
    }

    /// Several branches may be meant: the one with the fewest complaints is.
    fn best(&mut self, node: &mut Node, branches: &[&View<'s>], at: At<'_>) -> bool {
        let mut best: Option<(usize, Node, Vec<crate::Complaint>)> = None;
        for branch in branches {
            let mark = self.report.complaints.len();
            let mut tried = node.clone();
            let clean = self.viewed(&mut tried, branch, at);
            let found = self.report.complaints.split_off(mark);
            let weight = if clean { 0 } else { found.len().max(1) };
            if best.as_ref().is_none_or(|(least, ..)| weight < *least) {
                best = Some((weight, tried, found));
            }
            if clean {
                break;
            }
        }
        let Some((weight, tried, found)) = best else { return true };
        *node = tried;
        self.report.complaints.extend(found);
        weight == 0
    }

    /// A key names the branch.
    fn tagged(
        &mut self,
        node: &mut Node,
        choice: (&View<'s>, &[View<'s>]),
        tag: &str,
        at: At<'_>,
    ) -> bool {
        let (view, branches) = choice;
        let words = || branches.iter().filter_map(|branch| constant(branch, tag));
        let role = view.str("x-flowglass-choice");
        let path = at.path.key(tag);
        let has_value = |it: &&Entry| {
            let nothing = |scalar: &Scalar| {
                scalar.text.is_empty()
                    || (scalar.core() == Core::Null && !words().any(|word| word == scalar.text))
            };
            it.node.scalar().is_none_or(|scalar| !nothing(scalar))
        };
        let Some(entry) = node.entry(tag).filter(has_value) else {
            let name = at.path.name().unwrap_or_else(|| "this".to_owned());
            let said = format!("`{name}` has no `{tag}`");
            let help = format!("add `{tag}:` with one of {}", listed(words(), "or"));
            self.report.error(Code::MissingKey, at.owner, at.path, said).advise(help);
            return false;
        };
        let span = entry.node.span;
        let Some(scalar) = entry.node.scalar() else {
            let said = format!("`{tag}` must be a word");
            self.report.error(Code::WrongType, span, &path, said);
            return false;
        };
        if scalar.unresolved {
            return false;
        }
        let chosen = branches.iter().find(|it| constant(it, tag) == Some(scalar.text.as_str()));
        if let Some(branch) = chosen {
            // `type: null` names the connector `null`, whatever else YAML takes the word for.
            if let Some(Body::Scalar(scalar)) = node.get_mut(tag).map(|it| &mut it.body) {
                scalar.taken_as_text = true;
            }
            return self.viewed(node, branch, at);
        }
        let text = clipped(&scalar.shown);
        let near = nearest(&scalar.text, words());
        let said = match role {
            Some("connector") => format!(
                "there is no connector of type `{text}` for `{}`",
                at.path.last_key().unwrap_or("this")
            ),
            Some(noun) => format!("this build has no {noun} `{text}`"),
            None => format!("`{tag}` cannot be `{text}`"),
        };
        let help = match near {
            Some(near) => format!("did you mean `{near}`? There {}", are(words())),
            None => format!("there {}", are(words())),
        };
        let code = if role.is_some() { Code::UnknownConnector } else { Code::UnknownValue };
        self.report.error(code, span, &path, said).advise(help);
        false
    }
}

/// A text that stands where a mapping is needed that this word could name: `json` for
/// `{ type: json }`.
pub(super) fn short_for(text: &str, view: &View<'_>) -> Option<String> {
    let branches = view.branches()?;
    let tag = tag_of(&branches)?;
    let named = branches.iter().any(|branch| constant(branch, tag) == Some(text));
    named.then(|| format!("write `{{ {tag}: {text} }}`"))
}

/// The key that has a constant in every branch.
fn tag_of<'s>(branches: &[View<'s>]) -> Option<&'s str> {
    let (first, others) = branches.split_first()?;
    let keys = first.map("properties")?.keys();
    keys.map(String::as_str).find(|key| {
        constant(first, key).is_some() && others.iter().all(|it| constant(it, key).is_some())
    })
}

fn constant<'s>(branch: &View<'s>, key: &str) -> Option<&'s str> {
    let property = branch.map("properties")?.get(key)?;
    let property = branch.view(property);
    match (property.get("const"), property.list("enum")) {
        (Some(Value::String(word)), _) | (None, [Value::String(word)]) => Some(word.as_str()),
        _ => None,
    }
}
