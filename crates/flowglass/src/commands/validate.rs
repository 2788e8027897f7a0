//! `flowglass validate` and `flowglass plan`: check manifests, show what would run. Both touch
//! nothing but the files that are named.

use clap::{Args, ValueEnum};
use flowglass_manifest::{Plan, Severity, StreamPlan, to_json};

use crate::console;
use crate::exit::Exit;
use crate::manifests::{ManifestArgs, check, complain};
use crate::registry::registry;

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// Check manifests and show every complaint at once.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  flowglass validate examples/orders/pipeline.yaml")]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Take variables and files that are not there as a warning: for a machine without the secrets.
    #[arg(long)]
    allow_missing: bool,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Show what would run, in which order.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  flowglass plan examples/orders/pipeline.yaml --select checks")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Only these nodes: `node`, `+node` with all before it, `node+` with all after it; commas between.
    #[arg(long, value_name = "NODES")]
    select: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(crate) fn validate(args: &ValidateArgs) -> anyhow::Result<Exit> {
    let missing = if args.allow_missing { Severity::Warning } else { Severity::Error };
    let loaded = check(&args.manifests, &registry(), missing)?;
    match args.format {
        Format::Json => console::out(&format!("{:#}\n", to_json(&loaded.complaints)))?,
        Format::Text => complain(&loaded.complaints),
    }
    if loaded.has_errors() {
        return Ok(Exit::Usage);
    }
    if args.format == Format::Text {
        let nodes: usize = loaded.plans.iter().map(|it| it.nodes().len()).sum();
        let pipelines = loaded.plans.len() + loaded.streams.len();
        let streams = match loaded.streams.len() {
            0 => String::new(),
            count => format!(", {count} stream(s)"),
        };
        console::out(&format!("valid: {pipelines} pipeline(s), {nodes} node(s){streams}\n"))?;
    }
    Ok(Exit::Done)
}

pub(crate) fn plan(args: &PlanArgs) -> anyhow::Result<Exit> {
    let loaded = check(&args.manifests, &registry(), Severity::Error)?;
    complain(&loaded.complaints);
    if loaded.has_errors() {
        return Ok(Exit::Usage);
    }
    let (mut plans, mut streams) = (loaded.plans, loaded.streams);
    if let Some(select) = &args.select {
        if plans.is_empty() {
            console::say(
                "error: `--select` names nodes of workflows, and there is no workflow here",
            );
            return Ok(Exit::Usage);
        }
        // A stream has no nodes to select.
        streams.clear();
        match super::run::select(&plans, select) {
            Ok(selected) => plans = selected,
            Err(said) => {
                console::say(&format!("error: {said}"));
                return Ok(Exit::Usage);
            }
        }
    }
    match args.format {
        Format::Json => {
            let plans = plans.iter().map(Plan::to_json);
            let all: Vec<_> = plans.chain(streams.iter().map(StreamPlan::to_json)).collect();
            console::out(&format!("{}\n", serde_json::to_string_pretty(&all)?))?;
        }
        Format::Text => {
            let plans = plans.iter().map(Plan::to_text);
            let all: Vec<_> = plans.chain(streams.iter().map(StreamPlan::to_text)).collect();
            console::out(&all.join("\n"))?;
        }
    }
    Ok(Exit::Done)
}
