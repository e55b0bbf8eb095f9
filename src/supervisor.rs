//! The registry of pods. Callers set the state that they want of a pod, and watch the state that it
//! has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::container::Wanted;
use crate::domain::link::Link;
use crate::domain::spec::{ContainerSpec, PodSpec, Validated};
use crate::evidence::{Blind, EvidenceCollector};
use crate::prober::Prober;
use crate::runtime::{AttemptId, Flaw, Runtime, RuntimeError};

mod actor;
mod adopt;
mod adopted;
mod brake;
mod clock;
mod counters;
mod counting;
mod creation;
mod effects;
mod error;
mod events;
mod evidence;
mod exec;
mod network;
mod panicked;
mod pending_record;
mod ports;
mod probes;
mod pulls;
mod reconcile;
mod recover;
mod repair;
mod replace;
mod static_pods;
#[cfg(test)]
mod tests;
mod wants;
mod writes;

pub use adopt::Adopter;
pub use clock::now;
pub use counters::{BOUNDS, ContainerCounts, Counters, Counts, DurationHistogram};
pub use error::SupervisorError;
pub use events::EventLog;
pub use pulls::Pull;
pub use static_pods::StaticPods;

use actor::{Desired, Request};
use brake::HostBrake;
use error::{left_alone, located, timed_out};
use panicked::Panics;
use ports::Claims;
use pulls::Pulls;
use reconcile::PendingWrites;
use replace::Successor;
use static_pods::shown::Directory;

/// The number of restarts and kills of one pod that may wait for its actor.
const REQUESTS: usize = 16;

pub use crate::domain::pod::PodView;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    Created,
    /// The live pod was changed.
    Configured,
    Unchanged,
    /// Another pod replaces the old one, because these fields differ.
    Replaced(Vec<String>),
}

struct Handle {
    view: watch::Receiver<PodView>,
    desired: watch::Sender<Desired>,
    requests: mpsc::Sender<Request>,
    /// The pod that replaces this one once nothing is left of it.
    successor: Option<Box<Successor>>,
    /// Ends the pod's actor and leaves the containers running.
    cancel: CancellationToken,
}

impl Handle {
    fn index(&self, pod: &str, container: &str) -> Result<usize, SupervisorError> {
        let spec = self.view.borrow().spec.clone();
        let name = named(&spec, container)?;
        spec.place_of(name).ok_or_else(|| SupervisorError::NoContainer {
            pod: pod.to_owned(),
            container: container.to_owned(),
        })
    }

    fn send(&self, pod: &str, request: Request) -> Result<(), SupervisorError> {
        self.requests.try_send(request).map_err(|_| SupervisorError::Busy(pod.to_owned()))
    }
}

enum Entry {
    /// A pod of the runtime that must not be touched, or that is not recovered yet.
    LeftAlone(Box<PodView>, String, Flaw),
    /// A name whose pod is being created.
    Reserved,
    Pod(Handle),
}

type Registry = BTreeMap<String, Entry>;

#[derive(Clone)]
pub struct Supervisor {
    runtime: Arc<dyn Runtime>,
    prober: Arc<dyn Prober>,
    evidence_collector: Arc<dyn EvidenceCollector>,
    events: Arc<EventLog>,
    registry: Arc<Mutex<Registry>>,
    /// Containers of other clients whose labels ask for adoption, but that are not adopted.
    shown: Arc<Mutex<BTreeMap<String, PodView>>>,
    changes: watch::Sender<u64>,
    brake: Arc<HostBrake>,
    boot_id: Option<Arc<str>>,
    counters: Arc<Counters>,
    /// Serializes changes of live specs: each change builds on the one before.
    changing: Arc<tokio::sync::Mutex<()>>,
    claims: Claims,
    pulls: Arc<Pulls>,
    actors: TaskTracker,
    cancel: CancellationToken,
    link: watch::Sender<Link>,
    pending_writes: Arc<PendingWrites>,
    panics: Arc<Panics>,
    /// Pods that the last reconciliation found in the runtime and that the registry does not have.
    foreign_containers: Arc<Mutex<Vec<String>>>,
    directory: Option<Arc<Directory>>,
}

impl Supervisor {
    pub fn new(runtime: Arc<dyn Runtime>, prober: Arc<dyn Prober>) -> Self {
        let (actors, cancel) = (TaskTracker::new(), CancellationToken::new());
        let pulls = Pulls::new(runtime.clone(), actors.clone(), cancel.clone());
        Self {
            runtime,
            prober,
            evidence_collector: Arc::new(Blind),
            events: Arc::default(),
            registry: Arc::default(),
            shown: Arc::default(),
            changes: watch::Sender::new(0),
            brake: Arc::default(),
            boot_id: None,
            counters: Arc::default(),
            changing: Arc::default(),
            claims: Claims::default(),
            pulls: Arc::new(pulls),
            actors,
            cancel,
            link: watch::Sender::new(Link::new(now())),
            pending_writes: Arc::default(),
            panics: Arc::default(),
            foreign_containers: Arc::default(),
            directory: None,
        }
    }

    /// Sets the collector of evidence about condemned containers. Without it no evidence is kept.
    pub fn with_witness(mut self, evidence_collector: Arc<dyn EvidenceCollector>) -> Self {
        self.evidence_collector = evidence_collector;
        self
    }

    /// Sets the ID of the host's boot, by which an exit caused by a reboot is recognized.
    #[must_use]
    pub fn with_boot_id(mut self, boot_id: Option<String>) -> Self {
        self.boot_id = boot_id.map(Arc::from);
        self
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    pub fn events(&self) -> &Arc<EventLog> {
        &self.events
    }

    /// Returns a counter that changes whenever a pod changes, except for its probes' counters.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Creates the pod, finds an equal one, or changes a live one if a live pod can change all
    /// fields that differ. After an error nothing is left of a new pod, and an old pod is as it
    /// was.
    pub async fn apply(
        &self,
        spec: Validated<PodSpec>,
        wanted: Wanted,
    ) -> Result<(PodView, Applied), SupervisorError> {
        if spec.origin.is_none() {
            self.not_kept(&spec.name)?;
        }
        if !self.reserve(&spec)? {
            return self.configure(spec).await;
        }
        let name = spec.name.clone();
        // The drop releases the name, however the creation ends.
        let reservation = Reservation { registry: self.registry.clone(), name, kept: false };
        let supervisor = self.clone();
        let creating = async move {
            let creation = supervisor.create(Arc::new(spec.into_inner()), wanted);
            let stopped = || RuntimeError::Unavailable("the daemon stops".to_owned());
            let view = tokio::select! {
                view = creation => view?,
                // The next daemon recovers what has been recorded by then.
                () = supervisor.cancel.cancelled() => return Err(stopped().into()),
            };
            reservation.keep();
            Ok((view, Applied::Created))
        };
        // A separate task completes the creation even if the caller goes away.
        let created = self.actors.spawn(creating).await;
        created.map_err(|error| RuntimeError::Internal(error.to_string()))?
    }

    /// Reserves the pod's name; false if a pod has it.
    fn reserve(&self, spec: &PodSpec) -> Result<bool, SupervisorError> {
        let mut registry = lock(&self.registry);
        match registry.get(&spec.name) {
            None => {
                registry.insert(spec.name.clone(), Entry::Reserved);
                Ok(true)
            }
            Some(Entry::Reserved) => Err(SupervisorError::AlreadyExists(spec.name.clone())),
            Some(Entry::LeftAlone(_, reason, _)) => Err(left_alone(&spec.name, reason)),
            Some(Entry::Pod(handle)) => {
                if handle.view.borrow().status.deletion.is_some() {
                    return Err(SupervisorError::Leaving(spec.name.clone()));
                }
                Ok(false)
            }
        }
    }

    pub fn get(&self, name: &str) -> Result<PodView, SupervisorError> {
        if let Some(Entry::LeftAlone(view, ..)) = lock(&self.registry).get(name) {
            return Ok(PodView::clone(view));
        }
        let found = self
            .with(name, |handle| handle.view.borrow().clone())
            .or_else(|error| only(&self.shown(), name).cloned().ok_or(error));
        match found {
            Ok(view) => Ok(PodView { manifest_error: self.problem_of(&view.spec.name), ..view }),
            Err(error) => self.row_of(name).ok_or(error),
        }
    }

    pub fn list(&self) -> Vec<PodView> {
        let registry = lock(&self.registry);
        let views = registry.values().filter_map(|entry| match entry {
            Entry::Pod(handle) => Some(handle.view.borrow().clone()),
            Entry::LeftAlone(view, ..) => Some(PodView::clone(view)),
            Entry::Reserved => None,
        });
        let mut views: Vec<_> = views.collect();
        drop(registry);
        views.extend(self.shown().values().cloned());
        self.with_problems(&mut views);
        views
    }

    /// Waits until the pod meets the condition, at most for the timeout.
    pub async fn wait(
        &self,
        name: &str,
        condition: &'static str,
        timeout: Duration,
        mut reached: impl FnMut(&PodView) -> bool,
    ) -> Result<PodView, SupervisorError> {
        let mut view = self.with(name, |handle| handle.view.clone())?;
        match tokio::time::timeout(timeout, view.wait_for(|view| reached(view))).await {
            Ok(Ok(view)) => Ok(view.clone()),
            Ok(Err(_)) => Err(self.view_ended(name)),
            Err(_) => Err(timed_out(name, condition, timeout)),
        }
    }

    /// Waits until nothing is left of the pod, at most for the timeout.
    pub async fn wait_gone(&self, name: &str, timeout: Duration) -> Result<(), SupervisorError> {
        let mut changes = self.changes();
        let gone = changes.wait_for(|_| !lock(&self.registry).contains_key(name));
        match tokio::time::timeout(timeout, gone).await {
            Ok(_) => Ok(()),
            Err(_) => Err(timed_out(name, "removal", timeout)),
        }
    }

    pub fn log_path(&self, id: &AttemptId) -> std::path::PathBuf {
        self.runtime.log_path(id)
    }

    /// Ends the actors and leaves the containers running.
    pub async fn stop(&self) {
        self.cancel.cancel();
        self.actors.close();
        self.actors.wait().await;
    }

    fn with<T>(&self, name: &str, f: impl FnOnce(&Handle) -> T) -> Result<T, SupervisorError> {
        match only(&lock(&self.registry), name) {
            Some(Entry::Pod(handle)) => Ok(f(handle)),
            Some(Entry::LeftAlone(_, reason, _)) => Err(left_alone(name, reason)),
            Some(Entry::Reserved) | None => Err(SupervisorError::NotFound(name.to_owned())),
        }
    }
}

/// Finds a pod by its name; an adopted container also by its ID, if no other has the same ID.
fn only<'a, T>(named: &'a BTreeMap<String, T>, name: &str) -> Option<&'a T> {
    let has_id = |(key, _): &(&String, &T)| key.split_once('/').is_some_and(|(_, id)| id == name);
    named.get(name).or_else(|| {
        let mut others = named.iter().filter(has_id);
        others.next().filter(|_| others.next().is_none()).map(|(_, one)| one)
    })
}

fn lock(registry: &Mutex<Registry>) -> MutexGuard<'_, Registry> {
    // No update is left incomplete, so a lock that a panic has poisoned is safe to use.
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Reservation {
    registry: Arc<Mutex<Registry>>,
    name: String,
    kept: bool,
}

impl Reservation {
    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.kept {
            lock(&self.registry).remove(&self.name);
        }
    }
}

/// Returns the container that a request names. An empty name means the only regular container.
pub fn named<'a>(spec: &'a PodSpec, container: &'a str) -> Result<&'a str, SupervisorError> {
    match (container, spec.containers.as_slice()) {
        ("", [only]) => Ok(&only.name),
        // A pod that only the manifest directory knows does not exist yet.
        (_, []) => Err(SupervisorError::NotFound(spec.name.clone())),
        ("", _) => {
            let names = |containers: &[ContainerSpec]| -> String {
                containers.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(" ")
            };
            let mut choice = format!("[{}]", names(&spec.containers));
            if !spec.init_containers.is_empty() {
                let init = names(&spec.init_containers);
                choice.push_str(&format!(" or one of the init containers: [{init}]"));
            }
            Err(SupervisorError::Ambiguous { pod: spec.name.clone(), choice })
        }
        (name, _) => Ok(name),
    }
}
