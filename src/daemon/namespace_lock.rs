//! The lock of a containerd namespace: at most one daemon manages it.
//!
//! The lock is an flock on a file beside containerd's socket, in containerd's mount namespace. The
//! kernel names that place (the peer of the socket and the path that it is bound to), so daemons meet
//! there from other mount, network and process namespaces, and whatever their own flags are. The kernel
//! releases the lock when the daemon ends, however it ends.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::config::Config;
use crate::files;
use crate::node::deadline_in;
use crate::supervisor::now;
use crate::trusted;

/// The time for which a start waits for the end of another daemon, as in an upgrade. A daemon that
/// was asked to stop ends within 5 s.
const WAIT: Duration = Duration::from_secs(8);
/// The pause between two attempts.
const RETRY: Duration = Duration::from_millis(100);
/// Limit for the description of the holder, in bytes.
const DESCRIPTION: usize = 8192;

/// Why a namespace is not locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// containerd's socket does not exist, or nothing listens on it.
    #[error("{}: {error}", address.display())]
    NoContainerd {
        address: PathBuf,
        #[source]
        error: io::Error,
    },
    /// Another daemon has the lock.
    #[error(
        "another daemon manages the containerd namespace {namespace:?} of {}: {holder}. Stop it \
         first, or use another --containerd-namespace (lock: {})",
        address.display(), path.display()
    )]
    Locked { namespace: String, address: PathBuf, holder: String, path: PathBuf },
    /// The file of the lock cannot be used.
    #[error("{}: {error}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
}

/// The lock of one namespace, which is not taken before [`NamespaceLock::acquire`]. It is released
/// when this is dropped.
#[derive(Debug)]
pub struct NamespaceLock {
    address: PathBuf,
    namespace: String,
    /// What the file says about this daemon while it has the lock.
    description: String,
    file: Option<File>,
}

impl NamespaceLock {
    /// The lock of the namespace that a daemon with this configuration manages.
    pub fn of(config: &Config) -> Self {
        let Config { containerd_address, containerd_namespace, socket, .. } = config;
        Self::new(containerd_address, containerd_namespace, socket, now().wall)
    }

    /// The lock of a namespace of the containerd at `address`. `socket` is the daemon's, and `since`
    /// the time of its start.
    fn new(address: &Path, namespace: &str, socket: &Path, since: SystemTime) -> Self {
        let socket = std::path::absolute(socket).unwrap_or_else(|_| socket.to_owned());
        let description = format!(
            "pid {}, socket {}, since {}",
            std::process::id(),
            socket.display(),
            Timestamp::try_from(since).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ")
        );
        Self {
            address: address.to_owned(),
            namespace: namespace.to_owned(),
            description,
            file: None,
        }
    }

    /// Takes the lock, unless this daemon has it already. Waits a few seconds if another daemon has
    /// it, which may be ending.
    ///
    /// # Errors
    ///
    /// `LockError::NoContainerd` while containerd is away: only its socket says where the lock is.
    pub async fn acquire(&mut self) -> Result<(), LockError> {
        if self.file.is_some() {
            return Ok(());
        }
        let place = self.place().await?;
        let mut file = self.open(&place)?;
        let path = place.path;
        let failed = |error: io::Error| LockError::Io { path: path.clone(), error };
        let deadline = deadline_in(WAIT);
        let mut is_reported = false;
        while !try_lock(&file).map_err(failed)? {
            let holder = holder(&mut file).map_err(failed)?;
            if Instant::now() >= deadline {
                let (namespace, address) = (self.namespace.clone(), self.address.clone());
                return Err(LockError::Locked { namespace, address, holder, path });
            }
            if !is_reported {
                let (namespace, seconds) = (&self.namespace, WAIT.as_secs());
                tracing::warn!(namespace, holder, seconds, "waiting for the end of another daemon");
                is_reported = true;
            }
            tokio::time::sleep(RETRY).await;
        }
        describe(&mut file, &self.description).map_err(failed)?;
        self.file = Some(file);
        Ok(())
    }

    fn open(&self, place: &Place) -> Result<File, LockError> {
        open(&place.open_at).map_err(|error| match error.kind() {
            // containerd has ended since it was asked, and its root with it.
            io::ErrorKind::NotFound => {
                LockError::NoContainerd { address: self.address.clone(), error }
            }
            _ => LockError::Io { path: place.path.clone(), error },
        })
    }

    /// What the daemon that has the lock has written about itself; None if none has it.
    ///
    /// # Errors
    ///
    /// The same as of [`NamespaceLock::acquire`].
    pub async fn holder(&self) -> Result<Option<String>, LockError> {
        let Place { open_at, path } = self.place().await?;
        let failed = |error: io::Error| LockError::Io { path: path.clone(), error };
        let mut file = match File::open(&open_at) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(None),
            Err(Errno::WOULDBLOCK) => holder(&mut file).map(Some).map_err(failed),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// The place of the file, which the process that listens on the socket determines.
    async fn place(&self) -> Result<Place, LockError> {
        let away = |error| LockError::NoContainerd { address: self.address.clone(), error };
        let stream = UnixStream::connect(&self.address).await.map_err(away)?;
        let pid = stream.peer_cred().map_err(away)?.pid();
        let bound = stream.peer_addr().map_err(away)?;
        match (pid, bound.as_pathname()) {
            (Some(pid @ 1..), Some(bound)) if bound.is_absolute() => {
                let path = beside(bound, &self.namespace);
                let root = PathBuf::from(format!("/proc/{pid}/root"));
                let open_at = root.join(path.strip_prefix("/").unwrap_or(&path));
                Ok(Place { open_at, path })
            }
            // The peer is in a process namespace that is not visible here.
            _ => {
                let socket = std::fs::canonicalize(&self.address).map_err(away)?;
                let path = beside(&socket, &self.namespace);
                Ok(Place { open_at: path.clone(), path })
            }
        }
    }
}

/// The place of the lock's file.
struct Place {
    /// The path in the mount namespace of this process.
    open_at: PathBuf,
    /// The path in containerd's mount namespace.
    path: PathBuf,
}

/// The file of the lock: `SOCKET.probelet-NAMESPACE.lock`. A namespace of containerd has no slash, but
/// the flag may have one.
fn beside(socket: &Path, namespace: &str) -> PathBuf {
    let mut name = socket.file_name().unwrap_or_default().to_owned();
    name.push(format!(".probelet-{}.lock", namespace.replace('/', "_")));
    socket.with_file_name(name)
}

/// Opens the file, and creates it if it is missing. It must belong to root: another user could have
/// taken the lock already.
fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
    let file = options.open(path)?;
    let about = file.metadata()?;
    trusted::check_one(path, &about)?;
    match about.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("is no regular file")),
    }
}

fn try_lock(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn describe(file: &mut File, description: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{description}")
}

/// The description that the holder of the lock has written.
fn holder(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let text = files::read_start_of(&*file, DESCRIPTION)?;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    Ok(if text.is_empty() { "it has just started".to_owned() } else { text })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use tokio::net::UnixListener;

    use super::*;

    fn lock(address: &Path, namespace: &str, socket: &str) -> NamespaceLock {
        NamespaceLock::new(address, namespace, Path::new(socket), SystemTime::UNIX_EPOCH)
    }

    #[tokio::test(start_paused = true)]
    async fn only_one_daemon_has_a_namespace_and_its_end_releases_it() {
        let folder = tempfile::tempdir().unwrap();
        let (address, link) = (folder.path().join("c.sock"), folder.path().join("link"));
        let _containerd = UnixListener::bind(&address).unwrap();
        symlink(&address, &link).unwrap();
        let mut first = lock(&address, "n", "/run/first.sock");
        assert_eq!(first.holder().await.unwrap(), None);
        first.acquire().await.unwrap();
        let holder = lock(&link, "n", "/x").holder().await.unwrap().unwrap();
        assert!(holder.contains("socket /run/first.sock, since"), "{holder}");
        first.acquire().await.unwrap();
        lock(&address, "other", "/x").acquire().await.unwrap();
        let mut second = lock(&link, "n", "/run/second.sock");
        let error = second.acquire().await.unwrap_err().to_string();
        let pid = std::process::id();
        let expected = format!("pid {pid}, socket /run/first.sock, since 1970-01-01T00:00:00Z.");
        assert!(error.contains(&expected) && error.contains("namespace \"n\""), "{error}");
        let file = folder.path().join("c.sock.probelet-n.lock");
        assert_eq!(std::fs::metadata(file).unwrap().mode() & 0o777, 0o600);
        drop(first);
        second.acquire().await.unwrap();
        let error = lock(&address, "n", "/x").acquire().await.unwrap_err().to_string();
        assert!(error.contains("socket /run/second.sock, since"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_waits_for_a_daemon_that_ends() {
        let folder = tempfile::tempdir().unwrap();
        let address = folder.path().join("c.sock");
        let _containerd = UnixListener::bind(&address).unwrap();
        let mut first = lock(&address, "n", "/x");
        first.acquire().await.unwrap();
        let mut second = lock(&address, "n", "/y");
        let ends = async {
            tokio::time::sleep(WAIT / 2).await;
            drop(first);
        };
        let (acquired, ()) = tokio::join!(second.acquire(), ends);
        acquired.unwrap();
    }

    #[test]
    fn a_containerd_that_ends_meanwhile_is_away() {
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let place = Place {
            open_at: format!("/proc/{}/root/tmp/c.sock.probelet-n.lock", ended.id()).into(),
            path: "/tmp/c.sock.probelet-n.lock".into(),
        };
        let error = lock(Path::new("/tmp/c.sock"), "n", "/x").open(&place).unwrap_err();
        assert!(matches!(error, LockError::NoContainerd { .. }), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_file_of_root_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let address = folder.path().join("c.sock");
        let error = lock(&address, "n", "/x").acquire().await.unwrap_err();
        assert!(matches!(error, LockError::NoContainerd { .. }), "{error}");
        let _containerd = UnixListener::bind(&address).unwrap();
        let path = folder.path().join("c.sock.probelet-n.lock");
        let other = folder.path().join("other");
        std::fs::write(&other, "text").unwrap();
        symlink(&other, &path).unwrap();
        let error = lock(&address, "n", "/x").acquire().await.unwrap_err();
        assert!(matches!(error, LockError::Io { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "text");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        lock(&address, "n", "/x").acquire().await.unwrap_err();
        assert_eq!(beside(&address, "../n"), folder.path().join("c.sock.probelet-.._n.lock"));
    }
}
