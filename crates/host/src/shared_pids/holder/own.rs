//! New namespaces for this process, and the removal of inherited descriptors.
#![allow(unsafe_code, reason = "no safe unshare; inherited descriptors have no owner")]

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::thread::{UnshareFlags, unshare_unsafe};

pub fn unshare(namespaces: UnshareFlags) -> io::Result<()> {
    // SAFETY: the call is unsafe because of `FILES`, a separate table of descriptors, which is not
    // requested; the process has one thread.
    unsafe { unshare_unsafe(namespaces) }?;
    Ok(())
}

/// Who started the daemon may have left it some open, and waits for their end.
pub fn keep_descriptors() -> io::Result<()> {
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<RawFd>().ok();
    let numbers: Vec<_> = fs::read_dir("/proc/self/fd")?.flatten().filter_map(number).collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // SAFETY: it was open a moment ago, and this process has one thread; the one that is not
        // any more is the folder's, for which the kernel has an error.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        match fcntl_setfd(descriptor, FdFlags::CLOEXEC) {
            Ok(()) | Err(Errno::BADF) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
