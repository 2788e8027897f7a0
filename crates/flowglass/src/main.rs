//! The flowglass binary, where everything meets.

mod commands;
mod console;
mod exit;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Data pipelines you can see through.
#[derive(Parser)]
#[command(name = "flowglass", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Observability(commands::observability::ObservabilityArgs),
    Runs(commands::runs::RunsArgs),
}

fn main() -> ExitCode {
    let no_store = |run: &str| anyhow::bail!("there is no store that could hold run `{run}`");
    let done = match Cli::parse().command {
        Command::Observability(args) => commands::observability::run(args, &no_store),
        Command::Runs(args) => on_runtime(commands::runs::run(args)),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            console::say(&format!("error: {error:#}"));
            exit::Exit::Failed.into()
        }
    }
}

fn on_runtime(
    work: impl Future<Output = anyhow::Result<exit::Exit>>,
) -> anyhow::Result<exit::Exit> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
