//! Last lines of a container's output.

use std::io;
use std::path::Path;

use crate::format::{LINE, Printer, Selection};
use crate::reader::{Read, Reader};
use crate::tail::Tail;

/// Bytes that are read beyond those that are returned: the headers of short lines.
const HEADERS: u64 = 4 * LINE as u64;

/// Returns the end of a container's output: at most `lines` lines and `bytes` bytes.
///
/// # Errors
///
/// If the log is missing or cannot be read.
pub fn last(current: &Path, lines: usize, bytes: usize) -> io::Result<Vec<u8>> {
    let within = Some(2 * bytes as u64 + HEADERS);
    let mut reader = Reader::open(current, Some(Tail { lines: lines as u64, within }), false)?;
    let mut printer = Printer::new(Selection::default());
    let (mut buffer, mut out) = (Vec::new(), Vec::new());
    while reader.read(&mut buffer)? != Read::End {
        printer.push(&buffer, &mut out);
        out.drain(..out.len().saturating_sub(bytes));
    }
    printer.finish(&mut out);
    out.drain(..out.len().saturating_sub(bytes));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(text: &str) -> String {
        format!("2026-11-24T10:00:00.000000000Z stdout F {text}\n")
    }

    #[test]
    fn the_end_of_a_log_is_read_without_headers_and_within_the_limits() {
        let lines: Vec<String> = (0..100_000).map(|line| line.to_string()).collect();
        let text: String = lines.iter().map(|line| full(line)).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.log");
        std::fs::write(&path, text).unwrap();
        let last = |lines, bytes| String::from_utf8(last(&path, lines, bytes).unwrap()).unwrap();
        assert_eq!(last(3, 1000), "99997\n99998\n99999\n");
        assert_eq!(last(3, 8), "8\n99999\n");
        assert!(last(100_000, 2000).len() == 2000);
        std::fs::write(&path, "y".repeat(3_000_000)).unwrap();
        assert_eq!(super::last(&path, 80, 2048).unwrap(), vec![b'y'; 2048]);
    }
}
