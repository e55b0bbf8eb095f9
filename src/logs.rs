//! Containers' logs: written by a process of its own for each container, read back from here.

mod files;
mod journal;
pub mod logger;
mod reader;
mod tail;

pub use files::{make_folders, remove};
pub use reader::{Read, Reader};
pub use tail::{Tail, last};
