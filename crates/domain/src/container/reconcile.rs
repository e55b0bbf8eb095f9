//! Comparison of a container's state with the records and tasks of the runtime. They may differ
//! because another client changed them, or because the runtime was unavailable.

use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};
use std::time::Instant;

use super::life::Life;
use super::phase::Phase;
use super::{Action, Turn, Wanted};
use crate::notice::Notice;
use crate::{Incarnation, Now};

/// Attempts of a container that have a record, as the runtime listed them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Time at which the listing began. Later changes are not part of it.
    pub at: Instant,
    /// State of the task of each attempt that has a record.
    pub attempts: BTreeMap<Incarnation, SeenTask>,
}

/// Task of an attempt, as the runtime listed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenTask {
    /// The attempt has no task.
    None,
    /// The task has not ended.
    Alive,
    /// The task has ended, and was not deleted yet.
    Ended,
}

/// Newest attempt, its phase, and the number of attempts that have a record.
type Progress = (Incarnation, Discriminant<Phase>, usize);

/// Compares a container with its records.
#[derive(Debug, Default)]
pub struct Reconciliation {
    /// Time of the last change of the progress.
    changed_at: Option<Instant>,
    /// True after an event that the record cannot be written, until it is written again.
    is_unwritten: bool,
}

impl Reconciliation {
    pub fn progress(life: &Life) -> Progress {
        (life.course.attempt, discriminant(&life.phase), life.attempts.len())
    }

    /// Ends the handling of an event. `before` is the progress at its start.
    pub fn turn_over(&mut self, life: &Life, before: Progress, now: Now) {
        if before != Self::progress(life) {
            self.changed_at = Some(now.mono);
        }
    }

    pub fn observed(&self, life: &mut Life, observation: &Observation, turn: &mut Turn) {
        let is_stale = self.changed_at.is_some_and(|changed| changed >= observation.at);
        // While a container is removed or started, its records change anyway.
        if is_stale || life.phase.is_in_flux() || life.mandate.wanted == Wanted::Removed {
            return;
        }
        let current = life.course.attempt;
        for (attempt, task) in &observation.attempts {
            if *attempt == current {
                found_current(life, *task, turn);
            } else if *attempt < current && !life.attempts.is_clearing(*attempt) {
                life.attempts.add(*attempt);
                found_idle(*attempt, *task, turn);
            }
        }
        if !observation.attempts.contains_key(&current) {
            record_missing(life, current, turn);
        }
        life.settle(turn);
    }

    /// Publishes that the record cannot be written, once until it is written again.
    pub fn pending_record(&mut self, error: &str, turn: &mut Turn) {
        if !std::mem::replace(&mut self.is_unwritten, true) {
            let message = format!("The container's record cannot be written: {error}");
            turn.note(Notice::warning("RecordNotWritten", message));
        }
    }

    pub fn written(&mut self, turn: &mut Turn) {
        if std::mem::take(&mut self.is_unwritten) {
            let message = "The container's record is written again";
            turn.note(Notice::normal("RecordWritten", message));
        }
    }
}

/// Writes a missing record again. Without it the next daemon would not find the container, and
/// containerd would not have its task.
pub fn record_missing(life: &Life, attempt: Incarnation, turn: &mut Turn) {
    let is_settled = !life.phase.is_in_flux() && attempt == life.course.attempt;
    // A start that failed because of the runtime is retried, and writes the record.
    let is_tried = life.troubles > 0 && life.phase.wait().is_some();
    if !is_settled || is_tried || life.mandate.wanted == Wanted::Removed {
        return;
    }
    let message = format!("The containerd record of attempt {attempt} was gone: written anew");
    turn.note(Notice::warning("RecordMissing", message));
    turn.push(Action::RestoreRecord(attempt));
}

/// Retries at once what has waited for the runtime, which is available again.
pub fn runtime_back(life: &mut Life, now: Now) {
    life.troubles = 0;
    if let Phase::Waiting(wait) = &mut life.phase
        && wait.restart_at.is_none()
    {
        wait.until = now.mono;
    }
    life.attempts.runtime_back(now.mono);
}

pub fn note_no_log(attempt: Incarnation, why: &str, turn: &mut Turn) {
    let message = format!("Attempt {attempt} runs without a log: {why}");
    turn.note(Notice::warning("NoLog", message));
}

fn found_current(life: &mut Life, task: SeenTask, turn: &mut Turn) {
    let pid = life.course.pid.unwrap_or_default();
    let Some(instance) = life.phase.process_mut() else {
        found_idle(life.course.attempt, task, turn);
        return;
    };
    let was_orphan = std::mem::replace(&mut instance.is_orphan, task == SeenTask::None);
    if instance.is_orphan && !was_orphan {
        // The daemon holds the process by its pidfd, so there is no reason to end it.
        let message = format!(
            "containerd has lost the task; process {pid} runs on, but its commands and logs \
             do not work until the container is restarted"
        );
        turn.note(Notice::warning("TaskLost", message));
    }
}

/// Handles the task of an attempt that is over or was never started.
fn found_idle(attempt: Incarnation, task: SeenTask, turn: &mut Turn) {
    match task {
        SeenTask::None => {}
        SeenTask::Ended => turn.push(Action::DeleteTask(attempt)),
        SeenTask::Alive => {
            let message = format!(
                "Ending a task of attempt {attempt} that probelet did not start; \
                 use probelet start or restart"
            );
            turn.note(Notice::warning("StrayTask", message));
            turn.push(Action::EndStrayTask(attempt));
        }
    }
}
