//! How pods enter the registry: created, or restored from their records and tasks.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tracing::Instrument;

use super::actor::{Actor, Desired, Held};
use super::brake::BrakeHandle;
use super::clock::now;
use super::effects::Effects;
use super::panicked::caught;
use super::replace::Successor;
use super::{Entry, Handle, PodView, REQUESTS, Supervisor, SupervisorError, located, lock};
use crate::domain::Incarnation;
use crate::domain::container::{Action, Event, ImageFacts, Machine, Memory, Recovered, Wanted};
use crate::domain::pod::Pod;
use crate::domain::spec::{PodSpec, SpecErrors};
use crate::runtime::{AttemptId, Found, FoundTask, RuntimeError, StartRequest, Task};

/// A container's machine, its first actions, and its task.
struct Revived {
    machine: Machine,
    first: Vec<Action>,
    task: Option<Arc<dyn Task>>,
}

/// A pod that is ready for its actor.
pub(super) struct PreparedPod {
    pub(super) pod: Pod,
    pub(super) spec: Arc<PodSpec>,
    pub(super) held: Vec<Held>,
    pub(super) first: Vec<(usize, Action)>,
    pub(super) wanted: Wanted,
}

impl Supervisor {
    /// Checks that every container could be created here and that its host ports are free. Changes
    /// nothing.
    pub async fn check(&self, spec: &PodSpec) -> Result<Vec<ImageFacts>, SupervisorError> {
        if spec.origin.is_none() {
            self.not_kept(&spec.name)?;
        }
        let there = self.with(&spec.name, |handle| handle.view.borrow().spec.clone());
        if let Some(error) = there.ok().and_then(|there| spec.is_another_than(&there)) {
            return Err(SpecErrors(vec![error]).into());
        }
        self.check_ports(spec)?;
        let mut images = Vec::new();
        for (index, container) in spec.all().enumerate() {
            match self.runtime.check(container).await {
                Ok(image) => images.push(image),
                // The start pulls the image.
                Err(RuntimeError::NoImage(_)) => images.push(ImageFacts::default()),
                Err(error) => return Err(located(spec, index, error)),
            }
        }
        Ok(images)
    }

    pub(super) async fn create(
        &self,
        spec: Arc<PodSpec>,
        wanted: Wanted,
    ) -> Result<PodView, SupervisorError> {
        let _ports = self.claim_ports(&spec)?;
        let (prepared, _) = self.record(spec, wanted, Incarnation::default()).await?;
        Ok(self.adopt(prepared))
    }

    /// Checks and records every container before anything runs. Attempts count from `attempt`.
    pub(super) async fn record(
        &self,
        spec: Arc<PodSpec>,
        wanted: Wanted,
        attempt: Incarnation,
    ) -> Result<(PreparedPod, Vec<StartRequest>), SupervisorError> {
        self.pay_debts_of(&spec.name).await?;
        let images = self.check(&spec).await?;
        let now = now();
        let mut creations: Vec<StartRequest> = Vec::new();
        let mut machines = Vec::new();
        for (index, (container, image)) in spec.all().zip(images).enumerate() {
            let machine = Machine::new(spec.clone(), container.clone(), image, now);
            let machine = machine.counting_from(attempt);
            let id =
                AttemptId { pod: spec.name.clone(), container: container.name.clone(), attempt };
            let memory = Memory { wanted, ..machine.memory() };
            let creation = StartRequest { id, pod: spec.clone(), index, memory };
            let created = self.runtime.create(&creation).await;
            // A record that already has that name belongs to another client, so it is not cleaned
            // up.
            if !matches!(created, Err(RuntimeError::AlreadyExists(_))) {
                creations.push(creation);
            }
            if let Err(error) = created {
                self.undo(creations.into_iter().map(|creation| creation.id).collect()).await;
                return Err(located(&spec, index, error));
            }
            machines.push(machine);
        }
        let mut pod = Pod::new(spec.clone(), machines, now);
        let first = match wanted {
            Wanted::Stopped => Vec::new(),
            _ => pod.handle_all(&Event::Wanted { wanted, grace: None }, now),
        };
        let held = || Held { recorded: Some(attempt), ..Held::default() };
        let held = spec.all().map(|_| held()).collect();
        Ok((PreparedPod { pod, spec, held, first, wanted }, creations))
    }

    /// Prepares a pod from all of its attempts, oldest first.
    pub(super) fn revive(&self, mut attempts: Vec<Found>) -> Option<PreparedPod> {
        let newest = attempts.last()?;
        let spec = Arc::new(newest.pod.clone());
        let now = now();
        let mut machines = Vec::new();
        let mut held = Vec::new();
        let mut first = Vec::new();
        for (index, container) in spec.all().enumerate() {
            let (own, others): (Vec<_>, _) =
                attempts.into_iter().partition(|found| found.id.container == container.name);
            attempts = others;
            let newest = own.iter().max_by_key(|found: &&Found| found.id.attempt);
            let recorded = newest.map(|found| found.id.attempt);
            let pending_record = newest.is_some_and(|found| found.pending_record);
            let open = newest.filter(|found| found.memory.ended.is_none());
            let open = open.map(|found| found.id.attempt);
            let born = match revive(&spec, index, own, self.boot_id.as_deref(), now) {
                Some(born) => born,
                None => Revived {
                    machine: Machine::new(
                        spec.clone(),
                        container.clone(),
                        ImageFacts::default(),
                        now,
                    ),
                    first: Vec::new(),
                    task: None,
                },
            };
            if let Some(attempt) = open {
                let memory = born.machine.memory();
                self.counters.ended(&spec.name, &container.name, attempt, &memory);
            }
            first.extend(born.first.into_iter().map(|action| (index, action)));
            first.extend(pending_record.then_some((index, Action::Persist)));
            machines.push(born.machine);
            held.push(Held { task: born.task, recorded, ..Held::default() });
        }
        let mut pod = Pod::new(spec.clone(), machines, now);
        first.extend(pod.resume(now));
        let wanted = pod.wanted();
        Some(PreparedPod { pod, spec, held, first, wanted })
    }

    /// Starts the pod's actor and adds the pod to the registry.
    pub(super) fn adopt(&self, prepared: PreparedPod) -> PodView {
        self.adopt_with(prepared, None)
    }

    pub(super) fn adopt_with(
        &self,
        prepared: PreparedPod,
        successor: Option<Box<Successor>>,
    ) -> PodView {
        let PreparedPod { mut pod, spec, held: containers, first, wanted } = prepared;
        pod.set_network(self.runtime.network(&spec));
        let (status, manifest_error) = (pod.status(), None);
        let view = PodView { generation: 1, spec: spec.clone(), status, manifest_error };
        let (view_in, view_out) = watch::channel(view.clone());
        let (desired, desired_out) = watch::channel(Desired { wanted, grace: None, by: None });
        let (requests, requests_out) = mpsc::channel(REQUESTS);
        let (runtime, prober) = (self.runtime.clone(), self.prober.clone());
        let around = (self.link(), self.pulls.clone());
        let effects = Effects::new(spec.clone(), runtime, prober, around)
            .with_witness(self.evidence_collector.clone());
        let name = spec.name.clone();
        let cancel = self.cancel.child_token();
        let actor = Actor {
            pod,
            spec,
            effects,
            containers,
            desired: desired_out,
            requests: requests_out,
            view: view_in,
            changes: self.changes.clone(),
            events: self.events.clone(),
            brake_handle: BrakeHandle::new(self.brake.clone(), name.clone()),
            boot_id: self.boot_id.clone(),
            counters: self.counters.clone(),
            born: now().mono,
            cancel: cancel.clone(),
        };
        let handle = Handle { view: view_out, desired, requests, successor, cancel };
        lock(&self.registry).insert(name.clone(), Entry::Pod(handle));
        self.panics.close(&name);
        self.changes.send_modify(|count| *count += 1);
        let supervisor = self.clone();
        let namespace = view.spec.namespace.clone();
        let span = tracing::info_span!("pod", namespace, pod = name);
        let run = async move {
            match caught(actor.run(first)).await {
                Ok(true) => {
                    supervisor.counters.forget(&name);
                    supervisor.panics.forget(&name);
                    supervisor.succeed(&name).await;
                }
                Ok(false) => {}
                Err(why) => supervisor.actor_panicked(&name, &why).await,
            }
        };
        self.actors.spawn(run.instrument(span));
        view
    }
}

/// Restores the machine of one container from its attempts, oldest first. The highest attempt
/// counts.
fn revive(
    spec: &Arc<PodSpec>,
    index: usize,
    mut attempts: Vec<Found>,
    boot_id: Option<&str>,
    now: crate::domain::Now,
) -> Option<Revived> {
    let container = spec.at(index)?.clone();
    let kept: Vec<_> = attempts.iter().map(|found| found.id.attempt).collect();
    let newest = attempts.pop()?;
    let (found, task): (_, Option<Arc<dyn Task>>) = match newest.task {
        FoundTask::Running(task) => (Recovered::Running { pid: task.pid() }, Some(Arc::from(task))),
        FoundTask::Ended(ending, at) => (Recovered::Ended(ending, at, newest.words), None),
        FoundTask::Unknown => (Recovered::Unknown, None),
        FoundTask::None if newest.memory.is_of_another_boot(boot_id) => {
            (Recovered::NodeRestarted, None)
        }
        FoundTask::None => (Recovered::Nothing, None),
    };
    let (memory, container_id) = (newest.memory.in_boot(boot_id), newest.id.to_string());
    let (mut machine, first) =
        Machine::recover(spec.clone(), container, memory, container_id, kept, found, now);
    machine.spread_probes(now);
    Some(Revived { machine, first, task })
}
