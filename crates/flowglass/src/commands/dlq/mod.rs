//! `flowglass dlq`: look at rows that a stream could not deliver, and deal with them.

mod choice;
mod list;
mod page;
mod replay;
mod settle;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::store_words::in_words;
use crate::exit::Exit;

/// List, show, acknowledge, remove or send again the dead letters of a stream.
///
/// A dead letter is a row that can never be delivered as it is: the stream set it aside with the
/// reason, and went on.
#[derive(Debug, Args)]
pub(crate) struct DlqArgs {
    /// The store that `flowglass run` writes to.
    #[arg(
        long,
        global = true,
        env = "FLOWGLASS_STORE",
        default_value = ".flowglass/flowglass.db",
        value_name = "PATH"
    )]
    store: PathBuf,
    #[command(subcommand)]
    command: DlqCommand,
}

#[derive(Debug, Subcommand)]
enum DlqCommand {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Ack(settle::AckArgs),
    Purge(settle::PurgeArgs),
    Replay(replay::ReplayArgs),
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Ndjson,
}

/// Runs the command.
///
/// # Errors
/// What keeps it from being done, apart from a store that is not there, which is told here.
pub(crate) async fn run(args: DlqArgs) -> anyhow::Result<Exit> {
    let store = &args.store;
    let done = match args.command {
        DlqCommand::List(list) => list::run(store, &list),
        DlqCommand::Show(show) => show::run(store, &show),
        DlqCommand::Ack(ack) => settle::ack(store, &ack).await,
        DlqCommand::Purge(purge) => settle::purge(store, &purge).await,
        DlqCommand::Replay(replay) => replay::run(store, &replay).await,
    };
    done.or_else(in_words)
}
