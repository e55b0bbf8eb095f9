//! The folder, which one process at a time has open.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::durable;
use crate::error::{LARGEST, ObjectsError};
use crate::name::ObjectName;
use crate::scan::{self, Loaded, Scan, SetAside};

const CEILING: &str = ".ceiling";
const LOCK: &str = ".lock";
/// More bytes than a number has.
const NUMBER: usize = 64;

/// The folder. Its methods block, and one must end before the next begins.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    _lock: File,
}

/// An opened folder and what was in it.
#[derive(Debug)]
pub struct Opened {
    /// The folder.
    pub folder: Folder,
    /// All objects, ordered by their names.
    pub objects: Vec<Loaded>,
    /// The files that could not be read and were moved aside now.
    pub set_aside: Vec<SetAside>,
    /// The number of files that have been moved aside at any opening and are still there, and of
    /// those that could not be moved.
    pub unreadable: usize,
    /// The number that was last stored; `None` if there is none, or it cannot be read.
    pub ceiling: Option<u64>,
}

impl Folder {
    /// Opens the folder and reads all objects. A folder that is missing is made, with the mode 0700;
    /// its parent must exist.
    ///
    /// # Errors
    ///
    /// If another process has it open, or a folder cannot be read. An unreadable file is no error.
    pub fn open(root: &Path) -> Result<Opened, ObjectsError> {
        durable::make_folder(root).map_err(ObjectsError::at(root))?;
        std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o700))
            .map_err(ObjectsError::at(root))?;
        let lock = root.join(LOCK);
        let lock = durable::lock(&lock).map_err(ObjectsError::at(&lock))?;
        let Some(lock) = lock else { return Err(ObjectsError::InUse(root.to_owned())) };
        let Scan { mut objects, set_aside } = Scan::read(root)?;
        let unmoved = set_aside.iter().filter(|file| file.now.is_none()).count();
        let unreadable = scan::kept(root)?.saturating_add(unmoved);
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        let ceiling = durable::read(&root.join(CEILING), NUMBER).ok();
        let ceiling = ceiling.and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok());
        let folder = Self { root: root.to_owned(), _lock: lock };
        Ok(Opened { folder, objects, set_aside, unreadable, ceiling })
    }

    /// Writes an object. The write has survived a power cut when this returns; before, the old
    /// object or the new one is there.
    ///
    /// # Errors
    ///
    /// If `bytes` are more than [`LARGEST`](crate::LARGEST), or the file cannot be written.
    pub fn write(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), ObjectsError> {
        if bytes.len() > LARGEST {
            return Err(ObjectsError::TooLarge(bytes.len()));
        }
        let folder = self.root.join(name.folder());
        let written = || {
            if let Some(of_resource) = folder.parent() {
                durable::make_folder(of_resource)?;
            }
            durable::make_folder(&folder)?;
            durable::replace(&folder, &name.file(), bytes)
        };
        written().map_err(ObjectsError::at(&folder.join(name.file())))
    }

    /// Removes an object. A missing one is no error.
    ///
    /// # Errors
    ///
    /// If the file cannot be removed.
    pub fn remove(&self, name: &ObjectName) -> Result<(), ObjectsError> {
        let folder = self.root.join(name.folder());
        durable::remove(&folder, &name.file()).map_err(ObjectsError::at(&folder))
    }

    /// Stores a number above all versions that are in use. A later process continues from it, so it
    /// gives no version twice, also if the clock has been set back in between.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn store_ceiling(&self, ceiling: u64) -> Result<(), ObjectsError> {
        let written = durable::replace(&self.root, CEILING, ceiling.to_string().as_bytes());
        written.map_err(ObjectsError::at(&self.root.join(CEILING)))
    }
}
