//! Ends of containers: which of them count, and their causes in words.

use std::time::{Duration, SystemTime};

use crate::domain::exit::{Cause, Terminated};
use crate::domain::status::{ContainerState, ContainerStatus};

/// The time that the pictures of ends show.
pub const RECENT: Duration = Duration::from_secs(3600);

/// The newest end of a container, whatever has followed it.
pub fn last_end(status: &ContainerStatus) -> Option<&Terminated> {
    match &status.state {
        ContainerState::Terminated(end) => Some(end),
        _ => status.last_state.as_ref(),
    }
}

/// True if no caller asked for the end, and it was no success.
pub fn is_unexpected(end: &Terminated) -> bool {
    match end.cause {
        Cause::Itself => end.exit_code != 0,
        Cause::Operator(_)
        | Cause::AllRestart
        | Cause::Dependency { .. }
        | Cause::Changed
        | Cause::PodOver => false,
        Cause::Outside { .. }
        | Cause::Probe { .. }
        | Cause::OutOfMemory
        | Cause::Crash { .. }
        | Cause::Hook { .. }
        | Cause::Deadline
        | Cause::Evicted { .. }
        | Cause::Start
        | Cause::NodeRestart
        | Cause::Unknown => true,
    }
}

/// The unexpected ends of the last hour, newest first, as far as they are kept.
pub fn recent(status: &ContainerStatus, now: SystemTime) -> impl Iterator<Item = &Terminated> {
    status.history.iter().filter(move |end| is_unexpected(end) && is_recent(end, now))
}

/// True if the end was within the last hour. A clock that was set back makes it as new as can be.
pub fn is_recent(end: &Terminated, now: SystemTime) -> bool {
    now.duration_since(end.finished_at).unwrap_or_default() <= RECENT
}

/// The cause in words. Texts that the container wrote are left out unless they are wanted.
pub fn cause(end: &Terminated, with_texts: bool) -> String {
    if with_texts { end.why() } else { end.why_without_texts() }
}
