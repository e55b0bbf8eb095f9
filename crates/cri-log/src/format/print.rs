//! A log's bytes in, what `logs` prints out.

use std::time::SystemTime;

use jiff::Timestamp;

use super::{Record, Tag, parse};

/// Longer than any record of ours: what has no end until then is no record.
const LONGEST: usize = 64 * 1024;

/// Which of the records, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection {
    /// Older records are left out; lines without a time are not.
    pub since: Option<SystemTime>,
    /// Whether each line begins with its time.
    pub timestamps: bool,
    /// Of what is printed.
    pub limit: Option<u64>,
}

/// Turns records into the text that the container wrote.
#[derive(Debug)]
pub struct Printer {
    since: Option<Timestamp>,
    timestamps: bool,
    left: u64,
    /// Of a line whose end has not been read.
    pending: Vec<u8>,
    /// The line that is read is a plain one whose beginning is printed.
    is_within: bool,
    /// What is printed next begins a line.
    is_fresh: bool,
}

impl Printer {
    /// Prints what the selection names.
    pub fn new(selection: Selection) -> Self {
        Self {
            since: selection.since.and_then(|since| Timestamp::try_from(since).ok()),
            timestamps: selection.timestamps,
            left: selection.limit.unwrap_or(u64::MAX),
            pending: Vec::new(),
            is_within: false,
            is_fresh: true,
        }
    }

    /// The limit is reached: nothing will be printed any more.
    pub fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Takes the next bytes of the log, which may end anywhere, and adds their text to `out`.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while let Some(at) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(at + 1);
            bytes = rest;
            if self.pending.is_empty() {
                self.line(line, out);
            } else {
                let mut whole = std::mem::take(&mut self.pending);
                whole.extend_from_slice(line);
                self.line(&whole, out);
            }
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() > LONGEST {
            self.finish(out);
            self.is_within = true;
        }
    }

    /// What has no end is all there is of it.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let rest = std::mem::take(&mut self.pending);
        if !rest.is_empty() {
            self.line(&rest, out);
        }
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let body = line.strip_suffix(b"\n");
        let ended = body.is_some();
        let within = self.is_within;
        self.is_within = within && !ended;
        match parse(body.unwrap_or(line)).filter(|_| !within) {
            Some(record) => self.record(&record, ended, out),
            None => self.print(line, ended, out),
        }
    }

    fn record(&mut self, record: &Record<'_>, ended: bool, out: &mut Vec<u8>) {
        if self.since.is_some_and(|since| time(record).is_some_and(|time| time < since)) {
            return;
        }
        if self.timestamps && self.is_fresh {
            self.print(record.time, false, out);
            self.print(b" ", false, out);
        }
        let ended = ended && record.tag == Tag::Full;
        self.print(record.content, false, out);
        self.print(if ended { b"\n" } else { b"" }, ended, out);
        self.is_fresh = ended;
    }

    fn print(&mut self, text: &[u8], ended: bool, out: &mut Vec<u8>) {
        let fits = usize::try_from(self.left).map_or(text.len(), |left| left.min(text.len()));
        out.extend_from_slice(text.get(..fits).unwrap_or(text));
        self.left = self.left.saturating_sub(fits as u64);
        self.is_fresh = ended;
    }
}

fn time(record: &Record<'_>) -> Option<Timestamp> {
    std::str::from_utf8(record.time).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    const LOG: &str = "2026-11-24T10:00:00.000000000Z stdout F one\n\
                       2026-11-24T10:00:01.000000000Z stderr P tw\n\
                       2026-11-24T10:00:01.000000000Z stderr F o\n\
                       2026-11-24T10:00:02.000000000Z stdout F \n\
                       2026-11-24T10:00:03.000000000Z stdout P end\n";

    fn printed(log: &[u8], selection: Selection, step: usize) -> String {
        let (mut printer, mut out) = (Printer::new(selection), Vec::new());
        for bytes in log.chunks(step) {
            printer.push(bytes, &mut out);
        }
        printer.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_content_is_printed_as_it_was_written() {
        for step in [1, 7, 1000] {
            assert_eq!(printed(LOG.as_bytes(), Selection::default(), step), "one\ntwo\n\nend");
        }
    }

    #[test]
    fn times_stand_before_lines_and_not_within() {
        let selection = Selection { timestamps: true, ..Selection::default() };
        let expected = "2026-11-24T10:00:00.000000000Z one\n\
                        2026-11-24T10:00:01.000000000Z two\n\
                        2026-11-24T10:00:02.000000000Z \n\
                        2026-11-24T10:00:03.000000000Z end";
        assert_eq!(printed(LOG.as_bytes(), selection, 1000), expected);
    }

    #[test]
    fn older_records_are_left_out() {
        let since = Some(UNIX_EPOCH + Duration::from_secs(1_795_514_401));
        let selection = Selection { since, ..Selection::default() };
        assert_eq!(printed(LOG.as_bytes(), selection, 1000), "two\n\nend");
        assert_eq!(printed(b"plain\n", selection, 1000), "plain\n");
    }

    #[test]
    fn no_more_bytes_than_asked_for() {
        let limit = |limit| Selection { limit: Some(limit), ..Selection::default() };
        assert_eq!(printed(LOG.as_bytes(), limit(5), 1000), "one\nt");
        assert_eq!(printed(LOG.as_bytes(), limit(0), 1000), "");
        let both = Selection { timestamps: true, ..limit(12) };
        assert_eq!(printed(LOG.as_bytes(), both, 1000), "2026-11-24T1");
    }

    #[test]
    fn plain_logs_of_earlier_versions_are_printed_as_they_are() {
        // With steps of 1000 a piece is printed just before what looks like a record.
        let long = "x".repeat(3 * 66_000);
        let log = format!("{long}2026-11-24T10:00:00Z stdout F y\n{long}\nend");
        for step in [1000, 1_000_000] {
            assert_eq!(printed(log.as_bytes(), Selection::default(), step), log);
        }
    }
}
