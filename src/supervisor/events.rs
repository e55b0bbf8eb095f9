//! The host's event log: bounded, correlated, watchable from any sequence number.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::MutexGuard;
use std::time::SystemTime;

use tokio::sync::watch;

use super::clock::now;
use super::lock::Lock;
use super::subject::Subject;
use crate::domain::notice::{Event, Notice, sequence};
use crate::domain::spec::{PodSpec, Role};

/// The number of distinct events that are kept.
const CAPACITY: usize = 2048;
/// The number of a container's events that its record keeps. It is small because a record is
/// written whole at each transition.
const PER_RECORD: usize = 20;

#[derive(Debug)]
pub struct EventLog {
    events: Lock<StoredEvents>,
    newest: watch::Sender<u64>,
}

/// Events by their sequence. Above the capacity, the container with most events loses its oldest
/// one, so no container can push out the events of others.
#[derive(Debug, Default)]
struct StoredEvents {
    events: VecDeque<(Owner, Event)>,
    counts: HashMap<Owner, usize>,
}

/// The hash of a container or of a pod itself, because the log compares all owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Owner(u64);

impl Owner {
    fn of(event: &Event) -> Self {
        let mut hasher = DefaultHasher::new();
        (&event.pod_uid, &event.container).hash(&mut hasher);
        Self(hasher.finish())
    }
}

impl StoredEvents {
    fn push(&mut self, event: Event) {
        let owner = Owner::of(&event);
        *self.counts.entry(owner).or_default() += 1;
        self.events.push_back((owner, event));
    }

    fn remove(&mut self, at: usize) -> Option<Event> {
        let (owner, event) = self.events.remove(at)?;
        if let Some(count) = self.counts.get_mut(&owner) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&owner);
            }
        }
        Some(event)
    }

    /// Drops events above the capacity.
    fn fit(&mut self) {
        while self.events.len() > CAPACITY {
            let most = self.counts.values().max().copied();
            let has_most = |(owner, _): &(Owner, Event)| self.counts.get(owner).copied() == most;
            let oldest = self.events.iter().position(has_most);
            self.remove(oldest.unwrap_or_default());
        }
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.events.iter().map(|(_, event)| event)
    }
}

impl Default for EventLog {
    fn default() -> Self {
        Self { events: Lock::default(), newest: watch::Sender::new(0) }
    }
}

impl EventLog {
    /// Logs a notice about the pod's first container, or about the pod if it has none, and adds it.
    pub fn log(&self, pod: &PodSpec, notice: Notice) {
        let container = pod.containers.first().map_or("", |container| &container.name);
        tracing::info!(pod = %pod.key(), reason = notice.reason, "{}", notice.message);
        self.record(pod, container, notice, now().wall);
    }

    /// Adds a notice, or increments the count of an equal one.
    pub fn record(&self, pod: &PodSpec, container: &str, notice: Notice, wall: SystemTime) {
        self.add(Event {
            sequence: 0,
            object: None,
            namespace: pod.key().namespace().to_owned(),
            pod: pod.name.clone(),
            pod_uid: pod.uid.clone(),
            container: container.to_owned(),
            init: pod.role_of(container) != Role::Regular,
            kind: notice.kind,
            reason: notice.reason.to_owned(),
            message: notice.message,
            count: 1,
            first: wall,
            last: wall,
        });
    }

    /// Adds an event that occurred at its last time, with the next number, or increments the count of
    /// an equal one. Returns the number.
    pub fn add(&self, mut event: Event) -> u64 {
        let mut events = self.lock();
        let sequence = sequence::next(*self.newest.borrow(), event.last);
        event.sequence = sequence;
        let known = events.iter().position(|known| known.is_same(&event));
        if let Some(at) = known
            && let Some(known) = events.remove(at)
        {
            event.count = known.count.saturating_add(1);
            event.first = known.first;
        }
        // Events are ordered by sequence, so that a watcher resumes with one binary search.
        events.push(event);
        events.fit();
        // The lock is still held, because the next sequence number follows from this one.
        self.newest.send_replace(sequence);
        sequence
    }

    /// Returns the newest events of one container and of its pod, for its record. Each record of a
    /// pod has the pod's events, because it is unknown which record is written last.
    pub fn for_record(&self, pod_uid: &str, container: &str) -> Vec<Event> {
        let log = self.lock();
        let newest = |of: &str| -> Vec<Event> {
            let own = |event: &&Event| event.pod_uid == pod_uid && event.container == of;
            log.iter().rev().filter(own).take(PER_RECORD).cloned().collect()
        };
        let mut events = newest(container);
        events.append(&mut newest(""));
        events.sort_by_key(|event| event.sequence);
        events
    }

    /// Adds the events of a record that an earlier daemon wrote.
    pub fn restore(&self, recorded: impl IntoIterator<Item = Event>) {
        let mut events = self.lock();
        // The log may have an event already: recovery of a pod is retried, and the records of one
        // pod were written at different times. The event with the higher sequence number is newer.
        for event in recorded {
            let mut all = events.events.iter_mut().map(|(_, known)| known);
            match all.find(|known| known.is_same(&event)) {
                Some(known) if known.sequence >= event.sequence => {}
                Some(known) => *known = event,
                None => events.push(event),
            }
        }
        events.events.make_contiguous().sort_by_key(|(_, event)| event.sequence);
        events.fit();
        let newest = events.iter().next_back().map_or(0, |event| sequence::floor(event.sequence));
        self.newest.send_if_modified(|known| std::mem::replace(known, newest.max(*known)) < newest);
    }

    /// Returns the events of the subject after `sequence`, in order.
    pub fn after(&self, sequence: u64, subject: &Subject) -> Vec<Event> {
        let events = self.lock();
        let start = events.events.partition_point(|(_, event)| event.sequence <= sequence);
        let wanted = |event: &&Event| subject.includes(event);
        events.iter().skip(start).filter(wanted).cloned().collect()
    }

    /// Returns the newest sequence number, which changes with each event.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, StoredEvents> {
        self.events.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::spec::sample;

    fn record(log: &EventLog, message: &str) {
        record_at(log, message, SystemTime::UNIX_EPOCH);
    }

    fn record_at(log: &EventLog, message: &str, wall: SystemTime) {
        log.record(&sample::pod(), "app", Notice::normal("Recorded", message), wall);
    }

    fn newest(log: &EventLog) -> u64 {
        log.after(0, &Subject::All).last().unwrap().sequence
    }

    #[test]
    fn a_number_that_no_record_has_is_not_used_again() {
        let (early, late) =
            (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        for wall in [early, late] {
            let old = EventLog::default();
            record_at(&old, "first", early);
            let recorded = old.for_record(&sample::pod().uid, "app");
            (0..50).for_each(|n| record_at(&old, &n.to_string(), early));
            let new = EventLog::default();
            new.restore(recorded);
            record_at(&new, "new", wall);
            assert!(newest(&new) > newest(&old));
        }
    }

    #[test]
    fn without_a_record_the_time_excludes_used_numbers() {
        let (old, new) = (EventLog::default(), EventLog::default());
        let died = SystemTime::UNIX_EPOCH + Duration::from_secs(9);
        (0..50).for_each(|n| record_at(&old, &n.to_string(), died));
        record_at(&new, "new", died + Duration::from_millis(1));
        assert!(newest(&new) > newest(&old));
    }

    #[test]
    fn another_log_continues_from_the_events_of_a_record() {
        let old = EventLog::default();
        (0..30).for_each(|n| record(&old, &n.to_string()));
        record(&old, "29");
        let uid = sample::pod().uid;
        let recorded = old.for_record(&uid, "app");
        assert_eq!((recorded.len(), old.for_record(&uid, "other").len()), (20, 0));
        let new = EventLog::default();
        new.restore(recorded.clone());
        assert_eq!(new.after(0, &Subject::All), recorded);
        record(&new, "29");
        let last = new.after(0, &Subject::All).pop().unwrap();
        assert_eq!(last.count, 3);
        assert!(recorded.iter().all(|event| event.sequence < last.sequence));
    }

    #[test]
    fn an_event_restored_twice_is_in_the_log_once() {
        let old = EventLog::default();
        (0..3).for_each(|n| record(&old, &n.to_string()));
        let recorded = old.for_record(&sample::pod().uid, "app");
        let new = EventLog::default();
        new.restore(recorded.clone());
        new.restore(recorded.clone());
        assert_eq!(new.after(0, &Subject::All), recorded);
        record(&new, "1");
        let events = new.after(0, &Subject::All);
        new.restore(recorded);
        assert_eq!(new.after(0, &Subject::All), events, "also if an event was counted meanwhile");
    }

    #[test]
    fn the_pods_own_events_are_in_each_of_its_records() {
        let old = EventLog::default();
        let pod = sample::pod();
        let note = |container: &str, message: &str| {
            let notice = Notice::normal("Recorded", message);
            old.record(&pod, container, notice, SystemTime::UNIX_EPOCH);
        };
        note("app", "1");
        note("", "of the pod");
        let early = old.for_record(&pod.uid, "app");
        note("", "of the pod");
        let late = old.for_record(&pod.uid, "other");
        let new = EventLog::default();
        new.restore([early, late].concat());
        let events = new.after(0, &Subject::All);
        let events: Vec<_> = events.iter().map(|e| (e.container.as_str(), e.count)).collect();
        assert_eq!(events, [("app", 1), ("", 2)], "the record that was written last counts");
    }

    #[test]
    fn no_two_events_have_the_same_number() {
        let log = EventLog::default();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let log = &log;
                scope.spawn(move || {
                    (0..200).for_each(|n| record(log, &format!("{thread} {n}")));
                });
            }
        });
        let numbers: Vec<_> =
            log.after(0, &Subject::All).iter().map(|event| event.sequence).collect();
        assert_eq!(numbers, (1..=1600).collect::<Vec<_>>());
    }

    #[test]
    fn a_container_with_many_events_pushes_out_only_its_own() {
        let log = EventLog::default();
        let record = |container: &str, message: &str| {
            let notice = Notice::normal("Recorded", message);
            log.record(&sample::pod(), container, notice, SystemTime::UNIX_EPOCH);
        };
        let of = |container: &str| -> Vec<String> {
            let events = log.after(0, &Subject::All).into_iter();
            events.filter(|it| it.container == container).map(|it| it.message).collect()
        };
        (0..100).for_each(|n| record("quiet", &n.to_string()));
        (0..10_000).for_each(|n| record("loud", &n.to_string()));
        record("quiet", "last");
        assert_eq!(of("quiet").len(), 101);
        let loud = of("loud");
        assert_eq!((loud.len(), loud.last().unwrap().as_str()), (CAPACITY - 101, "9999"));
        // Two owners with the same number of events keep the same share.
        (0..10_000).for_each(|n| record("other", &n.to_string()));
        let shares = [of("loud").len(), of("other").len()];
        assert!(shares[0].abs_diff(shares[1]) <= 1 && of("quiet").len() == 101, "{shares:?}");
        // Events restored from records have the same bound.
        let event = log.after(0, &Subject::All).pop().unwrap();
        log.restore((0..5000).map(|n| Event {
            message: format!("old {n}"),
            sequence: n,
            ..event.clone()
        }));
        assert_eq!((log.after(0, &Subject::All).len(), of("quiet").len()), (CAPACITY, 101));
    }

    #[test]
    fn long_messages_are_shortened() {
        let log = EventLog::default();
        record(&log, &"é".repeat(3000));
        let recorded = log.for_record(&sample::pod().uid, "app");
        assert!(recorded[0].message.len() <= 1030 && recorded[0].message.ends_with('…'));
        assert_eq!(log.after(0, &Subject::All), recorded);
    }

    #[test]
    fn a_watcher_is_woken_by_restored_events() {
        let old = EventLog::default();
        record(&old, "x");
        let new = EventLog::default();
        let newest = new.newest();
        new.restore(old.for_record(&sample::pod().uid, "app"));
        assert!(newest.has_changed().unwrap() && *newest.borrow() > 0);
        assert_eq!(old.after(0, &Subject::All)[0].last, SystemTime::UNIX_EPOCH + Duration::ZERO);
    }
}
