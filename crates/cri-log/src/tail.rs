//! Search for the beginning of a log's last lines, backwards from its end.

use std::fs::File;
use std::io::{self, Read as _, Seek, SeekFrom};

use crate::format::{Tag, parse};

const BLOCK: u64 = 64 * 1024;
/// Bytes of a record that suffice to find out whether it ends its line.
const HEAD: usize = 64;

/// Length of a log's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// Maximum number of lines.
    pub lines: u64,
    /// Maximum number of bytes that are searched, in which case the first line may be cut; no limit
    /// if unset.
    pub within: Option<u64>,
}

/// Search through the files from the newest to the oldest.
pub struct Scan {
    lines: u64,
    budget: u64,
    /// Lines that were found, including a last one without an end.
    seen: u64,
}

impl Scan {
    pub fn new(tail: Tail) -> Self {
        Self { lines: tail.lines, budget: tail.within.unwrap_or(u64::MAX), seen: 0 }
    }

    /// Returns the offset in this file, of which the first `length` bytes count, at which the tail
    /// begins; `None` if it begins in an older file.
    pub fn file(&mut self, file: &mut File, length: u64) -> io::Result<Option<u64>> {
        if self.lines == 0 {
            return Ok(Some(length));
        }
        let floor = length.saturating_sub(self.budget);
        self.budget -= length - floor;
        // End of the record whose beginning is searched.
        let (mut end, mut is_ended) = (length, false);
        let (mut start, mut head) = (length, Vec::new());
        while start > floor {
            let from = start.saturating_sub(BLOCK).max(floor);
            let mut block = vec![0; usize::try_from(start - from).unwrap_or_default()];
            file.seek(SeekFrom::Start(from))?;
            file.read_exact(&mut block)?;
            let searched = block.len();
            block.extend(head.iter().take(HEAD));
            for at in memchr::memrchr_iter(b'\n', block.get(..searched).unwrap_or_default()) {
                let begin = from + at as u64 + 1;
                let record = block.get(at + 1..).unwrap_or_default();
                if begin < length && self.is_behind(record, is_ended) {
                    return Ok(Some(end));
                }
                (end, is_ended) = (begin, true);
            }
            (head, start) = (block, from);
        }
        if floor > 0 {
            return Ok(Some(if end == length { floor } else { end }));
        }
        Ok((end > 0 && self.is_behind(&head, is_ended)).then_some(end))
    }

    /// Counts the record that these bytes begin with. Returns whether the tail begins after it.
    fn is_behind(&mut self, bytes: &[u8], is_ended: bool) -> bool {
        let head = bytes.get(..HEAD).unwrap_or(bytes);
        let head = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if is_ended && parse(head).is_none_or(|record| record.tag == Tag::Full) {
            if self.seen == self.lines {
                return true;
            }
            self.seen += 1;
        } else if self.seen == 0 {
            self.seen = 1;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Printer, Selection};
    use crate::reader::{Read, Reader};

    fn full(text: &str) -> String {
        format!("2026-11-24T10:00:00.000000000Z stdout F {text}\n")
    }

    fn partial(text: &str) -> String {
        full(text).replace(" F ", " P ")
    }

    /// Makes a log of these files, the newest one last.
    fn log(files: &[String]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let (newest, rotated) = files.split_last().unwrap();
        std::fs::write(folder.path().join("0.log"), newest).unwrap();
        for (number, text) in rotated.iter().enumerate() {
            let name = format!("0.log.20261124-100000.{}", number + 1);
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn tail_of(files: &[String], lines: u64) -> String {
        let log = log(files);
        let tail = Some(Tail { lines, within: None });
        let mut reader = Reader::open(&log.path().join("0.log"), tail, false).unwrap();
        let (mut printer, mut out) = (Printer::new(Selection::default()), Vec::new());
        let mut buffer = Vec::new();
        while reader.read(&mut buffer).unwrap() == Read::Data {
            printer.push(&buffer, &mut out);
        }
        printer.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_last_lines_are_found_across_files() {
        let files = [full("1") + &full("2"), full("3") + &partial("4"), full("4") + &full("5")];
        let expected = ["", "5\n", "44\n5\n", "3\n44\n5\n", "2\n3\n44\n5\n"];
        for (lines, expected) in (0..).zip(expected) {
            assert_eq!(tail_of(&files, lines), expected, "{lines}");
        }
        assert_eq!(tail_of(&files, 99), "1\n2\n3\n44\n5\n");
        let fresh = [files[0].clone(), String::new()];
        assert_eq!(tail_of(&fresh, 1), "2\n");
    }

    #[test]
    fn a_last_line_without_an_end_is_a_line() {
        assert_eq!(tail_of(&[full("1") + &partial("2")], 1), "2");
        assert_eq!(tail_of(&[full("1") + &partial("2")], 2), "1\n2");
        assert_eq!(tail_of(&["a\nb\nc".to_owned()], 2), "b\nc");
        assert_eq!(tail_of(&["a\nb\nc\n".to_owned()], 2), "b\nc\n");
    }

    #[test]
    fn blocks_may_end_anywhere() {
        for padding in 0..70 {
            let head = "x".repeat(usize::try_from(BLOCK).unwrap() - padding);
            let file = full("1") + &partial(&head) + &full("2") + &full("3");
            assert_eq!(tail_of(&[file], 2), format!("{head}2\n3\n"), "{padding}");
        }
    }
}
