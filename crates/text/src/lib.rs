//! Texts that people write and read, for the client and the daemon: escapes of text for terminals and
//! logs, durations that people write, near names, a build in one line,
//! errors with their causes, and errors of the operating system.

#![warn(missing_docs)]

mod build_line;
pub mod duration;
pub mod error_chain;
pub mod escape;
pub mod nearest;
pub mod parser_error;
pub mod system_error;

pub use build_line::build_line;
