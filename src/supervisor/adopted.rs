//! Adopted containers in the registry: those that are managed, and those that are only listed
//! because they cannot be managed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::clock::now;
use super::{Entry, PodView, Supervisor, SupervisorError, lock};
use crate::domain::adopt::{ContainerRef, Refusal};
use crate::domain::container::{ImageFacts, Machine};
use crate::domain::notice::Notice;
use crate::domain::pod::Pod;
use crate::domain::spec::PodSpec;
use crate::domain::status::{ContainerState, WaitingReason};

/// The deadline for an actor to end. It awaits nothing.
const END: Duration = Duration::from_secs(5);

impl Supervisor {
    pub(super) fn live(&self, name: &str) -> Option<Arc<PodSpec>> {
        match lock(&self.registry).get(name) {
            Some(Entry::Pod(handle)) => Some(handle.view.borrow().spec.clone()),
            Some(Entry::Reserved | Entry::LeftAlone(..)) | None => None,
        }
    }

    /// Returns the names of adopted containers, managed or only listed.
    pub(super) fn adopted_names(&self) -> BTreeSet<String> {
        let is_adopted = |name: &&String| ContainerRef::of_pod(name).is_some();
        let mut names: BTreeSet<_> =
            lock(&self.registry).keys().filter(is_adopted).cloned().collect();
        names.extend(self.shown().keys().cloned());
        names
    }

    pub(super) fn shown(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, PodView>> {
        self.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Lists a container whose labels ask for adoption but that cannot be managed, with the reason,
    /// which is reported once.
    pub(super) fn show(&self, spec: Arc<PodSpec>, refusal: &Refusal) {
        let Some(container) = spec.containers.first() else { return };
        let now = now();
        let facts = ImageFacts::default();
        let machine = Machine::new(spec.clone(), container.clone(), facts, now);
        let mut status = Pod::new(spec.clone(), vec![machine], now).status();
        let (reason, message) = (refusal.reason(), refusal.message());
        for container in &mut status.containers {
            let (reason, message) = (WaitingReason::Unsupervised(reason), message.clone());
            container.state = ContainerState::Waiting { reason, message };
        }
        let name = spec.name.clone();
        let view = PodView { generation: 1, spec: spec.clone(), status, manifest_error: None };
        let before = self.shown().insert(name, view.clone());
        let state = |view: &PodView| view.status.containers.first().map(|c| c.state.clone());
        if before.as_ref().and_then(state) != state(&view) {
            let notice = match refusal {
                Refusal::NotStarted => Notice::normal(reason, message),
                _ => Notice::warning(reason, message),
            };
            self.note(&spec, notice);
            self.changes.send_modify(|count| *count += 1);
        }
    }

    pub(super) fn hide(&self, name: &str) {
        if self.shown().remove(name).is_some() {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    pub(super) fn note(&self, spec: &PodSpec, notice: Notice) {
        let container = spec.containers.first().map_or("", |container| &container.name);
        tracing::info!(pod = spec.name, reason = notice.reason, "{}", notice.message);
        self.events.record(spec, container, notice, now().wall);
    }

    /// Ends the pod's actor and leaves the containers as they are. The actor writes nothing after
    /// this.
    pub(super) async fn let_go(&self, name: &str) -> Option<Arc<PodSpec>> {
        let handle = {
            let mut registry = lock(&self.registry);
            match registry.remove(name)? {
                Entry::Pod(handle) => handle,
                reserved => {
                    registry.insert(name.to_owned(), reserved);
                    return None;
                }
            }
        };
        handle.cancel.cancel();
        let mut view = handle.view.clone();
        let ended = async { while view.changed().await.is_ok() {} };
        if tokio::time::timeout(END, ended).await.is_err() {
            tracing::warn!(pod = name, "its actor is slow to end");
        }
        self.changes.send_modify(|count| *count += 1);
        let spec = handle.view.borrow().spec.clone();
        Some(spec)
    }

    /// Changes how an adopted container is managed, while the container itself stays the same.
    pub(super) async fn change_care(&self, spec: PodSpec) -> Result<PodView, SupervisorError> {
        let _turn = self.changing.lock().await;
        let live = self.get(&spec.name)?;
        self.respec(spec.in_place_of(&live.spec)).await
    }
}
