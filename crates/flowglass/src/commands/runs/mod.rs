//! `flowglass runs`: look into the log of runs. Only reads, works beside a run that is writing, and
//! needs no server.

mod events;
mod export;
mod html;
mod list;
mod logs;
mod pick;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use flowglass_model::{ErrorClass, RunReport, Snapshot};
use flowglass_store::{Reader, StoreError};

use crate::console;
use crate::exit::Exit;

pub(crate) use export::write_bundle;

/// List runs, show one, read its events and log lines, export its evidence.
#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
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
    command: RunsCommand,
}

#[derive(Debug, Subcommand)]
enum RunsCommand {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Events(events::EventsArgs),
    Logs(logs::LogsArgs),
    Export(export::ExportArgs),
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
/// What keeps it from being done, apart from a store or a run that is not there: those are told here
/// and give [`Exit::Usage`].
pub(crate) async fn run(args: RunsArgs) -> anyhow::Result<Exit> {
    let done = match args.command {
        RunsCommand::List(list) => open(args.store).and_then(|it| list::run(&it, &list)),
        RunsCommand::Show(show) => open(args.store).and_then(|it| show::run(&it, &show)),
        RunsCommand::Events(events) => match open(args.store) {
            Ok(reader) => events::run(reader, &events).await,
            Err(error) => Err(error),
        },
        RunsCommand::Logs(logs) => match open(args.store) {
            Ok(reader) => logs::run(reader, &logs).await,
            Err(error) => Err(error),
        },
        RunsCommand::Export(export) => open(args.store).and_then(|it| export::run(&it, &export)),
    };
    done.or_else(|error| {
        let Some(known) = error.downcast_ref::<StoreError>() else { return Err(error) };
        console::say(&format!("error: {error:#}\n  hint: {}", known.hint()));
        Ok(match known.class() {
            ErrorClass::NotFound | ErrorClass::Config | ErrorClass::Unsupported => Exit::Usage,
            _ => Exit::Failed,
        })
    })
}

/// The report of a stored run as JSON, for commands that read reports. The store is the one that
/// `FLOWGLASS_STORE` names, else the usual one.
///
/// # Errors
/// When there is no such store or run.
pub(crate) fn stored_report(given: &str) -> anyhow::Result<Vec<u8>> {
    let store = std::env::var_os("FLOWGLASS_STORE")
        .map_or_else(|| PathBuf::from(".flowglass/flowglass.db"), PathBuf::from);
    let reader = open(store)?;
    let run = reader.find(given)?;
    let mut snapshot = Snapshot::default();
    reader.for_each_event(run, |event| {
        snapshot.apply(&event)?;
        Ok::<(), anyhow::Error>(())
    })?;
    Ok(serde_json::to_vec(&RunReport::of(&snapshot))?)
}

fn open(store: PathBuf) -> anyhow::Result<Reader> {
    Ok(Reader::open(store)?)
}
