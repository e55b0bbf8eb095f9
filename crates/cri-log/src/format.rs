//! CRI log format, with one record a line: `TIME STREAM TAG CONTENT`.

mod lines;
mod names;
mod print;

pub use lines::{LINE, Lines};
pub use names::{rotated, sequence, surplus};
pub use print::{Printer, Selection};

use std::time::SystemTime;

use jiff::Timestamp;

/// Limits of a log's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Size in bytes at which a file is rotated.
    pub size: u64,
    /// Maximum number of files, including the current one; at least 2.
    pub files: u32,
}

/// Output stream of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error output.
    Stderr,
}

/// Whether a record ends its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// The record ends its line.
    Full,
    /// The line continues in the next record.
    Partial,
}

/// Parts of one line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Time in RFC 3339 with nanoseconds, as it was written.
    pub time: &'a [u8],
    /// Stream that the container wrote to.
    pub stream: Stream,
    /// Whether the record ends its line.
    pub tag: Tag,
    /// Output of the container, without the newline.
    pub content: &'a [u8],
}

/// Returns everything that precedes the content of a record.
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

/// Parses a line; `None` if it is not in the CRI format, as in logs of earlier versions, which
/// wrote the plain output.
pub fn parse(line: &[u8]) -> Option<Record<'_>> {
    let mut fields = line.splitn(4, |byte| *byte == b' ');
    let (time, stream, tag) = (fields.next()?, fields.next()?, fields.next()?);
    // containerd and CRI-O write local times with an offset, and fewer digits.
    let is_time = (20..=35).contains(&time.len()) && time.get(10) == Some(&b'T');
    let stream = match stream {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return None,
    };
    if !is_time {
        return None;
    }
    let tag = match tag.split(|byte| *byte == b':').next()? {
        b"F" => Tag::Full,
        b"P" => Tag::Partial,
        _ => return None,
    };
    Some(Record { time, stream, tag, content: fields.next().unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_record_survives_a_round_trip() {
        let at = UNIX_EPOCH + Duration::new(1_795_514_400, 123_456_789);
        let header = header(at, Stream::Stderr, Tag::Partial);
        assert_eq!(header, "2026-11-24T10:00:00.123456789Z stderr P ");
        let line = [header.as_bytes(), b"a b  c "].concat();
        let time = &b"2026-11-24T10:00:00.123456789Z"[..];
        assert_eq!(
            parse(&line),
            Some(Record { time, stream: Stream::Stderr, tag: Tag::Partial, content: b"a b  c " })
        );
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
