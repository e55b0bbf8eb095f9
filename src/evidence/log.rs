//! The last lines of a log.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

const LINES: usize = 100;
const BYTES: u64 = 32 << 10;

pub(super) fn tail(path: &Path) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let start = length.saturating_sub(BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    file.take(BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // The first line is cut where not all was read.
    let whole = if start > 0 { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
    let lines: Vec<&str> = whole.lines().collect();
    Ok(lines.iter().skip(lines.len().saturating_sub(LINES)).map(|l| (*l).to_owned()).collect())
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
}
