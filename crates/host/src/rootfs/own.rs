//! A mount namespace, or a working directory, of this thread's own.
#![allow(unsafe_code, reason = "rustix has no safe unshare that is not deprecated")]

use std::io;

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// For a thread that does nothing else any more.
pub(super) fn mount_namespace() -> io::Result<()> {
    unshare(UnshareFlags::NEWNS | UnshareFlags::FS)
}

/// As above.
pub(super) fn file_system() -> io::Result<()> {
    unshare(UnshareFlags::FS)
}

fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: what makes it unsafe is another table of descriptors (`FILES`), which nobody here
    // asks for; these change how later calls of this thread resolve paths, and nothing in memory.
    unsafe { unshare_unsafe(flags) }?;
    Ok(())
}
