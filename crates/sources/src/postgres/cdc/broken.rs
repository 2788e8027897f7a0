//! What is wrong with bytes that are no pgoutput.

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

/// The stream of changes cannot be read. Says what, never a byte of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(pub(super) &'static str);

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        Self::new(ErrorClass::Internal, "the server's stream of changes cannot be read")
            .because(broken)
    }
}
