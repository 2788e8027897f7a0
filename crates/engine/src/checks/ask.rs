//! A rule as a question in SQL, made from the rule and the columns alone.

use arrow::datatypes::{DataType, Field, Schema};
use serde_json::Value;

use super::literal::{Shape, quoted_name};
use super::rule::{ForeignKey, RuleKind};

/// What the dataset is called in queries.
pub(super) const DATA: &str = "data";
/// What the other dataset of a foreign key is called.
pub(super) const REFERENCED: &str = "referenced";

/// How a rule is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// By the number of rows alone.
    Rows,
    /// By two counts in the common scan.
    Counts(Counts),
    /// By the greatest value of a column in the common scan.
    Newest(String),
    /// By a query of its own that answers one row: rows checked, rows offending.
    Alone(String),
    /// By a query of its own that answers one value: the newest.
    NewestAlone(String),
    /// By the user's query.
    Own(String),
}

/// Two aggregates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counts {
    /// Counts the rows that the rule is asked about.
    pub(super) checked: String,
    /// Counts the rows that break it.
    pub(super) offending: String,
}

/// Why a rule cannot be asked. It is broken then.
pub(super) type Complaint = String;

/// Makes the question.
pub(super) fn ask(
    kind: &RuleKind,
    schema: &Schema,
    referenced: Option<&Schema>,
) -> Result<Question, Complaint> {
    match kind {
        RuleKind::NotNull(columns) => {
            let names = all_quoted(schema, columns)?;
            let null = joined(&names, " OR ", |name| format!("{name} IS NULL"));
            Ok(counts("count(*)".to_owned(), &null))
        }
        RuleKind::Unique(columns) => unique(schema, columns),
        RuleKind::AcceptedValues { column, values } => accepted(find(schema, column)?, values),
        RuleKind::Range { column, min, max } => {
            range(find(schema, column)?, [min.as_ref(), max.as_ref()])
        }
        RuleKind::RowCount { .. } => Ok(Question::Rows),
        RuleKind::Freshness { column, .. } => freshness(find(schema, column)?),
        RuleKind::ForeignKey(key) => foreign_key(schema, referenced, key),
        RuleKind::Sql { query, .. } => Ok(Question::Own(query.clone())),
    }
}

/// The one query that all rules of the common scan share; its first column is the number of rows.
pub(super) fn scan<'a>(questions: impl Iterator<Item = &'a Question>) -> String {
    let mut columns = vec!["count(*) AS c0".to_owned()];
    for question in questions {
        let wanted = match question {
            Question::Counts(counts) => vec![&counts.checked, &counts.offending],
            Question::Newest(newest) => vec![newest],
            _ => vec![],
        };
        for expression in wanted {
            columns.push(format!("{expression} AS c{}", columns.len()));
        }
    }
    format!("SELECT {} FROM {DATA}", columns.join(", "))
}

fn counts(checked: String, offending: &str) -> Question {
    Question::Counts(Counts { checked, offending: format!("count(*) FILTER (WHERE {offending})") })
}

/// A column by its name: exact, or the only one that differs in case.
fn find<'a>(schema: &'a Schema, wanted: &str) -> Result<&'a Field, Complaint> {
    let fields = schema.fields();
    if let Some(field) = fields.iter().find(|field| field.name() == wanted) {
        return Ok(field.as_ref());
    }
    let mut same = fields.iter().filter(|field| field.name().eq_ignore_ascii_case(wanted));
    if let (Some(field), None) = (same.next(), same.next()) {
        return Ok(field.as_ref());
    }
    let nearest = fields
        .iter()
        .map(|field| (strsim::damerau_levenshtein(wanted, field.name()), field.name()))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance);
    let mut said = format!("there is no column `{wanted}`");
    match nearest {
        Some((_, name)) => said.push_str(&format!("; did you mean `{name}`?")),
        None => {
            let names: Vec<String> =
                fields.iter().take(8).map(|field| format!("`{}`", field.name())).collect();
            let are = if names.len() == 1 { "is only" } else { "are" };
            said.push_str(&format!("; there {are} {}", names.join(", ")));
        }
    }
    Err(said)
}

fn all<'a>(schema: &'a Schema, columns: &[String]) -> Result<Vec<&'a Field>, Complaint> {
    columns.iter().map(|column| find(schema, column)).collect()
}

fn all_quoted(schema: &Schema, columns: &[String]) -> Result<Vec<String>, Complaint> {
    Ok(all(schema, columns)?.iter().map(|field| quoted_name(field.name())).collect())
}

fn joined(names: &[String], between: &str, each: impl Fn(&String) -> String) -> String {
    names.iter().map(each).collect::<Vec<_>>().join(between)
}

fn unique(schema: &Schema, columns: &[String]) -> Result<Question, Complaint> {
    let names = all_quoted(schema, columns)?;
    let whole = joined(&names, " AND ", |name| format!("{name} IS NOT NULL"));
    let by = names.join(", ");
    Ok(Question::Alone(format!(
        "SELECT coalesce(sum(n), 0), coalesce(sum(n) FILTER (WHERE n > 1), 0) \
         FROM (SELECT count(*) AS n FROM {DATA} WHERE {whole} GROUP BY {by}) AS g"
    )))
}

fn shape(field: &Field) -> Result<Shape, Complaint> {
    Shape::of(field).ok_or_else(|| {
        format!("the column `{}` is of a type that cannot be compared with values", field.name())
    })
}

fn literal(shape: &Shape, field: &Field, value: &Value, which: &str) -> Result<String, Complaint> {
    shape.literal(value).ok_or_else(|| {
        format!("{which} cannot be compared: the column `{}` holds {}", field.name(), shape.holds())
    })
}

/// Counts in the common scan, or in a query of their own where asking converts values.
fn compared(shape: &Shape, field: &Field, offending: &str) -> Question {
    let checked = format!("count({})", quoted_name(field.name()));
    let question = counts(checked, offending);
    match question {
        Question::Counts(counts) if shape.converts() => {
            Question::Alone(format!("SELECT {}, {} FROM {DATA}", counts.checked, counts.offending))
        }
        question => question,
    }
}

fn accepted(field: &Field, values: &[Value]) -> Result<Question, Complaint> {
    let shape = shape(field)?;
    let column = shape.column(&quoted_name(field.name()));
    let mut list = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        list.push(literal(&shape, field, value, &format!("accepted value {}", index + 1))?);
    }
    // Null is neither in nor not in a list, so it is passed over.
    Ok(compared(&shape, field, &format!("{column} NOT IN ({})", list.join(", "))))
}

fn range(field: &Field, [min, max]: [Option<&Value>; 2]) -> Result<Question, Complaint> {
    let shape = shape(field)?;
    let numbers =
        matches!(shape, Shape::Exact | Shape::Float | Shape::DecimalText | Shape::Time(_));
    if !numbers && [min, max].into_iter().flatten().any(Value::is_number) {
        return Err(format!("the column `{}` holds {}, not numbers", field.name(), shape.holds()));
    }
    let column = shape.column(&quoted_name(field.name()));
    let mut outside = Vec::new();
    if let Some(min) = min {
        outside.push(format!("{column} < {}", literal(&shape, field, min, "`min`")?));
    }
    if let Some(max) = max {
        outside.push(format!("{column} > {}", literal(&shape, field, max, "`max`")?));
    }
    if shape == Shape::Float {
        outside.push(format!("isnan({column})"));
    }
    if outside.is_empty() {
        return Err("it has neither `min` nor `max`".to_owned());
    }
    Ok(compared(&shape, field, &outside.join(" OR ")))
}

fn freshness(field: &Field) -> Result<Question, Complaint> {
    let name = quoted_name(field.name());
    match field.data_type() {
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _) => {
            Ok(Question::Newest(format!("max({name})")))
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            Ok(Question::NewestAlone(format!("SELECT max(CAST({name} AS TIMESTAMP)) FROM {DATA}")))
        }
        _ => Err(format!("the column `{}` holds neither dates nor times", field.name())),
    }
}

fn foreign_key(
    schema: &Schema,
    referenced: Option<&Schema>,
    key: &ForeignKey,
) -> Result<Question, Complaint> {
    let Some(there) = referenced else {
        return Err("the dataset it refers to is not there".to_owned());
    };
    if key.columns.is_empty() || key.columns.len() != key.referenced_columns.len() {
        return Err(format!(
            "{} columns here cannot be found in {} there",
            key.columns.len(),
            key.referenced_columns.len()
        ));
    }
    let here = all(schema, &key.columns)?;
    let there = all(there, &key.referenced_columns)
        .map_err(|said| format!("in the dataset it refers to, {said}"))?;
    let (mut whole, mut keys, mut equal) = (Vec::new(), Vec::new(), Vec::new());
    for (at, (here, there)) in here.into_iter().zip(there).enumerate() {
        comparable(here, there)?;
        let name = quoted_name(here.name());
        whole.push(format!("d.{name} IS NOT NULL"));
        keys.push(format!("{} AS k{at}", quoted_name(there.name())));
        equal.push(format!("r.k{at} = d.{name}"));
    }
    Ok(Question::Alone(format!(
        "SELECT count(*), count(*) FILTER (WHERE r.found IS NULL) FROM {DATA} AS d \
         LEFT JOIN (SELECT DISTINCT {}, 1 AS found FROM {REFERENCED}) AS r ON {} WHERE {}",
        keys.join(", "),
        equal.join(" AND "),
        whole.join(" AND ")
    )))
}

/// Values of two kinds are never equal, which is a mistake in the rule rather than in the data.
fn comparable(here: &Field, there: &Field) -> Result<(), Complaint> {
    let kind = |field: &Field| Shape::of(field).map(|shape| shape.holds());
    if kind(here).is_some() && kind(here) == kind(there) {
        return Ok(());
    }
    Err(format!(
        "the column `{}` ({}) cannot be compared with `{}` ({}) of the dataset it refers to",
        here.name(),
        here.data_type(),
        there.name(),
        there.data_type()
    ))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("Order ID", DataType::Int64, false),
            Field::new("status", DataType::Utf8, true),
            Field::new("amount", DataType::Decimal128(12, 2), true),
            Field::new("ratio", DataType::Float64, true),
            Field::new("na\"me", DataType::Utf8, true),
            Field::new(
                "updated_at",
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                true,
            ),
            Field::new("größe", DataType::Boolean, true),
        ])
    }

    fn said(kind: &RuleKind) -> String {
        match ask(kind, &schema(), None) {
            Ok(Question::Alone(sql) | Question::NewestAlone(sql)) => sql,
            Ok(question) => scan([question].iter()),
            Err(complaint) => format!("broken: {complaint}"),
        }
    }

    #[test]
    fn each_rule_has_its_question() {
        let column = |name: &str| name.to_owned();
        let rules = [
            RuleKind::NotNull(vec![column("order id"), column("na\"me")]),
            RuleKind::NotNull(vec![column("statsu")]),
            RuleKind::Unique(vec![column("Order ID"), column("größe")]),
            RuleKind::AcceptedValues {
                column: column("status"),
                values: vec![json!("it's"), json!(5)],
            },
            RuleKind::AcceptedValues {
                column: column("amount"),
                values: vec![json!(1.5), json!("x")],
            },
            RuleKind::Range { column: column("amount"), min: Some(json!(0)), max: None },
            RuleKind::Range { column: column("ratio"), min: Some(json!(0)), max: Some(json!(1)) },
            RuleKind::Range { column: column("status"), min: Some(json!(0)), max: None },
            RuleKind::Range {
                column: column("updated_at"),
                min: Some(json!("2026-01-01")),
                max: None,
            },
            RuleKind::RowCount { min: Some(1), max: None },
            RuleKind::Freshness {
                column: column("updated_at"),
                max_age: std::time::Duration::ZERO,
            },
            RuleKind::Freshness { column: column("status"), max_age: std::time::Duration::ZERO },
            RuleKind::Freshness { column: column("amount"), max_age: std::time::Duration::ZERO },
        ];
        insta::assert_snapshot!(rules.iter().map(said).collect::<Vec<_>>().join("\n"));
    }
}
