//! Tables, as kubectl prints them.

use probelet_text::escape::Escaped;

use super::printed::{Printed, put};
use super::tab_stops::pad;

/// The settings of `kubectl get`.
const MIN_WIDTH: usize = 6;
const PADDING: usize = 3;

/// A table that rows are added to: a later row never makes a column narrower.
pub struct Table {
    widths: Vec<usize>,
    header: Option<Vec<String>>,
}

impl Table {
    pub fn new(header: &[&str]) -> Self {
        Self {
            widths: vec![MIN_WIDTH; header.len()],
            header: Some(header.iter().map(|h| (*h).to_owned()).collect()),
        }
    }

    /// The same table without its header, if it is not wanted.
    pub fn header(mut self, is_wanted: bool) -> Self {
        self.header = self.header.filter(|_| is_wanted);
        self
    }

    /// Adds rows. The first rows come with the header, so an empty table has no lines.
    pub fn lines(&mut self, rows: &[Vec<String>]) -> Printed {
        let mut lines = Printed::default();
        if rows.is_empty() {
            return lines;
        }
        let header = self.header.take();
        let escaped = |row: &Vec<String>| -> Vec<String> {
            row.iter().map(|cell| Escaped(cell).to_string()).collect()
        };
        let rows: Vec<_> = header.iter().chain(rows).map(escaped).collect();
        for row in &rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count() + PADDING);
            }
        }
        for row in rows {
            let mut line = String::new();
            for (i, (cell, width)) in row.iter().zip(&self.widths).enumerate() {
                pad(&mut line, cell, if i + 1 == row.len() { 0 } else { *width });
            }
            put!(lines, "{}", line);
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|c| (*c).to_owned()).collect()
    }

    #[test]
    fn as_kubectl_get() {
        let mut table = Table::new(&["NAME", "READY", "IP"]);
        let mut out = table.lines(&[]);
        out.append(&table.lines(&[row(&["kubia-liveness", "1/1", "x"])]));
        out.append(&table.lines(&[row(&["a", "0/1", "y"])]));
        assert_eq!(
            out,
            "NAME             READY   IP\n\
             kubia-liveness   1/1     x\n\
             a                0/1     y\n"
        );
    }

    #[test]
    fn a_cell_makes_no_line() {
        let mut table = Table::new(&["NAME", "X"]);
        let out = table.lines(&[row(&["a\nforged   1\t2", "\u{1b}[2J"])]);
        assert_eq!(out.lines().count(), 2);
        assert!(out.ends_with("a\\nforged   1\\t2   \\u{1b}[2J\n"), "{out:?}");
    }
}
