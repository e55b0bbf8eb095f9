//! Image pulls: one for an image, shared by all that wait for it, with a limit for each registry.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::actor::Actor;
use super::clock::now;
use super::effects::{Done, Effects};
use super::{Supervisor, SupervisorError};
use crate::domain::Incarnation;
use crate::domain::container::{ImageFacts, InstanceAction, InstanceEvent, Memory};
use crate::domain::image::{Keyring, Progress, PullFault, Pulled, Reference, Stored, normalise};
use crate::domain::spec::PodSpec;
use crate::registry::RegistryError;
use crate::runtime::{PullError, Runtime, RuntimeError, StartRequest, Wanted};

/// The number of concurrent pulls from one registry. Pulls from other registries do not wait for
/// them.
const PARALLEL: usize = 4;

pub(super) type Ending = Result<(ImageFacts, Pulled), (PullFault, String)>;

/// A handle to a shared pull, which continues while any handle exists.
pub struct Pull {
    pub progress: watch::Receiver<Progress>,
    ending: watch::Receiver<Option<Ending>>,
}

impl Pull {
    pub async fn ended(&mut self) -> Result<(ImageFacts, Pulled), (PullFault, String)> {
        match self.ending.wait_for(Option::is_some).await.map(|ending| ending.clone()) {
            Ok(Some(ending)) => ending,
            _ => Err((PullFault::Unreachable, "the pull was given up".to_owned())),
        }
    }
}

/// The key of a shared pull. Other credentials may lead to another result, so they are part of it.
#[derive(PartialEq, Eq, Hash, Clone)]
struct Key {
    image: String,
    keyrings: Vec<Keyring>,
}

struct Shared {
    progress: Arc<watch::Sender<Progress>>,
    ending: watch::Sender<Option<Ending>>,
}

impl Shared {
    fn share(&self) -> Pull {
        Pull { progress: self.progress.subscribe(), ending: self.ending.subscribe() }
    }
}

pub(super) struct Pulls {
    runtime: Arc<dyn Runtime>,
    running: Arc<Mutex<HashMap<Key, Arc<Shared>>>>,
    turns: Mutex<HashMap<String, Arc<Semaphore>>>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl Pulls {
    pub(super) fn new(
        runtime: Arc<dyn Runtime>,
        tasks: TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        Self { runtime, running: Arc::default(), turns: Mutex::default(), tasks, cancel }
    }

    /// Joins the running pull of this image, or starts one.
    pub(super) fn join(&self, name: &str, keyrings: Vec<Keyring>) -> Result<Pull, String> {
        let reference = Reference::parse(name)?;
        let key = Key { image: normalise(name), keyrings };
        let mut running = guard(&self.running);
        if let Some(shared) = running.get(&key) {
            return Ok(shared.share());
        }
        let shared =
            Arc::new(Shared { progress: Arc::default(), ending: watch::Sender::new(None) });
        let pull = shared.share();
        running.insert(key.clone(), shared.clone());
        drop(running);
        self.begin(key, reference, shared);
        Ok(pull)
    }

    fn begin(&self, key: Key, reference: Reference, shared: Arc<Shared>) {
        let turn = self.turn(&reference.registry);
        let (runtime, running, cancel) =
            (self.runtime.clone(), self.running.clone(), self.cancel.clone());
        self.tasks.spawn(async move {
            let Key { image, keyrings } = key.clone();
            let mut pulling = std::pin::pin!(async {
                let _turn: Option<OwnedSemaphorePermit> = turn.acquire_owned().await.ok();
                let start = now();
                let wanted = Wanted { image, reference, keyrings, at: start.wall };
                let pulled = runtime.pull(&wanted, &shared.progress).await;
                let took = now().mono.saturating_duration_since(start.mono);
                pulled.map(|(facts, bytes)| (facts, Pulled { took, bytes })).map_err(|error| {
                    tracing::warn!(image = wanted.image, %error, "an image was not pulled");
                    (fault_of(&error), error.to_string())
                })
            });
            let ending = loop {
                tokio::select! {
                    () = cancel.cancelled() => break None,
                    ending = &mut pulling => break Some(ending),
                    () = shared.ending.closed() => {
                        let mut running = guard(&running);
                        // The lock is held, so nothing can join the pull meanwhile.
                        if shared.ending.receiver_count() == 0 {
                            running.remove(&key);
                            return;
                        }
                    }
                }
            };
            guard(&running).remove(&key);
            shared.ending.send_replace(ending);
        });
    }

    fn turn(&self, registry: &str) -> Arc<Semaphore> {
        let mut turns = guard(&self.turns);
        // Semaphores that nothing holds or waits for are dropped.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        let new = || Arc::new(Semaphore::new(PARALLEL));
        turns.entry(registry.to_owned()).or_insert_with(new).clone()
    }
}

/// Classifies the error of a pull. A failure of containerd is no answer of the registry.
fn fault_of(error: &PullError) -> PullFault {
    match error {
        PullError::Registry(RegistryError::Unreachable(_)) | PullError::Runtime(_) => {
            PullFault::Unreachable
        }
        PullError::Registry(RegistryError::Refused(_)) | PullError::Failed(_) => PullFault::Failed,
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No update is left incomplete, so a lock that a panic has poisoned is safe to use.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Actor {
    pub(super) fn image(&mut self, index: usize, incarnation: Incarnation, action: InstanceAction) {
        let (Some(machine), Some(held)) = (self.pod.machine(index), self.containers.get_mut(index))
        else {
            return;
        };
        match action {
            InstanceAction::LookForImage => {
                // The lookup writes the attempt's record, as a start does.
                held.starting = true;
                let memory = self.remembered(machine);
                self.effects.look(index, incarnation, memory);
            }
            InstanceAction::Pull(image) => {
                held.pull = Some(self.effects.pull(index, incarnation, image));
            }
            InstanceAction::GiveUpPull => {
                if let Some(pull) = held.pull.take() {
                    pull.abort();
                }
            }
            _ => {}
        }
    }
}

impl Effects {
    /// Finds out which of the container's images are present. The attempt's record is written
    /// first, because a later daemon continues from it.
    pub(super) fn look(&mut self, index: usize, attempt: Incarnation, memory: Memory) {
        let id = self.id(index, attempt);
        let (pod, runtime) = (self.pod.clone(), self.runtime.clone());
        self.spawn("look", index, Some(attempt), async move {
            let creation = StartRequest { id, pod: pod.clone(), index, memory };
            let looked = async {
                runtime.create(&creation).await?;
                let container = pod.at(index).ok_or_else(|| {
                    RuntimeError::Internal(format!("{}: no container {index}", creation.id))
                })?;
                let image = match runtime.check(container).await {
                    Err(RuntimeError::NoImage(reason)) => {
                        tracing::debug!(reason, "the image is not here yet");
                        None
                    }
                    image => Some(image?),
                };
                let mut volumes = BTreeMap::new();
                for (volume, wanted) in pod.volume_images(container) {
                    let reference = &wanted.reference;
                    let seen = runtime.look_at_volume(&pod.uid, volume, reference).await?;
                    volumes.insert(volume.to_owned(), seen);
                }
                Ok((image, volumes))
            };
            let event = match looked.await {
                Ok((image, volumes)) => InstanceEvent::Looked { image, volumes }.of(attempt),
                Err(error) => super::effects::failed(attempt, &error),
            };
            Done::Event(index, event)
        });
    }

    pub(super) fn pull(
        &mut self,
        index: usize,
        incarnation: Incarnation,
        image: String,
    ) -> AbortHandle {
        let (pod, pulls) = (self.pod.clone(), self.pulls.clone());
        self.spawn("pull", index, Some(incarnation), async move {
            let ending = match pulls.join(&image, keyrings(&pod)) {
                Ok(mut pull) => pull.ended().await,
                Err(error) => Err((PullFault::InvalidName, error)),
            };
            Done::Event(
                index,
                match ending {
                    Ok((image, pulled)) => InstanceEvent::Pulled { image, pulled }.of(incarnation),
                    Err((fault, message)) => {
                        InstanceEvent::PullFailed { fault, message }.of(incarnation)
                    }
                },
            )
        })
    }
}

pub(super) fn keyrings(pod: &PodSpec) -> Vec<Keyring> {
    pod.pull_secrets.iter().filter_map(|secret| secret.keyring.clone()).collect()
}

impl Supervisor {
    /// Pulls an image with the host's credentials. An error means that the name is invalid.
    pub fn pull(&self, name: &str) -> Result<Pull, String> {
        self.pulls.join(name, Vec::new())
    }

    pub async fn images(&self) -> Result<Vec<Stored>, SupervisorError> {
        Ok(self.runtime.images().await?)
    }

    /// Removes an image. Fails if a pod uses it, whether or not the pod has started.
    pub async fn remove_image(&self, name: &str) -> Result<String, SupervisorError> {
        let wanted = normalise(name);
        let is_it = |name: &String| normalise(name) == wanted;
        let views = self.list();
        let user = views.iter().find(|view| view.spec.images().any(is_it));
        if let Some(view) = user {
            let text = format!("image {name:?} is in use by pod {}", view.spec.name);
            return Err(RuntimeError::InUse(text).into());
        }
        Ok(self.runtime.remove_image(name).await?)
    }
}
