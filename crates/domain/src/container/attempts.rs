//! The attempts that may have leftovers in the runtime, and their cleanup.

use std::collections::BTreeSet;
use std::time::Instant;

use super::{Action, Turn};
use crate::Incarnation;
use crate::link::retry_after;
use crate::time::Later;

/// Attempts that may have a record, a snapshot or a log in the runtime.
#[derive(Debug)]
pub struct Attempts {
    kept: BTreeSet<Incarnation>,
    /// Attempts of `kept` whose cleanup is under way.
    clearing: BTreeSet<Incarnation>,
    /// When a cleanup that failed is retried.
    retry_at: Option<Instant>,
}

impl Attempts {
    pub fn new(newest: Incarnation) -> Self {
        Self { kept: BTreeSet::from([newest]), clearing: BTreeSet::new(), retry_at: None }
    }

    /// Adds the attempts that have records. An attempt between them may have left files without a
    /// record.
    pub fn recover(
        &mut self,
        recorded: impl IntoIterator<Item = Incarnation>,
        newest: Incarnation,
    ) {
        self.kept.extend(recorded);
        if let Some(&Incarnation(oldest)) = self.kept.first() {
            self.kept.extend((oldest..newest.0).map(Incarnation));
        }
    }

    pub fn add(&mut self, attempt: Incarnation) {
        self.kept.insert(attempt);
    }

    pub fn all(&self) -> impl Iterator<Item = Incarnation> {
        self.kept.iter().copied()
    }

    pub fn len(&self) -> usize {
        self.kept.len()
    }

    pub fn is_clearing(&self, attempt: Incarnation) -> bool {
        self.clearing.contains(&attempt)
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.retry_at
    }

    /// True if a failed cleanup is to be retried now.
    pub fn is_due(&mut self, now: Instant) -> bool {
        self.retry_at.take_if(|at| *at <= now).is_some()
    }

    pub fn runtime_back(&mut self, now: Instant) {
        if let Some(at) = &mut self.retry_at {
            *at = now;
        }
    }

    pub fn forgotten(&mut self, attempt: Incarnation) {
        self.kept.remove(&attempt);
        self.clearing.remove(&attempt);
    }

    /// The cleanup of an attempt failed, for the `failures`th time in a row.
    pub fn remains(&mut self, attempt: Incarnation, failures: u32, now: Instant) {
        self.clearing.remove(&attempt);
        self.retry_at = Some(now.later(retry_after(failures)));
    }

    /// Cleans up the attempts before `oldest`, and all of them if the container is removed.
    pub fn settle(&mut self, oldest: Incarnation, is_removed: bool, turn: &mut Turn) {
        // Only the newest record says that the container is to be removed, so it is deleted last.
        let newest = self.kept.last().copied();
        let is_last = self.kept.len() == 1;
        for attempt in &self.kept {
            let is_over = is_removed && (is_last || Some(*attempt) != newest);
            if (is_over || *attempt < oldest) && self.clearing.insert(*attempt) {
                turn.push(Action::DeleteAttempt(*attempt));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(newest: u32) -> Attempts {
        let mut attempts = Attempts::new(Incarnation(newest));
        attempts.recover([Incarnation(0)], Incarnation(newest));
        attempts
    }

    fn settled(attempts: &mut Attempts, oldest: u32, is_removed: bool) -> Vec<Action> {
        let mut turn = Turn::of_test();
        attempts.settle(Incarnation(oldest), is_removed, &mut turn);
        turn.take()
    }

    #[test]
    fn older_attempts_are_cleaned_up_once() {
        let mut attempts = attempts(2);
        assert_eq!(attempts.len(), 3, "the one between may have left files");
        let forget = |attempt| Action::DeleteAttempt(Incarnation(attempt));
        assert_eq!(settled(&mut attempts, 1, false), [forget(0)]);
        assert_eq!(settled(&mut attempts, 2, false), [forget(1)]);
        let now = Turn::of_test().now.mono;
        attempts.remains(Incarnation(0), 1, now);
        assert!(!attempts.is_due(now));
        let at = attempts.deadline().unwrap();
        assert!(attempts.is_due(at) && !attempts.is_due(at));
        assert_eq!(settled(&mut attempts, 2, false), [forget(0)]);
    }

    #[test]
    fn the_newest_attempt_of_a_removed_container_goes_last() {
        let mut attempts = attempts(1);
        let forget = |attempt| Action::DeleteAttempt(Incarnation(attempt));
        assert_eq!(settled(&mut attempts, 1, true), [forget(0)]);
        attempts.forgotten(Incarnation(0));
        assert_eq!(settled(&mut attempts, 1, true), [forget(1)]);
        attempts.forgotten(Incarnation(1));
        assert_eq!(attempts.len(), 0);
    }
}
