//! Commands in a container without shim and runc.
//!
//! For a command that runs each second, containerd's way costs much more than the command: a call, a
//! FIFO or two, and two processes of runc. Here a helper process (`helper.rs`) joins the container
//! and becomes the command. The plan (`plan.rs`) is made from the same OCI process that containerd
//! would get, and what it cannot reproduce is refused.

mod cgroups;
mod command;
mod helper;
mod messages;
mod own;
mod plan;
mod start;
mod surroundings;

use std::process::ExitCode;

pub use plan::{Namespaces, Plan, Process, Refusal};
pub use start::{DirectCommand, DirectError};

/// The argument by which the binary runs as the helper of a command.
const ARGUMENT: &str = "direct-exec";

/// `None` if this process was not started as a helper.
pub fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != ARGUMENT {
        return None;
    }
    // A helper reports errors on its socket. This one is that socket's.
    Some(if helper::run().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
