//! What a person reads at the end of a run: a table, the errors with what to do, where to look.

use std::fmt::Write as _;
use std::path::Path;

use flowglass_model::{ErrorClass, NodeReport, Reason, RunReport, State};

use super::mark;
use crate::console;
use crate::table::{Align, Table};
use crate::words;

/// The report for people.
pub(super) fn render(report: &RunReport, store: &Path) -> String {
    let colour = console::stdout_colour();
    let several = report
        .nodes
        .iter()
        .any(|it| Some(&it.pipeline) != report.nodes.first().map(|it| &it.pipeline));
    let mut table = Table::new(&[
        ("", Align::Left),
        ("NODE", Align::Left),
        ("KIND", Align::Left),
        ("STATE", Align::Left),
        ("WHY", Align::Left),
        ("ATTEMPTS", Align::Right),
        ("TIME", Align::Right),
        ("READ", Align::Right),
        ("INSERTED", Align::Right),
        ("UPDATED", Align::Right),
        ("IN TARGET", Align::Right),
    ]);
    for node in &report.nodes {
        let name = if several {
            format!("{}/{}", node.pipeline, node.node)
        } else {
            node.node.to_string()
        };
        let attempts = if node.attempts > 0 { node.attempts.to_string() } else { "-".to_owned() };
        table.row([
            mark(node.state).to_owned(),
            name,
            node.kind.clone(),
            words::state(node.state, colour),
            why(node),
            attempts,
            words::duration(node.duration_seconds),
            words::number(node.counts.extracted),
            words::number(node.counts.inserted),
            words::number(node.counts.updated),
            words::number(node.counts.final_rows),
        ]);
    }
    let mut text = table.render();
    errors(report, &mut text);
    for warning in &report.warnings {
        line(&mut text, format_args!("warning: {}", words::printable(warning)));
    }
    verdict(report, store, colour, &mut text);
    text
}

fn why(node: &NodeReport) -> String {
    match node.reason {
        None | Some(Reason::Ok) => "-".to_owned(),
        Some(reason) => reason.to_string(),
    }
}

fn errors(report: &RunReport, text: &mut String) {
    // Nodes that were asked to stop have nothing to tell: the table says so, and the last lines say
    // how to go on.
    for failed in report.errors.iter().filter(|it| it.error.class != ErrorClass::Cancelled) {
        let (pipeline, node, error) = (&failed.pipeline, &failed.node, &failed.error);
        line(text, format_args!(""));
        let detail = words::printable(&error.detail);
        line(text, format_args!("{pipeline}/{node}: {} ({})", detail, error.class));
        if let Some(hint) = &error.hint {
            line(text, format_args!("  hint: {hint}"));
        }
    }
    for error in &report.result.errors {
        line(text, format_args!("error: {}", words::printable(error)));
    }
}

fn verdict(report: &RunReport, store: &Path, colour: bool, text: &mut String) {
    let word = match report.status.as_str() {
        "success" => words::state(Some(State::Complete), colour),
        "cancelled" => words::painted("cancelled", State::Failed, colour),
        _ => words::state(Some(State::Failed), colour),
    };
    let took = words::duration(Some(report.result.duration_seconds));
    let rows = words::number(Some(report.result.extracted_rows));
    let ledger = match (report.ledger.entries.is_empty(), report.ledger.closed) {
        (true, _) => String::new(),
        (false, true) => ", ledger closed".to_owned(),
        (false, false) => format!(", {} ROWS UNACCOUNTED FOR", report.ledger.unaccounted_rows),
    };
    line(text, format_args!(""));
    line(text, format_args!("{word} in {took}: {rows} rows read{ledger}"));
    let Some(run) = report.run_id else { return };
    let usual = store == Path::new(".flowglass/flowglass.db");
    let option = if usual { String::new() } else { format!(" --store {}", store.display()) };
    line(text, format_args!("run {run}; look closer with `flowglass runs show latest{option}`"));
    if !report.passed {
        line(text, format_args!("go on from here with `flowglass run --resume latest{option}`"));
    }
}

fn line(text: &mut String, said: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    writeln!(text, "{said}").unwrap_or_default();
}
