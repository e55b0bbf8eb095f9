//! Reader of a log across its rotated files.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::files;
use super::tail::{Scan, Tail};

const CHUNK: usize = 64 * 1024;
/// Maximum number of tries. A try fails only if the log is rotated between two of its steps.
const TRIES: u32 = 100;

/// Result of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// The buffer has new bytes.
    Data,
    /// This many files were removed by rotations before they could be read.
    Missing(u64),
    /// The end of the log. A log that is followed may have more later.
    End,
}

/// Reads a log across its rotated files, oldest first.
#[derive(Debug)]
pub struct Reader {
    current: PathBuf,
    file: File,
    sequence: u64,
    /// True if the file was renamed, so that nothing more is written to it.
    is_sealed: bool,
    /// Where the read ends; `None` if the log is followed.
    end: Option<End>,
    /// Offset in the file of the next byte.
    offset: u64,
}

/// Place at which a log ended when it was opened. What is written after that is not read: a tail
/// would have more lines than were asked for, and a busy log would have no end.
#[derive(Debug, Clone, Copy)]
struct End {
    /// Number of the last file.
    file: u64,
    /// Length of that file.
    length: u64,
}

impl Reader {
    /// Opens the log whose newest file is `current`, at its beginning or at the tail. With
    /// `follow`, it is read beyond what exists now.
    ///
    /// # Errors
    ///
    /// If there is no log, or it cannot be read.
    pub fn open(current: &Path, tail: Option<Tail>, follow: bool) -> io::Result<Self> {
        for _ in 0..TRIES {
            match Self::try_open(current, tail, follow) {
                // The file was rotated between two steps, unless no file of the log exists.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    if !current.exists() && files::rotated(current)?.is_empty() {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
        Err(rotates_too_fast())
    }

    fn try_open(current: &Path, tail: Option<Tail>, follow: bool) -> io::Result<Self> {
        let rotated = files::rotated(current)?;
        let newest = match open_current(current) {
            Err(error) if error.kind() == ErrorKind::NotFound && !rotated.is_empty() => None,
            other => Some(other?),
        };
        let length = |file: &File| file.metadata().map(|file| file.len());
        let newest = match newest {
            Some((file, number)) => Some((length(&file)?, file, number)),
            None => None,
        };
        let end = match (&newest, rotated.last()) {
            (Some((length, _, number)), _) => Some(End { file: *number, length: *length }),
            (None, Some((number, _))) => Some(End { file: *number, length: u64::MAX }),
            (None, None) => None,
        };
        let end = end.filter(|_| !follow);
        let at = |file, sequence, is_sealed, offset| Self {
            current: current.to_owned(),
            file,
            sequence,
            is_sealed,
            end,
            offset,
        };
        let Some(tail) = tail else {
            return match (rotated.first(), newest) {
                (Some((number, path)), _) => Ok(at(File::open(path)?, *number, true, 0)),
                (None, Some((_, file, number))) => Ok(at(file, number, false, 0)),
                (None, None) => Err(ErrorKind::NotFound.into()),
            };
        };
        let mut scan = Scan::new(tail);
        let mut oldest = None;
        let sealed = rotated.iter().rev().map(|(number, path)| {
            let file = File::open(path)?;
            io::Result::Ok((length(&file)?, file, *number, true))
        });
        let newest = newest.map(|(length, file, number)| Ok((length, file, number, false)));
        for opened in newest.into_iter().chain(sealed) {
            let (length, mut file, number, is_sealed) = opened?;
            let start = scan.file(&mut file, length)?;
            let offset = file.seek(SeekFrom::Start(start.unwrap_or_default()))?;
            oldest = Some(at(file, number, is_sealed, offset));
            if start.is_some() {
                break;
            }
        }
        oldest.ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// Reads the next bytes into `buffer` and replaces its content.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or the log is rotated faster than it can be opened.
    pub fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<Read> {
        loop {
            buffer.resize(self.room(), 0);
            let count = self.file.read(buffer)?;
            buffer.truncate(count);
            if count > 0 {
                self.offset = self.offset.saturating_add(count as u64);
                return Ok(Read::Data);
            }
            // The file is read once more, because bytes may have been written before the rename.
            if !self.is_sealed {
                if self.is_current()? {
                    return Ok(Read::End);
                }
                self.is_sealed = true;
                continue;
            }
            match self.next()? {
                Some(0) => {}
                Some(missing) => return Ok(Read::Missing(missing)),
                None => return Ok(Read::End),
            }
        }
    }

    /// Number of bytes to read next: none behind the end.
    fn room(&self) -> usize {
        let left = match self.end {
            Some(end) if end.file == self.sequence => end.length.saturating_sub(self.offset),
            _ => u64::MAX,
        };
        usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK))
    }

    /// Returns whether the logger has ended, so that the log is complete. The logger also unlocks a
    /// file after a rename, but then the file is not the current one any more.
    pub fn is_complete(&self) -> bool {
        let free = flock(&self.file, FlockOperation::NonBlockingLockShared).is_ok();
        let _ = flock(&self.file, FlockOperation::Unlock);
        free && self.is_current().unwrap_or_default()
    }

    fn is_current(&self) -> io::Result<bool> {
        match std::fs::metadata(&self.current) {
            Ok(current) => Ok(identity(&current) == identity(&self.file.metadata()?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens the next file, and returns how many files before it are missing; `None` if there is no
    /// next file.
    fn next(&mut self) -> io::Result<Option<u64>> {
        for _ in 0..TRIES {
            let rotated = files::rotated(&self.current)?;
            let own = identity(&self.file.metadata()?);
            let is_own =
                |path: &Path| std::fs::metadata(path).is_ok_and(|file| identity(&file) == own);
            if let Some((number, _)) = rotated.iter().find(|(_, path)| is_own(path)) {
                self.sequence = *number;
            }
            if self.end.is_some_and(|end| self.sequence >= end.file) {
                return Ok(None);
            }
            let next = rotated.iter().find(|(number, _)| *number > self.sequence);
            let opened = match next {
                Some((number, path)) => File::open(path).map(|file| (file, *number)),
                None => open_current(&self.current),
            };
            let (file, number) = match opened {
                Ok(opened) => opened,
                Err(error) if error.kind() == ErrorKind::NotFound && next.is_none() => {
                    return Ok(None);
                }
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            // Other files were rotated between the steps, and have to be read first.
            if next.is_none()
                && number > self.sequence + 1
                && !rotated_since(&self.current, self.sequence)?.is_empty()
            {
                continue;
            }
            let number = number.max(self.sequence + 1);
            let missing = number - self.sequence - 1;
            (self.file, self.sequence, self.is_sealed) = (file, number, next.is_some());
            self.offset = 0;
            return Ok(Some(missing));
        }
        Err(rotates_too_fast())
    }
}

fn rotated_since(current: &Path, sequence: u64) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut rotated = files::rotated(current)?;
    rotated.retain(|(number, _)| *number > sequence);
    Ok(rotated)
}

fn identity(file: &std::fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Opens the current file and returns it with its number, one more than that of the newest rotated
/// file.
fn open_current(path: &Path) -> io::Result<(File, u64)> {
    let newest = || io::Result::Ok(files::rotated(path)?.last().map_or(0, |(number, _)| *number));
    for _ in 0..TRIES {
        let before = newest()?;
        let file = File::open(path)?;
        if newest()? == before {
            return Ok((file, before + 1));
        }
    }
    Err(rotates_too_fast())
}

fn rotates_too_fast() -> io::Error {
    io::Error::other("the log is rotated faster than it can be opened")
}

#[cfg(test)]
mod tests;
