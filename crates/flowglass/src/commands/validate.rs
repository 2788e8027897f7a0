//! `flowglass validate` and `flowglass plan`: check manifests, show what would run. Both touch
//! nothing but the files that are named.

use clap::{Args, ValueEnum};
use flowglass_manifest::{Severity, to_json};

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
        let pipelines = loaded.plans.len();
        console::out(&format!("valid: {pipelines} pipeline(s), {nodes} node(s)\n"))?;
    }
    Ok(Exit::Done)
}

pub(crate) fn plan(args: &PlanArgs) -> anyhow::Result<Exit> {
    let loaded = check(&args.manifests, &registry(), Severity::Error)?;
    complain(&loaded.complaints);
    if loaded.has_errors() {
        return Ok(Exit::Usage);
    }
    let mut plans = loaded.plans;
    if let Some(select) = &args.select {
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
            let all: Vec<_> = plans.iter().map(flowglass_manifest::Plan::to_json).collect();
            console::out(&format!("{}\n", serde_json::to_string_pretty(&all)?))?;
        }
        Format::Text => {
            let all: Vec<_> = plans.iter().map(flowglass_manifest::Plan::to_text).collect();
            console::out(&all.join("\n"))?;
        }
    }
    Ok(Exit::Done)
}
