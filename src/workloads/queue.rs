//! Which object is next: what has changed, what is due, and what waits after a failure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use probelet_kube_wire::feed::{Key, Stored};
use probelet_workload::Kind;

/// Seconds after a failure. The wait doubles up to the longest one.
const FIRST_WAIT: i64 = 1;
const LONGEST_WAIT: i64 = 60;

/// A piece of work. No two of the same run at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// A workload is reconciled.
    Object(Kind, Key),
    /// The dependents of an object that is being deleted are deleted or released.
    Unwind(Stored, Key),
    /// An object without an owner is deleted.
    Garbage(Stored, Key),
}

/// A piece of work that there is now.
#[derive(Debug, Clone)]
pub struct Seen {
    pub work: Work,
    /// Another version asks for the work again.
    pub version: String,
    /// Another cause ends the wait after a failure, such as another generation of the object.
    pub cause: String,
}

/// The result of a piece of work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    pub failed: bool,
    /// When the work is to be done again even if nothing changes.
    pub next: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Entry {
    version: String,
    cause: String,
    is_due: bool,
    is_running: bool,
    next: Option<Timestamp>,
    failures: u32,
    /// The end of the wait after a failure.
    not_before: Option<Timestamp>,
}

impl Entry {
    /// When the work is to begin; none without a reason.
    fn starts(&self, now: Timestamp) -> Option<Timestamp> {
        let wanted = if self.is_due { Some(now) } else { self.next };
        wanted.map(|at| self.not_before.map_or(at, |wait| wait.max(at)))
    }
}

#[derive(Debug, Default)]
pub struct Queue(BTreeMap<Work, Entry>);

impl Queue {
    /// Takes note of all work that there is. What is not among it any more is dropped.
    pub fn observe(&mut self, seen: impl IntoIterator<Item = Seen>) {
        let mut there = BTreeSet::new();
        for Seen { work, version, cause } in seen {
            let entry = self.0.entry(work.clone()).or_default();
            if entry.version != version {
                (entry.version, entry.is_due) = (version, true);
            }
            if entry.cause != cause {
                (entry.cause, entry.failures, entry.not_before) = (cause, 0, None);
            }
            there.insert(work);
        }
        self.0.retain(|work, entry| entry.is_running || there.contains(work));
    }

    /// Marks work whose surroundings have changed.
    pub fn mark(&mut self, is_changed: impl Fn(&Work) -> bool) {
        let changed = self.0.iter_mut().filter(|(work, _)| is_changed(work));
        changed.for_each(|(_, entry)| entry.is_due = true);
    }

    /// Returns at most `room` pieces of work that begin now.
    pub fn take(&mut self, now: Timestamp, room: usize) -> Vec<Work> {
        let is_ready = |entry: &Entry| {
            !entry.is_running && entry.starts(now).is_some_and(|starts| starts <= now)
        };
        let ready = self.0.iter_mut().filter(|(_, entry)| is_ready(entry)).take(room);
        let begun = ready.map(|(work, entry)| {
            (entry.is_running, entry.is_due, entry.next) = (true, false, None);
            work.clone()
        });
        begun.collect()
    }

    /// Takes note of the end of a piece of work.
    pub fn done(&mut self, work: &Work, done: Done, now: Timestamp) {
        let Some(entry) = self.0.get_mut(work) else { return };
        (entry.is_running, entry.next) = (false, done.next);
        if !done.failed {
            (entry.failures, entry.not_before) = (0, None);
            return;
        }
        let doubled = FIRST_WAIT.checked_shl(entry.failures).unwrap_or(LONGEST_WAIT);
        let wait = if entry.failures < 6 { doubled.min(LONGEST_WAIT) } else { LONGEST_WAIT };
        entry.failures = entry.failures.saturating_add(1);
        let wait = SignedDuration::from_secs(wait);
        (entry.is_due, entry.not_before) = (true, now.checked_add(wait).ok());
    }

    /// When the next piece of work begins, if nothing changes before.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let waiting = self.0.values().filter(|entry| !entry.is_running);
        waiting.filter_map(|entry| entry.starts(now)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn web() -> Work {
        Work::Object(Kind::Deployment, Key::new("default", "web"))
    }

    fn seen(version: &str, cause: &str) -> [Seen; 1] {
        [Seen { work: web(), version: version.into(), cause: cause.into() }]
    }

    fn ended(queue: &mut Queue, failed: bool, now: i64) {
        queue.done(&web(), Done { failed, next: None }, at(now));
    }

    #[test]
    fn a_change_during_the_work_asks_for_it_again() {
        let mut queue = Queue::default();
        queue.observe(seen("1", "a"));
        assert_eq!(queue.take(at(0), 4), [web()]);
        queue.observe(seen("2", "a"));
        assert_eq!(queue.take(at(0), 4), [], "it runs");
        ended(&mut queue, false, 0);
        assert_eq!(queue.take(at(0), 0), [], "there is no room");
        assert_eq!(queue.take(at(0), 4), [web()]);
        ended(&mut queue, false, 0);
        queue.observe(seen("2", "a"));
        assert_eq!((queue.take(at(0), 4), queue.next(at(0))), (vec![], None));
    }

    #[test]
    fn a_time_asks_for_work() {
        let mut queue = Queue::default();
        queue.observe(seen("1", "a"));
        queue.take(at(0), 4);
        queue.done(&web(), Done { failed: false, next: Some(at(10)) }, at(0));
        assert_eq!((queue.take(at(9), 4), queue.next(at(9))), (vec![], Some(at(10))));
        assert_eq!(queue.take(at(10), 4), [web()]);
    }

    #[test]
    fn failures_wait_longer_each_time_until_the_cause_changes() {
        let mut queue = Queue::default();
        queue.observe(seen("1", "a"));
        let mut now = 0;
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(queue.take(at(now), 4), [web()]);
            ended(&mut queue, true, now);
            // Another version, such as that of a status, does not end the wait.
            queue.observe(seen(&wait.to_string(), "a"));
            queue.mark(|_| true);
            assert_eq!(queue.next(at(now)), Some(at(now + wait)));
            assert_eq!(queue.take(at(now + wait - 1), 4), []);
            now += wait;
        }
        queue.take(at(now), 4);
        ended(&mut queue, true, now);
        queue.observe(seen("9", "b"));
        assert_eq!(queue.take(at(now), 4), [web()]);
        ended(&mut queue, true, now);
        assert_eq!(queue.next(at(now)), Some(at(now + 1)));
    }

    #[test]
    fn work_that_is_no_more_is_dropped_when_it_has_ended() {
        let mut queue = Queue::default();
        queue.observe(seen("1", "a"));
        queue.take(at(0), 4);
        queue.observe([]);
        ended(&mut queue, true, 0);
        queue.observe([]);
        assert_eq!((queue.next(at(100)), queue.0.len()), (None, 0));
    }
}
