//! `flowglass run`: workflows from manifest to report, with a live view on a terminal.

mod flow;
mod lines;
mod live;
mod page;
mod params;
mod resume;
mod start;
mod streams;
mod summary;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use flowglass_catalog::label::PipelineKind;
use flowglass_connect::Registry;
use flowglass_engine::stream::Until;
use flowglass_engine::{
    BuildContext, BuildError, BuiltPipeline, Resumed, RunJob, build, new_run_id,
};
use flowglass_manifest::{Plan, Severity, StreamPlan};
use flowglass_model::{Reason, Redactor, RunId, RunReport, State};

use crate::console;
use crate::exit::Exit;
use crate::manifests::{ManifestArgs, check, complain};
use crate::registry::registry;
use crate::signals;

pub(crate) use params::KeptParams;
pub(crate) use start::{Session, StoreArgs, header, traceparent};

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A live view and a table for people.
    Text,
    /// The run report on standard output, and nothing else there.
    Json,
    /// Every event on standard output, one a line.
    Ndjson,
}

/// Run workflows to their end, and streams until they are stopped.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass run examples/orders/pipeline.yaml\n  \
    flowglass run pipeline.yaml --select load_orders+ --param day=2026-11-21\n  \
    flowglass run pipeline.yaml --format json > report.json\n  \
    flowglass run --resume latest\n  \
    flowglass run stream.yaml --until caught-up\n  \
    flowglass run stream.yaml --metrics-addr 127.0.0.1:9464\n\n\
    Exit codes: 0 complete, 1 failed, 2 bad usage or manifest, 130 interrupted.")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// Only these nodes: `node`, `+node` with all before it, `node+` with all after it; commas between.
    #[arg(long, value_name = "NODES")]
    select: Option<String>,
    /// Go on from a run that did not complete: its id, the beginning of it, or `latest`. Without
    /// FILE, the manifests that it was started with; with its parameters, but for secret ones.
    #[arg(long, value_name = "RUN")]
    resume: Option<String>,
    /// How long streams run: `stopped` (until Ctrl-C or SIGTERM), `caught-up` (until everything that
    /// the source holds now is delivered), or a position such as `0/16B3748`.
    #[arg(long, value_name = "WHEN", default_value = "stopped", value_parser = streams::parse_until)]
    until: Until,
    /// Answer `/metrics` and `/health` on this address for as long as the run takes.
    #[arg(long, value_name = "HOST:PORT")]
    metrics_addr: Option<String>,
    /// Write the evidence (events, report, snapshot, logs, metrics, checksums) here at the end.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// What keeps the run from being made or told.
pub(crate) async fn run(mut args: RunArgs) -> anyhow::Result<Exit> {
    let registry = registry();
    // What cannot be used is refused before a store is made for it.
    let mut plans = match args.resume {
        None => planned(&args, &registry)?,
        Some(_) => Some(Planned::default()),
    };
    if plans.is_none() {
        return Ok(Exit::Usage);
    }
    let session = Session::open(&args.store)?;
    let page = page::Page::open(args.metrics_addr.as_deref(), &session).await?;
    let resumed = match args.resume.clone() {
        None => None,
        Some(given) => match resume::prepare(&session, &given).await? {
            Ok(earlier) => {
                if let Err(said) = earlier.give(&mut args) {
                    return Ok(refuse(&said));
                }
                plans = planned(&args, &registry)?;
                Some(earlier)
            }
            Err(said) => return Ok(refuse(&said)),
        },
    };
    let Some(plans) = plans else { return Ok(Exit::Usage) };
    if let Some(resumed) = &resumed {
        resume::compare(resumed, &plans.workflows);
    }
    let run_id = new_run_id(session.clock.as_ref());
    let scratch = session.scratch(run_id)?;
    let mut pipelines = Vec::new();
    for plan in &plans.workflows {
        let done = resumed.as_ref().and_then(|it| it.known.done.get(plan.pipeline()));
        let context = BuildContext {
            registry: &registry,
            around: session.around(plan.base_dir(), scratch.path()),
            done_before: done.cloned().unwrap_or_default(),
            through: None,
        };
        match build(plan, &context) {
            Ok(pipeline) => pipelines.push(pipeline),
            Err(errors) => return Ok(refuse_plan(plan, &errors)),
        }
        // A workflow has as many sources as copies.
        let of = (plan.tenant(), plan.pipeline());
        drop(session.meters_of(of, PipelineKind::Workflow, ""));
    }
    let mut flows = Vec::new();
    for plan in &plans.streams {
        let around = session.around(plan.base_dir(), scratch.path());
        match streams::build(plan, &session, &registry, (around, args.until.clone())) {
            Ok(stream) => {
                flows.push(flow::Flow::new(plan.pipeline().to_string(), stream.status));
                pipelines.push(stream.pipeline);
            }
            Err(said) => {
                console::say(&said);
                return Ok(Exit::Usage);
            }
        }
    }
    let job = job(&args, &plans, pipelines, run_id, resumed.map(|it| it.known));
    let made = make(&args, &session, &plans, (job, flows)).await;
    page.close().await;
    made
}

fn refuse_plan(plan: &Plan, errors: &[BuildError]) -> Exit {
    for error in errors {
        let (node, fault) = (&error.node, &error.fault);
        let said = format!("{}/{node}: {}", plan.pipeline(), fault.chain());
        console::say(&format!("error: {said}\n  hint: {}", fault.advice()));
    }
    Exit::Usage
}

/// What the manifests say.
#[derive(Debug, Default)]
struct Planned {
    workflows: Vec<Plan>,
    streams: Vec<StreamPlan>,
}

/// The plans of the manifests, as far as they are selected; nothing when they cannot be used, which
/// has been said then.
fn planned(args: &RunArgs, registry: &Registry) -> anyhow::Result<Option<Planned>> {
    let loaded = check(&args.manifests, registry, Severity::Error)?;
    complain(&loaded.complaints);
    if loaded.has_errors() {
        return Ok(None);
    }
    let workflows = match &args.select {
        None => Ok(loaded.plans),
        Some(expression) => select(&loaded.plans, expression),
    };
    let plans = workflows.and_then(|workflows| {
        let streams = if args.select.is_some() { Vec::new() } else { loaded.streams };
        match workflows.is_empty() && streams.is_empty() {
            true => Err("the manifest holds no pipeline".to_owned()),
            false => Ok(Planned { workflows, streams }),
        }
    });
    Ok(plans.map_err(|said| refuse(&said)).ok())
}

fn job(
    args: &RunArgs,
    plans: &Planned,
    pipelines: Vec<BuiltPipeline>,
    run_id: RunId,
    resumes: Option<Resumed>,
) -> RunJob {
    let mut attributes = header("cli");
    let streams = plans.streams.iter().map(StreamPlan::digest);
    let digests: Vec<_> = plans.workflows.iter().map(Plan::digest).chain(streams).collect();
    attributes.insert("manifest_digest".to_owned(), digests.join("\n"));
    let files =
        args.manifests.files.iter().map(|it| {
            std::path::absolute(it).unwrap_or_else(|_odd| it.clone()).display().to_string()
        });
    attributes.insert("manifests".to_owned(), files.collect::<Vec<_>>().join("\n"));
    if let Some(selector) = &args.select {
        attributes.insert("selector".to_owned(), selector.clone());
    }
    params::keep(&args.manifests.params, &plans.workflows, &mut attributes);
    RunJob { run_id, pipelines, attributes, traceparent: traceparent(), resumes }
}

async fn make(
    args: &RunArgs,
    session: &Session,
    plans: &Planned,
    (job, flows): (RunJob, Vec<flow::Flow>),
) -> anyhow::Result<Exit> {
    let secrets = plans.workflows.iter().map(Plan::secrets);
    let secrets = secrets.chain(plans.streams.iter().map(StreamPlan::secrets));
    let secrets = secrets.flat_map(flowglass_manifest::Secrets::expose);
    let mut history = session.history(Redactor::new(secrets));
    history.keeper.listen(Box::new(page::Counted::new(&session.meters)));
    let mut saying = None;
    let view = match args.format {
        Format::Ndjson => {
            history.keeper.listen(Box::new(lines::Ndjson));
            None
        }
        _ if console::is_live() => Some(live::Live::start(history.recorder.clone(), flows)),
        Format::Text | Format::Json => {
            history.keeper.listen(Box::new(lines::Plain));
            saying = Some(flow::say_often(flows, std::sync::Arc::clone(&session.clock)));
            None
        }
    };
    let (made, recorder) =
        signals::stoppable(|stop| async move { history.run(&job, &stop).await }).await?;
    drop(saying);
    if let Some(view) = view {
        view.end().await;
    }
    let report = recorder.with_snapshot(RunReport::of);
    drop(recorder);
    if let Err(error) = made {
        console::say(&format!("error: {error:#}"));
        return Ok(Exit::Failed);
    }
    tell(args, session, &report, plans)
}

fn tell(
    args: &RunArgs,
    session: &Session,
    report: &RunReport,
    plans: &Planned,
) -> anyhow::Result<Exit> {
    match args.format {
        Format::Json => console::out(&format!("{}\n", serde_json::to_string_pretty(report)?))?,
        // Where a stream writes its rows to standard output, nothing else is written there.
        Format::Text if plans.streams.iter().any(streams::writes_to_stdout) => {
            console::say(summary::render(report, args.store.path()).trim_end());
        }
        Format::Text => console::out(&summary::render(report, args.store.path()))?,
        Format::Ndjson => {}
    }
    let mut torn = false;
    if let (Some(folder), Some(run)) = (&args.output_dir, report.run_id) {
        torn = super::runs::write_bundle(&session.store.reader()?, run, folder)?.say_problems();
    }
    let cancelled = report.nodes.iter().any(|it| it.reason == Some(Reason::Cancelled));
    Ok(match (report.passed, report.status.as_str()) {
        // Whoever asked for evidence and relies on the exit code must not miss that it is not whole.
        (true, _) if torn => Exit::Failed,
        (true, _) => Exit::Done,
        (false, "cancelled") => Exit::Interrupted,
        (false, _) if cancelled && signals::was_asked() => Exit::Interrupted,
        (false, _) => Exit::Failed,
    })
}

fn refuse(said: &str) -> Exit {
    console::say(&format!("error: {said}"));
    Exit::Usage
}

/// The parts of the plans that the expression names. Each part has to name something in at least
/// one of them.
///
/// # Errors
/// What is wrong with the expression, in words.
pub(crate) fn select(plans: &[Plan], expression: &str) -> Result<Vec<Plan>, String> {
    let (mut selected, mut errors) = (Vec::new(), BTreeSet::new());
    for plan in plans {
        match plan.select(expression) {
            Ok(part) => selected.push(part),
            Err(said) => errors.extend(said.iter().map(ToString::to_string)),
        }
    }
    if selected.is_empty() {
        return Err(errors.into_iter().collect::<Vec<_>>().join("\nerror: "));
    }
    Ok(selected)
}

/// A word for a node's end that people see.
fn mark(state: Option<State>) -> &'static str {
    match state {
        None => " ",
        Some(State::Queued | State::Waiting) => "·",
        Some(State::Running) => "▸",
        Some(State::Complete) => "✓",
        Some(State::Failed) => "✗",
        Some(State::Skipped) => "-",
    }
}
