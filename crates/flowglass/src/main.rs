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
}

fn main() -> ExitCode {
    let Command::Observability(args) = Cli::parse().command;
    let no_store = |run: &str| anyhow::bail!("there is no store that could hold run `{run}`");
    match commands::observability::run(args, &no_store) {
        Ok(exit) => exit.into(),
        Err(error) => {
            console::say(&format!("error: {error:#}"));
            exit::Exit::Failed.into()
        }
    }
}
