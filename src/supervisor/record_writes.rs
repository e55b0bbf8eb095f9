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

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Incarnation = Incarnation(0);
    const SECOND: Incarnation = Incarnation(1);

    #[test]
    fn a_change_during_a_write_is_written_after_it() {
        let mut writes = RecordWrites::new(Some(FIRST));
        assert_eq!(writes.begin(), Some(Write::Record));
        assert_eq!([writes.begin(), writes.begin()], [None, None]);
        assert!(!writes.is_complete(FIRST));
        assert!(writes.written(FIRST), "it has to be written once more");
        assert_eq!(writes.begin(), Some(Write::Record));
        assert!(!writes.written(FIRST));
        assert!(writes.is_complete(FIRST));
    }

    #[test]
    fn while_a_failed_write_waits_the_state_is_saved_as_a_pending_record() {
        let mut writes = RecordWrites::new(Some(FIRST));
        writes.begin();
        assert_eq!(writes.failed(), (1, false));
        assert_eq!(writes.begin(), Some(Write::PendingRecord));
        assert!(!writes.pending_saved());
        assert!(!writes.is_complete(FIRST), "the record itself is not written");
        writes.retry_due();
        assert_eq!(writes.begin(), Some(Write::Record));
        assert_eq!(writes.failed(), (2, false));
        writes.retry_due();
        writes.begin();
        writes.written(FIRST);
        assert!(writes.is_complete(FIRST));
        writes.begin();
        assert_eq!(writes.failed().0, 1, "a success ends the row of failures");
    }

    #[test]
    fn a_missing_record_is_complete_only_for_a_removed_container() {
        for (removed, complete) in [(true, true), (false, false)] {
            let mut writes = RecordWrites::new(Some(FIRST));
            writes.begin();
            writes.record_missing(FIRST, removed);
            assert_eq!(writes.is_complete(FIRST), complete, "removed: {removed}");
        }
    }

    #[test]
    fn the_record_is_incomplete_during_a_start_and_until_the_newest_attempt_is_recorded() {
        let mut writes = RecordWrites::new(Some(FIRST));
        writes.set_starting(true);
        assert!(!writes.is_complete(FIRST));
        writes.set_starting(false);
        assert!(!writes.is_complete(SECOND));
        writes.mark_recorded(SECOND);
        writes.mark_recorded(FIRST);
        assert!(writes.is_complete(SECOND), "the newest attempt counts");
    }

    #[test]
    fn a_task_is_deleted_by_one_effect_at_a_time() {
        let mut writes = RecordWrites::new(Some(FIRST));
        writes.task_ended(FIRST);
        assert_eq!(writes.take_ended_tasks(), [FIRST]);
        writes.task_ended(FIRST);
        assert_eq!(writes.take_ended_tasks(), []);
        writes.task_deleted(FIRST);
        writes.task_ended(FIRST);
        assert_eq!(writes.take_ended_tasks(), [FIRST]);
    }
}
