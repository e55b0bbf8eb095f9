//! New namespaces for the calling thread.
#![allow(unsafe_code, reason = "rustix has no safe unshare that is not deprecated")]

use std::io;

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Moves the calling thread into new namespaces. The thread must not do other work afterwards.
pub fn unshare() -> io::Result<()> {
    let all = UnshareFlags::NEWNET | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    // SAFETY: the call is unsafe because of `FILES`, a separate table of descriptors, which is not
    // requested. These three flags change what later calls of this thread see, and no memory.
    unsafe { unshare_unsafe(all) }?;
    Ok(())
}
