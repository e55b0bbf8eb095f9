//! Namespaces of this thread's own.
#![allow(unsafe_code, reason = "rustix has no safe unshare that is not deprecated")]

use std::io;

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// For a thread that does nothing else any more.
pub(super) fn unshare() -> io::Result<()> {
    let all = UnshareFlags::NEWNET | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    // SAFETY: what makes it unsafe is another table of descriptors (`FILES`), which is not asked
    // for; these three change what later calls of this thread see, and nothing in memory.
    unsafe { unshare_unsafe(all) }?;
    Ok(())
}
