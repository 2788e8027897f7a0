//! `flowglass doctor`: everything that has to be right before streams can run, and how to mend it.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use flowglass_connect::stream::Precondition;
use flowglass_connect::{Fault, Registry, Surroundings, SystemClock};
use flowglass_manifest::{Severity, StreamPlan};
use flowglass_model::ErrorClass;
use flowglass_store::{Reader, StoreError};
use serde::Serialize;

use super::run::StoreArgs;
use crate::console;
use crate::exit::Exit;
use crate::manifests::{ManifestArgs, check, complain};
use crate::registry::registry;
use crate::table::{Align, Table};
use crate::words;

/// How long one system may take to answer all that is asked of it.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people, and what mends each thing that is not right.
    Text,
    /// One JSON document.
    Json,
    /// One JSON document a line, one line a precondition.
    Ndjson,
}

/// Look at everything that has to be right before streams can run, and say how to mend it.
///
/// Connects to every source and sink of the manifests. Changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass doctor stream.yaml\n  \
    flowglass doctor stream.yaml --format json | jq '.checks[] | select(.verdict != \"fine\")'\n\n\
    Exit codes: 0 every stream can run, 1 something needs work, 2 bad usage or manifest.")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    stream: String,
    /// `source`, `sink` or `store`.
    part: &'static str,
    id: String,
    #[serde(rename = "type")]
    kind: String,
    check: String,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// What is thought of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// It is right.
    Fine,
    /// It is not right, and the stream can run all the same.
    Optional,
    /// The stream cannot run.
    NeedsWork,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Optional => "optional",
            Self::NeedsWork => "needs work",
        }
    }
}

/// A part of a stream that is examined.
struct Part<'a> {
    stream: &'a str,
    part: &'static str,
    id: &'a str,
    kind: &'a str,
}

impl Part<'_> {
    fn check(&self, said: Precondition) -> Check {
        let verdict = match (said.fine, said.optional) {
            (true, _) => Verdict::Fine,
            (false, true) => Verdict::Optional,
            (false, false) => Verdict::NeedsWork,
        };
        Check {
            stream: self.stream.to_owned(),
            part: self.part,
            id: self.id.to_owned(),
            kind: self.kind.to_owned(),
            check: said.name,
            verdict,
            found: said.found,
            remedy: said.remedy,
        }
    }

    /// What could not even be asked.
    fn failed(&self, fault: &Fault) -> Vec<Check> {
        vec![self.check(Precondition {
            name: "can be asked".to_owned(),
            fine: false,
            optional: false,
            found: fault.chain(),
            remedy: Some(fault.advice().to_owned()),
        })]
    }

    fn checks(&self, examined: Result<Vec<Precondition>, Fault>) -> Vec<Check> {
        match examined {
            Err(fault) => self.failed(&fault),
            Ok(said) if said.is_empty() => vec![self.check(Precondition {
                name: "needs nothing".to_owned(),
                fine: true,
                optional: false,
                found: "-".to_owned(),
                remedy: None,
            })],
            Ok(said) => said.into_iter().map(|it| self.check(it)).collect(),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// What keeps it from looking, apart from the systems themselves.
pub(crate) async fn run(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let registry = registry();
    let loaded = check(&args.manifests, &registry, Severity::Error)?;
    complain(&loaded.complaints);
    if loaded.has_errors() {
        return Ok(Exit::Usage);
    }
    if loaded.streams.is_empty() {
        console::say(
            "error: the manifest holds no stream\n  hint: What a workflow needs is looked at \
                      when it runs; `flowglass plan FILE` shows what that would be.",
        );
        return Ok(Exit::Usage);
    }
    let scratch = tempfile::tempdir()?;
    let mut checks = Vec::new();
    for plan in &loaded.streams {
        checks.extend(of_store(plan, args.store.path()));
        checks.extend(of_stream(plan, &registry, scratch.path()).await);
    }
    print(&checks, args.format)?;
    let fine = checks.iter().all(|it| it.verdict != Verdict::NeedsWork);
    Ok(if fine { Exit::Done } else { Exit::Failed })
}

/// Looks at the store without making or changing it.
fn of_store(plan: &StreamPlan, path: &Path) -> Vec<Check> {
    let part = Part { stream: plan.pipeline().as_str(), part: "store", id: "-", kind: "sqlite" };
    let shown = path.display();
    let folder = path.ancestors().skip(1).find(|it| it.is_dir() || it.as_os_str().is_empty());
    let folder = folder.filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // SQLite keeps two files beside it, so that the folder matters too.
    let writable = tempfile::tempfile_in(folder).and_then(|_file| match path.exists() {
        true => OpenOptions::new().write(true).open(path).map(drop),
        false => Ok(()),
    });
    let remedy = || "Name a path that can be written with `--store PATH`.".to_owned();
    let mut said = vec![match writable {
        Ok(()) => precondition("can be written", shown.to_string(), None),
        Err(error) => precondition("can be written", format!("{shown}: {error}"), Some(remedy())),
    }];
    said.push(match Reader::open(path) {
        Ok(_reader) => precondition("format", "that of this flowglass".to_owned(), None),
        Err(StoreError::Missing { .. }) => {
            precondition("format", "not there yet; the stream makes it".to_owned(), None)
        }
        Err(error @ StoreError::Older { .. }) => {
            precondition("format", format!("{error}; the stream does it"), None)
        }
        Err(error) => precondition("format", error.to_string(), Some(error.hint().to_owned())),
    });
    said.into_iter().map(|it| part.check(it)).collect()
}

fn precondition(name: &str, found: String, remedy: Option<String>) -> Precondition {
    Precondition { name: name.to_owned(), fine: remedy.is_none(), optional: false, found, remedy }
}

/// Source and sinks at once: one that is away takes its whole time to say so.
async fn of_stream(plan: &StreamPlan, registry: &Registry, scratch: &Path) -> Vec<Check> {
    let stream = plan.pipeline().as_str();
    let around = Surroundings {
        base_dir: plan.base_dir().to_path_buf(),
        scratch_dir: scratch.to_path_buf(),
        clock: Arc::new(SystemClock::new()),
    };
    let from = plan.source();
    let source = async {
        let part = Part { stream, part: "source", id: &from.id, kind: &from.connector.kind };
        let config = from.connector.expose().clone();
        let examined = async {
            registry.stream_source(&from.connector.kind, config, &around)?.examine().await
        };
        part.checks(in_time(examined).await)
    };
    let sinks = plan.sinks().iter().map(|to| {
        let around = &around;
        async move {
            let part = Part { stream, part: "sink", id: &to.id, kind: &to.connector.kind };
            let config = to.connector.expose().clone();
            let examined = async {
                registry.stream_sink(&to.connector.kind, stream, config, around)?.examine().await
            };
            part.checks(in_time(examined).await)
        }
    });
    let (source, sinks) = tokio::join!(source, futures::future::join_all(sinks));
    source.into_iter().chain(sinks.into_iter().flatten()).collect()
}

async fn in_time<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::time::timeout(ANSWERED_WITHIN, work).await.unwrap_or_else(|_elapsed| {
        let within = ANSWERED_WITHIN.as_secs();
        Err(Fault::new(ErrorClass::Timeout, format!("it did not answer within {within} s"))
            .hint("Check that the host and port are right and the service is up."))
    })
}

/// The document of `--format json`.
#[derive(Serialize)]
struct Page<'a> {
    can_run: bool,
    needs_work: usize,
    optional: usize,
    checks: &'a [Check],
}

fn print(checks: &[Check], format: Format) -> anyhow::Result<()> {
    let count = |verdict| checks.iter().filter(|it| it.verdict == verdict).count();
    let (needs_work, optional) = (count(Verdict::NeedsWork), count(Verdict::Optional));
    match format {
        Format::Json => {
            let page = Page { can_run: needs_work == 0, needs_work, optional, checks };
            console::out(&format!("{}\n", serde_json::to_string_pretty(&page)?))
        }
        Format::Ndjson => {
            let lines = checks.iter().map(|it| Ok(serde_json::to_string(it)? + "\n"));
            console::out(&lines.collect::<Result<String, serde_json::Error>>()?)
        }
        Format::Text => {
            console::out(&text(checks))?;
            console::say(&verdict(needs_work, optional));
            Ok(())
        }
    }
}

fn verdict(needs_work: usize, optional: usize) -> String {
    let things =
        |count: usize| if count == 1 { "1 thing".to_owned() } else { format!("{count} things") };
    match (needs_work, optional) {
        (0, 0) => "it can run, and nothing is left to mend".to_owned(),
        (0, _) => format!("it can run; {} would make it better", things(optional)),
        _ => format!("it cannot run: {} first", things(needs_work)),
    }
}

fn text(checks: &[Check]) -> String {
    let mut table = Table::new(&[
        ("STREAM", Align::Left),
        ("PART", Align::Left),
        ("CHECK", Align::Left),
        ("VERDICT", Align::Left),
        ("FOUND", Align::Left),
    ]);
    let colour = words::colour();
    let several = checks.iter().any(|it| checks.first().is_some_and(|one| one.stream != it.stream));
    for it in checks {
        let stream = if several { it.stream.clone() } else { "-".to_owned() };
        let found = words::printable(&it.found);
        table.row([stream, place(it), it.check.clone(), painted(it.verdict, colour), found]);
    }
    let mut text = table.render();
    for it in checks.iter().filter(|it| it.verdict != Verdict::Fine) {
        let Some(remedy) = &it.remedy else { continue };
        let verdict = it.verdict.word();
        text.push_str(&format!("\n{}, {} ({verdict}):\n  {remedy}\n", place(it), it.check));
    }
    text
}

fn place(check: &Check) -> String {
    match check.part {
        "store" => "store".to_owned(),
        part => format!("{part} {} ({})", check.id, check.kind),
    }
}

fn painted(verdict: Verdict, colour: bool) -> String {
    use flowglass_model::State;
    let state = match verdict {
        Verdict::Fine => State::Complete,
        Verdict::Optional => State::Waiting,
        Verdict::NeedsWork => State::Failed,
    };
    words::painted(verdict.word(), state, colour)
}
