//! Returns the results of effects to the pod's machines.

use std::sync::Arc;

use super::Actor;
use crate::domain::Incarnation;
use crate::domain::container::{Event, Fault, InstanceEvent, Machine};
use crate::domain::notice::Notice;
use crate::node::{NodeError, Task};
use crate::supervisor::effects::EffectResult;

impl Actor {
    pub fn on_result(&mut self, result: EffectResult) {
        match result {
            EffectResult::Event(index, event) => self.on_event(index, event),
            EffectResult::Started(index, incarnation, task) => {
                self.on_started(index, incarnation, task);
            }
            EffectResult::OomKilled(index, incarnation, kills) => {
                let current = self.pod.machine(index).map(Machine::attempt);
                if let Some(task) = self.task(index).filter(|_| current == Some(incarnation)) {
                    self.tasks.watch_oom(&mut self.effects, index, incarnation, task, kills);
                }
                self.handle(index, InstanceEvent::OomKills { kills }.of(incarnation));
            }
            EffectResult::Ended(index, incarnation, ending, evidence) => {
                if let Some(container) = self.containers.get_mut(index) {
                    container.task = None;
                }
                self.handle(index, InstanceEvent::ExitEvidence { evidence }.of(incarnation));
                self.handle(index, InstanceEvent::Ended { ending }.of(incarnation));
                self.count_end(index, incarnation);
            }
            EffectResult::Sampled(index, attempt, sample) => {
                if let Some(container) = self.containers.get_mut(index) {
                    container.sample = Some((attempt, sample));
                }
            }
            EffectResult::Written(index, attempt, result) => {
                self.on_written(index, attempt, result);
            }
            EffectResult::PendingSaved(index) => {
                self.records.on_pending_saved(&self.pod, &mut self.effects, index);
            }
            EffectResult::WriteDue(index) => {
                self.records.on_write_due(&self.pod, &mut self.effects, index);
            }
            EffectResult::Restored(index, attempt) => {
                self.records.on_restored(&self.pod, &mut self.effects, index, attempt);
            }
            EffectResult::TaskDeleted(index, attempt) => {
                if let Some(writes) = self.records.of(index) {
                    writes.task_deleted(attempt);
                }
            }
            EffectResult::NetworkBroken(why) => {
                let message = format!("Pod network differs from its setup: {why}");
                self.record_event("", Notice::warning("NetworkBroken", message));
                self.network.reconnect(&mut self.effects, 0);
            }
            EffectResult::Reconnected(failures, result) => self.on_reconnected(failures, result),
            EffectResult::Nothing => {}
        }
    }

    fn on_event(&mut self, index: usize, event: Event) {
        let mut ended = None;
        if let Event::Instance(incarnation, event) = &event {
            self.on_instance_event(index, *incarnation, event);
            let is_end = matches!(
                event,
                InstanceEvent::Failed { fault: Fault::Container, .. } | InstanceEvent::Ended { .. }
            );
            ended = is_end.then_some(*incarnation);
        }
        self.handle(index, event);
        if let Some(attempt) = ended {
            self.count_end(index, attempt);
        }
    }

    /// Updates the actor's state for an event of an instance.
    fn on_instance_event(&mut self, index: usize, incarnation: Incarnation, event: &InstanceEvent) {
        match event {
            InstanceEvent::Failed { .. } => self.records.end_start(index, None),
            InstanceEvent::ImagesChecked { .. } => self.records.end_start(index, Some(incarnation)),
            InstanceEvent::Probed { kind, outcome, latency, .. } => {
                let pod = self.spec().key();
                let container = (&pod, self.name(index));
                self.counters.probed(container, *kind, outcome, *latency);
            }
            _ => {}
        }
    }

    fn on_started(&mut self, index: usize, incarnation: Incarnation, task: Arc<dyn Task>) {
        if let Some(container) = self.containers.get_mut(index) {
            container.task = Some(task.clone());
        }
        self.records.end_start(index, Some(incarnation));
        let pid = task.pid();
        let container_id = self.effects.id(index, incarnation).to_string();
        let notes = task.start_notes();
        if let Some(why) = notes.no_log {
            self.handle(index, Event::NoLog { incarnation, why });
        }
        if let Some(user) = notes.user {
            self.handle(index, InstanceEvent::User { user }.of(incarnation));
        }
        if let Some(why) = notes.refused_log {
            self.record_event("", Notice::warning("LogRefused", why));
        }
        let kills = task.oom_kills_before();
        self.tasks.watch(&mut self.effects, index, incarnation, task.clone());
        if let Some(kills) = kills {
            self.tasks.watch_oom(&mut self.effects, index, incarnation, task, kills);
            self.handle(index, InstanceEvent::OomKills { kills }.of(incarnation));
        }
        self.handle(index, InstanceEvent::Started { pid, container_id }.of(incarnation));
    }

    fn on_written(&mut self, index: usize, attempt: Incarnation, result: Result<(), NodeError>) {
        let (pod, effects) = (&self.pod, &mut self.effects);
        if let Some(event) = self.records.on_written(pod, effects, index, attempt, result) {
            self.handle(index, event);
        }
        self.records.clean_up(&self.pod, &mut self.effects, &self.tasks);
    }

    fn on_reconnected(&mut self, failures: u32, result: Result<(), String>) {
        match result {
            Ok(()) => {
                let ips = self.network.current(self.spec()).ips.join(", ");
                let message = format!("Pod reconnected: {ips}");
                self.record_event("", Notice::normal("NetworkRepaired", message));
            }
            Err(why) => {
                let message = format!("Failed to reconnect the pod: {why}");
                self.record_event("", Notice::warning("NetworkBroken", message));
                self.network.reconnect(&mut self.effects, failures.saturating_add(1));
            }
        }
    }

    fn count_end(&self, index: usize, attempt: Incarnation) {
        if let Some(machine) = self.pod.machine(index) {
            let (pod, container) = (&self.spec().key(), self.name(index));
            self.counters.ended(pod, container, attempt, &machine.memory());
        }
    }
}
