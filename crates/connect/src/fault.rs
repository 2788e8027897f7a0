//! The error that crosses a doorframe: a class to decide by, and a chain to print once.

use std::error::Error;
use std::fmt;

use flowglass_model::ErrorClass;

/// What a connector answers when it could not do its part.
///
/// `Display` says only its own part, as a lower-case fragment that says where and what; the cause
/// speaks through [`Error::source`]. Neither ever holds a cell's value or a credential.
#[derive(Debug)]
pub struct Fault {
    class: ErrorClass,
    doing: String,
    hint: Option<String>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Fault {
    /// A fault without a deeper cause.
    pub fn new(class: ErrorClass, doing: impl Into<String>) -> Self {
        Self { class, doing: doing.into(), hint: None, cause: None }
    }

    /// Adds the error underneath.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Says what to do, where it is more exact than the class's own hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// From an I/O error: the class follows its kind (full disk, missing file, rights).
    pub fn io(doing: impl Into<String>, cause: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let class = match cause.kind() {
            ErrorKind::NotFound => ErrorClass::NotFound,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => ErrorClass::Permission,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                ErrorClass::DiskFull
            }
            ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NotConnected => ErrorClass::Unreachable,
            ErrorKind::TimedOut => ErrorClass::Timeout,
            _ => ErrorClass::Io,
        };
        Self::new(class, doing).because(cause)
    }

    /// The class that decides what happens next.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        self.class
    }

    /// What to do about it: the fault's own hint, else its class's.
    #[must_use]
    pub fn advice(&self) -> &str {
        self.hint.as_deref().unwrap_or_else(|| self.class.hint())
    }

    /// The whole chain on one line, each cause after a colon.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut said = self.doing.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            said.push_str(": ");
            said.push_str(&error.to_string());
            cause = error.source();
        }
        said
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}
