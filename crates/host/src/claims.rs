//! Records of the pods that may have something in the run folder: one file for each pod,
//! `RUN_DIR/claims/POD-UID`. The file is made before the pod's first pin and removed after its last
//! one. Functions that pin a namespace or mount something for a pod require its [`Claim`]. So a
//! daemon finds what an earlier daemon left, even if the records are lost.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::files;

/// The claims of a run folder.
#[derive(Debug, Clone)]
pub struct Claims {
    dir: PathBuf,
    /// The name of this daemon's containerd and namespace: another daemon may use the folder too.
    owner: String,
}

/// Proof that the pod of this uid is claimed.
#[derive(Debug, Clone)]
pub struct Claim(String);

impl Claim {
    /// The uid of the pod.
    pub fn uid(&self) -> &str {
        &self.0
    }

    /// A claim without a file, for tests.
    #[cfg(test)]
    pub fn of(uid: &str) -> Self {
        Self(uid.to_owned())
    }
}

impl Claims {
    /// Returns the claims of a run folder. `owner` (containerd and namespace) marks this daemon's.
    pub fn new(run_dir: &Path, owner: String) -> Self {
        Self { dir: run_dir.join("claims"), owner }
    }

    /// Claims the pod; a claim that exists is taken again.
    ///
    /// # Errors
    ///
    /// If the claim cannot be written.
    pub fn claim(&self, uid: &str) -> io::Result<Claim> {
        let path = self.path(uid)?;
        if !self.is_ours(&path) {
            fs::create_dir_all(&self.dir)?;
            // The rename makes sure that a claim is never half written.
            let new = self.dir.join(format!(".{uid}"));
            fs::write(&new, &self.owner)?;
            fs::rename(new, path)?;
        }
        Ok(Claim(uid.to_owned()))
    }

    /// Whether the pod is claimed.
    pub fn has(&self, uid: &str) -> bool {
        self.path(uid).is_ok_and(|path| path.exists())
    }

    /// Removes the claim. The caller does so when nothing of the pod is left.
    pub fn release(&self, uid: &str) -> io::Result<()> {
        match fs::remove_file(self.path(uid)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The uids that this daemon, or an earlier one of the same containerd and namespace, claimed.
    pub fn pods(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let own = entries.filter(|entry| self.is_ours(&entry.path()));
        let names = own.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| !name.starts_with('.')).collect()
    }

    fn is_ours(&self, path: &Path) -> bool {
        files::read(path, self.owner.len()).is_ok_and(|owner| owner == self.owner.as_bytes())
    }

    fn path(&self, uid: &str) -> io::Result<PathBuf> {
        // A uid is a file name and never a path.
        if uid.is_empty() || uid.contains('/') || uid.starts_with('.') {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(self.dir.join(uid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_stays_until_it_is_released_and_is_its_owners() {
        let dir = tempfile::tempdir().unwrap();
        let own = Claims::new(dir.path(), "a default".to_owned());
        let other = Claims::new(dir.path(), "b default".to_owned());
        assert_eq!(own.claim("u").unwrap().uid(), "u");
        own.claim("u").unwrap();
        other.claim("v").unwrap();
        assert_eq!((own.pods(), other.pods()), (vec!["u".to_owned()], vec!["v".to_owned()]));
        assert!(own.has("u") && own.has("v"));
        own.release("u").unwrap();
        own.release("u").unwrap();
        assert!(!own.has("u") && own.pods().is_empty());
        for uid in ["", "../x", ".x"] {
            assert!(own.claim(uid).is_err(), "{uid:?}");
        }
    }
}
