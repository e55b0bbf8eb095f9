//! A private mount namespace or working directory for the calling thread.
#![allow(unsafe_code, reason = "rustix has no safe unshare that is not deprecated")]

use std::io;

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Gives the calling thread a private mount namespace. It must not do other work afterwards.
pub fn mount_namespace() -> io::Result<()> {
    unshare(UnshareFlags::NEWNS | UnshareFlags::FS)
}

/// Gives the calling thread a private working directory. It must not do other work afterwards.
pub fn file_system() -> io::Result<()> {
    unshare(UnshareFlags::FS)
}

fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: the call is unsafe because of `FILES`, a separate table of descriptors, which is not
    // requested. These flags change how later calls of this thread resolve paths, and no memory.
    unsafe { unshare_unsafe(flags) }?;
    Ok(())
}
