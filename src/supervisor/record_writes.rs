//! The writes of one container's record, and the deletions that wait for them.

use std::collections::BTreeSet;

use crate::domain::Incarnation;

/// What of one container is recorded, and what may be deleted once the record is complete.
#[derive(Debug, Default)]
pub struct RecordWrites {
    writing: bool,
    /// The state has changed since the write in progress began.
    changed: bool,
    /// The number of writes that failed in a row.
    failures: u32,
    /// A failed write waits for its retry.
    awaits_retry: bool,
    /// An effect that writes the record itself is in progress: a start, or a check of images.
    starting: bool,
    /// The newest attempt whose record exists with the cause that led to it.
    recorded: Option<Incarnation>,
    /// Ended tasks that are deleted once what followed them is recorded. Until then only they hold
    /// the cause of their exit.
    ended_tasks: BTreeSet<Incarnation>,
    /// Ended tasks that are being deleted.
    deleting: BTreeSet<Incarnation>,
    /// Attempts whose records are to be deleted.
    superseded: Vec<Incarnation>,
}

/// A write that has to begin.
#[derive(Debug, PartialEq, Eq)]
pub enum Write {
    Record,
    /// The write of the record waits for its retry, so the newer state becomes a pending record.
    PendingRecord,
}

impl RecordWrites {
    pub fn new(recorded: Option<Incarnation>) -> Self {
        Self { recorded, ..Self::default() }
    }

    /// Begins a write of the changed state. None while a write is in progress, after which the
    /// state is written again.
    pub fn begin(&mut self) -> Option<Write> {
        if self.writing {
            self.changed = true;
            return None;
        }
        self.writing = true;
        Some(if self.awaits_retry { Write::PendingRecord } else { Write::Record })
    }

    /// Ends a write of a pending record. True if the state has changed since.
    pub fn pending_saved(&mut self) -> bool {
        self.writing = false;
        std::mem::take(&mut self.changed)
    }

    /// Ends a write that succeeded. True if the state has changed since.
    pub fn written(&mut self, attempt: Incarnation) -> bool {
        self.failures = 0;
        self.mark_recorded(attempt);
        self.pending_saved()
    }

    /// Ends a write to a record that does not exist. A removed container needs no record. True if
    /// the state has changed since.
    pub fn record_missing(&mut self, attempt: Incarnation, removed: bool) -> bool {
        self.failures = 0;
        self.recorded = match removed {
            true => Some(attempt),
            false => self.recorded.filter(|recorded| *recorded != attempt),
        };
        self.pending_saved()
    }

    /// Ends a write that failed. Returns the number of failures in a row, and whether the state has
    /// changed since.
    pub fn failed(&mut self) -> (u32, bool) {
        self.failures = self.failures.saturating_add(1);
        self.awaits_retry = true;
        (self.failures, self.pending_saved())
    }

    pub fn retry_due(&mut self) {
        self.awaits_retry = false;
    }

    pub fn set_starting(&mut self, starting: bool) {
        self.starting = starting;
    }

    pub fn mark_recorded(&mut self, attempt: Incarnation) {
        self.recorded = self.recorded.max(Some(attempt));
    }

    /// True if the record of the attempt exists and no write is in progress or waits.
    pub fn is_complete(&self, attempt: Incarnation) -> bool {
        self.recorded == Some(attempt) && !self.is_pending()
    }

    /// True if a write is in progress or waits.
    pub fn is_pending(&self) -> bool {
        self.starting || self.writing || self.changed || self.awaits_retry
    }

    /// Adds an ended task, to be deleted once the record is complete.
    pub fn task_ended(&mut self, attempt: Incarnation) {
        self.ended_tasks.insert(attempt);
    }

    pub fn task_deleted(&mut self, attempt: Incarnation) {
        self.deleting.remove(&attempt);
    }

    /// Adds an attempt whose record is to be deleted once the record is complete.
    pub fn supersede(&mut self, attempt: Incarnation) {
        self.superseded.push(attempt);
    }

    /// Takes the ended tasks whose deletion has to begin.
    pub fn take_ended_tasks(&mut self) -> Vec<Incarnation> {
        let ended = std::mem::take(&mut self.ended_tasks);
        ended.into_iter().filter(|attempt| self.deleting.insert(*attempt)).collect()
    }

    /// Takes the attempts whose deletion has to begin.
    pub fn take_superseded(&mut self) -> Vec<Incarnation> {
        std::mem::take(&mut self.superseded)
    }
}
