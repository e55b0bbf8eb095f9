//! Containers of other clients whose labels ask for adoption, but that are not adopted.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};

use super::clock::now;
use super::lock::Lock;
use super::registry::find;
use crate::domain::adopt::Refusal;
use crate::domain::container::{ImageFacts, Machine};
use crate::domain::notice::Notice;
use crate::domain::pod::{Pod, PodView};
use crate::domain::pod_key::PodKey;
use crate::domain::spec::PodSpec;
use crate::domain::status::{ContainerState, WaitingReason};

/// The views of containers that are only listed, by pod.
#[derive(Default)]
pub struct UnmanagedContainers(Lock<BTreeMap<PodKey, PodView>>);

impl UnmanagedContainers {
    /// Lists a container with the reason why it is not managed. Returns the notice of the reason if
    /// it has changed.
    pub fn add(&self, spec: Arc<PodSpec>, refusal: &Refusal) -> Option<Notice> {
        let container = spec.containers.first()?;
        let now = now();
        let facts = ImageFacts::default();
        let machine = Machine::new(spec.clone(), container.clone(), facts, now);
        let mut status = Pod::new(spec.clone(), vec![machine], now).status().clone();
        let (reason, message) = (refusal.reason(), refusal.message());
        for container in &mut Arc::make_mut(&mut status).containers {
            let (reason, message) = (WaitingReason::Unsupervised(reason), message.clone());
            container.state = ContainerState::Waiting { reason, message };
        }
        let name = spec.key();
        let view = PodView { generation: 1, spec, status, manifest_error: None };
        let before = self.views().insert(name, view.clone());
        let state = |view: &PodView| view.status.containers.first().map(|c| c.state.clone());
        if before.as_ref().and_then(state) == state(&view) {
            return None;
        }
        Some(match refusal {
            Refusal::NotStarted => Notice::normal(reason, message),
            _ => Notice::warning(reason, message),
        })
    }

    /// Removes a container from the list; false if it was not listed.
    pub fn remove(&self, name: &PodKey) -> bool {
        self.views().remove(name).is_some()
    }

    /// Returns the view of a container by the name of its pod, or by its ID.
    pub fn view(&self, name: &PodKey) -> Option<PodView> {
        find(&self.views(), name).cloned()
    }

    /// Returns the views by pod. The list is locked meanwhile.
    pub fn views(&self) -> MutexGuard<'_, BTreeMap<PodKey, PodView>> {
        self.0.lock()
    }
}
