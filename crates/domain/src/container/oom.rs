//! The OOM killer's work in an instance: told while it happens, and known at the end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::state::State;
use super::{Machine, Turn};
use crate::Now;
use crate::notice::Notice;

/// A kill so shortly before the end of init may have been that of init.
const RECENT: Duration = Duration::from_secs(1);

/// The kernel counts for a cgroup, which may be older than the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OomCount {
    before: u64,
    seen: u64,
}

impl OomCount {
    /// What to look beyond.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    pub(super) fn kills(&self) -> u64 {
        self.seen.saturating_sub(self.before)
    }
}

impl Machine {
    pub(super) fn oom_counted(&mut self, kills: u64, turn: &mut Turn) {
        let count = &mut self.memory.oom;
        match self.state {
            State::Starting => {
                *count = OomCount { before: kills, seen: kills };
                self.oom_at = None;
            }
            State::Running(_) | State::Stopping { .. } if kills > count.seen => {
                let new = kills - count.seen;
                count.seen = kills;
                self.oom_at = Some(turn.now.mono);
                let (s, name) = (if new == 1 { "" } else { "es" }, &self.spec.name);
                let message = format!(
                    "Out of memory: the OOM killer took {new} process{s} of container {name}"
                );
                turn.note(Notice::warning("OOMKilling", message));
                turn.persist();
            }
            _ => {}
        }
    }

    pub(super) fn is_oom_recent(&self, now: Now) -> bool {
        self.oom_at.is_some_and(|at| now.mono.saturating_duration_since(at) <= RECENT)
    }
}
