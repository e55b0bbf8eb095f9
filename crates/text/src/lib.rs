//! Texts that people write and read, for the client and the daemon: escapes of text for terminals and
//! logs, and durations as Go writes them.

#![warn(missing_docs)]

pub mod duration;
pub mod escape;
