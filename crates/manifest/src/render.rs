//! Complaints for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};
use unicode_width::UnicodeWidthChar;

use crate::complaint::{Complaint, Place, Severity};

/// How many columns of a long line are shown around the caret.
const LINE_WIDTH_MAX: usize = 160;
/// How wide a tab is shown.
const TAB_WIDTH: usize = 4;

/// How complaints are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Without escape sequences.
    #[default]
    Plain,
    /// With ANSI colours.
    Colour,
}

/// Complaints as text: each with its code, place, line, caret and what to do.
#[must_use]
pub fn to_text(complaints: &[Complaint], style: Style) -> String {
    let mut text = String::new();
    for complaint in complaints {
        write_one(&mut text, complaint, style);
        text.push('\n');
    }
    let count = |severity| complaints.iter().filter(|it| it.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let noun = |count: usize, noun: &str| match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    };
    match (errors, warnings) {
        (0, 0) => {}
        (0, _) => text.push_str(&format!("{}\n", noun(warnings, "warning"))),
        (_, 0) => text.push_str(&format!("{}\n", noun(errors, "error"))),
        _ => text.push_str(&format!("{}, {}\n", noun(errors, "error"), noun(warnings, "warning"))),
    }
    text
}

/// Complaints as JSON: `{errors, warnings, complaints: […]}`.
#[must_use]
pub fn to_json(complaints: &[Complaint]) -> Value {
    let count = |severity| complaints.iter().filter(|it| it.severity == severity).count();
    json!({
        "errors": count(Severity::Error),
        "warnings": count(Severity::Warning),
        "complaints": complaints,
    })
}

fn write_one(text: &mut String, complaint: &Complaint, style: Style) {
    let (word, colour) = match complaint.severity {
        Severity::Error => ("error", "1;31"),
        Severity::Warning => ("warning", "1;33"),
    };
    let head = paint(&format!("{word}[{}]", complaint.code.name()), colour, style);
    let message = paint(&format!(": {}", printable(&complaint.message)), "1", style);
    put(text, format_args!("{head}{message}\n"));
    let places =
        complaint.place.iter().chain(complaint.notes.iter().filter_map(|it| it.place.as_ref()));
    let gutter = places.map(|it| it.line.to_string().len()).max().unwrap_or(1);
    if let Some(place) = &complaint.place {
        write_place(text, place, (gutter, colour, style), "");
    }
    for note in &complaint.notes {
        match &note.place {
            Some(place) => write_place(text, place, (gutter, "1;34", style), &note.message),
            None => {
                put(text, format_args!("{:gutter$} = note: {}\n", "", printable(&note.message)));
            }
        }
    }
    if let Some(help) = &complaint.help {
        put(text, format_args!("{:gutter$} = help: {}\n", "", printable(help)));
    }
    if !complaint.path.is_empty() {
        put(text, format_args!("{:gutter$} = at: {}\n", "", printable(&complaint.path)));
    }
}

fn write_place(text: &mut String, place: &Place, look: (usize, &str, Style), label: &str) {
    let (gutter, colour, style) = look;
    let (file, line, column) = (printable(&place.file), place.line, place.column);
    put(text, format_args!("{:gutter$}--> {file}:{line}:{column}\n", ""));
    let shown = Shown::of(place);
    put(text, format_args!("{:gutter$} |\n{line:>gutter$} | {}\n", "", shown.line));
    let caret = paint(&"^".repeat(shown.width), colour, style);
    let label = if label.is_empty() { String::new() } else { format!(" {label}") };
    put(
        text,
        format_args!("{:gutter$} | {:indent$}{caret}{label}\n", "", "", indent = shown.indent),
    );
}

/// A line made fit to be printed, and where its caret goes, in columns of the terminal.
struct Shown {
    line: String,
    indent: usize,
    width: usize,
}

impl Shown {
    fn of(place: &Place) -> Self {
        let (first, past) = (place.column as usize - 1, (place.column + place.width) as usize - 1);
        // A minified line is cut to a window that begins a little before the caret.
        let from =
            if place.text.chars().count() > LINE_WIDTH_MAX { first.saturating_sub(60) } else { 0 };
        let mut shown = Self { line: String::new(), indent: 0, width: 0 };
        let mut columns = 0;
        if from > 0 {
            shown.line.push('…');
            columns += 1;
        }
        shown.indent = columns;
        for (position, character) in place.text.chars().enumerate().skip(from) {
            let width = match character {
                '\t' => TAB_WIDTH,
                _ => character.width().unwrap_or(1),
            };
            if columns + width > LINE_WIDTH_MAX {
                shown.line.push('…');
                break;
            }
            match character {
                '\t' => shown.line.push_str(&" ".repeat(TAB_WIDTH)),
                other => shown.line.push(safe(other)),
            }
            columns += width;
            if position < first {
                shown.indent = columns;
            } else if position < past {
                shown.width += width;
            }
        }
        if shown.indent < first.saturating_sub(from) && shown.width == 0 {
            shown.indent = columns;
        }
        shown.width = shown.width.max(1);
        shown
    }
}

fn paint(text: &str, colour: &str, style: Style) -> String {
    match style {
        Style::Plain => text.to_owned(),
        Style::Colour => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
    }
}

/// Control characters of a manifest must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(safe).collect()
}

fn safe(character: char) -> char {
    if character.is_control() { '\u{fffd}' } else { character }
}

fn put(text: &mut String, words: std::fmt::Arguments<'_>) {
    let _infallible = text.write_fmt(words);
}
