//! `flowglass generate`: reference pages that are printed from the code.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use flowglass_model::{ErrorClass, Policy};

use crate::console;
use crate::exit::Exit;
use crate::manifests::vocabulary;
use crate::registry::registry;

/// Print files that are made from the code.
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    #[command(subcommand)]
    what: Generate,
}

#[derive(Debug, Subcommand)]
enum Generate {
    /// A page of the reference.
    Docs {
        /// Which page.
        #[arg(value_enum)]
        page: Page,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Page {
    /// Every command and flag.
    Cli,
    /// Every metric.
    Metrics,
    /// Every key of a manifest.
    Manifest,
    /// Exit codes.
    ExitCodes,
    /// Error classes and what happens after each.
    Errors,
}

pub(crate) fn run(args: &GenerateArgs, cli: &clap::Command) -> anyhow::Result<Exit> {
    let Generate::Docs { page } = args.what;
    let text = match page {
        Page::Cli => cli_page(cli),
        Page::Metrics => flowglass_catalog::markdown(),
        Page::Manifest => {
            flowglass_manifest::reference(&flowglass_manifest::schema(&vocabulary(&registry())))
        }
        Page::ExitCodes => exit_codes_page(),
        Page::Errors => errors_page(),
    };
    console::out(&text)?;
    Ok(Exit::Done)
}

fn cli_page(cli: &clap::Command) -> String {
    let mut page = "# Command line\n\nPrinted by `flowglass generate docs cli`.\n".to_owned();
    describe(cli, "", &mut page);
    page
}

fn describe(command: &clap::Command, above: &str, page: &mut String) {
    let name = format!("{above}{}", command.get_name());
    let mut command = command.clone().bin_name(name.clone()).term_width(100);
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    // Writing to a String cannot fail.
    write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", lines.join("\n").trim_end())
        .unwrap_or_default();
    for sub in command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help") {
        describe(sub, &format!("{name} "), page);
    }
}

fn exit_codes_page() -> String {
    let mut page = "# Exit codes\n\nPrinted by `flowglass generate docs exit-codes`.\n\n\
                    | code | means |\n|---|---|\n"
        .to_owned();
    for (exit, meaning) in Exit::ALL {
        writeln!(page, "| {} | {meaning} |", exit as u8).unwrap_or_default();
    }
    page.push_str("\n`flowglass exec` passes the command's own exit code through.\n");
    page
}

fn errors_page() -> String {
    let mut page =
        "# Error classes\n\nPrinted by `flowglass generate docs errors`. Every error in an \
                    event, a report, a metric's `error_kind` or a dead letter has one of these \
                    classes.\n\n| class | means | what happens | what to do |\n|---|---|---|---|\n"
            .to_owned();
    for class in ErrorClass::ALL {
        let policy = match class.policy() {
            Policy::Retry => "tried again, while attempts are left",
            Policy::SetAside => "a copy fails; a stream sets the row aside",
            Policy::Stop => "stops",
        };
        let (name, meaning, hint) = (class.name(), class.meaning(), class.hint());
        writeln!(page, "| `{name}` | {meaning} | {policy} | {hint} |").unwrap_or_default();
    }
    page
}
