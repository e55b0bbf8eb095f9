//! Descriptors that a logger inherits: 3 is the pipe of stdout, 4 that of stderr, and the logger
//! closes 5 when it is ready.
#![allow(unsafe_code, reason = "inherited descriptors have a number and no owner")]

use std::fs::{self, File};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

const NUMBERS: [RawFd; 3] = [3, 4, 5];

/// Takes ownership of the descriptors; `None` if one is not a pipe, so that the process was not
/// started by a shim.
pub fn take() -> Option<[File; 3]> {
    let is_pipe = |number: RawFd| {
        let target = fs::read_link(format!("/proc/self/fd/{number}"));
        target.is_ok_and(|target| target.to_string_lossy().starts_with("pipe:"))
    };
    if !NUMBERS.into_iter().all(is_pipe) {
        return None;
    }
    // SAFETY: each was open a moment ago, and this process has one thread, which has opened
    // nothing that it keeps: they were inherited, nothing else in it owns them, and this runs once,
    // at the beginning of `main`.
    Some(NUMBERS.map(|number| File::from(unsafe { OwnedFd::from_raw_fd(number) })))
}
