//! Requests of callers to the actor of a pod: the wanted state, or a single action.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::actor_request::{Desired, Request};
use super::error::{SupervisorError, timed_out};
use super::manifest_status::ManifestDirStatus;
use super::pod_actors::PodActors;
use super::registry::{Entry, Registry};
use crate::domain::container::{Event, Wanted};
use crate::domain::exit::Caller;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::ProbeKind;
use crate::node::Task;
use crate::node::session::{Order, Session};
use crate::prober::Attempt;

/// The time beyond a probe's timeout that a run may take: over three times the limit of the exec
/// queue.
const QUEUE: Duration = Duration::from_secs(100);
/// The deadline for an actor to return its task. It awaits nothing, so this is generous.
const TASK: Duration = Duration::from_secs(10);

pub struct PodRequests {
    registry: Arc<Registry>,
    manifests: Arc<ManifestDirStatus>,
    actors: Arc<PodActors>,
}

impl PodRequests {
    pub fn new(
        registry: Arc<Registry>,
        manifests: Arc<ManifestDirStatus>,
        actors: Arc<PodActors>,
    ) -> Self {
        Self { registry, manifests, actors }
    }

    /// Sets the wanted state; the actor works towards it. A pod of the manifest directory is
    /// removed only there.
    pub fn want(
        &self,
        name: &PodKey,
        wanted: Wanted,
        grace: Option<Duration>,
        by: Option<Caller>,
    ) -> Result<(), SupervisorError> {
        if wanted == Wanted::Removed {
            self.manifests.check_not_defined_by_file(name)?;
        }
        self.set_wanted(name, Desired { wanted, grace, by })
    }

    /// Removes a pod that no manifest names any more.
    pub fn remove_static(&self, name: &PodKey) -> Result<(), SupervisorError> {
        self.set_wanted(name, Desired { wanted: Wanted::Removed, grace: None, by: None })
    }

    fn set_wanted(&self, name: &PodKey, desired: Desired) -> Result<(), SupervisorError> {
        if desired.wanted == Wanted::Removed {
            self.actors.abandon_successor(name);
        }
        self.registry.with(name, |handle| {
            if desired.wanted == Wanted::Running {
                handle.check_not_expired(name)?;
            }
            if desired.wanted == Wanted::Removed && handle.spec().is_adopted() {
                return Err(SupervisorError::NotCreatedHere(name.to_owned()));
            }
            handle.set_desired(desired);
            Ok(())
        })?
    }

    /// Sends one request (`Event::Restart`, `Event::Kill`) to a container. An empty name means the
    /// only container.
    pub fn request(
        &self,
        name: &PodKey,
        container: &str,
        event: Event,
        by: Option<Caller>,
    ) -> Result<(), SupervisorError> {
        self.registry.with(name, |handle| {
            let index = handle.index(name, container)?;
            if matches!(event, Event::Restart { .. }) {
                handle.check_not_expired(name)?;
            }
            handle.send(name, Request::CallerEvent(index, by, event))
        })?
    }

    /// Pauses the probes of the container (of all, if the name is empty) for `length`.
    pub fn pause_probes(
        &self,
        name: &PodKey,
        container: &str,
        length: Duration,
    ) -> Result<(), SupervisorError> {
        self.send_to_all(name, container, &Event::Pause { length })
    }

    /// Ends a pause early.
    pub fn resume_probes(&self, name: &PodKey, container: &str) -> Result<(), SupervisorError> {
        self.send_to_all(name, container, &Event::Resume)
    }

    fn send_to_all(
        &self,
        name: &PodKey,
        container: &str,
        event: &Event,
    ) -> Result<(), SupervisorError> {
        self.registry.with(name, |handle| {
            let only =
                (!container.is_empty()).then(|| handle.index(name, container)).transpose()?;
            let all = 0..handle.spec().count();
            for index in all.filter(|index| only.is_none_or(|only| only == *index)) {
                handle.send(name, Request::Event(index, event.clone()))?;
            }
            Ok(())
        })?
    }

    /// Runs a probe of the running instance once, now. No counter changes.
    pub async fn run_probe(
        &self,
        name: &PodKey,
        container: &str,
        kind: ProbeKind,
    ) -> Result<Attempt, SupervisorError> {
        let (reply, answer) = oneshot::channel();
        let (container, timeout) = self.registry.with(name, |handle| {
            let index = handle.index(name, container)?;
            let spec = handle.spec();
            let probe = spec.at(index).and_then(|c| Some((c, c.probes.get(kind)?)));
            let Some((container, probe)) = probe else {
                let (pod, container) = (name.to_owned(), container.to_owned());
                return Err(SupervisorError::NoProbe { pod, container, kind: kind.lower() });
            };
            handle.send(name, Request::RunProbe(index, kind, reply))?;
            Ok((container.name.clone(), probe.timeout))
        })??;
        let bound = timeout.saturating_add(QUEUE);
        match tokio::time::timeout(bound, answer).await {
            Ok(Ok(attempt)) => Ok(attempt),
            Ok(Err(_)) => Err(SupervisorError::NotRunning { pod: name.to_owned(), container }),
            Err(_) => Err(timed_out(name, "the probe's end", bound)),
        }
    }

    /// Starts an interactive command. It runs in the runtime, and the container's actor does not
    /// track it.
    pub async fn exec(
        &self,
        name: &PodKey,
        container: &str,
        order: &Order,
    ) -> Result<Session, SupervisorError> {
        Ok(self.task(name, container).await?.open(order).await?)
    }

    /// Returns the task of a running container.
    pub async fn task(
        &self,
        name: &PodKey,
        container: &str,
    ) -> Result<Arc<dyn Task>, SupervisorError> {
        let (reply, answer) = oneshot::channel();
        let container = self.registry.with(name, |handle| {
            let index = handle.index(name, container)?;
            let spec = handle.spec();
            handle.send(name, Request::GetTask(index, reply))?;
            Ok::<_, SupervisorError>(spec.at(index).map(|one| one.name.clone()).unwrap_or_default())
        })??;
        match tokio::time::timeout(TASK, answer).await {
            Ok(Ok(task)) => Ok(task),
            Ok(Err(_)) => Err(SupervisorError::NotRunning { pod: name.to_owned(), container }),
            Err(_) => Err(timed_out(name, "the container's task", TASK)),
        }
    }

    /// True if the actor of each pod answers within this time. An actor that ends counts as one that
    /// answers: `PodActors` starts it again.
    pub async fn all_answer(&self, within: Duration) -> bool {
        let mut pulses = Vec::new();
        self.registry.for_each(|_, entry| {
            if let Entry::Pod(handle) = entry {
                pulses.push(handle.pulse());
            }
        });
        tokio::time::timeout(within, join_all(pulses)).await.is_ok()
    }

    /// Returns the task of the first running container, in whose namespaces all of the pod's are
    /// reached.
    pub async fn running_task(&self, name: &PodKey) -> Result<Arc<dyn Task>, SupervisorError> {
        let (container, answers) = self.registry.with(name, |handle| {
            let spec = handle.spec();
            let mut answers = Vec::new();
            for index in 0..spec.count() {
                let (reply, answer) = oneshot::channel();
                handle.send(name, Request::GetTask(index, reply))?;
                answers.push(answer);
            }
            let first = spec.containers.first().map(|one| one.name.clone()).unwrap_or_default();
            Ok::<_, SupervisorError>((first, answers))
        })??;
        let first_running = async {
            for answer in answers {
                if let Ok(task) = answer.await {
                    return Some(task);
                }
            }
            None
        };
        match tokio::time::timeout(TASK, first_running).await {
            Ok(Some(task)) => Ok(task),
            Ok(None) => Err(SupervisorError::NotRunning { pod: name.clone(), container }),
            Err(_) => Err(timed_out(name, "a container's task", TASK)),
        }
    }
}
