//! A face for fuzzing: bytes as a server's `COPY` stream, without a server.

use arrow::array::Array;
use flowglass_clients::postgres::Form;
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

use super::decode::{BadRow, Column, push_row};
use super::tuples::{Front, broken, front, header};

/// Columns of one input at most.
const COLUMNS_MAX: usize = 8;

/// The form that a byte stands for.
fn form(byte: u8) -> Form {
    let list = |element, element_oid| Form::List { element: Box::new(element), element_oid };
    match byte % 20 {
        0 => Form::Bool,
        1 => Form::Int2,
        2 => Form::Int4,
        3 => Form::Int8,
        4 => Form::Oid,
        5 => Form::Float4,
        6 => Form::Float8,
        7 => Form::Decimal { precision: 4, scale: -2 },
        8 => Form::Decimal { precision: 38, scale: 10 },
        9 => Form::Decimal { precision: 76, scale: 30 },
        10 => Form::Numeric,
        11 => Form::Text,
        12 => Form::Jsonb,
        13 => Form::Bytea,
        14 => Form::Uuid,
        15 => Form::Date,
        16 => Form::Time,
        17 => Form::Timestamptz,
        18 => list(Form::Int4, 23),
        _ => list(Form::Text, 25),
    }
}

/// Reads `bytes`: a number of columns, a byte for the form of each, and the stream. Answers the rows.
///
/// # Errors
/// As reading from a server does, without the names.
pub fn rows(bytes: &[u8]) -> Result<usize, Fault> {
    let (count, rest) = bytes.split_first().ok_or_else(|| broken("it is empty"))?;
    let count = usize::from(*count) % COLUMNS_MAX + 1;
    let forms = rest.get(..count).ok_or_else(|| broken("it has no forms"))?;
    let mut stream = rest.get(count..).unwrap_or_default();
    let mut columns: Vec<Column> = forms.iter().map(|it| Column::new(&form(*it))).collect();
    let begin = header(stream)?.ok_or_else(|| broken("it has no header"))?;
    stream = stream.get(begin..).unwrap_or_default();
    let mut rows = 0;
    loop {
        match front(stream, count)? {
            Front::Row(length) => {
                let (row, behind) = stream.split_at_checked(length).unwrap_or((stream, &[]));
                match push_row(row, &mut columns) {
                    Ok(()) => {}
                    Err(BadRow::Cut) => return Err(broken("a row is cut")),
                    Err(BadRow::Field(_, refusal)) => return Err(broken(refusal.words())),
                }
                stream = behind;
                rows += 1;
            }
            Front::End => break,
            Front::More => return Err(broken("it ends in the middle")),
        }
    }
    for column in &mut columns {
        if column.finish().len() != rows {
            return Err(Fault::new(ErrorClass::Internal, "a column has lost a row"));
        }
    }
    Ok(rows)
}
