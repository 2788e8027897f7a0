//! The flowglass binary, where everything meets: arguments, the list of connectors, words and exit
//! codes.

mod commands;
mod console;
mod exit;
mod manifests;
mod registry;
mod signals;
mod table;
mod words;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use commands::{
    ceiling, control, demo, dlq, doctor, exec, generate, import, observability, run, runs, schema,
    serve, top, validate, verify,
};
use exit::Exit;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Data pipelines you can see through.
///
/// Runs workflows of commands, copies, SQL and checks, and keeps everything that happens as events:
/// reports, metrics and evidence are made from those and agree with each other.
#[derive(Parser)]
#[command(name = "flowglass", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::RunArgs),
    Validate(validate::ValidateArgs),
    Plan(validate::PlanArgs),
    Doctor(doctor::DoctorArgs),
    Verify(verify::VerifyArgs),
    Ceiling(ceiling::CeilingArgs),
    Demo(demo::DemoArgs),
    Serve(serve::ServeArgs),
    Top(top::TopArgs),
    Pause(control::PauseArgs),
    Resume(control::ResumeArgs),
    Stop(control::StopArgs),
    Resync(control::ResyncArgs),
    Dlq(dlq::DlqArgs),
    Exec(exec::ExecArgs),
    Import(import::ImportArgs),
    Runs(runs::RunsArgs),
    Observability(observability::ObservabilityArgs),
    Schema(schema::SchemaArgs),
    Generate(generate::GenerateArgs),
    /// Print completions for a shell.
    #[command(
        after_help = "Example:\n  flowglass completions bash > ~/.local/share/bash-completion/completions/flowglass"
    )]
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    #[command(hide = true)]
    Manual,
    /// Print the version.
    Version,
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            console::say(&format!("error: {error:#}"));
            let usage = error.is::<exit::BadUsage>();
            if usage { Exit::Usage.into() } else { Exit::Failed.into() }
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    let exit = match command {
        Command::Run(args) => on_runtime(run::run(args))?,
        Command::Validate(args) => validate::validate(&args)?,
        Command::Plan(args) => validate::plan(&args)?,
        Command::Doctor(args) => on_runtime(doctor::run(&args))?,
        Command::Verify(args) => on_runtime(verify::run(&args))?,
        Command::Ceiling(args) => on_runtime(ceiling::run(&args))?,
        Command::Demo(args) => on_runtime(demo::run(args))?,
        Command::Serve(args) => on_runtime(serve::run(args))?,
        Command::Top(args) => on_runtime(top::run(&args))?,
        Command::Pause(args) => on_runtime(control::pause(&args))?,
        Command::Resume(args) => on_runtime(control::resume(&args))?,
        Command::Stop(args) => on_runtime(control::stop(&args))?,
        Command::Resync(args) => on_runtime(control::resync(&args))?,
        Command::Dlq(args) => on_runtime(dlq::run(args))?,
        Command::Exec(args) => return on_runtime(exec::run(args)),
        Command::Import(args) => on_runtime(import::run(&args))?,
        Command::Runs(args) => on_runtime(runs::run(args))?,
        Command::Observability(args) => observability::run(args, &runs::stored_report)?,
        Command::Schema(args) => schema::run(&args)?,
        Command::Generate(args) => generate::run(&args, &Cli::command())?,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "flowglass", &mut script);
            console::out(&String::from_utf8_lossy(&script))?;
            Exit::Done
        }
        Command::Manual => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            console::out(&String::from_utf8_lossy(&page))?;
            Exit::Done
        }
        Command::Version => {
            console::out(&format!("flowglass {}\n", env!("CARGO_PKG_VERSION")))?;
            Exit::Done
        }
    };
    Ok(exit.into())
}

fn on_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        signals::outlive_file_limit();
        work.await
    })
}
