//! Elastic tab stops, as Go's text/tabwriter sets them for kubectl.

/// Sets tabs: a column is as wide as the widest cell among the neighbouring lines that have one, so
/// each block of a description has columns of its own. The last cell of a line has any width.
pub fn elastic(text: &str, padding: usize) -> String {
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
        pad(out, cell, width);
    }
    out.push('\n');
}

/// Adds a cell, filled with spaces up to `width` characters.
pub fn pad(out: &mut String, cell: &str, width: usize) {
    out.push_str(cell);
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_has_its_own_columns() {
        assert_eq!(
            elastic("Name:\tx\nLong name:\ty\nHead:\n  a\tb\tc\n  aaa\tb\tc\nLast:\tz\n", 2),
            "Name:       x\nLong name:  y\nHead:\n  a    b  c\n  aaa  b  c\nLast:  z\n"
        );
    }
}
