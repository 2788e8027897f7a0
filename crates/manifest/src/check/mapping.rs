//! Mappings: keys that are unknown, missing, or exclude each other.

use serde_json::Value;

use crate::complaint::Code;
use crate::nearest::{listed, nearest};
use crate::tree::Entry;

use super::view::View;
use super::walk::{At, Checker};

impl<'s> Checker<'s, '_, '_> {
    /// Checks the entries of a mapping.
    pub(super) fn mapping(&mut self, entries: &mut [Entry], view: &View<'s>, at: At<'_>) -> bool {
        let properties = view.map("properties");
        let known: Vec<&'s str> =
            properties.into_iter().flat_map(|map| map.keys().map(String::as_str)).collect();
        let others = view.get("additionalProperties").or(view.get("unevaluatedProperties"));
        self.above.push((at.path.to_string(), known.clone()));
        let mut clean = true;
        let mut meant = Vec::new();
        for entry in entries.iter_mut() {
            let path = at.path.key(&entry.key);
            let below = At { path: &path, owner: entry.key_span };
            let schema = properties.and_then(|map| map.get(&entry.key)).or(others);
            match schema {
                None => clean &= self.free(&mut entry.node),
                Some(Value::Bool(false)) => {
                    meant.extend(self.unknown_key(entry, &known, view, at));
                    entry.node.flawed = true;
                    clean = false;
                }
                Some(schema) => clean &= self.node(&mut entry.node, schema, below),
            }
        }
        self.above.pop();
        clean &= self.required(entries, view, &meant, at);
        clean &= self.exactly_one(entries, view, &meant, at);
        clean
    }

    /// Complains about a key; the answer is the key that was probably meant.
    fn unknown_key(
        &mut self,
        entry: &Entry,
        known: &[&'s str],
        view: &View<'s>,
        at: At<'_>,
    ) -> Option<&'s str> {
        let key = entry.key.as_str();
        let near = nearest(key, known.iter().copied());
        let inside = known.iter().find(|name| {
            let property = view.map("properties").and_then(|map| map.get(**name));
            let property = property.map(|schema| view.view(schema));
            property.and_then(|it| it.map("properties")).is_some_and(|map| map.contains_key(key))
        });
        let outside = self.above.iter().rev().skip(1).find(|(_, keys)| keys.contains(&key));
        let elsewhere = view.map("x-flowglass-elsewhere").and_then(|it| it.get(key)?.as_str());
        let help = match (near, inside, outside) {
            _ if elsewhere.is_some() => {
                format!("`{key}` belongs to `{}`", elsewhere.unwrap_or_default())
            }
            (_, Some(inside), _) => format!("`{key}` belongs under `{inside}`"),
            (_, None, Some((path, _))) if path.is_empty() => {
                format!("`{key}` belongs to the top level")
            }
            (_, None, Some((path, _))) => format!("`{key}` belongs to `{path}`"),
            (Some(near), None, None) => format!("did you mean `{near}`?"),
            (None, None, None) if known.is_empty() => "no keys are taken here".to_owned(),
            (None, None, None) => format!("known here: {}", listed(known.iter().copied(), "and")),
        };
        let said = match at.path.name() {
            Some(parent) => format!("unknown key `{key}` in `{parent}`"),
            None => format!("unknown key `{key}`"),
        };
        let path = at.path.key(key);
        self.report.error(Code::UnknownKey, entry.key_span, &path, said).advise(help);
        near
    }

    fn required(&mut self, entries: &[Entry], view: &View<'s>, meant: &[&str], at: At<'_>) -> bool {
        let required = view.list("required").iter().filter_map(Value::as_str);
        let mut clean = true;
        for key in required {
            if entries.iter().any(|entry| entry.key == key) {
                continue;
            }
            clean = false;
            // Already complained about under the name that was written.
            if meant.contains(&key) {
                continue;
            }
            let property = view.map("properties").and_then(|map| map.get(key));
            let property = property.map(|schema| view.view(schema));
            let about = property.and_then(|it| it.str("description")).map(first_sentence);
            let help = match about {
                Some(about) => format!("add `{key}:` ({about})"),
                None => format!("add `{key}:`"),
            };
            let said = match at.path.steps().last() {
                None => format!("the manifest has no `{key}`"),
                Some(_) => match at.path.name() {
                    Some(parent) => format!("`{key}` is missing in `{parent}`"),
                    None => format!("`{key}` is missing"),
                },
            };
            self.report.error(Code::MissingKey, at.owner, at.path, said).advise(help);
        }
        clean
    }

    fn exactly_one(
        &mut self,
        entries: &[Entry],
        view: &View<'s>,
        meant: &[&str],
        at: At<'_>,
    ) -> bool {
        let Some(choice) = view.exactly_one() else { return true };
        let there: Vec<&Entry> =
            entries.iter().filter(|entry| choice.contains(&entry.key.as_str())).collect();
        let parent = at.path.name().unwrap_or_else(|| "the manifest".to_owned());
        match there.as_slice() {
            [_] => true,
            [] => {
                if !meant.iter().any(|key| choice.contains(key)) {
                    let choice = listed(choice, "or");
                    let said = format!("`{parent}` has none of {choice}");
                    let help = "add exactly one of them";
                    self.report.error(Code::MissingKey, at.owner, at.path, said).advise(help);
                }
                false
            }
            [first, second, ..] => {
                let said = format!("`{}` and `{}` exclude each other", first.key, second.key);
                let first_place = self.report.text.place(first.key_span);
                let path = at.path.key(&second.key);
                self.report
                    .error(Code::ConflictingKeys, second.key_span, &path, said)
                    .advise(format!("keep exactly one of {}", listed(choice, "or")))
                    .note("the first is here", first_place);
                false
            }
        }
    }
}

fn first_sentence(text: &str) -> String {
    let sentence = text.split_once(". ").map_or(text, |(first, _)| first);
    sentence.trim_end_matches('.').replace('\n', " ")
}
