//! How pods come into the registry: created, or found in the runtime at boot.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::actor::{Actor, Desired, Held, now};
use super::brake::Seat;
use super::effects::Effects;
use super::{Entry, Handle, PodView, REQUESTS, Supervisor, SupervisorError, located, lock};
use crate::domain::container::{Action, Event, ImageFacts, Machine, Memory, Recovered, Wanted};
use crate::domain::pod::Pod;
use crate::domain::spec::PodSpec;
use crate::runtime::{AttemptId, Birth, Found, FoundTask, RuntimeError, Task};

/// A machine, what it wants done first, and the task that it holds.
struct Born {
    machine: Machine,
    first: Vec<Action>,
    task: Option<Arc<dyn Task>>,
}

impl Supervisor {
    /// Checks and records every container before anything runs.
    pub(super) async fn create(
        &self,
        spec: Arc<PodSpec>,
        wanted: Wanted,
    ) -> Result<PodView, SupervisorError> {
        let mut images = Vec::new();
        for (index, container) in spec.all().enumerate() {
            match self.runtime.check(container).await {
                Ok(image) => images.push(image),
                // Its start has it pulled.
                Err(RuntimeError::NoImage(_)) => images.push(ImageFacts::default()),
                Err(error) => return Err(located(&spec, index, error)),
            }
        }
        let now = now();
        let mut births: Vec<Birth> = Vec::new();
        let mut machines = Vec::new();
        for (index, (container, image)) in spec.all().zip(images).enumerate() {
            let machine = Machine::new(spec.clone(), container.clone(), image, now);
            let id = AttemptId {
                pod: spec.name.clone(),
                container: container.name.clone(),
                attempt: machine.memory().attempt,
            };
            let memory = Memory { wanted, ..machine.memory().clone() };
            let birth = Birth { id, pod: spec.clone(), index, memory };
            let created = self.runtime.create(&birth).await;
            births.push(birth);
            if let Err(error) = created {
                self.undo(&births).await;
                return Err(located(&spec, index, error));
            }
            machines.push(machine);
        }
        let mut pod = Pod::new(spec.clone(), machines, now);
        let first = match wanted {
            Wanted::Stopped => Vec::new(),
            _ => pod.handle_all(&Event::Wanted { wanted, grace: None }, now),
        };
        let held = spec.all().map(|_| Held::default()).collect();
        Ok(self.adopt(pod, spec, held, first, wanted))
    }

    async fn undo(&self, births: &[Birth]) {
        for birth in births {
            if let Err(error) = self.runtime.forget(&birth.id).await {
                tracing::warn!(id = %birth.id, %error, "left behind by a creation that failed");
            }
        }
    }

    /// Takes up every pod that the runtime remembers; returns how many.
    pub async fn recover(&self) -> Result<usize, SupervisorError> {
        let mut pods: BTreeMap<String, Vec<Found>> = BTreeMap::new();
        for found in self.runtime.list().await? {
            if !lock(&self.registry).contains_key(&found.id.pod) {
                pods.entry(found.id.pod.clone()).or_default().push(found);
            }
        }
        let count = pods.len();
        for attempts in pods.into_values() {
            self.resume(attempts);
        }
        Ok(count)
    }

    fn resume(&self, mut attempts: Vec<Found>) {
        attempts.sort_by_key(|found| found.id.attempt);
        let Some(newest) = attempts.last() else { return };
        let spec = Arc::new(newest.pod.clone());
        for container in spec.all() {
            let mut own = attempts.iter_mut().filter(|found| found.id.container == container.name);
            // The newest record has them all.
            if let Some(newest) = own.next_back() {
                self.events.restore(std::mem::take(&mut newest.memory.events));
            }
        }
        let now = now();
        let mut machines = Vec::new();
        let mut held = Vec::new();
        let mut first = Vec::new();
        for (index, container) in spec.all().enumerate() {
            let (own, others): (Vec<_>, _) =
                attempts.into_iter().partition(|found| found.id.container == container.name);
            attempts = others;
            let open = own.iter().max_by_key(|found: &&Found| found.id.attempt);
            let open = open.filter(|found| found.memory.ended.is_none());
            let open = open.map(|found| found.id.attempt);
            let born = match revive(&spec, index, own, self.boot_id.as_deref(), now) {
                Some(born) => born,
                None => Born {
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
                self.tally.ended(&spec.name, &container.name, attempt, memory);
            }
            first.extend(born.first.into_iter().map(|action| (index, action)));
            machines.push(born.machine);
            held.push(Held { task: born.task, ..Held::default() });
        }
        let mut pod = Pod::new(spec.clone(), machines, now);
        first.extend(pod.resume(now));
        let wanted = pod.wanted();
        self.adopt(pod, spec, held, first, wanted);
    }

    /// Gives the pod its actor and its place in the registry.
    fn adopt(
        &self,
        pod: Pod,
        spec: Arc<PodSpec>,
        containers: Vec<Held>,
        first: Vec<(usize, Action)>,
        wanted: Wanted,
    ) -> PodView {
        let view = PodView { generation: 1, spec: spec.clone(), status: pod.status() };
        let (view_in, view_out) = watch::channel(view.clone());
        let (desired, desired_out) = watch::channel(Desired { wanted, grace: None, by: None });
        let (requests, requests_out) = mpsc::channel(REQUESTS);
        let effects = Effects::new(
            spec.clone(),
            self.runtime.clone(),
            self.prober.clone(),
            self.pulls.clone(),
        )
        .with_witness(self.witness.clone());
        let name = spec.name.clone();
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
            seat: Seat::new(self.brake.clone(), name.clone()),
            boot_id: self.boot_id.clone(),
            tally: self.tally.clone(),
            cancel: self.cancel.clone(),
        };
        let handle = Handle { view: view_out, desired, requests };
        lock(&self.registry).insert(name.clone(), Entry::Pod(handle));
        self.changes.send_modify(|count| *count += 1);
        let (registry, changes) = (self.registry.clone(), self.changes.clone());
        let tally = self.tally.clone();
        self.actors.spawn(async move {
            if actor.run(first).await {
                lock(&registry).remove(&name);
                tally.forget(&name);
                changes.send_modify(|count| *count += 1);
            }
        });
        view
    }
}

/// The machine of one container from its attempts, oldest first. Of several the highest counts.
fn revive(
    spec: &Arc<PodSpec>,
    index: usize,
    mut attempts: Vec<Found>,
    boot_id: Option<&str>,
    now: crate::domain::Now,
) -> Option<Born> {
    let container = spec.at(index)?.clone();
    let newest = attempts.pop()?;
    let kept: Vec<_> = attempts.iter().map(|found| found.id.attempt).collect();
    let (found, task): (_, Option<Arc<dyn Task>>) = match newest.task {
        FoundTask::Running(task) => {
            let container_id = newest.id.to_string();
            (Recovered::Running { pid: task.pid(), container_id }, Some(Arc::from(task)))
        }
        FoundTask::Ended(ending, at) => (Recovered::Ended(ending, at, newest.words), None),
        FoundTask::Unknown => (Recovered::Unknown, None),
        FoundTask::None if newest.memory.is_of_another_boot(boot_id) => {
            (Recovered::NodeRestarted, None)
        }
        FoundTask::None => (Recovered::Nothing, None),
    };
    let (machine, first) =
        Machine::recover(spec.clone(), container, newest.memory, kept, found, now);
    Some(Born { machine, first, task })
}
