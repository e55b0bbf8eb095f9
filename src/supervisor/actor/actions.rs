//! Carries out the actions of the pod's machines.

use super::Actor;
use crate::domain::Incarnation;
use crate::domain::brake::KillRequest;
use crate::domain::container::{Action, Event, InstanceAction, InstanceEvent};
use crate::supervisor::clock::now;

impl Actor {
    pub fn perform(&mut self, actions: Vec<(usize, Action)>) {
        for (index, action) in actions {
            match action {
                Action::Instance(incarnation, action) => {
                    self.perform_for_instance(index, incarnation, action);
                }
                Action::ReportLate => self.brake_handle.late(self.name(index), now()),
                Action::DeleteTask(incarnation) => {
                    if let Some(writes) = self.records.of(index) {
                        writes.task_ended(incarnation);
                    }
                }
                Action::DeleteAttempt(incarnation) => {
                    if let Some(writes) = self.records.of(index) {
                        writes.supersede(incarnation);
                    }
                }
                Action::Note(notice) => {
                    let container = if notice.of_pod { "" } else { self.name(index) };
                    self.record_event(container, notice);
                }
                Action::RestoreRecord(incarnation) => {
                    self.records.restore(&self.pod, &mut self.effects, index, incarnation);
                }
                Action::EndStrayTask(incarnation) => {
                    self.tasks.end_stray_task(&mut self.effects, index, incarnation);
                }
                Action::Persist => self.records.write(&self.pod, &mut self.effects, index),
            }
        }
        self.records.clean_up(&self.pod, &mut self.effects, &self.tasks);
    }

    fn perform_for_instance(
        &mut self,
        index: usize,
        incarnation: Incarnation,
        action: InstanceAction,
    ) {
        let task = self.task(index);
        let effects = &mut self.effects;
        match (action, task) {
            (InstanceAction::Start, _) => {
                if let Some(machine) = self.pod.machine(index) {
                    let memory = self.records.begin_start(effects, machine, index);
                    self.tasks.start(effects, index, incarnation, memory);
                }
                // While the runtime is away the start writes no record, so the exit before it is
                // recorded here.
                if !self.records.is_runtime_up() {
                    self.records.write(&self.pod, effects, index);
                }
            }
            (InstanceAction::CheckImages, _) => {
                // The check writes the attempt's record, as a start does.
                if let Some(machine) = self.pod.machine(index) {
                    let memory = self.records.begin_start(effects, machine, index);
                    self.images.check(effects, index, incarnation, memory);
                }
            }
            (InstanceAction::Pull(image), _) => {
                if let Some(container) = self.containers.get_mut(index) {
                    let pull = self.images.pull(effects, index, incarnation, image);
                    container.pull = Some(pull);
                }
            }
            (InstanceAction::GiveUpPull, _) => {
                let container = self.containers.get_mut(index);
                if let Some(pull) = container.and_then(|container| container.pull.take()) {
                    pull.abort();
                }
            }
            (InstanceAction::Probe(kind, launch), Some(task)) => {
                self.probes.probe(effects, index, incarnation, (kind, launch), task);
            }
            (InstanceAction::RunHook(kind, bound), Some(task)) => {
                self.probes.run_hook(effects, index, incarnation, (kind, bound), task);
            }
            (InstanceAction::Capture, Some(task)) => {
                let sample = self.containers.get_mut(index).and_then(|it| it.sample.take());
                let sample = sample.filter(|(of, _)| *of == incarnation).map(|(_, it)| it);
                if let Some(machine) = self.pod.machine(index) {
                    self.evidence.capture(effects, index, incarnation, machine, (task, sample));
                }
            }
            (InstanceAction::Sample, Some(task)) => {
                self.evidence.sample(effects, index, incarnation, task);
            }
            (InstanceAction::MeasureShim, Some(task)) => {
                self.tasks.measure_shim(effects, index, incarnation, task);
            }
            (InstanceAction::MeasureVolumes, _) => {
                self.tasks.measure_volumes(effects, index, incarnation);
            }
            (InstanceAction::Signal(signal), Some(task)) => {
                if let Err(error) = task.signal(signal) {
                    let id = effects.id(index, incarnation);
                    tracing::debug!(%id, signal, %error, "signal not delivered");
                }
            }
            (InstanceAction::AskBrake(request), _) => {
                self.request_kill(index, incarnation, request);
            }
            (InstanceAction::Destroy, _) => self.tasks.destroy(effects, index, incarnation),
            // A process that has ended needs none of these; its exit is about to be reported.
            (
                InstanceAction::Probe(..)
                | InstanceAction::RunHook(..)
                | InstanceAction::Capture
                | InstanceAction::Sample
                | InstanceAction::MeasureShim
                | InstanceAction::Signal(_),
                None,
            ) => {}
        }
    }

    /// Requests a kill from the brake. A held kill counts once for each condemnation, however often
    /// it is requested.
    fn request_kill(&mut self, index: usize, incarnation: Incarnation, request: KillRequest) {
        let since = request.since;
        let name = self.name(index);
        let answer = self.brake_handle.request_kill(name, incarnation, request, now());
        if let Some(container) = self.containers.get_mut(index) {
            if matches!(answer, Event::Instance(_, InstanceEvent::Granted)) {
                container.kill_held = None;
                self.counters.kill_granted();
            } else if container.kill_held.replace(since) != Some(since) {
                self.counters.kill_held();
            }
        }
        self.handle(index, answer);
    }
}
