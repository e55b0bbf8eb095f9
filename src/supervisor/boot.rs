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
use crate::runtime::{AttemptId, Birth, Found, FoundTask, Task};

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
            let checked = self.runtime.check(container).await;
            images.push(checked.map_err(|error| located(&spec, index, error))?);
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
        // All of them before the first actor tells something new, which is numbered on from them.
        pods.values_mut().for_each(|attempts| self.restore_events(attempts));
        for attempts in pods.into_values() {
            self.resume(attempts);
        }
        Ok(count)
    }

    /// A container's newest record has all of its events.
    fn restore_events(&self, attempts: &mut [Found]) {
        attempts.sort_by_key(|found| found.id.attempt);
        let mut newest = BTreeMap::new();
        for Found { id, memory, .. } in attempts {
            newest.insert(id.container.clone(), std::mem::take(&mut memory.events));
        }
        newest.into_values().for_each(|events| self.events.restore(events));
    }

    fn resume(&self, mut attempts: Vec<Found>) {
        let Some(newest) = attempts.last() else { return };
        let spec = Arc::new(newest.pod.clone());
        let now = now();
        let mut machines = Vec::new();
        let mut held = Vec::new();
        let mut first = Vec::new();
        for (index, container) in spec.all().enumerate() {
            let (own, others) =
                attempts.into_iter().partition(|found| found.id.container == container.name);
            attempts = others;
            let born = match revive(&spec, index, own, now) {
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
        let effects = Effects::new(spec.clone(), self.runtime.clone(), self.prober.clone())
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
            cancel: self.cancel.clone(),
        };
        let handle = Handle { view: view_out, desired, requests };
        lock(&self.registry).insert(name.clone(), Entry::Pod(handle));
        self.changes.send_modify(|count| *count += 1);
        let (registry, changes) = (self.registry.clone(), self.changes.clone());
        self.actors.spawn(async move {
            if actor.run(first).await {
                lock(&registry).remove(&name);
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
        FoundTask::None => (Recovered::Nothing, None),
    };
    let (machine, first) =
        Machine::recover(spec.clone(), container, newest.memory, kept, found, now);
    Some(Born { machine, first, task })
}
