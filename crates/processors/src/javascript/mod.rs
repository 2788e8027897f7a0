//! `javascript`: a function of the user's for every row, in QuickJS.
//!
//! The script defines `process(row, meta)`. What it returns goes on: an object as the row, `null`,
//! `undefined` or `false` as nothing. A throw sets the row aside as a dead letter. It has no way to the
//! outside: no files, no network, no clock but `Date`.
//!
//! The script has a thread of its own, a bound on its memory, and for each batch a bound on the
//! processor's time and on the clock's. A row that takes half of the batch's share for itself is stopped
//! and set aside, and a new runtime goes on with the next; a script that is slow in general stops the
//! stream, since to set rows aside that are not to blame would be worse.
//!
//! Values keep every digit: a whole number arrives as a number as long as a double holds it and as a
//! `BigInt` past that, `numeric` arrives as text. A value that the script leaves alone goes on byte for
//! byte.

mod limits;
mod rows;
mod runtime;
mod thread;
mod values;

use std::sync::Arc;

use flowglass_connect::stream::{Processing, ProcessorConnector, StreamProcessor};
use flowglass_connect::{Clock, Fault, Surroundings};
use flowglass_model::ErrorClass;
use serde::Deserialize;

use self::limits::Limits;
use self::runtime::Runtime;
use crate::config;
use crate::tables::Tables;

/// The longest script that is read.
const SCRIPT_BYTES_MAX: u64 = 1 << 20;

/// The processor `javascript`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    script: Option<String>,
    #[serde(default)]
    file: Option<String>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    tables: Tables,
}

impl ProcessorConnector for Connector {
    fn kind(&self) -> &'static str {
        "javascript"
    }

    fn build(
        &self,
        id: &str,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn StreamProcessor>, Fault> {
        let Config { script, file, limits, tables } = config::read(id, config)?;
        let (name, text) = match (script, file) {
            (Some(script), None) => (format!("{id}.js"), script),
            (None, Some(file)) => {
                let text = read(id, &around.base_dir.join(&file))?;
                (file, text)
            }
            _ => {
                let said = format!("processor `{id}`: give either `script` or `file`");
                return Err(Fault::new(ErrorClass::Config, said));
            }
        };
        let script = Arc::new(Script { id: id.into(), name, text, limits, tables });
        let clock = Arc::clone(&around.clock);
        // Whether it can be read, and has the function, is known before anything runs.
        Runtime::new(&script, &clock, &Arc::default())?;
        Ok(Arc::new(JavaScript { script, clock }))
    }
}

fn read(id: &str, path: &std::path::Path) -> Result<String, Fault> {
    let doing = || format!("processor `{id}`: reading {}", path.display());
    let length = std::fs::metadata(path).map_err(|cause| Fault::io(doing(), cause))?.len();
    if length > SCRIPT_BYTES_MAX {
        let said = format!("{}: {length} bytes, {SCRIPT_BYTES_MAX} at most", doing());
        return Err(Fault::new(ErrorClass::Config, said));
    }
    std::fs::read_to_string(path).map_err(|cause| Fault::io(doing(), cause))
}

/// A script and what it may do.
#[derive(Debug)]
struct Script {
    /// The processor's id.
    id: Arc<str>,
    /// What it is called where a line of it is named.
    name: String,
    text: String,
    limits: Limits,
    tables: Tables,
}

/// The processor as it is configured.
struct JavaScript {
    script: Arc<Script>,
    clock: Arc<dyn Clock>,
}

impl StreamProcessor for JavaScript {
    fn id(&self) -> &str {
        &self.script.id
    }

    fn open(&self) -> Result<Box<dyn Processing>, Fault> {
        Ok(Box::new(thread::Scripted::start(&self.script, &self.clock)?))
    }
}
