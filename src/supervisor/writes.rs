//! What an actor writes down, and what may go once it is written.

use super::actor::Actor;
use crate::domain::Incarnation;
use crate::domain::container::{Event, Machine, Memory, Wanted};
use crate::runtime::RuntimeError;

impl Actor {
    pub(super) fn clear_up(&mut self) {
        self.reap();
        // As long as one record does not say that the pod is removed, it would be made again of it.
        let unwritten = self.containers.iter().any(|held| held.persisting || held.dirty);
        for (index, held) in self.containers.iter_mut().enumerate() {
            let machine = self.pod.machine(index);
            let removed = machine.is_some_and(|m| m.memory().wanted == Wanted::Removed);
            if !(removed && unwritten) {
                let over = std::mem::take(&mut held.over);
                over.into_iter().for_each(|over| self.effects.forget(index, over, removed));
            }
        }
    }

    pub(super) fn reap(&mut self) {
        for (index, held) in self.containers.iter_mut().enumerate() {
            if !(held.starting || held.persisting || held.dirty) {
                held.ended.drain(..).for_each(|ended| self.effects.reap(index, ended));
            }
        }
    }

    /// One write at a time for a container; what changes meanwhile is written after it.
    pub(super) fn persist(&mut self, index: usize) {
        let Some(machine) = self.pod.machine(index) else { return };
        let memory = self.remembered(machine);
        let Some(held) = self.containers.get_mut(index) else { return };
        if held.persisting {
            held.dirty = true;
            return;
        }
        held.persisting = true;
        self.effects.persist(index, memory, held.failed_writes);
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
                if dirty {
                    self.persist(index);
                }
                self.tell(index, Event::Written);
            }
            // The attempt was cleared away meanwhile, or a stranger deleted its record.
            Err(RuntimeError::NotFound(reason)) => {
                tracing::debug!(pod = self.spec.name, reason, "no record to write to");
                held.failed_writes = 0;
                // An owner may delete what is his.
                if !self.spec.is_adopted() {
                    self.tell(index, Event::RecordMissing { incarnation });
                }
            }
            Err(error) => {
                let is_first = held.failed_writes == 0;
                held.failed_writes = held.failed_writes.saturating_add(1);
                if is_first {
                    tracing::warn!(pod = self.spec.name, %error, "record not written, trying again");
                }
                self.persist(index);
                if !error.is_loss() {
                    self.tell(index, Event::Unwritten { error: error.to_string() });
                }
            }
        }
        self.clear_up();
    }

    /// What goes into the record.
    pub(super) fn remembered(&self, machine: &Machine) -> Memory {
        let events = self.events.kept(&self.spec.uid, &machine.container().name);
        let boot_id = self.boot_id.as_deref().map(str::to_owned);
        Memory { events, boot_id, ..machine.memory().clone() }
    }
}
