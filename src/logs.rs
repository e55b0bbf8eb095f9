//! Containers' logs: written by a process of its own for each container, read back from here.

mod files;
mod handover;
mod journal;
pub mod logger;
mod ownership;
mod program;
mod reader;
mod tail;

pub use files::{make_folders, remove};
pub use handover::{hand_over, socket};
pub use ownership::check_folder;
pub use program::Program;
pub use reader::{Read, Reader};
pub use tail::{Tail, last};
