//! DataFusion's errors as faults: a class to decide by, a place in the query, the nearest name, and
//! never a cell's value.
//!
//! Errors of planning speak of the query's own text, which its author wrote, and keep their words.
//! Errors of running may quote the row that broke them, so only what is known to hold no value is
//! taken over: the kind of the operation and the type it aimed at.

use std::str::FromStr;

use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion::common::{Column, Diagnostic, SchemaError};
use datafusion::error::DataFusionError;
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

use super::names::Names;
use super::parse::{Place, lower_first, refused};

/// When an error came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum During {
    /// Before any row was read: messages speak of the query's text.
    Planning,
    /// While rows were read: messages may hold their values.
    Running,
}

/// The fault that an error comes to.
pub(crate) fn fault(error: &DataFusionError, during: During, names: &Names) -> Fault {
    told(error, &Around { during, names, place: None })
}

/// Whether memory was short, as opposed to disk.
pub(crate) fn memory_is_short(error: &DataFusionError) -> bool {
    matches!(root(error), DataFusionError::ResourcesExhausted(said) if !is_about_disk(said))
}

/// The error under its wrappings.
fn root(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => root(inner),
        DataFusionError::Shared(inner) => root(inner),
        DataFusionError::Collection(all) => all.first().map_or(error, root),
        DataFusionError::External(inner) => inner.downcast_ref().map_or(error, root),
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::ExternalError(inner) => inner.downcast_ref().map_or(error, root),
            _ => error,
        },
        _ => error,
    }
}

#[derive(Clone, Copy)]
struct Around<'a> {
    during: During,
    names: &'a Names,
    place: Option<Place>,
}

fn told(error: &DataFusionError, around: &Around<'_>) -> Fault {
    match error {
        DataFusionError::Diagnostic(diagnostic, inner) => {
            told(inner, &Around { place: around.place.or_else(|| place_of(diagnostic)), ..*around })
        }
        DataFusionError::Context(_, inner) => told(inner, around),
        DataFusionError::Shared(inner) => told(inner, around),
        DataFusionError::Collection(all) => match all.first() {
            Some(first) => told(first, around),
            None => internal("it failed without a reason"),
        },
        DataFusionError::ArrowError(inner, _) => arrow(inner, around),
        DataFusionError::External(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => told(inner, around),
            None => internal("an extension failed"),
        },
        DataFusionError::SchemaError(inner, _) => schema(inner, around),
        DataFusionError::IoError(inner) => {
            Fault::io("spilling the query's rows", std::io::Error::from(inner.kind()))
        }
        DataFusionError::ResourcesExhausted(said) => exhausted(said),
        DataFusionError::NotImplemented(said) => planned(said, ErrorClass::Unsupported, around),
        DataFusionError::SQL(_, _)
        | DataFusionError::Plan(_)
        | DataFusionError::Configuration(_)
        | DataFusionError::Execution(_) => planned(&error.message(), ErrorClass::Config, around),
        DataFusionError::ExecutionJoin(inner) if inner.is_panic() => {
            internal("an operator panicked")
        }
        _ => match around.during {
            During::Planning => internal(&one_line(&error.message())),
            During::Running => internal("an operator failed"),
        },
    }
}

/// An error of planning in its own words; of running without them.
fn planned(said: &str, class: ErrorClass, around: &Around<'_>) -> Fault {
    if around.during == During::Running {
        return Fault::new(ErrorClass::Malformed, "the query failed on a row: a function refused its arguments")
            .hint("find the rows with a query of their own; `try_cast` and `nullif` turn what cannot be computed into null");
    }
    let fault = refused(around.place, lower_first(&one_line(said)));
    if class == ErrorClass::Config { fault } else { Fault::new(class, fault.to_string()) }
}

fn schema(error: &SchemaError, around: &Around<'_>) -> Fault {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            no_column(field, valid_fields, around)
        }
        SchemaError::AmbiguousReference { field } => {
            let name = around.names.own_spelling(&field.name);
            refused(around.place, format!("`{name}` could be a column of several tables"))
                .hint("write the table's name before it: `orders.id`")
        }
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            let name = around.names.own_spelling(name);
            refused(around.place, format!("two columns are named `{name}`"))
                .hint("give one of them another name with `AS`")
        }
    }
}

fn no_column(field: &Column, valid: &[Column], around: &Around<'_>) -> Fault {
    let known = valid.iter().map(|column| around.names.own_spelling(&column.name));
    let mut said = format!("there is no column `{}`", field.flat_name());
    if let Some(nearest) = Names::nearest(&field.name, known) {
        said.push_str(&format!("; did you mean `{nearest}`?"));
    }
    let place = around.place.or_else(|| field.spans.first().map(|span| at(span.start)));
    let fault = refused(place, said);
    Fault::new(ErrorClass::NotFound, fault.to_string())
        .hint("look at the columns of its tables: `flowglass plan`")
}

fn arrow(error: &ArrowError, around: &Around<'_>) -> Fault {
    match error {
        ArrowError::DivideByZero => Fault::new(ErrorClass::Malformed, "the query divides by zero")
            .hint("write `nullif(divisor, 0)`, which makes the result null"),
        ArrowError::ArithmeticOverflow(_) => {
            Fault::new(ErrorClass::Inexact, "the query computes a number that its type cannot hold")
                .hint("cast to a wider type first: `CAST(x AS DECIMAL(38, 0))`")
        }
        ArrowError::CastError(said) | ArrowError::ParseError(said) => {
            let what = match target_type(said) {
                Some(kind) => format!("the query converts a value that is no {kind}"),
                None => {
                    "the query converts a value that does not fit the type asked for".to_owned()
                }
            };
            Fault::new(ErrorClass::Malformed, what).hint("write `try_cast`, which makes it null")
        }
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => told(inner, around),
            None => internal("an extension failed"),
        },
        ArrowError::IoError(_, inner) => {
            Fault::io("spilling the query's rows", std::io::Error::from(inner.kind()))
        }
        ArrowError::OffsetOverflowError(_) => {
            Fault::new(ErrorClass::TooLarge, "the query makes a text longer than two gigabytes")
        }
        _ => match around.during {
            During::Planning => planned(&error.to_string(), ErrorClass::Config, around),
            During::Running => Fault::new(ErrorClass::Malformed, "the query failed on a row"),
        },
    }
}

/// The type that a conversion aimed at: the end of `Cannot cast string '…' to value of Int64 type`.
/// Anything that is no type's name stays untold.
fn target_type(said: &str) -> Option<DataType> {
    let (_, end) = said.rsplit_once(" to value of ").or_else(|| said.rsplit_once(" to type "))?;
    DataType::from_str(end.trim().trim_end_matches(" type")).ok()
}

fn exhausted(said: &str) -> Fault {
    if is_about_disk(said) {
        return Fault::new(
            ErrorClass::DiskFull,
            "the query's spilled rows fill the scratch folder",
        );
    }
    let mut what = "the query needs more memory than it may have".to_owned();
    if let Some(operator) = operator(said) {
        what.push_str(&format!(" ({operator})"));
    }
    Fault::new(ErrorClass::TooLarge, what)
        .hint("group or join fewer rows at a time; several distinct aggregates, cross joins and joins without `=` cannot spill to disk")
}

/// Who asked for memory in vain: the word in `… for ExternalSorter[0] with …`.
fn operator(said: &str) -> Option<&str> {
    let (_, after) = said.split_once("allocate additional ")?;
    let (_, after) = after.split_once(" for ")?;
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    after.get(..end).filter(|name| !name.is_empty())
}

fn is_about_disk(said: &str) -> bool {
    said.contains("disk space")
}

fn internal(what: &str) -> Fault {
    Fault::new(ErrorClass::Internal, format!("running the query: {what}"))
}

fn place_of(diagnostic: &Diagnostic) -> Option<Place> {
    diagnostic.span.map(|span| at(span.start))
}

fn at(location: datafusion::common::Location) -> Place {
    Place { line: location.line, column: location.column }
}

/// What a message says, on one line: without the prefixes that errors get on their way, and without
/// the list of everything that was tried.
fn one_line(said: &str) -> String {
    let line = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line = line.split(", errors: ").next().unwrap_or(line);
    let line = line.rsplit("While expanding wildcard, ").next().unwrap_or(line);
    let mut line = line.trim_end_matches('.');
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| line.strip_prefix(prefix)) {
        line = rest;
    }
    line.to_owned()
}

const PREFIXES: [&str; 4] =
    ["Error during planning: ", "Internal error: ", "Execution error: ", "Schema error: "];
