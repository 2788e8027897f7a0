//! `check` nodes: what is checked, and rules that can be kept.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::complaint::Code;
use crate::doc::Doc;
use crate::draft::{CheckDraft, ExpectDraft, ExpectWord, ForeignKeyDraft, RangeDraft, RuleDraft};
use crate::path::Path;
use crate::plan::{Check, CheckSubject, Expect, ForeignKey, Rule, RuleKind};

use super::assets::Written;
use super::builder::positive;
use super::write;

/// Checks a check.
pub(super) fn build(
    doc: &mut Doc<'_>,
    draft: &CheckDraft,
    path: &Path,
    written: &Written<'_>,
) -> Option<Check> {
    let subject = subject(doc, draft.asset.as_deref(), path, written);
    let mut rules = Vec::new();
    let mut names = BTreeSet::new();
    for (index, rule) in draft.rules.iter().enumerate() {
        let at = path.key("rules").index(index);
        let Some(kind) = kind(doc, rule, &at, written) else { continue };
        if rule.expect.is_some() && rule.sql.is_none() {
            doc.error_at_key(Code::BadRule, &at.key("expect"), "`expect` belongs to a `sql` rule")
                .advise("remove it");
        }
        let name = match &rule.name {
            Some(name) if name.trim().is_empty() || names.contains(name) => {
                doc.error(
                    Code::BadRule,
                    &at.key("name"),
                    format!("the name `{name}` is taken or empty"),
                )
                .advise("give each rule a name of its own, or none");
                continue;
            }
            Some(name) => name.clone(),
            None => free_name(&default_name(&kind), &names),
        };
        names.insert(name.clone());
        rules.push(Rule { name, severity: rule.severity, kind });
    }
    Some(Check { subject: subject?, rules })
}

/// What a check or a foreign key looks at: a source, or an asset by its path.
fn subject(
    doc: &mut Doc<'_>,
    asset: Option<&str>,
    path: &Path,
    written: &Written<'_>,
) -> Option<CheckSubject> {
    let Some(asset) = asset else {
        return write::connector(doc, &path.key("from"))
            .map(|from| CheckSubject { from, asset: None });
    };
    let at = path.key("asset");
    if asset.trim().is_empty() {
        doc.error(Code::OutOfRange, &at, "`asset` is empty").advise("give it a path");
        return None;
    }
    match written.asset(asset) {
        Some(from) => Some(CheckSubject { from, asset: Some(asset.to_owned()) }),
        None => {
            let said = "no node writes this path, and its ending says no format that is known here";
            doc.error(Code::BadRule, &at, said)
                .advise("say how to read it: `from: { type: …, path: … }`");
            None
        }
    }
}

fn kind(doc: &mut Doc<'_>, rule: &RuleDraft, at: &Path, written: &Written<'_>) -> Option<RuleKind> {
    if let Some(columns) = &rule.not_null {
        return Some(RuleKind::NotNull { columns: columns.clone().into_vec() });
    }
    if let Some(columns) = &rule.unique {
        return Some(RuleKind::Unique { columns: columns.clone().into_vec() });
    }
    if let Some(accepted) = &rule.accepted_values {
        return accepted_values(
            doc,
            &accepted.column,
            &accepted.values,
            &at.key("accepted_values"),
        );
    }
    if let Some(range) = &rule.range {
        return self::range(doc, range, &at.key("range"));
    }
    if let Some(count) = &rule.row_count {
        let ordered = count.min.zip(count.max).is_none_or(|(min, max)| min <= max);
        bounds(doc, count.min.is_some() || count.max.is_some(), ordered, &at.key("row_count"))?;
        return Some(RuleKind::RowCount { min: count.min, max: count.max });
    }
    if let Some(fresh) = &rule.freshness {
        let max_age = positive(doc, Some(&fresh.max_age), &at.key("freshness").key("max_age"))?;
        return Some(RuleKind::Freshness { column: fresh.column.clone(), max_age });
    }
    if let Some(key) = &rule.foreign_key {
        return foreign_key(doc, key, &at.key("foreign_key"), written).map(RuleKind::ForeignKey);
    }
    let text = rule.sql.as_deref()?;
    if text.trim().is_empty() {
        doc.error(Code::BadRule, &at.key("sql"), "the query is empty").advise("write a query");
        return None;
    }
    let expect = expect(doc, rule.expect.as_ref(), &at.key("expect"))?;
    Some(RuleKind::Sql { query: doc.guarded(&at.key("sql")), expect })
}

fn accepted_values(
    doc: &mut Doc<'_>,
    column: &str,
    values: &[Value],
    at: &Path,
) -> Option<RuleKind> {
    if values.iter().any(|value| value.is_object() || value.is_array() || value.is_null()) {
        doc.error(Code::BadRule, &at.key("values"), "values must be texts, numbers or booleans")
            .advise("null is always accepted; add a `not_null` rule to refuse it");
        return None;
    }
    Some(RuleKind::AcceptedValues { column: column.to_owned(), values: values.to_vec() })
}

fn range(doc: &mut Doc<'_>, range: &RangeDraft, at: &Path) -> Option<RuleKind> {
    let RangeDraft { column, min, max } = range;
    let ordered = match (min, max) {
        (Some(Value::Number(min)), Some(Value::Number(max))) => min.as_f64() <= max.as_f64(),
        // Texts are dates and times; whoever reads the column knows how to compare them.
        (Some(Value::String(_)), Some(Value::String(_))) | (None, _) | (_, None) => true,
        _ => {
            doc.error(Code::BadRule, at, "`min` and `max` are of different types")
                .advise("write both as numbers, or both as texts");
            return None;
        }
    };
    bounds(doc, min.is_some() || max.is_some(), ordered, at)?;
    Some(RuleKind::Range { column: column.clone(), min: min.clone(), max: max.clone() })
}

/// Bounds must be there and in order.
fn bounds(doc: &mut Doc<'_>, any: bool, ordered: bool, at: &Path) -> Option<()> {
    if !any {
        doc.error_at_key(Code::BadRule, at, "the rule has neither `min` nor `max`")
            .advise("add at least one of them");
        return None;
    }
    if !ordered {
        doc.error_at_key(Code::BadRule, at, "`min` is greater than `max`, so nothing passes")
            .advise("swap them");
        return None;
    }
    Some(())
}

fn foreign_key(
    doc: &mut Doc<'_>,
    draft: &ForeignKeyDraft,
    at: &Path,
    written: &Written<'_>,
) -> Option<ForeignKey> {
    let columns = draft.columns.clone().into_vec();
    let referenced_columns = draft.references.columns.clone().into_vec();
    let there = at.key("references");
    if columns.len() != referenced_columns.len() {
        let (here, other) = (columns.len(), referenced_columns.len());
        let said = format!("{here} columns refer to {other} columns");
        doc.error(Code::BadRule, &there.key("columns"), said).advise("name as many here as there");
    }
    let references = subject(doc, draft.references.asset.as_deref(), &there, written)?;
    Some(ForeignKey { columns, references, referenced_columns })
}

fn expect(doc: &mut Doc<'_>, draft: Option<&ExpectDraft>, at: &Path) -> Option<Expect> {
    let value = match draft {
        None | Some(ExpectDraft::Word(ExpectWord::NoRows)) => return Some(Expect::NoRows),
        Some(ExpectDraft::Word(ExpectWord::Rows)) => return Some(Expect::Rows),
        Some(ExpectDraft::Value(value)) => value,
    };
    match (&value.equals, value.min, value.max) {
        (Some(wanted), None, None) => Some(Expect::Equals(wanted.clone())),
        (None, min, max) => {
            let ordered = min.zip(max).is_none_or(|(min, max)| min <= max);
            bounds(doc, min.is_some() || max.is_some(), ordered, at)?;
            Some(Expect::Between { min, max })
        }
        _ => {
            doc.error_at_key(Code::BadRule, at, "`equals` and bounds exclude each other")
                .advise("keep one of them");
            None
        }
    }
}

fn default_name(kind: &RuleKind) -> String {
    match kind {
        RuleKind::NotNull { columns } => format!("not_null_{}", columns.join("_")),
        RuleKind::Unique { columns } => format!("unique_{}", columns.join("_")),
        RuleKind::AcceptedValues { column, .. } => format!("accepted_values_{column}"),
        RuleKind::Range { column, .. } => format!("range_{column}"),
        RuleKind::RowCount { .. } => "row_count".to_owned(),
        RuleKind::Freshness { column, .. } => format!("freshness_{column}"),
        RuleKind::ForeignKey(key) => format!("foreign_key_{}", key.columns.join("_")),
        RuleKind::Sql { .. } => "sql".to_owned(),
    }
}

fn free_name(wanted: &str, taken: &BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{wanted}_{number}"));
    let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or_else(|| wanted.to_owned())
}
