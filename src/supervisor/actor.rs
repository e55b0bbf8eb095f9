//! The actor of a pod: one `select!` and one timer.
//!
//! `actions.rs` carries out the actions of the pod's machines, `results.rs` returns the results.

use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::actor_request::{Desired, Observations, Request};
use super::brake::{BrakeHandle, HostBrake};
use super::changes::Changes;
use super::clock::now;
use super::counters::Counters;
use super::effects::{
    Effects, EvidenceEffects, ImageEffects, NetworkEffects, ProbeEffects, RecordEffects,
    TaskEffects,
};
use super::events::EventLog;
use super::pod_handle::ActorChannels;
use super::pod_records::PodRecords;
use super::prepared_pod::PreparedPod;
use super::pulls::Pulls;
use super::record_writes::RecordWrites;
use crate::domain::Incarnation;
use crate::domain::container::{Action, Event, Memory, Observation, Wanted};
use crate::domain::link::Link;
use crate::domain::notice::{Notice, NoticeType};
use crate::domain::pod::Pod;
use crate::domain::spec::PodSpec;
use crate::evidence::{EvidenceCollector, Sample};
use crate::node::{Node, Task};
use crate::prober::Prober;

mod actions;
mod results;

/// What the actors of all pods share.
#[derive(Clone)]
pub struct ActorResources {
    pub runtime: Arc<dyn Node>,
    pub prober: Arc<dyn Prober>,
    pub evidence_collector: Arc<dyn EvidenceCollector>,
    pub pulls: Arc<Pulls>,
    pub link: watch::Receiver<Link>,
    pub events: Arc<EventLog>,
    pub counters: Arc<Counters>,
    pub brake: Arc<HostBrake>,
    pub boot_id: Option<Arc<str>>,
    pub changes: Changes,
    /// The runtime of all effects but probes over sockets.
    pub effects: Handle,
}

pub struct Actor {
    pod: Pod,
    containers: Vec<ActorContainer>,
    records: PodRecords,
    effects: Effects,
    tasks: TaskEffects,
    probes: ProbeEffects,
    images: ImageEffects,
    network: NetworkEffects,
    evidence: EvidenceEffects,
    channels: ActorChannels,
    changes: Changes,
    events: Arc<EventLog>,
    counters: Arc<Counters>,
    brake_handle: BrakeHandle,
    /// The time when all records of the pod existed.
    recorded_at: Instant,
}

/// The actor's state of one container.
#[derive(Default)]
struct ActorContainer {
    task: Option<Arc<dyn Task>>,
    /// The pull of the container's image.
    pull: Option<AbortHandle>,
    /// The condemnation that the brake holds, by its time.
    kill_held: Option<Instant>,
    /// The newest sample of the threads, of which attempt.
    sample: Option<(Incarnation, Sample)>,
}

impl Actor {
    /// The actor of a pod, and the first actions to run it with.
    pub fn new(
        prepared: PreparedPod,
        resources: &ActorResources,
        channels: ActorChannels,
    ) -> (Self, Vec<(usize, Action)>) {
        let PreparedPod { pod, spec, containers, first, .. } = prepared;
        let ActorResources { runtime, prober, evidence_collector, pulls, link, .. } =
            resources.clone();
        let ActorResources { events, counters, brake, boot_id, changes, .. } = resources.clone();
        let writes = containers.iter().map(|it| RecordWrites::new(it.recorded)).collect();
        let record_effects = RecordEffects::new(runtime.clone(), link);
        let with_task = |task| ActorContainer { task, ..ActorContainer::default() };
        let actor = Self {
            pod,
            containers: containers.into_iter().map(|it| with_task(it.task)).collect(),
            records: PodRecords::new(writes, record_effects, events.clone(), boot_id),
            brake_handle: BrakeHandle::new(brake, &spec.key()),
            effects: Effects::new(spec, resources.effects.clone()),
            tasks: TaskEffects::new(runtime.clone(), evidence_collector.clone()),
            probes: ProbeEffects::new(prober, runtime.clone()),
            images: ImageEffects::new(runtime.clone(), pulls),
            evidence: EvidenceEffects::new(runtime.clone(), evidence_collector),
            network: NetworkEffects::new(runtime),
            channels,
            changes,
            events,
            counters,
            recorded_at: now().mono,
        };
        (actor, first)
    }

    /// Runs until the pod is removed (true) or the daemon stops, which leaves the containers running.
    pub async fn run(mut self, first: Vec<(usize, Action)>) -> bool {
        self.watch_tasks();
        self.perform(first);
        self.publish();
        loop {
            let deadline = self.pod.deadline();
            tokio::select! {
                () = self.channels.cancel.cancelled() => return false,
                result = self.effects.next() => self.on_result(result),
                Ok(()) = self.channels.desired.changed() => {
                    let desired = self.channels.desired.borrow_and_update().clone();
                    self.on_desired(desired);
                }
                Some(request) = self.channels.requests.recv() => self.on_request(request),
                () = sleep_until(deadline) => {
                    let now = now();
                    let actions = self.pod.handle_all(&Event::Tick, now);
                    self.counters.launched(&actions, deadline, now);
                    self.perform(actions);
                }
            }
            self.publish();
            if self.pod.is_gone() {
                return true;
            }
        }
    }

    /// Watches the tasks that an earlier daemon left running.
    fn watch_tasks(&mut self) {
        for (index, container) in self.containers.iter().enumerate() {
            if let (Some(task), Some(machine)) = (&container.task, self.pod.machine(index)) {
                let Memory { attempt, oom, .. } = machine.memory();
                let (tasks, effects) = (&self.tasks, &mut self.effects);
                tasks.watch(effects, index, attempt, task.clone());
                tasks.watch_oom(effects, index, attempt, task.clone(), oom.seen());
            }
        }
        if self.containers.iter().any(|container| container.task.is_some()) {
            self.network.check(&mut self.effects);
        }
    }

    fn on_desired(&mut self, Desired { wanted, grace, by }: Desired) {
        if wanted == Wanted::Removed {
            self.network.cancel_setup(self.effects.spec());
        }
        self.handle_all(&Event::Asker(by));
        let actions = self.pod.ask(wanted, grace, now());
        self.perform(actions);
    }

    fn on_request(&mut self, request: Request) {
        match request {
            Request::Event(index, event) => self.handle(index, event),
            Request::CallerEvent(index, by, event) => {
                self.handle(index, Event::Asker(by));
                self.handle(index, event);
            }
            Request::RunProbe(index, kind, reply) => {
                // Without a process the reply is dropped, by which the caller learns that none runs.
                if let Some(task) = self.task(index) {
                    self.probes.run_once(&mut self.effects, index, kind, task, reply);
                }
            }
            Request::GetTask(index, reply) => {
                // Without a process the reply is dropped, by which the caller learns that none runs.
                if let Some(task) = self.task(index) {
                    let _ = reply.send(task);
                }
            }
            Request::Pulse(reply) => {
                let _ = reply.send(());
            }
            Request::Observed(at, observations) => self.on_observations(at, &observations),
            Request::RuntimeBack => self.handle_all(&Event::RuntimeBack),
            Request::ChangeSpec(spec) => {
                self.effects.set_spec(spec.clone());
                let actions = self.pod.respec(spec, now());
                self.perform(actions);
            }
        }
    }

    /// Handles what a reconciliation found. One that began before the pod was recorded may have
    /// missed its records.
    fn on_observations(&mut self, at: Instant, observations: &Observations) {
        if at <= self.recorded_at {
            return;
        }
        for index in 0..self.containers.len() {
            let found = observations.get(self.name(index)).cloned();
            let nothing = || Observation { at, attempts: Default::default() };
            self.handle(index, Event::Found(found.unwrap_or_else(nothing)));
        }
    }

    fn spec(&self) -> &Arc<PodSpec> {
        self.effects.spec()
    }

    fn name(&self, index: usize) -> &str {
        self.spec().at(index).map_or("", |container| &container.name)
    }

    fn task(&self, index: usize) -> Option<Arc<dyn Task>> {
        self.containers.get(index)?.task.clone()
    }

    /// Gives a machine an event, and performs the actions that follow.
    fn handle(&mut self, index: usize, event: Event) {
        let actions = self.pod.handle(index, event, now());
        self.perform(actions);
    }

    fn handle_all(&mut self, event: &Event) {
        let actions = self.pod.handle_all(event, now());
        self.perform(actions);
    }

    /// Logs, counts and records an event of a container, or of the pod if `container` is empty.
    fn record_event(&self, container: &str, notice: Notice) {
        let Notice { kind, reason, message, .. } = &notice;
        match kind {
            NoticeType::Normal => tracing::info!(container, reason, "{message}"),
            NoticeType::Warning => tracing::warn!(container, reason, "{message}"),
        }
        self.counters.event(&notice);
        self.events.record(self.spec(), container, notice, now().wall);
    }

    /// Publishes the pod's view. Each probe attempt changes the view, but only a change of the
    /// pod's state increments the generation.
    fn publish(&mut self) {
        self.brake_handle.count(self.pod.ended_by_probes());
        let spec = self.effects.spec();
        self.pod.set_network(self.network.current(spec));
        let status = self.pod.status();
        let mut is_new_state = false;
        self.channels.view.send_if_modified(|view| {
            let has_new_spec = !Arc::ptr_eq(&view.spec, spec);
            let changed = has_new_spec || !Arc::ptr_eq(&view.status, status);
            if changed {
                is_new_state = has_new_spec || view.status.differs_in_level(status);
                view.spec = spec.clone();
                view.generation += u64::from(is_new_state);
                view.status = status.clone();
            }
            changed
        });
        if is_new_state {
            self.changes.notify();
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
