//! `flowglass ceiling`: how fast each stage of a stream is on this machine, and which one binds.

mod measure;
mod page;
mod report;
mod sample;

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use flowglass_connect::stream::{Position, StreamState, Takes, Trial};
use flowglass_connect::{Registry, Surroundings, SystemClock};
use flowglass_engine::Stop;
use flowglass_manifest::{StreamPlan, StreamSink as SinkPlan};
use flowglass_store::StoreError;

use super::store_words::{ThereStore, in_words, open_existing, open_reader};
use super::target::TargetArgs;
use crate::console;
use crate::exit::Exit;
use crate::registry::registry;
use crate::signals;

use measure::{Bench, Limits};
use report::{Report, Stage};
use sample::{Sampled, Sampling};

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people.
    Text,
    /// One JSON document.
    Json,
}

/// Measure how fast each stage of a stream is on this machine, and say which one binds.
///
/// Reads the rows that wait in the source's log through a reader of its own, encodes them, and delivers
/// them to places of their own: a topic, a stream, a folder, a schema that are removed afterwards. The
/// stream, its slot and its sinks' data are left alone; their machines are busy meanwhile.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass ceiling stream.yaml\n  \
    flowglass ceiling stream.yaml --seconds 20 --events 2000000 --format json | jq .binds\n\n\
    Exit codes: 0 measured, 1 nothing could be measured or something was left behind, 2 bad usage or \
    manifest, 130 interrupted.")]
pub(crate) struct CeilingArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// How long each stage is measured at most.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How many rows each stage gets at most.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    events: u64,
    #[command(flatten)]
    store: ThereStore,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// What keeps it from measuring, apart from the systems themselves.
pub(crate) async fn run(args: &CeilingArgs) -> anyhow::Result<Exit> {
    let measured = signals::stoppable(|stop| async move {
        let report = measure(args, &stop).await;
        report.map(|it| (it, stop.cause().is_some()))
    });
    match measured.await? {
        Ok((report, interrupted)) => {
            match args.format {
                Format::Text => page::text(&report)?,
                Format::Json => page::json(&report)?,
            }
            let whole = report.left_behind.is_empty()
                && report.stages.iter().any(|it| it.rows_per_second.is_some());
            Ok(match (interrupted, whole) {
                (true, _) => Exit::Interrupted,
                (false, true) => Exit::Done,
                (false, false) => Exit::Failed,
            })
        }
        Err(error) => in_words(error),
    }
}

async fn measure(args: &CeilingArgs, stop: &Stop) -> anyhow::Result<Report> {
    let (plan, from) = plan(args).await?;
    let scratch = tempfile::tempdir()?;
    let work = Work {
        registry: registry(),
        around: Surroundings {
            base_dir: plan.base_dir().to_path_buf(),
            scratch_dir: scratch.path().to_path_buf(),
            clock: Arc::new(SystemClock::new()),
        },
        limits: Limits { time: Duration::from_secs(args.seconds), events: args.events },
        plan: &plan,
        stop,
    };
    work.measure(from).await
}

/// The plan, and where the slowest sink of the stream stands, if it ever ran.
async fn plan(args: &CeilingArgs) -> anyhow::Result<(StreamPlan, Option<Position>)> {
    let path = args.store.path();
    let plan = match args.target.plan_of_manifest()? {
        Some(plan) => plan,
        None => args.target.plan(&open_reader(path)?)?,
    };
    let store = match open_existing(path) {
        Ok(store) => store,
        Err(StoreError::Missing { .. }) => return Ok((plan, None)),
        Err(error) => return Err(error.into()),
    };
    let kept = store.checkpoints(plan.pipeline().as_str()).await?;
    let from = kept.into_iter().map(|it| it.position).min();
    Ok((plan, from))
}

/// What measuring stands on.
struct Work<'a> {
    plan: &'a StreamPlan,
    registry: Registry,
    around: Surroundings,
    limits: Limits,
    stop: &'a Stop,
}

impl Work<'_> {
    async fn measure(&self, from: Option<Position>) -> anyhow::Result<Report> {
        let source = self.plan.source();
        let named = (source.id.as_str(), source.connector.kind.as_str());
        console::say(&format!("measuring source `{}`", source.id));
        let sampling = Sampling {
            plan: self.plan,
            registry: &self.registry,
            around: &self.around,
            limits: self.limits,
            stop: self.stop,
            from,
        };
        let Sampled { source: read, batches, own_rows } = sampling.take().await?;
        let mut stages = vec![Stage::new("source", named, true).with(read)];
        let mut left_behind = Vec::new();
        let bench = Bench {
            clock: Arc::clone(&self.around.clock),
            batches: &batches,
            limits: self.limits,
            stop: self.stop,
        };
        for to in self.plan.sinks() {
            if self.stop.cause().is_none() {
                console::say(&format!("measuring sink `{}`", to.id));
                stages.extend(self.sink(to, &bench, &mut left_behind).await?);
            }
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let name = self.plan.pipeline().as_str();
        Ok(Report::of(name, (own_rows, cores), stages, left_behind))
    }

    async fn sink(
        &self,
        to: &SinkPlan,
        bench: &Bench<'_>,
        left_behind: &mut Vec<String>,
    ) -> anyhow::Result<Vec<Stage>> {
        let kind = to.connector.kind.as_str();
        let config = || to.connector.expose().clone();
        let named = (to.id.as_str(), kind);
        let stage = |stage| Stage::new(stage, named, to.required);
        let mut stages = Vec::new();
        let stream = self.plan.pipeline().as_str();
        let real = self.registry.stream_sink(kind, stream, config(), &self.around)?;
        if let Takes::Messages(form) = real.takes() {
            let encoded = bench.encode(form).await.map_err(|fault| fault.chain());
            stages.push(stage("encode").with(encoded));
        }
        let name = format!("flowglass-ceiling-{}", uuid::Uuid::now_v7().simple());
        let trial = self.registry.stream_sink_trial(kind, &name, config(), &self.around)?;
        let delivered = match trial {
            None => Err("it cannot be tried without somebody noticing".to_owned()),
            Some(Trial { sink, places }) => {
                let delivered = bench.deliver(sink.as_ref()).await;
                drop(sink);
                // Whatever became of it.
                if let Err(fault) = places.remove().await {
                    left_behind.push(format!("{name} at sink `{}`: {}", to.id, fault.chain()));
                }
                delivered.map_err(|fault| fault.chain())
            }
        };
        stages.push(stage("deliver").with(delivered));
        Ok(stages)
    }
}
