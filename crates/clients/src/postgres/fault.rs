//! Postgres' errors as faults: one table from SQLSTATE to class.
//! <https://www.postgresql.org/docs/current/errcodes-appendix.html>
//!
//! What the server says is passed on only where it speaks of names. Its `DETAIL` quotes rows, its
//! messages about data quote values, and a trigger may say anything; of those only the code, the
//! constraint, the table, the column and the line of the COPY are told.

use std::error::Error as _;

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use tokio_postgres::Error;
use tokio_postgres::error::DbError;

/// What the server said, without values.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

/// A fault of the class that the SQLSTATE stands for, or that the broken connection does.
#[expect(clippy::needless_pass_by_value, reason = "the error ends here, and is handed to map_err")]
pub fn fault(doing: impl Into<String>, error: Error) -> Fault {
    if let Some(said) = error.as_db_error() {
        return Fault::new(class_of(said.code().code()), doing).because(Said(words_of(said)));
    }
    let mut chain = error.to_string();
    let mut io = None;
    let mut cause = error.source();
    while let Some(inner) = cause {
        chain.push_str(": ");
        chain.push_str(&inner.to_string());
        io = io.or_else(|| inner.downcast_ref::<std::io::Error>().map(std::io::Error::kind));
        cause = inner.source();
    }
    let class = if error.is_closed() || chain.starts_with("error connecting") {
        if io == Some(std::io::ErrorKind::TimedOut) {
            ErrorClass::Timeout
        } else {
            ErrorClass::Unreachable
        }
    } else if chain.starts_with("error communicating") || chain.starts_with("timeout") {
        ErrorClass::Unreachable
    } else if chain.starts_with("error performing TLS")
        || chain.starts_with("invalid configuration")
    {
        // With `password missing` the configuration lacks a credential.
        if chain.contains("password") { ErrorClass::Auth } else { ErrorClass::Config }
    } else if chain.starts_with("authentication error") {
        ErrorClass::Auth
    } else {
        ErrorClass::Internal
    };
    Fault::new(class, doing).because(Said(chain))
}

/// A fault from the body of the server's `ErrorResponse`, for connections that are read by hand; the
/// same words are told as for others.
///
/// <https://www.postgresql.org/docs/current/protocol-error-fields.html>
pub fn fault_of_response(doing: impl Into<String>, body: &[u8]) -> Fault {
    let field = |kind: u8| {
        let field = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&kind))?;
        field.get(1..).map(String::from_utf8_lossy)
    };
    let code = field(b'C').unwrap_or_default();
    let message = field(b'M').unwrap_or_default();
    let words = if speaks_of_names(&code) {
        format!("{message} ({code})")
    } else {
        format!("the server refused it ({code})")
    };
    Fault::new(class_of(&code), doing).because(Said(words))
}

fn words_of(said: &DbError) -> String {
    let code = said.code().code();
    if speaks_of_names(code) {
        return format!("{} ({code})", said.message());
    }
    let mut words = match code {
        "23502" => "a value is null that must not be".to_owned(),
        "23503" => "a foreign key is violated".to_owned(),
        "23505" => "a unique constraint is violated".to_owned(),
        "23514" => "a check constraint is violated".to_owned(),
        "23P01" => "an exclusion constraint is violated".to_owned(),
        "22001" => "a text is too long for its column".to_owned(),
        "22003" => "a number is out of the column's range".to_owned(),
        "22008" => "a date or time is out of the column's range".to_owned(),
        "22P02" | "22007" => "a text is no value of the column's type".to_owned(),
        _ => "the server refused the data".to_owned(),
    };
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            words.push_str(&format!(", {name} `{value}`"));
        }
    };
    add("constraint", said.constraint());
    add("table", said.table());
    add("column", said.column());
    // "COPY t, line 3, column a: "value"": the place without the value.
    add(
        "at",
        said.where_()
            .filter(|place| place.starts_with("COPY "))
            .and_then(|place| place.lines().next()?.split(": ").next()),
    );
    format!("{words} ({code})")
}

/// Whether messages of this code name only tables, columns, roles and the like.
fn speaks_of_names(code: &str) -> bool {
    let class = code.get(..2).unwrap_or_default();
    matches!(
        class,
        "08" | "0A"
            | "25"
            | "28"
            | "2B"
            | "3D"
            | "3F"
            | "40"
            | "42"
            | "53"
            | "54"
            | "55"
            | "57"
            | "58"
    )
}

/// The class of a SQLSTATE.
#[must_use]
pub fn class_of(code: &str) -> ErrorClass {
    match code {
        "42501" => return ErrorClass::Permission,
        "42P01" | "42703" | "42704" | "42883" | "3D000" | "3F000" => return ErrorClass::NotFound,
        "42804" | "42P16" | "42701" | "42P07" => return ErrorClass::Schema,
        "22001" | "22003" | "22008" => return ErrorClass::Inexact,
        "53100" => return ErrorClass::DiskFull,
        "53300" | "53400" => return ErrorClass::Throttled,
        "54000" => return ErrorClass::TooLarge,
        "55P03" | "55006" => return ErrorClass::Conflict,
        "57014" => return ErrorClass::Timeout,
        "57P01" | "57P02" | "57P03" | "57P05" => return ErrorClass::Unreachable,
        "58030" => return ErrorClass::Io,
        _ => {}
    }
    match code.get(..2).unwrap_or_default() {
        "08" => ErrorClass::Unreachable,
        "0A" => ErrorClass::Unsupported,
        "22" | "P0" => ErrorClass::Malformed,
        "23" | "27" | "44" => ErrorClass::Constraint,
        "25" | "40" | "55" => ErrorClass::Conflict,
        "28" => ErrorClass::Auth,
        "2B" => ErrorClass::Schema,
        "42" => ErrorClass::Config,
        "53" => ErrorClass::Throttled,
        "54" => ErrorClass::TooLarge,
        "57" => ErrorClass::Cancelled,
        "58" => ErrorClass::Io,
        _ => ErrorClass::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_without_its_values() {
        let body = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0";
        let fault = fault_of_response("reading", body);
        assert_eq!(fault.class(), ErrorClass::Unreachable);
        assert_eq!(fault.chain(), "reading: terminating connection (57P01)");
        let fault = fault_of_response("reading", b"C22P02\0Minvalid: \"s3cret\"\0\0");
        assert_eq!(fault.chain(), "reading: the server refused it (22P02)");
        assert_eq!(fault_of_response("reading", b"").class(), ErrorClass::Internal);
    }

    #[test]
    fn codes_have_their_class() {
        for (code, class) in [
            ("28P01", ErrorClass::Auth),
            ("42501", ErrorClass::Permission),
            ("42P01", ErrorClass::NotFound),
            ("40001", ErrorClass::Conflict),
            ("55P03", ErrorClass::Conflict),
            ("23505", ErrorClass::Constraint),
            ("22003", ErrorClass::Inexact),
            ("22P04", ErrorClass::Malformed),
            ("57P01", ErrorClass::Unreachable),
            ("53200", ErrorClass::Throttled),
            ("XX000", ErrorClass::Internal),
        ] {
            assert_eq!(class_of(code), class, "{code}");
        }
    }
}
