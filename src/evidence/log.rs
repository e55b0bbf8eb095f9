//! The last lines of a log.

use std::io;
use std::path::Path;

use crate::logs;

const LINES: usize = 100;
const BYTES: usize = 32 << 10;

pub fn tail(path: &Path) -> io::Result<Vec<String>> {
    let bytes = logs::last(path, LINES, BYTES)?;
    let text = String::from_utf8_lossy(&bytes);
    // If the limit was reached, the first line is incomplete and is dropped.
    let cut = bytes.len() == BYTES;
    let whole = if cut { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
    Ok(whole.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_and_bytes_are_kept() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines: Vec<_> = (0..150).map(|line| line.to_string()).collect();
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        assert_eq!(tail(file.path()).unwrap(), lines[50..]);
        let long = "x".repeat(20 << 10);
        std::fs::write(file.path(), format!("{long}\n{long}\nend\n")).unwrap();
        assert_eq!(tail(file.path()).unwrap(), [long.as_str(), "end"]);
    }

    #[test]
    fn records_are_read_without_their_headers() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let records = "2026-11-24T10:00:00.000000000Z stderr P panick\n\
                       2026-11-24T10:00:00.000000000Z stderr F ed\n";
        std::fs::write(file.path(), records).unwrap();
        assert_eq!(tail(file.path()).unwrap(), ["panicked"]);
    }
}
