//! The files that labels of adopted containers name for their output. A shim opens them as root and
//! follows any links in the path.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::domain::adopt::log_file;
use crate::logs::check_folder;

#[derive(Debug, Clone)]
pub struct LabelledLogs(Vec<PathBuf>);

impl LabelledLogs {
    /// Allows files below these folders.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self(folders)
    }

    /// Returns the URI for the shim, or the reason why the file must not be written.
    pub async fn check(&self, uri: &str) -> Result<String, String> {
        let (folders, uri) = (self.0.clone(), uri.to_owned());
        let checked = tokio::task::spawn_blocking(move || {
            let path = log_file(&uri).map_err(str::to_owned)?;
            find(Path::new(path), &folders).map(|path| format!("file://{}", path.display()))
        });
        checked.await.map_err(|error| error.to_string())?
    }
}

/// Returns the path with the links of its folder resolved; the file itself must not be a link. Only
/// root can put a link there between this check and the shim's opening of the file.
fn find(path: &Path, folders: &[PathBuf]) -> Result<PathBuf, String> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err("it is no file".to_owned());
    };
    let said = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let folder = fs::canonicalize(folder).map_err(|error| said(folder, error))?;
    let is_below = |allowed: &PathBuf| {
        fs::canonicalize(allowed).is_ok_and(|allowed| folder.starts_with(allowed))
    };
    if !folders.iter().any(is_below) {
        let allowed: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        return Err(format!("it is not below {} (serve --adopted-log-dirs)", allowed.join(" or ")));
    }
    check_folder(&folder)?;
    let file = folder.join(name);
    match fs::symlink_metadata(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(file),
        Err(error) => Err(said(&file, error)),
        Ok(found) if found.is_file() => Ok(file),
        Ok(_) => Err("it is not a regular file".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_logger_is_known_by_its_argument() {
        assert_eq!(crate::logs::ARGUMENT, crate::domain::log::LOGGER);
    }

    #[test]
    fn only_regular_files_of_roots_below_an_allowed_folder_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["logs", "logs/app", "logs/open", "other"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("logs/app/old.log"), "x").unwrap();
        fs::write(at("other/secret"), "x").unwrap();
        symlink(at("other/secret"), at("logs/app/link.log")).unwrap();
        symlink(at("other"), at("logs/away")).unwrap();
        symlink(at("logs/app"), at("logs/round")).unwrap();
        symlink(at("logs"), at("allowed")).unwrap();
        fs::set_permissions(at("logs/open"), Permissions::from_mode(0o777)).unwrap();
        let allowed = [at("allowed")];
        let found = |name: &str| find(&at(name), &allowed);
        assert_eq!(found("logs/app/old.log"), Ok(at("logs/app/old.log")));
        assert_eq!(found("logs/app/new.log"), Ok(at("logs/app/new.log")));
        assert_eq!(found("logs/round/new.log"), Ok(at("logs/app/new.log")));
        for name in [
            "logs/app/link.log",
            "logs/away/secret",
            "logs/app",
            "logs/open/new.log",
            "logs/missing/new.log",
            "other/secret",
            "logs-not/new.log",
        ] {
            assert!(found(name).is_err(), "{name}: {:?}", found(name));
        }
        assert!(find(&at("logs/app/old.log"), &[]).is_err());
    }
}
