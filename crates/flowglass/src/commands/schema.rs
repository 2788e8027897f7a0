//! `flowglass schema`: the JSON Schemas of everything that others read or write.

use clap::{Args, ValueEnum};
use flowglass_model::{Event, RunReport, Snapshot};

use crate::console;
use crate::exit::Exit;
use crate::manifests::vocabulary;
use crate::registry::registry;

/// What to describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// The manifest, with every connector of this build: for editors.
    Manifest,
    /// The event, contract v1.
    Event,
    /// The snapshot of a run.
    Snapshot,
    /// The run report.
    RunReport,
    /// The HTTP API of `flowglass serve`, as OpenAPI 3.1.
    Openapi,
}

/// Print a JSON Schema.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  flowglass schema manifest > flowglass.schema.json")]
pub(crate) struct SchemaArgs {
    /// What to describe.
    #[arg(value_enum)]
    what: What,
}

pub(crate) fn run(args: &SchemaArgs) -> anyhow::Result<Exit> {
    let schema = match args.what {
        What::Manifest => flowglass_manifest::schema(&vocabulary(&registry())),
        What::Event => schemars::schema_for!(Event).to_value(),
        What::Snapshot => schemars::schema_for!(Snapshot).to_value(),
        What::RunReport => schemars::schema_for!(RunReport).to_value(),
        What::Openapi => flowglass_server::document(),
    };
    console::out(&format!("{}\n", serde_json::to_string_pretty(&schema)?))?;
    Ok(Exit::Done)
}
