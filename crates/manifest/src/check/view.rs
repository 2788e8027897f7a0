//! A schema as the checker sees it: references followed, siblings of a reference kept.

use serde_json::{Map, Value};

/// How many references in a row are followed.
const CHAIN_MAX: usize = 16;

/// A schema object and what it refers to, the nearest first.
#[derive(Clone)]
pub(super) struct View<'s> {
    root: &'s Value,
    chain: Vec<&'s Map<String, Value>>,
}

impl<'s> View<'s> {
    /// Follows `$ref` from `schema` on.
    pub(super) fn of(root: &'s Value, schema: &'s Value) -> Self {
        let mut chain = Vec::new();
        let mut next = schema.as_object();
        while let Some(map) = next {
            chain.push(map);
            if chain.len() >= CHAIN_MAX {
                break;
            }
            let reference = map.get("$ref").and_then(Value::as_str);
            let pointer = reference.and_then(|it| it.strip_prefix('#'));
            next = pointer.and_then(|it| root.pointer(it)).and_then(Value::as_object);
        }
        Self { root, chain }
    }

    /// The nearest value of a keyword.
    pub(super) fn get(&self, keyword: &str) -> Option<&'s Value> {
        self.chain.iter().find_map(|map| map.get(keyword))
    }

    /// A keyword that holds a text.
    pub(super) fn str(&self, keyword: &str) -> Option<&'s str> {
        self.get(keyword).and_then(Value::as_str)
    }

    /// A text that stands beside a keyword, in the same schema object.
    pub(super) fn beside(&self, keyword: &str, wanted: &str) -> Option<&'s str> {
        let map =
            self.chain.iter().find(|map| map.contains_key(keyword) && map.contains_key("title"))?;
        map.get(wanted)?.as_str()
    }

    /// A keyword that holds a count.
    pub(super) fn count(&self, keyword: &str) -> Option<u64> {
        self.get(keyword).and_then(Value::as_u64)
    }

    /// A keyword that holds a list; empty when it is not there.
    pub(super) fn list(&self, keyword: &str) -> &'s [Value] {
        self.get(keyword).and_then(Value::as_array).map_or(&[][..], Vec::as_slice)
    }

    /// A keyword that holds a mapping.
    pub(super) fn map(&self, keyword: &str) -> Option<&'s Map<String, Value>> {
        self.get(keyword).and_then(Value::as_object)
    }

    /// The view of another schema of the same document.
    pub(super) fn view(&self, schema: &'s Value) -> Self {
        Self::of(self.root, schema)
    }

    /// The types that are taken; `None` when the schema does not say.
    pub(super) fn types(&self) -> Option<Vec<&'s str>> {
        match self.get("type") {
            Some(Value::String(only)) => Some(vec![only.as_str()]),
            Some(Value::Array(types)) => Some(types.iter().filter_map(Value::as_str).collect()),
            _ if self.get("properties").is_some() => Some(vec!["object"]),
            _ => None,
        }
    }

    /// The closed list of values, from `enum`, `const`, or a choice of constants.
    pub(super) fn words(&self) -> Option<Vec<&'s Value>> {
        if let Some(Value::Array(words)) = self.get("enum") {
            return Some(words.iter().collect());
        }
        if let Some(word) = self.get("const") {
            return Some(vec![word]);
        }
        // schemars writes documented words as a choice of constants and groups those without
        // documentation into an `enum` inside the same choice.
        let choice = self.choice()?;
        let words = choice.iter().map(|branch| {
            let branch = self.view(branch);
            match (branch.get("const"), branch.get("enum")) {
                (Some(word), _) => Some(vec![word]),
                (None, Some(Value::Array(words))) => Some(words.iter().collect()),
                _ => None,
            }
        });
        words.collect::<Option<Vec<_>>>().map(|words| words.into_iter().flatten().collect())
    }

    fn choice(&self) -> Option<&'s [Value]> {
        let choice = [self.list("oneOf"), self.list("anyOf")];
        choice.into_iter().find(|branches| !branches.is_empty())
    }

    /// The branches of a union: not a choice of constants, and not "one of these keys".
    pub(super) fn branches(&self) -> Option<Vec<Self>> {
        let choice = self.choice()?;
        if only_required(choice).is_some() {
            return None;
        }
        Some(choice.iter().map(|branch| self.view(branch)).collect())
    }

    /// The keys of which exactly one must be there.
    pub(super) fn exactly_one(&self) -> Option<Vec<&'s str>> {
        only_required(self.list("oneOf"))
    }

    /// What is expected, for people: "a duration such as `2s`", "a list or text".
    pub(super) fn expected(&self) -> String {
        if let Some(title) = self.str("title").filter(|_| self.get("examples").is_some()) {
            let example = self.list("examples").first().map(shown).unwrap_or_default();
            return format!("{} such as {example}", with_article(title));
        }
        if let (None, Some(branches)) = (self.get("type"), self.branches()) {
            let mut words: Vec<String> = branches.iter().map(Self::expected).collect();
            words.dedup();
            return words.join(" or ");
        }
        if self.words().is_some() {
            return "a word".to_owned();
        }
        let words = self.types().unwrap_or_default().into_iter().map(|name| match name {
            "object" => "a mapping",
            "array" => "a list",
            "string" => "text",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "true or false",
            _ => "nothing",
        });
        words.collect::<Vec<_>>().join(" or ")
    }
}

/// A value as it would be written, in backticks.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

fn with_article(noun: &str) -> String {
    let vowel = noun.starts_with(|first: char| "aeiou".contains(first));
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

fn only_required(branches: &[Value]) -> Option<Vec<&str>> {
    if branches.is_empty() {
        return None;
    }
    let key = |branch: &'_ Value| match branch.as_object() {
        Some(map) if map.len() == 1 => match map.get("required")?.as_array()?.as_slice() {
            [Value::String(_)] => Some(()),
            _ => None,
        },
        _ => None,
    };
    if branches.iter().any(|branch| key(branch).is_none()) {
        return None;
    }
    Some(branches.iter().filter_map(|it| it.pointer("/required/0")?.as_str()).collect())
}
