//! Image pulls: one for an image, shared by all that wait for it, with a limit for each registry.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::background::Background;
use super::clock::now;
use super::lock::Lock;
use crate::domain::container::ImageFacts;
use crate::domain::image::{Keyring, Progress, PullFault, Pulled, Reference, normalise};
use crate::domain::spec::PodSpec;
use crate::node::{Node, PullError, Wanted};
use crate::registry::RegistryError;

/// The number of concurrent pulls from one registry. Pulls from other registries do not wait for
/// them.
const PARALLEL: usize = 4;

pub type PullResult = Result<(ImageFacts, Pulled), (PullFault, String)>;

/// A handle to a shared pull, which continues while any handle exists.
pub struct Pull {
    pub progress: watch::Receiver<Progress>,
    ending: watch::Receiver<Option<PullResult>>,
}

impl Pull {
    /// Waits for the end of the pull.
    pub async fn ended(&mut self) -> PullResult {
        match self.ending.wait_for(Option::is_some).await.map(|ending| ending.clone()) {
            Ok(Some(ending)) => ending,
            _ => Err((PullFault::Unreachable, "the pull was cancelled".to_owned())),
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
    ending: watch::Sender<Option<PullResult>>,
}

impl Shared {
    fn share(&self) -> Pull {
        Pull { progress: self.progress.subscribe(), ending: self.ending.subscribe() }
    }
}

pub struct Pulls {
    runtime: Arc<dyn Node>,
    running: Arc<Lock<HashMap<Key, Arc<Shared>>>>,
    /// The limit of each registry.
    limits: Lock<HashMap<String, Arc<Semaphore>>>,
    background: Background,
}

impl Pulls {
    pub fn new(runtime: Arc<dyn Node>, background: Background) -> Self {
        Self { runtime, running: Arc::default(), limits: Lock::default(), background }
    }

    /// Joins the running pull of this image, or starts one.
    pub fn join(&self, name: &str, keyrings: Vec<Keyring>) -> Result<Pull, String> {
        let reference = Reference::parse(name)?;
        let key = Key { image: normalise(name), keyrings };
        let mut running = self.running.lock();
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
        let limit = self.limit(&reference.registry);
        let (runtime, running, background) =
            (self.runtime.clone(), self.running.clone(), self.background.clone());
        self.background.spawn(async move {
            let Key { image, keyrings } = key.clone();
            let mut pulling = std::pin::pin!(async {
                let _permit: Option<OwnedSemaphorePermit> = limit.acquire_owned().await.ok();
                let start = now();
                let wanted = Wanted { image, reference, keyrings, at: start.wall };
                let pulled = runtime.pull(&wanted, &shared.progress).await;
                let took = now().mono.saturating_duration_since(start.mono);
                pulled.map(|(facts, bytes)| (facts, Pulled { took, bytes })).map_err(|error| {
                    tracing::warn!(image = wanted.image, %error, "the image was not pulled");
                    (fault_of(&error), error.to_string())
                })
            });
            let ending = loop {
                tokio::select! {
                    () = background.cancelled() => break None,
                    ending = &mut pulling => break Some(ending),
                    () = shared.ending.closed() => {
                        let mut running = running.lock();
                        // The lock is held, so nothing can join the pull meanwhile.
                        if shared.ending.receiver_count() == 0 {
                            running.remove(&key);
                            return;
                        }
                    }
                }
            };
            running.lock().remove(&key);
            shared.ending.send_replace(ending);
        });
    }

    fn limit(&self, registry: &str) -> Arc<Semaphore> {
        let mut limits = self.limits.lock();
        // Semaphores that nothing holds or waits for are dropped.
        limits.retain(|_, limit| Arc::strong_count(limit) > 1);
        let new = || Arc::new(Semaphore::new(PARALLEL));
        limits.entry(registry.to_owned()).or_insert_with(new).clone()
    }
}

/// Classifies the error of a pull. A failure of containerd is no answer of the registry.
fn fault_of(error: &PullError) -> PullFault {
    match error {
        PullError::Registry(RegistryError::Unreachable(_)) | PullError::Node(_) => {
            PullFault::Unreachable
        }
        PullError::Registry(RegistryError::Refused(_)) | PullError::Failed(_) => PullFault::Failed,
    }
}

/// Returns the credentials of the pod's pull secrets.
pub fn keyrings(pod: &PodSpec) -> Vec<Keyring> {
    pod.pull_secrets.iter().filter_map(|secret| secret.keyring.clone()).collect()
}
