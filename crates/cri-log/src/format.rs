//! A container's log in the CRI format, a record a line: `TIME STREAM TAG CONTENT`.

mod lines;
mod names;
mod print;

pub use lines::{LINE, Lines};
pub use names::{rotated, sequence, surplus};
pub use print::{Printer, Selection};

use std::time::SystemTime;

use jiff::Timestamp;

/// When a log is rotated, and how many files there are of it at most, the one that is written to
/// among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file.
    pub size: u64,
    /// Files, at least 2.
    pub files: u32,
}

/// A stream of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The standard output.
    Stdout,
    /// The standard error.
    Stderr,
}

/// Whether a record ends its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// The record ends its line.
    Full,
    /// The line goes on in the next record.
    Partial,
}

/// One line of the log, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// RFC 3339 with nanoseconds, as it was written.
    pub time: &'a [u8],
    /// Whether the record ends its line.
    pub tag: Tag,
    /// What the container wrote, without the newline.
    pub content: &'a [u8],
}

/// All that comes before a record's content.
pub fn header(at: SystemTime, stream: Stream, tag: Tag) -> String {
    let at = Timestamp::try_from(at).unwrap_or_default();
    let stream = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    let tag = match tag {
        Tag::Full => 'F',
        Tag::Partial => 'P',
    };
    format!("{at:.9} {stream} {tag} ")
}

/// `None` for a line that is not in the CRI format: earlier versions wrote what they were given.
pub fn parse(line: &[u8]) -> Option<Record<'_>> {
    let mut words = line.splitn(4, |byte| *byte == b' ');
    let (time, stream, tag) = (words.next()?, words.next()?, words.next()?);
    // containerd and CRI-O write a local time's offset and fewer digits.
    let is_time = (20..=35).contains(&time.len()) && time.get(10) == Some(&b'T');
    if !is_time || !matches!(stream, b"stdout" | b"stderr") {
        return None;
    }
    let tag = match tag.split(|byte| *byte == b':').next()? {
        b"F" => Tag::Full,
        b"P" => Tag::Partial,
        _ => return None,
    };
    Some(Record { time, tag, content: words.next().unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn what_is_written_is_read_back() {
        let at = UNIX_EPOCH + Duration::new(1_795_514_400, 123_456_789);
        let header = header(at, Stream::Stderr, Tag::Partial);
        assert_eq!(header, "2026-11-24T10:00:00.123456789Z stderr P ");
        let line = [header.as_bytes(), b"a b  c "].concat();
        let time = &b"2026-11-24T10:00:00.123456789Z"[..];
        assert_eq!(parse(&line), Some(Record { time, tag: Tag::Partial, content: b"a b  c " }));
    }

    #[test]
    fn other_runtimes_records_and_empty_lines_are_read() {
        let record = parse(b"2026-11-24T10:00:00.1+01:00 stdout F:x").unwrap();
        assert_eq!((record.tag, record.content), (Tag::Full, &b""[..]));
    }

    #[test]
    fn plain_lines_are_no_records() {
        for line in ["", "hello", "a stdout F b", "2026-11-24T10:00:00Z info F b"] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
    }
}
