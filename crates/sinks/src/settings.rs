//! What the configurations of all stream sinks have in common.

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use serde::de::DeserializeOwned;

/// Reads a sink's configuration.
///
/// # Errors
/// `config` when it does not fit.
pub(crate) fn read<C: DeserializeOwned>(kind: &str, config: serde_json::Value) -> Result<C, Fault> {
    serde_json::from_value(config).map_err(|error| {
        let said = format!("reading the {kind} sink's settings");
        Fault::new(ErrorClass::Config, said).because(error)
    })
}

/// Unless it is told otherwise, the source waits for a sink.
pub(crate) const fn required() -> bool {
    true
}
