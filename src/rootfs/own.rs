//! A mount namespace of this thread's own.
#![allow(unsafe_code, reason = "rustix has no safe unshare that is not deprecated")]

use std::io;

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// For a thread that does nothing else any more.
pub(super) fn mount_namespace() -> io::Result<()> {
    // SAFETY: what makes it unsafe is another table of descriptors (`FILES`), which is not asked
    // for; these change how later calls of this thread resolve paths, and nothing in memory.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) }?;
    Ok(())
}
