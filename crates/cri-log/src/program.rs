//! The file that shims run as loggers. A shim runs what lies at the path when it starts a task,
//! also long after this daemon: so the path is no process' (`/proc/PID/exe`), whose number
//! another process may have by then, and nobody but root can change what lies there.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{StatVfsMountFlags, statvfs};

use super::ownership::{check_file, check_folder};

/// The program that runs, whatever has become of its file.
const RUNNING: &str = "/proc/self/exe";
const NAME: &str = "probelet";
const UNFINISHED: &str = "probelet.new";
/// containerd reads the path in a URI, as it is.
const ESCAPED: [char; 4] = ['%', '?', '#', '\\'];

/// The installed file while it is the one that runs, else a copy of that: an upgrade may have
/// replaced or removed the file.
#[derive(Debug, Clone)]
pub struct Program(Arc<Source>);

#[derive(Debug)]
struct Source {
    running: PathBuf,
    /// For the copy, in turn: one may be mounted `noexec`, as `/run` is in many places.
    folders: Vec<PathBuf>,
    copy: Mutex<Option<(PathBuf, Identity)>>,
}

/// Device, inode, size and time of the last change.
type Identity = (u64, u64, u64, i64, i64);

fn identity(found: &Metadata) -> Identity {
    (found.dev(), found.ino(), found.len(), found.ctime(), found.ctime_nsec())
}

impl Program {
    /// Copies of the binary are put into the first of these folders that takes them.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self::running(RUNNING.into(), folders)
    }

    fn running(running: PathBuf, folders: Vec<PathBuf>) -> Self {
        Self(Arc::new(Source { running, folders, copy: Mutex::default() }))
    }

    /// Checked at each call. Blocks.
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

    /// An earlier daemon's copy is replaced; whoever runs it goes on to do so.
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

    struct Place {
        folder: tempfile::TempDir,
        program: Program,
    }

    /// A program whose file is `bin/probelet`.
    fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("bin")).unwrap();
        fs::write(at("bin/probelet"), "one").unwrap();
        fs::set_permissions(at("bin/probelet"), Permissions::from_mode(0o755)).unwrap();
        symlink(at("bin/probelet"), at("running")).unwrap();
        let program = Program::running(at("running"), vec![at("run/bin")]);
        Place { folder, program }
    }

    #[test]
    fn the_installed_file_is_run_while_only_root_can_change_it() {
        let Place { folder, program } = place();
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
    fn a_copy_is_made_where_the_file_is_another_and_again_where_the_copy_was_changed() {
        let Place { folder, program } = place();
        let at = |name: &str| folder.path().join(name);
        // As the kernel has it: the link still leads to the file that runs.
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
        // Changed in place, replaced, a link, gone.
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
        // Another daemon trusts no copy that it has not made.
        evil();
        let next = Program::running(at("running"), vec![at("run/bin")]);
        assert_eq!(fs::read(next.path().unwrap()).unwrap(), b"one");
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_passed_over() {
        let Place { folder, .. } = place();
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
