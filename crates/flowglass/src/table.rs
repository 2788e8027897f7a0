//! Tables that line up: as wide as their widest cell, two blanks between, no lines drawn, so that
//! they read well and cut well.

use unicode_width::UnicodeWidthStr;

/// Where a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table while it is being filled.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; it has a cell for every column.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// The table with a line of heads. A column in which no row says anything is left out.
    pub(crate) fn render(&self) -> String {
        let speaks = |at: usize| self.cells(at).any(|it| !it.is_empty() && it != "-");
        let shown: Vec<usize> =
            (0..self.columns.len()).filter(|at| self.rows.is_empty() || speaks(*at)).collect();
        let heads: Vec<String> = self.columns.iter().map(|it| it.0.to_owned()).collect();
        let mut text = String::new();
        for row in std::iter::once(&heads).chain(&self.rows) {
            let mut line = String::new();
            for at in &shown {
                let (Some(cell), Some((_head, align))) = (row.get(*at), self.columns.get(*at))
                else {
                    continue;
                };
                let blanks = " ".repeat(self.width(*at).saturating_sub(width(cell)));
                match align {
                    Align::Left => line.extend([cell.as_str(), &blanks]),
                    Align::Right => line.extend([blanks.as_str(), cell]),
                }
                line.push_str("  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn cells(&self, at: usize) -> impl Iterator<Item = &String> {
        self.rows.iter().filter_map(move |row| row.get(at))
    }

    fn width(&self, at: usize) -> usize {
        let head = self.columns.get(at).map_or(0, |it| it.0.len());
        self.cells(at).map(|it| width(it)).fold(head, usize::max)
    }
}

/// Columns that a cell takes on a terminal; escape sequences of colour take none.
fn width(cell: &str) -> usize {
    let mut plain = String::new();
    let mut rest = cell;
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |it| it.1);
    }
    plain.push_str(rest);
    plain.width()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_they_hold() {
        let mut table = Table::new(&[
            ("NAME", Align::Left),
            ("EMPTY", Align::Left),
            ("ROWS", Align::Right),
            ("NOTE", Align::Left),
        ]);
        let dash = || "-".to_owned();
        table.row(["表a".to_owned(), dash(), "1".to_owned(), "x".to_owned()]);
        table.row(["\x1b[32mgreen\x1b[0m".to_owned(), dash(), "1,000".to_owned(), dash()]);
        assert_eq!(
            table.render(),
            "NAME    ROWS  NOTE\n表a        1  x\n\x1b[32mgreen\x1b[0m  1,000  -\n"
        );
    }
}
