//! Kills by the OOM killer in an instance: they are published when they happen, and counted at the
//! end.

use std::time::{Duration, Instant};

use super::Turn;
use crate::Now;
use crate::notice::Notice;

/// Time before the end of the init process within which a kill may have been that of the init
/// process.
const RECENT: Duration = Duration::from_secs(1);

/// OOM kills in the cgroup of an instance. The cgroup may be older than the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OomCount {
    before: u64,
    seen: u64,
}

impl OomCount {
    /// Makes a count from those of the cgroup at the start of the instance and now.
    pub fn new(before: u64, seen: u64) -> Self {
        Self { before, seen }
    }

    /// Count of the cgroup at the start of the instance.
    pub fn before(&self) -> u64 {
        self.before
    }

    /// Newest count of the cgroup. Only a higher one is a new kill.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Number of processes of the instance that were killed.
    pub(super) fn kills(&self) -> u64 {
        self.seen.saturating_sub(self.before)
    }
}

/// Count of the newest attempt, and the time of its last increase.
#[derive(Debug, Default)]
pub struct OomWatch {
    count: OomCount,
    grew_at: Option<Instant>,
}

impl OomWatch {
    pub fn new(count: OomCount) -> Self {
        Self { count, grew_at: None }
    }

    pub fn count(&self) -> OomCount {
        self.count
    }

    pub fn next_attempt(&mut self) {
        self.count = OomCount::default();
    }

    /// Sets the count of the cgroup at the start of an instance.
    pub fn starts_with(&mut self, kills: u64) {
        *self = Self::new(OomCount { before: kills, seen: kills });
    }

    /// Handles the count of a running instance, and publishes an increase.
    pub fn counted(&mut self, kills: u64, container: &str, turn: &mut Turn) {
        let Some(new) = kills.checked_sub(self.count.seen).filter(|new| *new > 0) else { return };
        self.count.seen = kills;
        self.grew_at = Some(turn.now.mono);
        let s = if new == 1 { "" } else { "es" };
        let message =
            format!("Out of memory: the OOM killer took {new} process{s} of container {container}");
        turn.note(Notice::warning("OOMKilling", message));
        turn.persist();
    }

    pub fn is_recent(&self, now: Now) -> bool {
        self.grew_at.is_some_and(|at| now.mono.saturating_duration_since(at) <= RECENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Action;

    #[test]
    fn only_kills_since_the_start_count() {
        let mut turn = Turn::of_test();
        let mut watch = OomWatch::default();
        watch.starts_with(3);
        watch.counted(3, "app", &mut turn);
        assert_eq!((turn.take(), watch.is_recent(turn.now)), (vec![], false));
        watch.counted(5, "app", &mut turn);
        assert_eq!((watch.count().kills(), watch.count().seen()), (2, 5));
        assert!(matches!(&turn.take()[..], [Action::Note(note), Action::Persist]
            if note.message.contains("took 2 processes of container app")));
        assert!(watch.is_recent(turn.now));
        turn.pass(2);
        assert!(!watch.is_recent(turn.now));
    }
}
