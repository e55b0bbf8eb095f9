//! Namespaces of this process' own.
#![allow(unsafe_code, reason = "rustix has no safe unshare that is not deprecated")]

use std::io;

use rustix::thread::{UnshareFlags, unshare_unsafe};

pub(super) fn unshare(namespaces: UnshareFlags) -> io::Result<()> {
    // SAFETY: what makes it unsafe is another table of descriptors (`FILES`), for which nobody
    // here asks; the process has one thread.
    unsafe { unshare_unsafe(namespaces) }?;
    Ok(())
}
