//! The flags. Their names, defaults and repetition are an interface that pipelines rely on.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use flowglass_catalog::{InvalidPrefix, Prefix};
use flowglass_telemetry::evidence::{BadTime, RunLabel, parse_metric, parse_pair, parse_time};
use flowglass_telemetry::report::Number;
use flowglass_telemetry::slo::Objective;
use jiff::Timestamp;

/// Turn run reports into checksummed metric files, check objectives, prove evidence untouched.
#[derive(Debug, Args)]
pub(crate) struct ObservabilityArgs {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Export run reports as Prometheus text, OTLP JSON, a summary and a checksum index
    ///
    /// Exit codes: 0 when nothing blocked the export (also of a failed run), 1 with a blocker, 2 when
    /// the flags cannot be used; then no file is written.
    #[command(after_long_help = EXPORT_EXAMPLES)]
    MetricsExport(Box<ExportArgs>),
    /// Hold metrics against objectives
    ///
    /// Exit codes: 0 when every objective is met, 1 when one is missed or could not be checked, 2 when
    /// the flags cannot be used.
    #[command(after_long_help = SLO_EXAMPLES)]
    Slo(Box<SloArgs>),
    /// Write a checksum index into folders of evidence
    #[command(after_long_help = INDEX_EXAMPLES)]
    Index(IndexArgs),
    /// Prove that a folder of evidence is what its indexes say
    #[command(after_long_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  flowglass run pipeline.yaml --format json > run_report.json
  flowglass observability metrics-export --run-report run_report.json --label env=prod
  some-tool | flowglass observability metrics-export --run-report - --output-dir evidence
  flowglass observability metrics-export --run-report reports/ --omit-run-label run_id
  flowglass observability metrics-export --metric freshness_lag_seconds=180 --strict";

const SLO_EXAMPLES: &str = "\
Examples:
  flowglass observability slo --metrics evidence --objective 'duration_seconds<=300'
  flowglass observability slo --run-report run_report.json --objectives objectives.txt
  flowglass observability slo --run-report reports/ --objective 'error_count{process=orders}<=0'";

const INDEX_EXAMPLES: &str = "\
Examples:
  flowglass observability index evidence
  flowglass observability index evidence logs --release 1.4.0 --format json";

const VERIFY_EXAMPLES: &str = "\
Examples:
  flowglass observability verify evidence
  flowglass observability verify evidence --digest \"$DIGEST\"";

/// Form of what is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Markdown, for people and pull requests.
    #[default]
    Md,
    /// JSON, for programs.
    Json,
}

/// A label of the run, by its name.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum RunLabelName {
    RunId,
    Process,
    Selector,
    Status,
}

impl From<RunLabelName> for RunLabel {
    fn from(name: RunLabelName) -> Self {
        match name {
            RunLabelName::RunId => Self::RunId,
            RunLabelName::Process => Self::Process,
            RunLabelName::Selector => Self::Selector,
            RunLabelName::Status => Self::Status,
        }
    }
}

fn prefix(text: &str) -> Result<Prefix, InvalidPrefix> {
    Prefix::parse(text)
}

fn time(text: &str) -> Result<Timestamp, BadTime> {
    parse_time(text)
}

/// `service.name` unless it is said.
pub(super) const SERVICE_NAME: &str = "flowglass";
/// `service.namespace` unless it is said.
pub(super) const NAMESPACE: &str = "flowglass.local";

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    // A flag with one value overrides itself, so that a wrapper can append to what a caller chose.
    /// Run report: a file, a folder of `.json` files, a pipe, or `-` for standard input
    #[arg(long, value_name = "PATH")]
    pub(super) run_report: Vec<PathBuf>,
    /// Take the report of a stored run
    #[arg(long, value_name = "RUN_ID")]
    pub(super) run: Vec<String>,
    /// Folder to write into; made when it is not there
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".flowglass/observability/latest",
        overrides_with = "output_dir"
    )]
    pub(super) output_dir: PathBuf,
    /// Add a metric of your own
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_metric)]
    pub(super) metric: Vec<(String, Number)>,
    /// Add a label to every metric
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub(super) label: Vec<(String, String)>,
    /// Add an attribute to the OpenTelemetry resource
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub(super) resource_attr: Vec<(String, String)>,
    /// `service.name` of the OpenTelemetry resource
    #[arg(long, value_name = "NAME", default_value = SERVICE_NAME, overrides_with = "service_name")]
    pub(super) service_name: String,
    /// `service.namespace` of the OpenTelemetry resource
    #[arg(
        long,
        value_name = "NAME",
        default_value = NAMESPACE,
        overrides_with = "namespace"
    )]
    pub(super) namespace: String,
    /// Prefix of every metric name
    #[arg(long, value_name = "PREFIX", default_value = "flowglass", value_parser = prefix, overrides_with = "metrics_prefix")]
    pub(super) metrics_prefix: Prefix,
    /// Leave a label of the run out of the Prometheus file, so that runs share their series
    #[arg(long, value_name = "LABEL")]
    pub(super) omit_run_label: Vec<RunLabelName>,
    /// Let warnings block the export
    #[arg(long)]
    pub(super) strict: bool,
    /// Time of the export, RFC 3339 or seconds since 1970, so that two exports are alike to the byte
    #[arg(long, value_name = "TIME", env = "SOURCE_DATE_EPOCH", value_parser = time, overrides_with = "time")]
    pub(super) time: Option<Timestamp>,
    /// What to print
    #[arg(long, value_enum, default_value_t, overrides_with = "format")]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct SloArgs {
    /// Objective: `metric<=number` or `metric>=number`, the metric with labels in braces if need be
    #[arg(long, value_name = "OBJECTIVE")]
    pub(super) objective: Vec<Objective>,
    /// File of objectives: one a line, or JSON `{"metric": {"max": 1}}`
    #[arg(long, value_name = "FILE")]
    pub(super) objectives: Vec<PathBuf>,
    /// `runtime_metrics.json` of an export, or the folder that holds it
    #[arg(long, value_name = "PATH")]
    pub(super) metrics: Vec<PathBuf>,
    /// Run report: a file, a folder of `.json` files, a pipe, or `-` for standard input
    #[arg(long, value_name = "PATH")]
    pub(super) run_report: Vec<PathBuf>,
    /// Take the report of a stored run
    #[arg(long, value_name = "RUN_ID")]
    pub(super) run: Vec<String>,
    /// Add a metric of your own
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_metric)]
    pub(super) metric: Vec<(String, Number)>,
    /// Prefix that metric names carry where they are read
    #[arg(long, value_name = "PREFIX", default_value = "flowglass", value_parser = prefix)]
    pub(super) metrics_prefix: Prefix,
    /// Write `slo_report.json` and `slo_report.md` into this folder
    #[arg(long, value_name = "DIR")]
    pub(super) output_dir: Option<PathBuf>,
    /// Let warnings about the reports fail the check
    #[arg(long)]
    pub(super) strict: bool,
    /// Time of the check, RFC 3339 or seconds since 1970
    #[arg(long, value_name = "TIME", env = "SOURCE_DATE_EPOCH", value_parser = time)]
    pub(super) time: Option<Timestamp>,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct IndexArgs {
    /// Folders; each gets its own `artifact_index.json`
    #[arg(required = true, value_name = "DIR")]
    pub(super) folders: Vec<PathBuf>,
    /// Release that the evidence belongs to
    #[arg(long, value_name = "NAME")]
    pub(super) release: Option<String>,
    /// Let warnings fail the index
    #[arg(long)]
    pub(super) strict: bool,
    /// Time of the index, RFC 3339 or seconds since 1970
    #[arg(long, value_name = "TIME", env = "SOURCE_DATE_EPOCH", value_parser = time)]
    pub(super) time: Option<Timestamp>,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Folder with a `metrics_index.json` or an `artifact_index.json`
    #[arg(value_name = "DIR")]
    pub(super) folder: PathBuf,
    /// Digest that one of the indexes must have, as `metrics-export` or `index` printed it
    #[arg(long, value_name = "SHA256")]
    pub(super) digest: Option<String>,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}
