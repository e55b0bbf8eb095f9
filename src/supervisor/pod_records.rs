//! The records of a pod's containers: when they are written, and the deletions that have to wait for
//! them.

use std::sync::Arc;

use super::effects::{Effects, RecordEffects, TaskEffects};
use super::events::EventLog;
use super::record_writes::{RecordWrites, Write};
use crate::domain::Incarnation;
use crate::domain::container::{Event, Machine, Memory, Wanted};
use crate::domain::pod::Pod;
use crate::node::{CallError, NodeError};

pub struct PodRecords {
    writes: Vec<RecordWrites>,
    record_effects: RecordEffects,
    events: Arc<EventLog>,
    boot_id: Option<Arc<str>>,
}

impl PodRecords {
    pub fn new(
        writes: Vec<RecordWrites>,
        record_effects: RecordEffects,
        events: Arc<EventLog>,
        boot_id: Option<Arc<str>>,
    ) -> Self {
        Self { writes, record_effects, events, boot_id }
    }

    /// Returns the writes of one container.
    pub fn of(&mut self, index: usize) -> Option<&mut RecordWrites> {
        self.writes.get_mut(index)
    }

    /// Returns the state that goes into a container's record.
    pub fn memory(&self, effects: &Effects, machine: &Machine) -> Memory {
        let events = self.events.for_record(&effects.spec().uid, &machine.container().name);
        let boot_id = self.boot_id.as_deref().map(str::to_owned);
        Memory { events, boot_id, ..machine.memory() }
    }

    /// Returns the state with which an effect writes the record itself.
    pub fn begin_start(&mut self, effects: &Effects, machine: &Machine, index: usize) -> Memory {
        if let Some(writes) = self.of(index) {
            writes.set_starting(true);
        }
        self.memory(effects, machine)
    }

    /// Ends the effect. `recorded` is the attempt whose record it has written.
    pub fn end_start(&mut self, index: usize, recorded: Option<Incarnation>) {
        if let Some(writes) = self.of(index) {
            writes.set_starting(false);
            if let Some(attempt) = recorded {
                writes.mark_recorded(attempt);
            }
        }
    }

    /// While the runtime is away a start writes no record.
    pub fn is_runtime_up(&self) -> bool {
        self.record_effects.is_runtime_up()
    }

    /// Writes a container's record, one write at a time. A change during a write is written after
    /// it. While a failed write waits for its retry, a newer state becomes a pending record.
    pub fn write(&mut self, pod: &Pod, effects: &mut Effects, index: usize) {
        let Some(machine) = pod.machine(index) else { return };
        let memory = self.memory(effects, machine);
        match self.of(index).and_then(RecordWrites::begin) {
            Some(Write::Record) => self.record_effects.write(effects, index, memory),
            Some(Write::PendingRecord) => self.record_effects.save_pending(effects, index, memory),
            None => {}
        }
    }

    /// Writes a record that another client deleted.
    pub fn restore(
        &self,
        pod: &Pod,
        effects: &mut Effects,
        index: usize,
        incarnation: Incarnation,
    ) {
        let Some(machine) = pod.machine(index) else { return };
        let memory = self.memory(effects, machine);
        self.record_effects.restore(effects, index, incarnation, memory);
    }

    /// Writes a restored record again, because it has to include the changes since.
    pub fn on_restored(
        &mut self,
        pod: &Pod,
        effects: &mut Effects,
        index: usize,
        attempt: Incarnation,
    ) {
        if let Some(writes) = self.of(index) {
            writes.mark_recorded(attempt);
        }
        self.write(pod, effects, index);
    }

    pub fn on_pending_saved(&mut self, pod: &Pod, effects: &mut Effects, index: usize) {
        if self.of(index).is_some_and(RecordWrites::pending_saved) {
            self.write(pod, effects, index);
        }
    }

    pub fn on_write_due(&mut self, pod: &Pod, effects: &mut Effects, index: usize) {
        if let Some(writes) = self.of(index) {
            writes.retry_due();
        }
        self.write(pod, effects, index);
    }

    /// Handles the result of a write. Returns the event for the container's machine.
    pub fn on_written(
        &mut self,
        pod: &Pod,
        effects: &mut Effects,
        index: usize,
        incarnation: Incarnation,
        result: Result<(), NodeError>,
    ) -> Option<Event> {
        let writes = self.writes.get_mut(index)?;
        let container = effects.spec().at(index).map(|container| container.name.clone());
        let (changed, event) = match result {
            Ok(()) => (writes.written(incarnation), Some(Event::Written)),
            // The attempt was deleted meanwhile, or another client deleted its record.
            Err(NodeError::Call(CallError::NotFound(reason))) => {
                tracing::debug!(container, %reason, "there is no record to write to");
                let changed = writes.record_missing(incarnation, is_removed(pod, index));
                // The owner of an adopted container may delete its record.
                let is_ours = !effects.spec().is_adopted();
                (changed, is_ours.then_some(Event::RecordMissing { incarnation }))
            }
            Err(error) => {
                let (failures, changed) = writes.failed();
                self.record_effects.await_retry(effects, index, failures);
                if failures == 1 {
                    tracing::warn!(container, %error, "the record is not written: it is tried again");
                }
                let event = Event::PendingRecord { error: error.to_string() };
                (changed, (!error.is_loss()).then_some(event))
            }
        };
        if changed {
            self.write(pod, effects, index);
        }
        event
    }

    /// Deletes ended tasks and older records whose facts are all in the newest attempt's record.
    /// Until that record is written, they are the only source of these facts.
    pub fn clean_up(&mut self, pod: &Pod, effects: &mut Effects, tasks: &TaskEffects) {
        let complete: Vec<_> =
            (0..self.writes.len()).map(|index| self.is_complete(pod, effects, index)).collect();
        // A record that does not say that the pod is removed would bring the pod back.
        let all_complete = complete.iter().all(|complete| *complete);
        for (index, (writes, complete)) in self.writes.iter_mut().zip(complete).enumerate() {
            if !complete {
                continue;
            }
            for attempt in writes.take_ended_tasks() {
                tasks.delete_task(effects, index, attempt);
            }
            let removed = is_removed(pod, index);
            if !removed || all_complete {
                for attempt in writes.take_superseded() {
                    tasks.delete_attempt(effects, index, attempt, removed);
                }
            }
        }
    }

    /// True if the newest attempt's record contains everything that is known.
    fn is_complete(&self, pod: &Pod, effects: &Effects, index: usize) -> bool {
        let (Some(writes), Some(machine)) = (self.writes.get(index), pod.machine(index)) else {
            return false;
        };
        // An adopted container has one record, which belongs to its owner.
        match effects.spec().is_adopted() {
            true => !writes.is_pending(),
            false => writes.is_complete(machine.attempt()),
        }
    }
}

fn is_removed(pod: &Pod, index: usize) -> bool {
    let machine = pod.machine(index);
    machine.is_some_and(|machine| machine.member().wanted() == Wanted::Removed)
}
