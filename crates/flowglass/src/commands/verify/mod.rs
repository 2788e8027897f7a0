//! `flowglass verify`: read what the sinks of a stream hold again, and prove that it is what they
//! acknowledged.

mod messages;
mod page;
mod range;
mod report;
mod tables;
mod windows;

use std::sync::Arc;

use clap::{Args, ValueEnum};
use flowglass_connect::stream::{LateReceipt, Reread, StreamSink};
use flowglass_connect::{Registry, Surroundings, SystemClock};
use flowglass_manifest::{StreamPlan, StreamSink as SinkPlan};
use flowglass_store::StoredReceipt;

use super::store_words::{ThereStore, in_words, open_reader};
use super::target::{TargetArgs, refuse_unknown};
use crate::exit::{BadUsage, Exit};
use crate::registry::registry;

use messages::Messages;
use range::Range;
use report::{Report, SinkReport, Verdict, place};
use tables::Tables;
use windows::History;

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people.
    Text,
    /// One JSON document.
    Json,
}

/// Read what the sinks of a stream hold again, and prove that it is what they acknowledged.
///
/// A running stream keeps receipts of what each sink acknowledged: how many rows, and the sum of their
/// hashes, by destination. This reads the destinations once more and comes to the same sums, or says how
/// many rows are lost, doubled or altered. Changes nothing; the stream may run meanwhile.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass verify orders-cdc\n  \
    flowglass verify stream.yaml --sink kafka-main --range last:10\n  \
    flowglass verify orders-cdc --range 0/16B3748..0/16B9F00 --format json\n\n\
    Exit codes: 0 equal, 1 something differs or cannot be read, 2 bad usage, or nothing could be proved.")]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// What to look at: `all`, `last` or `last:N` windows between checkpoints, or `FROM..TO` of
    /// positions, widened to whole windows.
    #[arg(long, value_name = "RANGE", default_value = "all")]
    range: String,
    /// Only this sink; may be repeated.
    #[arg(long = "sink", value_name = "ID")]
    sinks: Vec<String>,
    #[command(flatten)]
    store: ThereStore,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// What keeps it from looking, apart from the sinks themselves and a store that is not there, which are
/// told here.
pub(crate) async fn run(args: &VerifyArgs) -> anyhow::Result<Exit> {
    match look(args).await {
        Ok(report) => {
            match args.format {
                Format::Text => page::text(&report)?,
                Format::Json => page::json(&report)?,
            }
            Ok(report.exit())
        }
        Err(error) => in_words(error),
    }
}

async fn look(args: &VerifyArgs) -> anyhow::Result<Report> {
    let range: Range = args.range.parse().map_err(BadUsage)?;
    let reader = open_reader(args.store.path())?;
    let plan = args.target.plan(&reader)?;
    refuse_unknown(&reader, plan.pipeline())?;
    let stream = plan.pipeline().as_str();
    if let Some(odd) = args.sinks.iter().find(|id| !plan.sinks().iter().any(|it| it.id == **id)) {
        return Err(BadUsage(format!("the stream `{stream}` has no sink `{odd}`")).into());
    }
    let running = reader.attended_run_of(plan.pipeline())?.is_some();
    // Before anything of a sink is read: what comes in later lies behind the last of them.
    let receipts = reader.receipts(stream)?;
    let late = reader.late_receipts(stream)?;
    let scratch = tempfile::tempdir()?;
    let work = Work {
        around: Surroundings {
            base_dir: plan.base_dir().to_path_buf(),
            scratch_dir: scratch.path().to_path_buf(),
            clock: Arc::new(SystemClock::new()),
        },
        registry: registry(),
        plan: &plan,
        range,
        running,
    };
    let mut sinks = Vec::new();
    for to in plan.sinks() {
        if args.sinks.is_empty() || args.sinks.contains(&to.id) {
            let own: Vec<_> = receipts.iter().filter(|it| it.sink == to.id).cloned().collect();
            let late: Vec<_> = late.iter().filter(|it| it.sink == to.id).collect();
            sinks.push(work.sink(to, (&own, &late)).await?);
        }
    }
    let verdict = sinks.iter().map(|it| it.verdict).max().unwrap_or(Verdict::NotProved);
    Ok(Report { stream: stream.to_owned(), range: args.range.clone(), running, verdict, sinks })
}

/// What looking stands on.
struct Work<'a> {
    plan: &'a StreamPlan,
    registry: Registry,
    around: Surroundings,
    range: Range,
    running: bool,
}

impl Work<'_> {
    async fn sink(
        &self,
        to: &SinkPlan,
        (receipts, late): (&[StoredReceipt], &[&LateReceipt]),
    ) -> anyhow::Result<SinkReport> {
        let report = SinkReport::new(&to.id, &to.connector.kind);
        let (stream, config) = (self.plan.pipeline().as_str(), to.connector.expose().clone());
        let sink = self.registry.stream_sink(&to.connector.kind, stream, config, &self.around)?;
        let reread = match sink.reread() {
            Reread::Nothing(why) => {
                return Ok(report.because(format!("it cannot be read again: {why}")));
            }
            reread => reread,
        };
        let mut history = History::of(receipts);
        if history.end.is_none() {
            let why = "the store keeps no receipts of it: nothing was delivered since the stream was \
                       last started with a flowglass that keeps them";
            return Ok(report.because(why));
        }
        for it in late {
            history.add_late(it.commit, &it.destination, it.sum);
        }
        let report = self.bounds(report, &history);
        let looked = self.look_at(sink.as_ref(), &reread, &history, report.clone()).await;
        Ok(looked.unwrap_or_else(|fault| {
            let failed = report.because(fault.chain());
            SinkReport { verdict: Verdict::Differs, ..failed }
        }))
    }

    async fn look_at(
        &self,
        sink: &dyn StreamSink,
        reread: &Reread,
        history: &History,
        mut report: SinkReport,
    ) -> Result<SinkReport, flowglass_connect::Fault> {
        match reread {
            Reread::Nothing(_) => {}
            Reread::Messages(keeps, held) => {
                let messages = Messages {
                    held: held.as_ref(),
                    keeps: *keeps,
                    guarantee: sink.guarantee(),
                    history,
                    range: self.range,
                    running: self.running,
                };
                report.parts = messages.look().await?;
                if history.partial {
                    let why = "it was given more destinations than receipts are kept of: only those \
                               named are proved";
                    report.why = Some(why.to_owned());
                }
            }
            Reread::Tables(held) => {
                let begins_without = self.begins_without();
                let tables =
                    Tables { held: held.as_ref(), history, range: self.range, begins_without };
                report = tables.look(report).await?;
            }
        }
        Ok(report.judged())
    }

    /// What part of the history is covered.
    fn bounds(&self, mut report: SinkReport, history: &History) -> SinkReport {
        let count = history.windows.len();
        let chosen: Vec<_> = history
            .windows
            .iter()
            .enumerate()
            .filter(|(at, it)| self.range.holds((it.after, it.to), count - at - 1))
            .map(|(_, window)| window)
            .collect();
        report.after = chosen.first().map(|it| place(it.after));
        report.to = chosen.last().map(|it| place(Some(it.to)));
        let gaps = chosen.iter().filter(|it| it.sums.is_none());
        report.gaps = gaps.map(|it| (place(it.after), place(Some(it.to)))).collect();
        report
    }

    /// Whether the rows that were there when the stream began are not among those that it delivered.
    fn begins_without(&self) -> Option<&'static str> {
        let source = &self.plan.source().connector;
        let mode = source.expose().get("snapshot").and_then(|it| it.get("mode")?.as_str());
        (source.kind == "postgres" && mode == Some("never")).then_some(
            "the stream began without the rows that were there (`snapshot.mode: never`), and makes \
             those that it changes",
        )
    }
}
