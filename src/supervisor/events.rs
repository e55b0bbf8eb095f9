//! The host's event log: bounded, correlated, watchable from any sequence number.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;

use crate::domain::notice::{Event, Notice};
use crate::domain::spec::{PodSpec, Role};

/// How many distinct events are kept; the oldest is dropped for a new one.
const CAPACITY: usize = 2048;

#[derive(Debug)]
pub struct EventLog {
    events: Mutex<VecDeque<Event>>,
    newest: watch::Sender<u64>,
}

impl Default for EventLog {
    fn default() -> Self {
        Self { events: Mutex::default(), newest: watch::Sender::new(0) }
    }
}

impl EventLog {
    /// Adds a notice, or counts it up where the same one is known.
    pub fn record(&self, pod: &PodSpec, container: &str, notice: Notice, wall: SystemTime) {
        let mut events = self.lock();
        let sequence = *self.newest.borrow() + 1;
        let mut event = Event {
            sequence,
            namespace: pod.namespace.clone(),
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
        };
        if let Some(at) = events.iter().position(|known| known.is_same(&event))
            && let Some(known) = events.remove(at)
        {
            event.count = known.count.saturating_add(1);
            event.first = known.first;
        }
        if events.len() >= CAPACITY {
            events.pop_front();
        }
        // In order of sequence, so that a watcher resumes with one search.
        events.push_back(event);
        drop(events);
        self.newest.send_replace(sequence);
    }

    /// Events after `sequence` in order, of one pod where named.
    pub fn after(&self, sequence: u64, pod: &str) -> Vec<Event> {
        let events = self.lock();
        let start = events.partition_point(|event| event.sequence <= sequence);
        let wanted = |event: &&Event| pod.is_empty() || event.pod == pod;
        events.iter().skip(start).filter(wanted).cloned().collect()
    }

    /// Changes to the newest sequence number with each record.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Event>> {
        // Every update leaves the log sound, so one that panicked half-way is no reason to stop.
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
