//! Conversion of a log's records into the text that `logs` prints.

use std::time::SystemTime;

use jiff::Timestamp;

use super::{Record, Stream, Tag, parse};

/// Size in bytes that no record of probelet has. A longer line is plain text, and is printed in
/// pieces.
const LONGEST: usize = 64 * 1024;

/// Records that are printed, and their form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection {
    /// Time of the first record to print; lines without a time are always printed. No limit if
    /// unset.
    pub since: Option<SystemTime>,
    /// Whether each line begins with its time.
    pub timestamps: bool,
    /// Maximum number of bytes to print; no limit if unset.
    pub limit: Option<u64>,
    /// Stream whose records are printed; both if unset. Lines without a stream are standard output.
    pub stream: Option<Stream>,
}

/// Converts records into the text that the container wrote.
#[derive(Debug)]
pub struct Printer {
    since: Option<Timestamp>,
    timestamps: bool,
    stream: Option<Stream>,
    left: u64,
    /// Beginning of a line whose end has not been read yet.
    pending: Vec<u8>,
    /// True within a plain line whose beginning was printed already.
    is_within: bool,
    /// True if the next text begins a line.
    is_fresh: bool,
}

impl Printer {
    /// Makes a printer of the selected records.
    pub fn new(selection: Selection) -> Self {
        Self {
            since: selection.since.and_then(|since| Timestamp::try_from(since).ok()),
            timestamps: selection.timestamps,
            stream: selection.stream,
            left: selection.limit.unwrap_or(u64::MAX),
            pending: Vec::new(),
            is_within: false,
            is_fresh: true,
        }
    }

    /// Returns whether the limit is reached, so that nothing more is printed.
    pub fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Appends the text of the next bytes of the log to `out`. The bytes may end anywhere.
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

    /// Prints the last line if it has no end.
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
            None if self.stream == Some(Stream::Stderr) => {}
            None => self.print(line, ended, out),
        }
    }

    fn record(&mut self, record: &Record<'_>, ended: bool, out: &mut Vec<u8>) {
        if self.stream.is_some_and(|stream| stream != record.stream) {
            return;
        }
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
    fn times_precede_lines_but_not_their_pieces() {
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
    fn no_more_bytes_are_printed_than_the_limit() {
        let limit = |limit| Selection { limit: Some(limit), ..Selection::default() };
        assert_eq!(printed(LOG.as_bytes(), limit(5), 1000), "one\nt");
        assert_eq!(printed(LOG.as_bytes(), limit(0), 1000), "");
        let both = Selection { timestamps: true, ..limit(12) };
        assert_eq!(printed(LOG.as_bytes(), both, 1000), "2026-11-24T1");
    }

    #[test]
    fn one_stream_can_be_printed_alone() {
        let stream = |stream| Selection { stream: Some(stream), ..Selection::default() };
        let log = [LOG.as_bytes(), b"plain\n"].concat();
        assert_eq!(printed(&log, stream(Stream::Stdout), 7), "one\n\nendplain\n");
        assert_eq!(printed(&log, stream(Stream::Stderr), 7), "two\n");
    }

    #[test]
    fn plain_logs_of_earlier_versions_are_printed_as_they_are() {
        // With steps of 1000 bytes, a piece ends right before text that looks like a record.
        let long = "x".repeat(3 * 66_000);
        let log = format!("{long}2026-11-24T10:00:00Z stdout F y\n{long}\nend");
        for step in [1000, 1_000_000] {
            assert_eq!(printed(log.as_bytes(), Selection::default(), step), log);
        }
    }
}
