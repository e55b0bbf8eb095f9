//! Captures and stores what a condemned container is doing. This module only reads and writes;
//! the domain interprets the result (`domain::evidence::reading`).

mod capture;
mod cgroup;
mod collector;
mod command;
mod descriptors;
mod host;
mod log;
mod network;
mod pressure;
mod release;
mod sample;
mod sockets;
mod store;
mod syscalls;
#[cfg(test)]
mod tests;
mod text;
mod threads;
mod usage;

pub use collector::{Blind, EvidenceCollector, EvidenceSource};
pub use host::HostEvidence;
pub use sample::Sample;
pub use usage::{Usage, usage};
