use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::format::{Limits, Printer, Selection};
use crate::journal::Journal;
use crate::order::Order;

const HEADER: &[u8] = b"2026-11-24T10:00:00.000000000Z stdout F ";

struct Stage {
    folder: tempfile::TempDir,
    journal: Journal,
    now: SystemTime,
    next: u32,
}

impl Stage {
    fn new(files: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { size: 500, files };
        let journal = Journal::new(Order {
            path: folder.path().join("web/0.log"),
            limits,
            socket: None,
            streams: None,
        });
        let now = UNIX_EPOCH + Duration::from_secs(1_795_514_400);
        Self { folder, journal, now, next: 0 }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("web/0.log")
    }

    /// Writes lines, about eleven of which fill a file.
    fn write(&mut self, lines: u32) {
        for _ in 0..lines {
            self.journal.append(HEADER, [self.next.to_string().as_bytes(), b""], self.now);
            self.next += 1;
        }
        self.journal.flush(self.now);
    }

    fn open(&self, follow: bool) -> Reader {
        Reader::open(&self.path(), None, follow).unwrap()
    }
}

/// Reads to the end. Returns the numbers, and how many files were missing.
fn read(reader: &mut Reader, printer: &mut Printer) -> (Vec<u32>, u64) {
    let (mut out, mut buffer, mut missed) = (Vec::new(), Vec::new(), 0);
    loop {
        match reader.read(&mut buffer).unwrap() {
            Read::Data => printer.push(&buffer, &mut out),
            Read::Missing(files) => missed += files,
            Read::End => break,
        }
    }
    let text = String::from_utf8(out).unwrap();
    (text.lines().map(|line| line.parse().unwrap()).collect(), missed)
}

fn printer() -> Printer {
    Printer::new(Selection::default())
}

#[test]
fn a_follower_reads_each_line_once_across_rotations() {
    let mut stage = Stage::new(100);
    stage.write(3);
    let (mut reader, mut printer) = (stage.open(true), printer());
    let mut seen = Vec::new();
    for lines in [0, 1, 5, 20, 50, 11, 3, 120] {
        stage.write(lines);
        let (lines, missed) = read(&mut reader, &mut printer);
        seen.extend(lines);
        assert_eq!(missed, 0);
    }
    assert_eq!(seen, (0..stage.next).collect::<Vec<_>>());
}

#[test]
fn what_is_written_after_the_opening_is_read_by_followers_only() {
    for (tail, expected) in [(None, vec![0, 1, 2]), (Some(2), vec![1, 2])] {
        for later in [1, 40] {
            let mut stage = Stage::new(100);
            stage.write(3);
            let tail = tail.map(|lines| Tail { lines, within: None });
            let mut once = Reader::open(&stage.path(), tail, false).unwrap();
            let mut following = Reader::open(&stage.path(), tail, true).unwrap();
            stage.write(later);
            assert_eq!(read(&mut once, &mut printer()), (expected.clone(), 0), "{later} later");
            let (lines, _) = read(&mut following, &mut printer());
            assert_eq!(lines, (expected[0]..stage.next).collect::<Vec<_>>());
        }
    }
}

#[test]
fn the_whole_log_is_read_from_its_oldest_file() {
    let mut stage = Stage::new(100);
    stage.write(100);
    let mut reader = stage.open(false);
    stage.write(100);
    let (lines, _) = read(&mut reader, &mut printer());
    assert_eq!(lines.first(), Some(&0));
    assert!(lines.len() >= 100 && lines.len() < 120, "what came later is not asked for");
}

#[test]
fn files_that_were_removed_unread_are_reported() {
    let mut stage = Stage::new(3);
    stage.write(1);
    let (mut reader, mut printer) = (stage.open(true), printer());
    assert_eq!(read(&mut reader, &mut printer), (vec![0], 0));
    stage.write(100);
    assert_eq!(files::rotated(&stage.path()).unwrap().len(), 2);
    let (lines, missed) = read(&mut reader, &mut printer);
    assert!(missed > 0);
    assert_eq!(lines.last(), Some(&100));
}

#[test]
fn a_removed_log_is_made_again_and_followed() {
    let mut stage = Stage::new(5);
    stage.write(2);
    let (mut reader, mut printer) = (stage.open(true), printer());
    assert_eq!(read(&mut reader, &mut printer).0, [0, 1]);
    std::fs::remove_dir_all(stage.folder.path().join("web")).unwrap();
    stage.write(40);
    assert_eq!(read(&mut reader, &mut printer).0, (2..42).collect::<Vec<_>>());
}

#[test]
fn a_log_continues_after_its_writer_was_killed_during_a_rotation() {
    let mut stage = Stage::new(5);
    stage.write(2);
    let (mut reader, mut printer) = (stage.open(true), printer());
    let rotated = stage.path().with_file_name("0.log.20261124-100000.1");
    std::fs::rename(stage.path(), rotated).unwrap();
    assert_eq!(read(&mut reader, &mut printer).0, [0, 1]);
    assert_eq!(read(&mut stage.open(false), &mut self::printer()).0, [0, 1]);
    let limits = Limits { size: 500, files: 5 };
    stage.journal = Journal::new(Order { path: stage.path(), limits, socket: None, streams: None });
    stage.write(1);
    assert_eq!(read(&mut reader, &mut printer).0, [2]);
}

#[test]
fn a_log_is_complete_when_its_writer_has_ended() {
    let mut stage = Stage::new(5);
    stage.write(1);
    let reader = stage.open(true);
    assert!(!reader.is_complete());
    drop(stage.journal);
    assert!(reader.is_complete());
}

#[test]
fn no_log_is_not_found() {
    let error = Reader::open(Path::new("/nonexistent/0.log"), None, false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
