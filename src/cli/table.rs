//! Text in columns, the way Go's text/tabwriter sets it for kubectl.

use super::printed::{Printed, put};
use crate::domain::printable::Escaped;

/// kubectl get's settings.
const MIN_WIDTH: usize = 6;
const PADDING: usize = 3;

/// A table that can go on growing: a later row never makes a column narrower.
pub(super) struct Table {
    widths: Vec<usize>,
    header: Option<Vec<String>>,
}

impl Table {
    pub(super) fn new(header: &[&str]) -> Self {
        Self {
            widths: vec![MIN_WIDTH; header.len()],
            header: Some(header.iter().map(|h| (*h).to_owned()).collect()),
        }
    }

    /// The header comes with the first rows, so an empty table has no lines.
    pub(super) fn lines(&mut self, rows: &[Vec<String>]) -> Printed {
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
                push(&mut line, cell, if i + 1 == row.len() { 0 } else { *width });
            }
            put!(lines, "{}", line);
        }
        lines
    }
}

/// Elastic tab stops: a column is as wide as the widest cell among the neighbouring lines that
/// have one, so each block of a description is set for itself. The last cell of a line is free.
pub(super) fn elastic(text: &str, padding: usize) -> String {
    let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split('\t').collect()).collect();
    let mut out = String::with_capacity(text.len() * 2);
    set(&lines, &mut Vec::new(), padding, &mut out);
    out
}

fn set(lines: &[Vec<&str>], widths: &mut Vec<usize>, padding: usize, out: &mut String) {
    let column = widths.len();
    let has_cell = |line: &Vec<&str>| column + 1 < line.len();
    for block in lines.chunk_by(|a, b| has_cell(a) == has_cell(b)) {
        if !block.first().is_some_and(has_cell) {
            block.iter().for_each(|line| write_line(line, widths, out));
            continue;
        }
        let cells = block.iter().filter_map(|line| line.get(column));
        let width = cells.map(|cell| cell.chars().count() + padding).max().unwrap_or(0);
        widths.push(width);
        set(block, widths, padding, out);
        widths.pop();
    }
}

fn write_line(line: &[&str], widths: &[usize], out: &mut String) {
    for (i, cell) in line.iter().enumerate() {
        let width = widths.get(i).copied().unwrap_or(0);
        push(out, cell, width);
    }
    out.push('\n');
}

fn push(out: &mut String, cell: &str, width: usize) {
    out.push_str(cell);
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
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

    #[test]
    fn blocks_are_set_for_themselves() {
        assert_eq!(
            elastic("Name:\tx\nLong name:\ty\nHead:\n  a\tb\tc\n  aaa\tb\tc\nLast:\tz\n", 2),
            "Name:       x\nLong name:  y\nHead:\n  a    b  c\n  aaa  b  c\nLast:  z\n"
        );
    }
}
