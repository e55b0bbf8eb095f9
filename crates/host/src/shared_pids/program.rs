//! The program of holders: a copy of this one that nobody can write to. Containers see it as
//! `/proc/1/exe`, and one with rights enough could change what is run on the host.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

/// The program that runs, whatever has become of its file; a holder's own is the sealed copy.
const RUNNING: &str = "/proc/self/exe";

/// Made when it is first needed, one for all holders of this daemon.
#[derive(Debug, Clone, Default)]
pub(super) struct Program(Arc<OnceLock<OwnedFd>>);

impl Program {
    /// Blocks.
    pub(super) fn command(&self) -> io::Result<tokio::process::Command> {
        let copy = match self.0.get() {
            Some(copy) => copy,
            None => {
                let copy = sealed()?;
                self.0.get_or_init(|| copy)
            }
        };
        // The child has the descriptor until it is another program.
        let mut command = Command::new(format!("/proc/self/fd/{}", copy.as_raw_fd()));
        plain(&mut command);
        Ok(command.into())
    }
}

/// The running program again.
pub(super) fn again() -> Command {
    let mut command = Command::new(RUNNING);
    plain(&mut command);
    command
}

/// Without the daemon's environment, in which there may be passwords of proxies.
fn plain(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.arg0("probelet").env_clear();
}

fn sealed() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know the flag, later ones may be set to ask for it.
    let copy = match memfd_create(c"pod-pause", flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => memfd_create(c"pod-pause", flags)?,
        made => made?,
    };
    let mut copy = File::from(copy);
    io::copy(&mut File::open(RUNNING)?, &mut copy)?;
    fcntl_add_seals(
        &copy,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    Ok(copy.into())
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;

    #[test]
    fn the_copy_is_the_program_and_takes_no_writes() {
        let copy = sealed().unwrap();
        let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
        let length = |path: &str| std::fs::metadata(path).unwrap().len();
        assert_eq!(length(&path), length(RUNNING));
        let written =
            OpenOptions::new().write(true).open(&path).and_then(|mut f| f.write_all(b"x"));
        assert!(written.is_err());
        assert!(OpenOptions::new().write(true).truncate(true).open(&path).is_err());
        assert!(fcntl_add_seals(&copy, SealFlags::WRITE).is_err());
    }
}
