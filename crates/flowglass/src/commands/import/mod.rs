//! `flowglass import`: runs that another tool made, from the files that it left behind.

mod artifacts;
mod dbt;
mod tell;

use clap::{Args, Subcommand};

use crate::exit::Exit;

/// Take in runs that another tool made.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Debug, Subcommand)]
enum Tool {
    Dbt(dbt::DbtArgs),
}

/// Runs the command.
///
/// # Errors
/// What cannot be read or kept.
pub(crate) async fn run(args: &ImportArgs) -> anyhow::Result<Exit> {
    match &args.tool {
        Tool::Dbt(args) => dbt::run(args).await,
    }
}
