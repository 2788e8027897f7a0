//! SQLite's errors as faults. Its messages name tables, columns and constraints, never values,
//! with one exception: what a trigger says by `RAISE`, which is left out.

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use rusqlite::{Error, ErrorCode, ffi};

/// What SQLite said, without the statement.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

/// A fault of the class that the result code stands for.
pub fn fault(doing: impl Into<String>, error: Error) -> Fault {
    let (code, message) = match error {
        Error::SqliteFailure(code, message) => (code, message),
        Error::SqlInputError { error, msg, .. } => (error, Some(msg)),
        other => return Fault::new(ErrorClass::Internal, doing).because(Said(other.to_string())),
    };
    let message = message.unwrap_or_default();
    let mut fault = Fault::new(class_of(code, &message), doing);
    if let Some(hint) = hint_of(code) {
        fault = fault.hint(hint);
    }
    match code.extended_code {
        ffi::SQLITE_CONSTRAINT_TRIGGER => fault.because(Said("a trigger refused the row".into())),
        _ if message.is_empty() => fault.because(Said(code.to_string())),
        _ => fault.because(Said(message)),
    }
}

/// What to do where the class's own hint, which speaks of rows, would lead astray.
fn hint_of(error: ffi::Error) -> Option<&'static str> {
    match error.code {
        ErrorCode::NotADatabase => {
            Some("Check `path`: the file is no SQLite database, or an encrypted one.")
        }
        ErrorCode::DatabaseCorrupt => {
            Some("Restore the file from a copy; `sqlite3 FILE .recover` can save its rows.")
        }
        _ => None,
    }
}

fn class_of(error: ffi::Error, message: &str) -> ErrorClass {
    match error.code {
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::SchemaChanged
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::OperationAborted => ErrorClass::Conflict,
        ErrorCode::PermissionDenied
        | ErrorCode::ReadOnly
        | ErrorCode::AuthorizationForStatementDenied => ErrorClass::Permission,
        ErrorCode::OperationInterrupted => ErrorClass::Cancelled,
        ErrorCode::SystemIoFailure => ErrorClass::Io,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => ErrorClass::Malformed,
        ErrorCode::NotFound | ErrorCode::CannotOpen => ErrorClass::NotFound,
        ErrorCode::DiskFull => ErrorClass::DiskFull,
        ErrorCode::TooBig => ErrorClass::TooLarge,
        ErrorCode::ConstraintViolation => ErrorClass::Constraint,
        ErrorCode::TypeMismatch => ErrorClass::Schema,
        ErrorCode::NoLargeFileSupport => ErrorClass::Unsupported,
        ErrorCode::Unknown if message.starts_with("no such") => ErrorClass::NotFound,
        ErrorCode::Unknown => ErrorClass::Config,
        _ => ErrorClass::Internal,
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    fn failing(sql: &str) -> Fault {
        let connection = Connection::open_in_memory().unwrap();
        let setup = "CREATE TABLE t(a INTEGER UNIQUE, b TEXT NOT NULL); INSERT INTO t VALUES(7, 'x'); \
            CREATE TRIGGER no BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'secret 7'); END;";
        connection.execute_batch(setup).unwrap();
        fault("writing", connection.execute_batch(sql).unwrap_err())
    }

    #[test]
    fn classes_and_words() {
        let unique = failing("INSERT INTO t VALUES(7, 'y')");
        assert_eq!(unique.class(), ErrorClass::Constraint);
        assert_eq!(unique.chain(), "writing: UNIQUE constraint failed: t.a");
        assert_eq!(failing("SELECT * FROM missing").class(), ErrorClass::NotFound);
        assert_eq!(failing("SELEKT 'secret'").class(), ErrorClass::Config);
        let raised = failing("DELETE FROM t");
        assert_eq!(raised.chain(), "writing: a trigger refused the row");
    }
}
