//! Printing what was found.

use super::report::{Part, Report, SinkReport, Verdict};
use crate::console;
use crate::table::{Align, Table};
use crate::words;

/// As one JSON document.
pub(super) fn json(report: &Report) -> anyhow::Result<()> {
    console::out(&format!("{}\n", serde_json::to_string_pretty(report)?))
}

/// For people: a table on stdout, and what is to be said about it beside.
pub(super) fn text(report: &Report) -> anyhow::Result<()> {
    let mut table = Table::new(&[
        ("SINK", Align::Left),
        ("DESTINATION", Align::Left),
        ("ROWS", Align::Right),
        ("FOUND", Align::Right),
        ("HASH", Align::Left),
        ("LOST", Align::Right),
        ("DOUBLED", Align::Right),
        ("UNKNOWN", Align::Right),
        ("VERDICT", Align::Left),
    ]);
    for sink in &report.sinks {
        for part in &sink.parts {
            table.row(cells(sink, part));
        }
        if sink.parts.is_empty() {
            let nothing = || "-".to_owned();
            let verdict = painted(sink.verdict);
            let id = sink.sink.clone();
            table.row([
                id,
                nothing(),
                nothing(),
                nothing(),
                nothing(),
                nothing(),
                nothing(),
                nothing(),
                verdict,
            ]);
        }
    }
    console::out(&table.render())?;
    report.sinks.iter().for_each(remarks);
    console::say(&summary(report));
    Ok(())
}

fn cells(sink: &SinkReport, part: &Part) -> [String; 9] {
    let number = |value: u64| if value == 0 { "-".to_owned() } else { words::number(Some(value)) };
    let hash = match (&part.hash, &part.found_hash) {
        (Some(one), Some(other)) if one == other => one.clone(),
        (Some(one), Some(other)) => format!("{one} ≠ {other}"),
        _ => "-".to_owned(),
    };
    [
        sink.sink.clone(),
        words::printable(&part.name),
        words::number(part.rows),
        words::number(part.found),
        hash,
        number(part.lost),
        number(part.doubled),
        number(part.unknown),
        painted(part.verdict),
    ]
}

fn painted(verdict: Verdict) -> String {
    use flowglass_model::State;
    let state = match verdict {
        Verdict::Equal => State::Complete,
        Verdict::NotProved => State::Waiting,
        Verdict::Differs => State::Failed,
    };
    words::painted(verdict.word(), state, words::colour())
}

fn remarks(sink: &SinkReport) {
    if let Some(why) = &sink.why {
        console::say(&format!("sink `{}`: {}", sink.sink, words::printable(why)));
    }
    for (after, to) in &sink.gaps {
        console::say(&format!(
            "sink `{}`: no receipts from {after} to {to}: what was delivered there is not proved",
            sink.sink
        ));
    }
    for part in &sink.parts {
        let name = format!("sink `{}`, {}", sink.sink, words::printable(&part.name));
        if part.altered {
            console::say(&format!("{name}: a row says something else than was delivered"));
        }
        if part.foreign > 0 {
            let count = words::number(Some(part.foreign));
            console::say(&format!("{name}: {count} row(s) there bear no mark of ours"));
        }
        for it in &part.differences {
            console::say(&format!(
                "{name}: from {} to {} it should hold {} row(s) and holds {}",
                it.after,
                it.to,
                words::number(Some(it.rows)),
                words::number(Some(it.found))
            ));
        }
        for remark in &part.remarks {
            console::say(&format!("{name}: {remark}"));
        }
    }
}

fn summary(report: &Report) -> String {
    match report.verdict {
        Verdict::Equal => "equal: what the sinks hold is what they acknowledged".to_owned(),
        Verdict::Differs => "differs: what a sink holds is not what it acknowledged".to_owned(),
        Verdict::NotProved => "nothing could be proved".to_owned(),
    }
}
