//! `flowglass exec`: any command as a canonical run. Its output and exit code pass through as if
//! Flowglass were not there; what happened is in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use flowglass_engine::{
    BuiltNode, BuiltPipeline, CommandSpec, CommandWork, PassThrough, RetryRule, RunJob, Task, When,
    new_run_id,
};
use flowglass_model::{Action, LogStream, NodeId, PipelineId, Redactor, RunReport};

use super::run::{Session, StoreArgs, header, traceparent};
use crate::console;
use crate::exit::Exit;
use crate::signals;

/// Run any command as a run.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass exec --pipeline nightly -- python3 load.py\n  \
    flowglass exec --pipeline nightly --node dbt --timeout 30m -- dbt build\n\n\
    The command is handed TRACEPARENT, FLOWGLASS_RUN_ID and FLOWGLASS_EVENTS. Its exit code is \
    this command's; a command that a signal ends gives 128 and the signal's number.")]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// The pipeline's name.
    #[arg(long, value_name = "NAME")]
    pipeline: PipelineId,
    /// The node's name.
    #[arg(long, value_name = "NAME", default_value = "command")]
    node: NodeId,
    /// Whose it is.
    #[arg(long, default_value = "default")]
    tenant: String,
    /// How long it may take: `90s`, `30m`, `2h`.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Environment variables whose values must not show anywhere; may be repeated.
    #[arg(long = "secret", value_name = "VARIABLE")]
    secrets: Vec<String>,
    /// The command and its arguments, after `--`.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    flowglass_manifest::parse_duration(text)
}

/// Passes the command's output on as it comes.
struct Terminal;

impl PassThrough for Terminal {
    fn pass(&self, stream: LogStream, bytes: &[u8]) {
        // A reader that went away does not concern the command's run.
        console::pass(stream == LogStream::Stderr, bytes).unwrap_or_default();
    }
}

/// Runs the command.
///
/// # Errors
/// What keeps the run from being recorded.
pub(crate) async fn run(args: ExecArgs) -> anyhow::Result<ExitCode> {
    let session = Session::open(&args.store)?;
    let run_id = new_run_id(session.clock.as_ref());
    let scratch = session.scratch(run_id)?;
    let base_dir = std::env::current_dir()?;
    let secrets: Vec<String> =
        args.secrets.iter().filter_map(|it| std::env::var(it).ok()).collect();
    let history = session.history(Redactor::new(secrets.iter().map(String::as_str)));
    let around = session.around(&base_dir, scratch.path());
    let job = RunJob {
        run_id,
        pipelines: vec![pipeline(&args, around)?],
        attributes: header("exec"),
        traceparent: traceparent(),
        resumes: None,
    };
    let (made, recorder) =
        signals::stoppable(|stop| async move { history.run(&job, &stop).await }).await?;
    let report = recorder.with_snapshot(RunReport::of);
    drop(recorder);
    if let Err(error) = made {
        // The command's own end is what the caller asked about; the record of it is ours to mourn.
        console::say(&format!("flowglass: {error:#}"));
    }
    Ok(exit_code(&report))
}

fn pipeline(
    args: &ExecArgs,
    around: flowglass_connect::Surroundings,
) -> anyhow::Result<BuiltPipeline> {
    let (program, rest) =
        args.command.split_first().ok_or_else(|| anyhow::anyhow!("no command"))?;
    let shown: Vec<String> =
        args.command.iter().map(|it| it.to_string_lossy().into_owned()).collect();
    let name = std::path::Path::new(program).file_name().unwrap_or(program).to_string_lossy();
    let action = Action { kind: "command".to_owned(), name: name.into_owned(), argv: shown };
    let spec = CommandSpec {
        program: program.clone(),
        args: rest.to_vec(),
        env: BTreeMap::new(),
        cwd: None,
        success_codes: BTreeSet::from([0]),
        warning_codes: BTreeSet::new(),
        stop_grace: Duration::from_secs(10),
        through: Some(Arc::new(Terminal)),
    };
    let node = BuiltNode {
        task: Task {
            id: args.node.clone(),
            needs: Vec::new(),
            when: When::OnSuccess,
            settled: None,
        },
        action,
        inputs: Vec::new(),
        outputs: Vec::new(),
        retry: RetryRule::default(),
        timeout: args.timeout,
        work: Arc::new(CommandWork::new(spec)),
    };
    Ok(BuiltPipeline {
        id: args.pipeline.clone(),
        tenant: args.tenant.clone(),
        labels: BTreeMap::new(),
        nodes: vec![node],
        parallel_max: 1,
        timeout: None,
        around,
    })
}

/// The command's own exit code, as a shell would give it.
fn exit_code(report: &RunReport) -> ExitCode {
    let node = report.nodes.first();
    if let Some(code) = node.and_then(|it| it.exit_code) {
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    let signal = node.and_then(|it| it.signal.as_deref());
    if let Some(number) = signal.and_then(flowglass_engine::signal_number) {
        return ExitCode::from(128_u8.saturating_add(number));
    }
    for error in &report.errors {
        console::say(&format!("flowglass: {}", error.error.detail));
    }
    if report.passed { Exit::Done.into() } else { ExitCode::from(127) }
}
