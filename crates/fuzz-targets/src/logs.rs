//! Logs of containers, which other loggers may have written.

use std::cell::RefCell;
use std::fs;

use probelet_cri_log::attach::{CONTENT, Decoder, Frame};
use probelet_cri_log::format::{LINE, Lines, Printer, Selection, Stream, Tag, parse, sequence};
use probelet_cri_log::{Read, Reader, Tail};

use crate::parts;

/// The text of a log that arrives in chunks of this size.
fn printed(log: &[u8], chunk: usize, selection: Selection) -> Vec<u8> {
    let (mut printer, mut out) = (Printer::new(selection), Vec::new());
    for bytes in log.chunks(chunk) {
        printer.push(bytes, &mut out);
    }
    printer.finish(&mut out);
    out
}

/// A log is printed alike however it arrives, and output is split into lines without a loss.
pub fn print(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        if let Some(record) = parse(line) {
            assert!(record.content.len() < line.len());
        }
        let _ = sequence("0.log", &String::from_utf8_lossy(line));
    }
    let all = printed(data, data.len().max(1), Selection::default());
    assert!(all.len() <= data.len(), "no text is made up");
    assert_eq!(printed(data, 1, Selection::default()), all);
    assert_eq!(printed(data, 7, Selection::default()), all);
    let limited = Selection { limit: Some(5), timestamps: true, ..Selection::default() };
    assert!(printed(data, 3, limited).len() <= 5);
    let errors = Selection { stream: Some(Stream::Stderr), ..Selection::default() };
    assert!(printed(data, 3, errors).len() <= all.len());
    let (mut lines, mut back) = (Lines::default(), Vec::new());
    let mut emit = |tag, parts: [&[u8]; 2]| {
        assert!(parts.concat().len() <= LINE);
        back.extend(parts.concat());
        back.extend((tag == Tag::Full).then_some(b'\n'));
    };
    for bytes in data.chunks(11) {
        lines.push(bytes, &mut emit);
    }
    lines.finish(&mut emit);
    assert_eq!(back, data);
}

/// The messages of a stream that arrives in chunks of this size, and whether it broke the protocol.
fn frames(data: &[u8], chunk: usize) -> (Vec<Frame>, bool) {
    let (mut decoder, mut found) = (Decoder::default(), Vec::new());
    for bytes in data.chunks(chunk) {
        decoder.feed(bytes);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
    }
    (found, false)
}

/// Messages of an attached client are read alike however they arrive, and are the bytes that they were
/// read from.
pub fn attach(data: &[u8]) {
    let (all, is_broken) = frames(data, data.len().max(1));
    assert_eq!(frames(data, 1), (all.clone(), is_broken));
    assert_eq!(frames(data, 7), (all.clone(), is_broken));
    let again: Vec<u8> = all.iter().flat_map(Frame::encode).collect();
    assert!(data.starts_with(&again));
    for frame in &all {
        if let Frame::Input(bytes) | Frame::Output(_, bytes) = frame {
            assert!(bytes.len() <= CONTENT);
        }
    }
}

thread_local! {
    /// A folder in memory, which each input gets anew.
    static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

fn read(current: &std::path::Path, tail: Option<Tail>) -> Vec<u8> {
    let mut reader = Reader::open(current, tail, false).expect("the log is there");
    let (mut printer, mut out) = (Printer::new(Selection::default()), Vec::new());
    let mut buffer = Vec::new();
    loop {
        match reader.read(&mut buffer).expect("the log is read") {
            Read::Data => printer.push(&buffer, &mut out),
            Read::Missing(files) => panic!("{files} files are missing"),
            Read::End => break,
        }
    }
    printer.finish(&mut out);
    out
}

/// The line ends of a text.
fn ends(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').map(|_| 1).sum()
}

/// The files of a log, oldest first. Each tail is an end of the whole log, and a longer one has more.
pub fn tail(data: &[u8]) {
    FOLDER.with_borrow_mut(|folder| {
        let folder = folder.get_or_insert_with(|| {
            tempfile::tempdir_in("/dev/shm").expect("a folder in memory can be made")
        });
        let files: [&[u8]; 3] = parts(data);
        let current = folder.path().join("0.log");
        let names = ["0.log.20261124-100000.1", "0.log.20261124-100000.2", "0.log"];
        for (name, bytes) in names.iter().zip(files) {
            fs::write(folder.path().join(name), bytes).expect("a file in memory is written");
        }
        let all = read(&current, None);
        let mut shorter = 0;
        for lines in [0, 1, 2, 5, u64::MAX] {
            let end = read(&current, Some(Tail { lines, within: None }));
            assert!(all.ends_with(&end), "the last {lines} lines");
            assert!(end.len() >= shorter, "{lines} lines are fewer bytes");
            shorter = end.len();
            // A file that is torn within a record is counted otherwise than it is read.
            if files.iter().all(|file| file.is_empty() || file.ends_with(b"\n")) {
                // The last line may have no end.
                assert!(ends(&end) <= lines, "{lines} lines");
                assert!(ends(&end).saturating_add(1) >= lines.min(ends(&all)), "{lines} lines");
            }
        }
        assert_eq!(shorter, all.len(), "all lines are the whole log");
        // A limit of bytes may cut the first line, so it has no such property.
        let _ = read(&current, Some(Tail { lines: 3, within: Some(40) }));
    });
}
