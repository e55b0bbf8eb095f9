//! The stored attachment of each pod: a file `UID` that is either complete or missing.

use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::CniError;
use crate::files;
use probelet_domain::cni::Attachment;

/// The mode of the folder: configurations may hold secrets.
const PRIVATE_FOLDER: u32 = 0o700;
const PRIVATE: u32 = 0o600;
/// Limit for one file, in bytes: the configuration, and what the plugins answered.
const LARGEST: usize = 16 << 20;

#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    owner: String,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    /// The runtime that the pod belongs to. A daemon leaves other daemons' pods alone.
    owner: String,
    attachment: Attachment,
}

impl Store {
    pub fn new(folder: PathBuf, owner: String) -> Self {
        Self { folder, owner }
    }

    fn file(&self, uid: &str) -> Result<PathBuf, CniError> {
        // A uid is a file name and never a path.
        if uid.is_empty() || uid.contains('/') || uid.starts_with('.') {
            let reason = "is no name of a pod".to_owned();
            return Err(CniError::State { file: uid.to_owned(), reason });
        }
        Ok(self.folder.join(uid))
    }

    pub fn has(&self, uid: &str) -> bool {
        self.file(uid).is_ok_and(|file| file.exists())
    }

    pub async fn write(&self, pod: &Attachment) -> Result<(), CniError> {
        let kept = Kept { owner: self.owner.clone(), attachment: pod.clone() };
        self.aside(&pod.uid, move |file| {
            let text = serde_json::to_vec(&kept)?;
            let folder = file.parent().unwrap_or(Path::new("/"));
            std::fs::DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(folder)?;
            // Unfinished files begin with a dot, and no uid does.
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let new = folder.join(format!(".{name}"));
            let mut options = std::fs::OpenOptions::new();
            let mut out =
                options.write(true).create(true).truncate(true).mode(PRIVATE).open(&new)?;
            io::Write::write_all(&mut out, &text)?;
            // The file has to survive a sudden reboot.
            out.sync_all()?;
            std::fs::rename(new, file)
        })
        .await
    }

    pub async fn read(&self, uid: &str) -> Result<Option<Attachment>, CniError> {
        self.aside(uid, |file| match files::read(file, LARGEST) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => Ok(Some(serde_json::from_slice::<Kept>(&bytes?)?.attachment)),
        })
        .await
    }

    pub async fn remove(&self, uid: &str) -> Result<(), CniError> {
        self.aside(uid, |file| match std::fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }

    /// All attachments of this owner. A file that cannot be read is logged and left in place.
    pub async fn all(&self) -> Vec<Attachment> {
        let (folder, owner) = (self.folder.clone(), self.owner.clone());
        let read = spawn_blocking(move || {
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let files = entries.map(|entry| entry.path());
            let is_one = |file: &PathBuf| {
                file.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
            };
            let mut all = Vec::new();
            for file in files.filter(is_one) {
                let kept = files::read(&file, LARGEST);
                match kept.and_then(|bytes| Ok(serde_json::from_slice::<Kept>(&bytes)?)) {
                    Ok(kept) if kept.owner == owner => all.push(kept.attachment),
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(file = %file.display(), %error, "CNI state is not readable");
                    }
                }
            }
            all
        });
        read.await.unwrap_or_default()
    }

    async fn aside<T: Send + 'static>(
        &self,
        uid: &str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, CniError> {
        let file = self.file(uid)?;
        let shown = file.display().to_string();
        let done = spawn_blocking(move || work(&file)).await;
        let reason = match done {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        Err(CniError::State { file: shown, reason })
    }
}
