//! The folder of the authority. Its files are private, and each one is written as a whole: a crash
//! leaves the old file or the new one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::{files, trusted};

const PRIVATE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;
/// The mode bits of other users.
const OTHERS: u32 = 0o077;
/// The folder below the data folder.
const NAME: &str = "kube-ca";

/// A file of the folder that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct FileError {
    path: PathBuf,
    #[source]
    error: io::Error,
}

#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The path of the folder, which may not exist yet.
    pub fn path_of(data_dir: &Path) -> PathBuf {
        data_dir.join(NAME)
    }

    /// Opens the folder, and creates it if it is missing.
    pub fn open(data_dir: &Path) -> Result<Self, FileError> {
        let folder = Self { path: Self::path_of(data_dir) };
        let opened = trusted::check(&folder.path).map_err(io::Error::from).and_then(|()| {
            std::fs::create_dir_all(data_dir)?;
            DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(&folder.path)?;
            folder.check_private(&folder.path)
        });
        opened.map_err(|error| FileError { path: folder.path.clone(), error })?;
        Ok(folder)
    }

    /// The text of a file; `None` if there is none.
    pub fn read(&self, name: &str) -> Result<Option<String>, FileError> {
        let path = self.path.join(name);
        let read = trusted::check(&path).map_err(io::Error::from).and_then(|()| {
            let text = files::read_text(&path, files::CONFIGURATION)?;
            self.check_private(&path)?;
            Ok(text)
        });
        match read {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError { path, error }),
        }
    }

    /// Replaces a file, which survives a sudden reboot.
    pub fn write(&self, name: &str, text: &str) -> Result<(), FileError> {
        let path = self.path.join(name);
        let written = || {
            // Unfinished files begin with a dot.
            let new = self.path.join(format!(".{name}"));
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(PRIVATE);
            let mut file = options.open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, &path)?;
            File::open(&self.path)?.sync_all()
        };
        written().map_err(|error| FileError { path: path.clone(), error })
    }

    /// An error of a file's content.
    pub fn unusable(
        &self,
        name: &str,
        why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> FileError {
        let error = io::Error::new(ErrorKind::InvalidData, why);
        FileError { path: self.path.join(name), error }
    }

    fn check_private(&self, path: &Path) -> io::Result<()> {
        let mode = std::fs::metadata(path)?.mode();
        if mode & OTHERS == 0 {
            return Ok(());
        }
        let text = format!("has mode {:04o}, so others can read it", mode & 0o7777);
        Err(io::Error::new(ErrorKind::PermissionDenied, text))
    }
}
