//! Logs of containers. Each log is written by a process of its own, and read, followed and rotated
//! with this crate.

#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read their own files; the library does not")
)]

pub mod attach;
mod fifos;
mod files;
pub mod format;
mod handover;
mod journal;
mod last;
pub mod logger;
mod order;
mod ownership;
mod program;
mod reader;
mod tail;

pub use fifos::Fifos;
pub use files::{make_folders, remove};
pub use handover::{Reachable, socket};
pub use last::last;
pub use order::{ARGUMENT, Order};
pub use ownership::check_folder;
pub use program::Program;
pub use reader::{Read, Reader};
pub use tail::Tail;
