//! Program file that shims run as loggers. A shim may run it long after this daemon has ended. So
//! the path must not be `/proc/PID/exe`, whose process id another process may have by then, and
//! only root may be able to change the file.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{StatVfsMountFlags, statvfs};

use super::ownership::{check_file, check_folder};

/// The program of this process, even if its file was replaced.
const RUNNING: &str = "/proc/self/exe";
const NAME: &str = "probelet";
const UNFINISHED: &str = "probelet.new";
/// Characters that containerd would not take literally in a URI's path.
const ESCAPED: [char; 4] = ['%', '?', '#', '\\'];

/// The installed file while it is the one that runs, else a copy of the running program, because an
/// upgrade may have replaced or removed the file.
#[derive(Debug, Clone)]
pub struct Program(Arc<Source>);

#[derive(Debug)]
struct Source {
    running: PathBuf,
    /// Folders for the copy, tried in order. A folder may be mounted `noexec`, as `/run` often is.
    folders: Vec<PathBuf>,
    copy: Mutex<Option<(PathBuf, Identity)>>,
}

/// Device, inode, size and time of the last change.
type Identity = (u64, u64, u64, i64, i64);

fn identity(found: &Metadata) -> Identity {
    (found.dev(), found.ino(), found.len(), found.ctime(), found.ctime_nsec())
}

impl Program {
    /// Makes a program whose copies are put into the first suitable one of these folders.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self::running(RUNNING.into(), folders)
    }

    fn running(running: PathBuf, folders: Vec<PathBuf>) -> Self {
        Self(Arc::new(Source { running, folders, copy: Mutex::default() }))
    }

    /// Returns the path of the program, which is checked at each call. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// The installed file cannot be used, and no folder takes a copy.
    pub fn path(&self) -> io::Result<PathBuf> {
        let running = fs::metadata(&self.0.running)?;
        if let Some(installed) = self.installed(&running) {
            return Ok(installed);
        }
        let mut copy = self.0.copy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((path, made)) = &*copy
            && check_file(path).is_ok_and(|found| identity(&found) == *made)
        {
            return Ok(path.clone());
        }
        let mut why = io::Error::other("no folder for a copy of the program");
        for folder in &self.0.folders {
            match self.copy_to(folder) {
                Ok((path, made)) => {
                    *copy = Some((path.clone(), made));
                    return Ok(path);
                }
                Err(error) => {
                    why = io::Error::new(error.kind(), format!("{}: {error}", folder.display()))
                }
            }
        }
        Err(why)
    }

    fn installed(&self, running: &Metadata) -> Option<PathBuf> {
        let path = fs::read_link(&self.0.running).ok()?;
        let is_plain = path.to_str().is_some_and(|text| !text.contains(ESCAPED));
        let found = check_file(&path).ok().filter(|_| is_plain)?;
        (found.dev() == running.dev() && found.ino() == running.ino()).then_some(path)
    }

    /// Copies the program into a folder. The copy of an earlier daemon is replaced, which does not
    /// affect loggers that run it.
    fn copy_to(&self, folder: &Path) -> io::Result<(PathBuf, Identity)> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let folder = fs::canonicalize(folder)?;
        check_folder(&folder).map_err(io::Error::other)?;
        if statvfs(&folder)?.f_flag.contains(StatVfsMountFlags::NOEXEC) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "mounted noexec"));
        }
        let (unfinished, path) = (folder.join(UNFINISHED), folder.join(NAME));
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut copy = options.write(true).create_new(true).mode(0o500).open(&unfinished)?;
        let copied = io::copy(&mut File::open(&self.0.running)?, &mut copy)
            .and_then(|_| fs::rename(&unfinished, &path));
        // A file that is open for writing cannot be executed.
        drop(copy);
        if let Err(error) = copied {
            let _ = fs::remove_file(&unfinished);
            return Err(error);
        }
        Ok((path.clone(), identity(&check_file(&path)?)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Installation {
        folder: tempfile::TempDir,
        program: Program,
    }

    /// Makes a program whose file is `bin/probelet`.
    fn installation() -> Installation {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("bin")).unwrap();
        fs::write(at("bin/probelet"), "one").unwrap();
        fs::set_permissions(at("bin/probelet"), Permissions::from_mode(0o755)).unwrap();
        symlink(at("bin/probelet"), at("running")).unwrap();
        let program = Program::running(at("running"), vec![at("run/bin")]);
        Installation { folder, program }
    }

    #[test]
    fn the_installed_file_is_used_while_only_root_can_change_it() {
        let Installation { folder, program } = installation();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(program.path().unwrap(), at("bin/probelet"));
        for (name, mode) in [("bin/probelet", 0o777), ("bin", 0o777)] {
            let before = fs::metadata(at(name)).unwrap().permissions();
            fs::set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
            assert_eq!(program.path().unwrap(), at("run/bin/probelet"), "{name}");
            fs::set_permissions(at(name), before).unwrap();
        }
        assert_eq!(program.path().unwrap(), at("bin/probelet"));
    }

    #[test]
    fn a_copy_is_made_if_the_file_was_replaced_and_again_if_the_copy_was_changed() {
        let Installation { folder, program } = installation();
        let at = |name: &str| folder.path().join(name);
        // Like the kernel's link, this one still leads to the file that runs.
        fs::rename(at("bin/probelet"), at("old")).unwrap();
        fs::remove_file(at("running")).unwrap();
        fs::hard_link(at("old"), at("running")).unwrap();
        fs::write(at("bin/probelet"), "two").unwrap();
        let copy = at("run/bin/probelet");
        assert_eq!(program.path().unwrap(), copy);
        assert_eq!(fs::read(&copy).unwrap(), b"one");
        let first = fs::metadata(&copy).unwrap();
        assert_eq!(first.mode() & 0o7777, 0o500);
        assert_eq!(program.path().unwrap(), copy);
        assert_eq!(identity(&fs::metadata(&copy).unwrap()), identity(&first));
        // The copy is changed in place, replaced, made a link, and removed.
        let evil = || fs::write(&copy, "evil").unwrap();
        let replaced = || {
            fs::remove_file(&copy).unwrap();
            fs::write(&copy, "evil").unwrap();
        };
        let linked = || {
            fs::remove_file(&copy).unwrap();
            symlink(at("bin/probelet"), &copy).unwrap();
        };
        let gone = || fs::remove_dir_all(at("run")).unwrap();
        for change in [&evil as &dyn Fn(), &replaced, &linked, &gone] {
            change();
            assert_eq!(program.path().unwrap(), copy);
            assert_eq!(fs::read(&copy).unwrap(), b"one");
        }
        // Another daemon does not use a copy that it has not made.
        evil();
        let next = Program::running(at("running"), vec![at("run/bin")]);
        assert_eq!(fs::read(next.path().unwrap()).unwrap(), b"one");
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_not_used() {
        let Installation { folder, .. } = installation();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("open")).unwrap();
        fs::set_permissions(at("open"), Permissions::from_mode(0o777)).unwrap();
        fs::write(at("file"), "").unwrap();
        fs::hard_link(at("bin/probelet"), at("lone")).unwrap();
        let folders = vec![at("file"), at("open"), at("good")];
        let program = Program::running(at("lone"), folders);
        assert_eq!(program.path().unwrap(), at("good/probelet"));
        let none = Program::running(at("lone"), vec![at("open")]);
        assert!(none.path().unwrap_err().to_string().contains("others than root"));
    }
}
