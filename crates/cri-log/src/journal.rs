//! Writer of a log: appends records, rotates the files, and counts lines that it cannot write.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};

use super::files;
use super::order::Order;
use crate::format::{LINE, Limits, Stream, Tag, header, rotated, surplus};

/// Size in bytes of the buffer of records that are written together; larger than the largest
/// record.
const BATCH: usize = 2 * LINE;
/// Interval and maximum number of tries to lock the file. A reader holds the lock only for the
/// moment in which it checks that the lock is free.
const LOCK_STEP: Duration = Duration::from_millis(1);
const LOCK_STEPS: u32 = 50;

#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    limits: Limits,
    file: Option<File>,
    /// Size of the file in bytes.
    size: u64,
    /// Size at which the file is rotated.
    rotate_at: u64,
    /// Number that the file gets when it is rotated.
    sequence: u64,
    batch: Vec<u8>,
    lost: Option<Lost>,
    /// True if the log is about to be removed, so that a missing file is not made again.
    pub(super) is_ending: bool,
}

#[derive(Debug)]
struct Lost {
    records: u64,
    bytes: u64,
    error: String,
}

impl Journal {
    pub fn new(order: Order) -> Self {
        Self {
            path: order.path,
            limits: order.limits,
            file: None,
            size: 0,
            rotate_at: order.limits.size,
            sequence: 0,
            batch: Vec::with_capacity(BATCH),
            lost: None,
            is_ending: false,
        }
    }

    pub fn has_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// Adds a record, which is written at the next flush at the latest.
    pub fn append(&mut self, header: &[u8], content: [&[u8]; 2], now: SystemTime) {
        let length = header.len() + content.iter().map(|part| part.len()).sum::<usize>() + 1;
        let size = self.size + self.batch.len() as u64;
        if size > 0 && size + length as u64 > self.rotate_at {
            self.flush(now);
            self.rotate(now);
        }
        if self.batch.len() + length > BATCH {
            self.flush(now);
        }
        self.batch.extend_from_slice(header);
        content.iter().for_each(|part| self.batch.extend_from_slice(part));
        self.batch.push(b'\n');
    }

    /// Writes the buffered records. Records that cannot be written are lost and counted, and a line
    /// in their place reports them as soon as the disk has room again.
    pub fn flush(&mut self, now: SystemTime) {
        if self.batch.is_empty() && self.lost.is_none() {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        let written = self.open().and_then(|()| self.report_lost(now));
        match written.map(|()| self.write(&batch)) {
            Ok((_, None)) => {}
            Ok((whole, Some(error))) => self.lose(batch.get(whole..).unwrap_or_default(), &error),
            Err(error) => self.lose(&batch, &error),
        }
        self.batch = batch;
        self.batch.clear();
    }

    fn report_lost(&mut self, now: SystemTime) -> io::Result<()> {
        let Some(Lost { records, bytes, error }) = &self.lost else { return Ok(()) };
        let mut note = header(now, Stream::Stderr, Tag::Full).into_bytes();
        writeln!(note, "[probelet: {records} lines, {bytes} bytes, are lost here: {error}]")?;
        match self.write(&note) {
            (_, Some(error)) => Err(error),
            (_, None) => {
                self.lost = None;
                Ok(())
            }
        }
    }

    fn lose(&mut self, batch: &[u8], error: &io::Error) {
        let (mut records, mut bytes) = (0, 0);
        for record in batch.split_inclusive(|byte| *byte == b'\n') {
            records += 1;
            bytes += record.len() as u64;
        }
        let lost = self.lost.get_or_insert_with(|| Lost {
            records: 0,
            bytes: 0,
            error: error.to_string(),
        });
        lost.records += records;
        lost.bytes += bytes;
    }

    /// Writes a batch. Returns the size of the complete records that were written, and the error if
    /// there are fewer.
    fn write(&mut self, batch: &[u8]) -> (usize, Option<io::Error>) {
        let Some(file) = &mut self.file else { return (0, Some(ErrorKind::NotFound.into())) };
        let mut done = 0;
        let error = loop {
            match file.write(batch.get(done..).unwrap_or_default()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Some(error),
                Ok(count) => done += count,
            }
            if done >= batch.len() {
                break None;
            }
        };
        let written = batch.get(..done).unwrap_or_default();
        let whole = memchr::memrchr(b'\n', written).map_or(0, |at| at + 1);
        self.size += whole as u64;
        // An incomplete record would run into the next one. If it cannot be cut off, it gets a
        // newline.
        if done > whole && file.set_len(self.size).is_err() {
            let _ = file.write_all(b"\n");
        }
        (whole, error)
    }

    /// Opens the current file, and makes it again if it was removed.
    pub fn open(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            let file = file.metadata()?;
            // Another process may have truncated it.
            self.size = file.len();
            if self.is_ending || file.nlink() > 0 {
                return Ok(());
            }
        }
        if self.is_ending {
            return Err(ErrorKind::NotFound.into());
        }
        if let Some(folder) = self.path.parent() {
            files::make_folders(folder)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o640);
        let mut file = options.open(&self.path)?;
        lock(&file);
        let mut size = file.metadata()?.len();
        if size > 0 && last_byte(&mut file)? != b'\n' {
            // A logger was killed in the middle of a record.
            file.write_all(b"\n")?;
            size += 1;
        }
        let newest = files::rotated(&self.path)?.last().map_or(0, |(number, _)| *number);
        (self.sequence, self.size) = (newest.max(self.sequence) + 1, size);
        (self.file, self.rotate_at) = (Some(file), self.limits.size);
        Ok(())
    }

    /// Renames the file and opens the next one. Nothing is written to the file after the rename, so
    /// a reader that has it open misses nothing.
    fn rotate(&mut self, now: SystemTime) {
        if self.file.is_none() {
            return;
        }
        match self.rename(now) {
            Ok(()) => {
                self.file = None;
                // If it fails, the next flush tries again, and counts the records that are lost
                // until then.
                self.size = 0;
                let _ = self.open();
            }
            // A file above the limit is better than none. The next flush makes removed files again.
            Err(_) => self.rotate_at = self.size + self.limits.size,
        }
    }

    fn rename(&self, now: SystemTime) -> io::Result<()> {
        let old = files::rotated(&self.path)?;
        for (_, path) in old.iter().take(surplus(old.len(), self.limits)) {
            files::remove_file(path)?;
        }
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        fs::rename(&self.path, self.path.with_file_name(rotated(&name, now, self.sequence)))
    }
}

/// Locks the file. Readers expect more records while it is locked. An earlier logger of the attempt
/// may still have the lock, so there are several tries.
fn lock(file: &File) {
    for _ in 0..LOCK_STEPS {
        if flock(file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return;
        }
        thread::sleep(LOCK_STEP);
    }
}

fn last_byte(file: &mut File) -> io::Result<u8> {
    let mut byte = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    Ok(u8::from_ne_bytes(byte))
}

#[cfg(test)]
mod tests;
