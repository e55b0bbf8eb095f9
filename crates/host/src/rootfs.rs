//! Mounts of an image's layers: in a private mount namespace to read files, or on the host.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};

use crate::files;

mod own;

/// A mount of an image's layers, as containerd describes it.
#[derive(Debug, Clone)]
pub struct Layers {
    /// The type of the file system, such as `overlay`.
    pub kind: String,
    /// What is mounted.
    pub source: String,
    /// The options of the mount.
    pub options: Vec<String>,
}

/// The flags of a mount of an image that no container runs from.
pub const FIXED: MountFlags = MountFlags::RDONLY.union(MountFlags::NODEV).union(MountFlags::NOSUID);

/// Limit for a file of an image, in bytes; no real `/etc/passwd` is that large.
const LARGEST: usize = 1 << 20;

/// Runs `work` on the image's root. The layers are mounted on the folder `place` in a mount
/// namespace that no other thread is in.
pub fn within<T: Send>(
    layers: &Layers,
    place: &Path,
    work: impl FnOnce(&OwnedFd) -> io::Result<T> + Send,
) -> io::Result<T> {
    aside(|| {
        own::mount_namespace()?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private)?;
        mount_layers(layers, place)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        work(&open(place, flags, Mode::empty())?)
    })
}

/// Mounts the layers in the daemon's mount namespace.
pub fn mount_at(layers: &Layers, place: &Path) -> io::Result<()> {
    aside(|| {
        own::file_system()?;
        mount_layers(layers, place)
    })
}

/// Runs `work` in a thread of its own, which does nothing else.
fn aside<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("rootfs".to_owned());
        let died = |_| Err(io::Error::other("the thread that mounts an image died"));
        thread.spawn_scoped(scope, work)?.join().unwrap_or_else(died)
    })
}

fn mount_layers(layers: &Layers, place: &Path) -> io::Result<()> {
    if layers.kind == "bind" {
        return Ok(mount_bind(&layers.source, place)?);
    }
    let own = ["ro", "rw", "rbind", "bind"];
    let options = layers.options.iter().filter(|option| !own.contains(&option.as_str()));
    let options: Vec<String> = options.map(|option| shorten(option)).collect::<io::Result<_>>()?;
    let data = CString::new(options.join(","))?;
    Ok(mount(&layers.source, place, layers.kind.as_str(), FIXED, data.as_c_str())?)
}

/// Shortens an option of a mount. All options must fit a page, and the paths of many layers do not:
/// they are written relative to the folder that they have in common.
fn shorten(option: &str) -> io::Result<String> {
    let Some(list) = option.strip_prefix("lowerdir=") else { return Ok(option.to_owned()) };
    let common = list.split(':').next().and_then(|first| Path::new(first).ancestors().nth(2));
    let Some(common) = common.filter(|common| common.is_absolute()) else {
        return Ok(option.to_owned());
    };
    // This changes the folder of this thread only, whose working directory is not shared.
    rustix::process::chdir(common)?;
    let short = list.split(':').map(|path| {
        let rest = Path::new(path).strip_prefix(common).map(PathBuf::from);
        rest.unwrap_or_else(|_| PathBuf::from(path)).display().to_string()
    });
    Ok(format!("lowerdir={}", short.collect::<Vec<_>>().join(":")))
}

/// The text of a file of an image, empty if it does not exist. Symbolic links stay within the
/// image, and the open does not block.
pub fn read_file(root: &OwnedFd, file: &str) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = match openat2(root, file, flags, Mode::empty(), inside) {
        Ok(file) => File::from(file),
        Err(error) if io::Error::from(error).kind() == io::ErrorKind::NotFound => {
            return Ok(String::new());
        }
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Ok(String::new());
    }
    Ok(String::from_utf8_lossy(&files::read_bounded(file, LARGEST)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read(layers: &Layers, place: &Path, files: &[&str]) -> io::Result<Vec<String>> {
        within(layers, place, |root| files.iter().map(|file| read_file(root, file)).collect())
    }

    #[test]
    fn an_overlay_is_read_and_no_link_leads_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for layer in ["layers/1/fs/etc", "layers/2/fs/etc", "place"] {
            fs::create_dir_all(at(layer)).unwrap();
        }
        fs::write(at("layers/1/fs/etc/passwd"), "old").unwrap();
        fs::write(at("layers/2/fs/etc/passwd"), "new").unwrap();
        fs::write(at("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(at("secret"), at("layers/1/fs/etc/group")).unwrap();
        let lower =
            format!("lowerdir={}:{}", at("layers/2/fs").display(), at("layers/1/fs").display());
        let layers =
            Layers { kind: "overlay".into(), source: "overlay".into(), options: vec![lower] };
        let read = read(&layers, &at("place"), &["etc/passwd", "etc/group", "etc/none"]).unwrap();
        assert_eq!(read, ["new", "", ""]);
        assert_eq!(fs::read_dir(at("place")).unwrap().count(), 0, "it is mounted for all to see");
        assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains("/place "));
    }

    #[test]
    fn one_layer_is_bound() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        fs::create_dir(dir.path().join("place")).unwrap();
        fs::write(dir.path().join("etc/passwd"), "text").unwrap();
        let source = dir.path().display().to_string();
        let layers = Layers { kind: "bind".into(), source, options: vec!["ro".into()] };
        let read = read(&layers, &dir.path().join("place"), &["etc/passwd"]).unwrap();
        assert_eq!(read, ["text"]);
    }

    #[test]
    fn layers_whose_paths_fill_more_than_a_page_are_mounted() {
        let dir = tempfile::tempdir().unwrap();
        let (layers, place) = (dir.path().join("layers".repeat(20)), dir.path().join("place"));
        fs::create_dir(&place).unwrap();
        let folders: Vec<_> = (0..100).map(|n| layers.join(n.to_string()).join("fs")).collect();
        for (n, folder) in folders.iter().enumerate() {
            fs::create_dir_all(folder).unwrap();
            fs::write(folder.join(n.to_string()), "").unwrap();
        }
        let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        let options = vec![format!("lowerdir={}", folders.join(":"))];
        let layers = Layers { kind: "overlay".into(), source: "overlay".into(), options };
        mount_at(&layers, &place).unwrap();
        let seen = fs::read_dir(&place).unwrap().count();
        rustix::mount::unmount(&place, rustix::mount::UnmountFlags::DETACH).unwrap();
        assert_eq!(seen, 100);
        assert!(std::env::current_dir().unwrap().starts_with(env!("CARGO_MANIFEST_DIR")));
    }
}
