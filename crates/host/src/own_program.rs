//! The program of the processes that containers see: a sealed copy of this one. Containers see it as
//! `/proc/PID/exe`, and with enough rights could otherwise change the program that runs on the host.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::sync::OnceLock;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

/// The running program, even if its file was replaced; in a process of the sealed copy it is that copy.
const RUNNING: &str = "/proc/self/exe";

/// The sealed copy, made on first use and shared by all processes that this daemon starts from it.
static COPY: OnceLock<OwnedFd> = OnceLock::new();

/// A command that runs the sealed copy, which is made if needed. Blocks.
pub fn sealed_command() -> io::Result<Command> {
    let copy = match COPY.get() {
        Some(copy) => copy,
        None => {
            let copy = sealed()?;
            COPY.get_or_init(|| copy)
        }
    };
    // The child has the descriptor until it executes the program.
    let mut command = Command::new(format!("/proc/self/fd/{}", copy.as_raw_fd()));
    plain(&mut command);
    Ok(command)
}

/// A command that runs the current program again.
pub fn again() -> Command {
    let mut command = Command::new(RUNNING);
    plain(&mut command);
    command
}

/// Clears the environment: the daemon's may hold passwords of proxies.
fn plain(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.arg0("probelet").env_clear();
}

fn sealed() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know the flag, later ones may be set to ask for it.
    let copy = match memfd_create(c"probelet", flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => memfd_create(c"probelet", flags)?,
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
