//! The walk down the tree: from each value to the checks of its kind.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::Value;

use crate::complaint::Code;
use crate::doc::Reporter;
use crate::path::Path;
use crate::text::Span;
use crate::tree::{Body, Node};

use super::view::View;

/// A sentence as the continuation of another.
pub(crate) fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// How deep schemas may refer to each other without a step down the document.
const SCHEMA_DEPTH_MAX: usize = 200;

/// Checks a document against one definition of a schema and marks every node that a complaint stands
/// at or below. Scalars are told what type the schema took them as.
pub(crate) fn check(root: &mut Node, schema: &Value, def: &str, report: &mut Reporter<'_>) {
    let span = Span { start: root.span.start, end: root.span.start };
    let mut checker =
        Checker { schema, report, patterns: BTreeMap::new(), above: Vec::new(), depth: 0 };
    let at = At { path: &Path::root(), owner: span };
    checker.node(root, schema.pointer(def).unwrap_or(schema), at);
}

/// Where the checker is.
#[derive(Clone, Copy)]
pub(super) struct At<'p> {
    /// The path of the value.
    pub(super) path: &'p Path,
    /// What to point at when something is missing: the key, or the item's first line.
    pub(super) owner: Span,
}

/// What the walk carries with it.
pub(super) struct Checker<'s, 'r, 't> {
    pub(super) schema: &'s Value,
    pub(super) report: &'r mut Reporter<'t>,
    pub(super) patterns: BTreeMap<&'s str, Option<Regex>>,
    /// The keys of the mappings around, outermost first: for "belongs one level up".
    pub(super) above: Vec<(String, Vec<&'s str>)>,
    depth: usize,
}

impl<'s> Checker<'s, '_, '_> {
    /// Checks a value; `true` when nothing is wrong with it.
    pub(super) fn node(&mut self, node: &mut Node, schema: &'s Value, at: At<'_>) -> bool {
        if self.depth > SCHEMA_DEPTH_MAX {
            self.report.error(Code::Internal, node.span, at.path, "the schema does not end");
            return false;
        }
        self.depth += 1;
        let clean = match schema {
            Value::Bool(true) => self.free(node),
            Value::Object(_) => self.viewed(node, &View::of(self.schema, schema), at),
            _ => {
                self.report
                    .error(Code::UnknownKey, at.owner, at.path, "nothing may stand here")
                    .advise("remove it");
                false
            }
        };
        self.depth -= 1;
        node.flawed |= !clean;
        clean
    }

    /// Anything goes; only what has no value cannot be used.
    pub(super) fn free(&mut self, node: &mut Node) -> bool {
        let mut clean = true;
        match &mut node.body {
            Body::Scalar(scalar) => clean = !scalar.unresolved,
            Body::List(items) => items.iter_mut().for_each(|item| clean &= self.free(item)),
            Body::Map(entries) => {
                entries.iter_mut().for_each(|entry| clean &= self.free(&mut entry.node));
            }
        }
        node.flawed |= !clean;
        clean
    }

    pub(super) fn viewed(&mut self, node: &mut Node, view: &View<'s>, at: At<'_>) -> bool {
        if node.scalar().is_some_and(|scalar| scalar.unresolved) {
            return false;
        }
        if let Some(words) = view.words() {
            return self.words(node, view, &words, at);
        }
        if !self.typed(node, view, at) {
            return false;
        }
        let mut clean = match view.branches() {
            Some(branches) => self.union(node, view, &branches, at),
            None => true,
        };
        for part in view.list("allOf") {
            clean &= self.node(node, part, at);
        }
        clean &= match &mut node.body {
            Body::Scalar(scalar) => self.scalar(scalar, node.span, view, at.path),
            Body::List(items) => self.items(items, view, at),
            Body::Map(_) if view.branches().is_some() && view.get("properties").is_none() => true,
            Body::Map(entries) => self.mapping(entries, view, at),
        };
        clean
    }

    fn items(&mut self, items: &mut [Node], view: &View<'s>, at: At<'_>) -> bool {
        let mut clean = true;
        let count = items.len() as u64;
        let name = at.path.last_key().unwrap_or("the list");
        if let Some(least) = view.count("minItems").filter(|least| count < *least) {
            let said = match count {
                0 => format!("`{name}` is an empty list"),
                _ => format!("`{name}` has {count} items; at least {least} are needed"),
            };
            self.report.error(Code::OutOfRange, at.owner, at.path, said).advise("add an item");
            clean = false;
        }
        if let Some(most) = view.count("maxItems").filter(|most| count > *most) {
            let said = format!("`{name}` has {count} items; at most {most} are taken");
            self.report.error(Code::OutOfRange, at.owner, at.path, said);
            clean = false;
        }
        let Some(schema) = view.get("items") else {
            items.iter_mut().for_each(|item| clean &= self.free(item));
            return clean;
        };
        for (index, item) in items.iter_mut().enumerate() {
            let path = at.path.index(index);
            let at = At { path: &path, owner: item.span };
            clean &= self.node(item, schema, at);
        }
        clean
    }
}
