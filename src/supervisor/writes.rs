//! Writes of records, and the deletions that have to wait for them.

use super::actor::Actor;
use crate::domain::Incarnation;
use crate::domain::container::{Event, Machine, Memory, Wanted};
use crate::runtime::RuntimeError;

impl Actor {
    /// Deletes ended tasks and older records whose facts are all in the newest attempt's record.
    /// Until that record is written, they are the only source of these facts.
    pub(super) fn clear_up(&mut self) {
        let written: Vec<_> = (0..self.containers.len()).map(|at| self.is_written(at)).collect();
        // A record that does not say that the pod is removed would bring the pod back.
        let all_written = written.iter().all(|written| *written);
        for (index, (held, written)) in self.containers.iter_mut().zip(written).enumerate() {
            if !written {
                continue;
            }
            for ended in std::mem::take(&mut held.ended) {
                if held.reaping.insert(ended) {
                    self.effects.reap(index, ended);
                }
            }
            let machine = self.pod.machine(index);
            let removed = machine.is_some_and(|m| m.member().wanted() == Wanted::Removed);
            if !removed || all_written {
                let over = std::mem::take(&mut held.over);
                over.into_iter().for_each(|over| self.effects.forget(index, over, removed));
            }
        }
    }

    /// True if the newest attempt's record contains everything that is known.
    fn is_written(&self, index: usize) -> bool {
        let (Some(held), Some(machine)) = (self.containers.get(index), self.pod.machine(index))
        else {
            return false;
        };
        // An adopted container has one record, which belongs to its owner.
        let recorded = self.spec.is_adopted() || held.recorded == Some(machine.attempt());
        recorded && !(held.starting || held.persisting || held.dirty || held.awaits_write)
    }

    pub(super) fn recorded(&mut self, index: usize, attempt: Incarnation) {
        if let Some(held) = self.containers.get_mut(index) {
            held.recorded = held.recorded.max(Some(attempt));
        }
    }

    /// Writes a container's record, one write at a time. A change during a write is written after
    /// it. While a failed write waits for its retry, a newer state is kept as a pending record.
    pub(super) fn persist(&mut self, index: usize) {
        let Some(machine) = self.pod.machine(index) else { return };
        let memory = self.remembered(machine);
        let Some(held) = self.containers.get_mut(index) else { return };
        if held.persisting {
            held.dirty = true;
            return;
        }
        held.persisting = true;
        if held.awaits_write {
            self.effects.keep(index, memory);
        } else {
            self.effects.persist(index, memory);
        }
    }

    pub(super) fn kept(&mut self, index: usize) {
        let Some(held) = self.containers.get_mut(index) else { return };
        held.persisting = false;
        if std::mem::take(&mut held.dirty) {
            self.persist(index);
        }
    }

    pub(super) fn write_due(&mut self, index: usize) {
        if let Some(held) = self.containers.get_mut(index) {
            held.awaits_write = false;
        }
        self.persist(index);
    }

    pub(super) fn persisted(
        &mut self,
        index: usize,
        incarnation: Incarnation,
        result: Result<(), RuntimeError>,
    ) {
        let Some(held) = self.containers.get_mut(index) else { return };
        held.persisting = false;
        let dirty = std::mem::take(&mut held.dirty);
        match result {
            Ok(()) => {
                held.failed_writes = 0;
                held.recorded = held.recorded.max(Some(incarnation));
                if dirty {
                    self.persist(index);
                }
                self.tell(index, Event::Written);
            }
            // The attempt was deleted meanwhile, or another client deleted its record.
            Err(RuntimeError::NotFound(reason)) => {
                let container = self.spec.at(index).map(|container| container.name.as_str());
                tracing::debug!(container, reason, "no record to write to");
                held.failed_writes = 0;
                let machine = self.pod.machine(index);
                let removed = machine.is_some_and(|m| m.member().wanted() == Wanted::Removed);
                held.recorded = match removed {
                    // A removed container needs no record.
                    true => Some(incarnation),
                    false => held.recorded.filter(|recorded| *recorded != incarnation),
                };
                if dirty {
                    self.persist(index);
                }
                // The owner of an adopted container may delete its record.
                if !self.spec.is_adopted() {
                    self.tell(index, Event::RecordMissing { incarnation });
                }
            }
            Err(error) => {
                let is_first = held.failed_writes == 0;
                held.failed_writes = held.failed_writes.saturating_add(1);
                held.awaits_write = true;
                self.effects.await_write(index, held.failed_writes);
                if is_first {
                    let container = self.spec.at(index).map(|container| container.name.as_str());
                    tracing::warn!(container, %error, "the record is not written: it is tried again");
                }
                if dirty {
                    self.persist(index);
                }
                if !error.is_loss() {
                    self.tell(index, Event::PendingRecord { error: error.to_string() });
                }
            }
        }
        self.clear_up();
    }

    /// Returns the state that goes into the record.
    pub(super) fn remembered(&self, machine: &Machine) -> Memory {
        let events = self.events.kept(&self.spec.uid, &machine.container().name);
        let boot_id = self.boot_id.as_deref().map(str::to_owned);
        Memory { events, boot_id, ..machine.memory() }
    }
}
