//! The registry of pods, by namespace and name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::changes::Changes;
use super::error::{SupervisorError, timed_out, unsupervised_error};
use super::lock::Lock;
use super::pod_handle::PodHandle;
use super::successor::Successor;
use crate::domain::adopt::ContainerRef;
use crate::domain::pod::PodView;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::PodSpec;
use crate::node::Flaw;

pub enum Entry {
    /// A pod of the runtime that must not be touched, or whose state is unclear.
    Unsupervised(Box<PodView>, String, Flaw),
    /// A pod whose tasks are being queried, as its records describe it.
    Recovering(Box<PodView>),
    /// A name whose pod is being created.
    Reserved,
    Pod(PodHandle),
}

impl Entry {
    pub fn pod(&self) -> Option<&PodHandle> {
        match self {
            Self::Pod(handle) => Some(handle),
            Self::Unsupervised(..) | Self::Recovering(_) | Self::Reserved => None,
        }
    }

    /// Returns the spec of a pod, also of one that is being recovered.
    fn spec(&self) -> Option<Arc<PodSpec>> {
        match self {
            Self::Pod(handle) => Some(handle.spec()),
            Self::Recovering(view) => Some(view.spec.clone()),
            Self::Unsupervised(..) | Self::Reserved => None,
        }
    }

    fn pod_mut(&mut self) -> Option<&mut PodHandle> {
        match self {
            Self::Pod(handle) => Some(handle),
            Self::Unsupervised(..) | Self::Recovering(_) | Self::Reserved => None,
        }
    }
}

/// The time for which a request waits until its pod is recovered. A shim that hangs takes less.
const RECOVERED: Duration = Duration::from_secs(30);

/// The pods with an actor, and the names that no new pod may have.
#[derive(Default)]
pub struct Registry {
    entries: Lock<BTreeMap<PodKey, Entry>>,
    changes: Changes,
}

impl Registry {
    pub fn new(changes: Changes) -> Self {
        Self { entries: Lock::default(), changes }
    }

    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Reserves the pod's name; None if a pod has it.
    pub fn reserve(
        self: &Arc<Self>,
        name: &PodKey,
    ) -> Result<Option<Reservation>, SupervisorError> {
        let mut entries = self.entries.lock();
        match entries.get(name) {
            None => {
                if let Some(other) = with_same_ids(&entries, name) {
                    return Err(SupervisorError::AlreadyExists(other));
                }
                entries.insert(name.to_owned(), Entry::Reserved);
                Ok(Some(Reservation::new(self, name)))
            }
            Some(Entry::Reserved) => Err(SupervisorError::BeingCreated(name.to_owned())),
            Some(Entry::Unsupervised(_, reason, _)) => Err(unsupervised_error(name, reason)),
            Some(Entry::Recovering(_)) => Err(SupervisorError::Recovering(name.to_owned())),
            Some(Entry::Pod(handle)) if handle.is_being_deleted() => {
                Err(SupervisorError::BeingDeleted(name.to_owned()))
            }
            Some(Entry::Pod(_)) => Ok(None),
        }
    }

    /// Returns the pod that has the container ids of a new pod of this key. Only an older build
    /// created such a pod.
    pub fn with_same_ids(&self, name: &PodKey) -> Option<PodKey> {
        with_same_ids(&self.entries.lock(), name)
    }

    /// Reserves a name that nothing has.
    pub fn reserve_if_free(self: &Arc<Self>, name: &PodKey) -> Option<Reservation> {
        let mut entries = self.entries.lock();
        if entries.contains_key(name) {
            return None;
        }
        entries.insert(name.to_owned(), Entry::Reserved);
        Some(Reservation::new(self, name))
    }

    /// Adds a pod whose actor starts.
    pub fn insert(&self, name: &PodKey, handle: PodHandle) {
        self.entries.lock().insert(name.to_owned(), Entry::Pod(handle));
    }

    pub fn remove(&self, name: &PodKey) {
        self.entries.lock().remove(name);
        self.changes.notify();
    }

    /// Takes a pod that has an actor out of the registry.
    pub fn take(&self, name: &PodKey) -> Option<PodHandle> {
        let mut entries = self.entries.lock();
        match entries.remove(name)? {
            Entry::Pod(handle) => Some(handle),
            other => {
                entries.insert(name.to_owned(), other);
                None
            }
        }
    }

    /// Lists a pod with the reason why it has no actor. The reason is logged once.
    pub fn add_unsupervised(&self, view: Box<PodView>, reason: String, flaw: Flaw) {
        let name = view.spec.key();
        let entry = Entry::Unsupervised(view, reason.clone(), flaw);
        let before = self.entries.lock().insert(name.clone(), entry);
        if !matches!(before, Some(Entry::Unsupervised(..) | Entry::Pod(_))) {
            tracing::warn!(pod = %name, reason, "the pod is not supervised");
            self.changes.notify();
        }
    }

    /// Lists pods of a complete survey as their records describe them, until each is recovered. A
    /// pod of an earlier survey that has no record any more is removed.
    pub fn list_recovering(&self, pods: BTreeMap<PodKey, PodView>) {
        let mut entries = self.entries.lock();
        entries.retain(|name, entry| {
            !matches!(entry, Entry::Recovering(_)) || pods.contains_key(name)
        });
        for (name, view) in pods {
            entries.entry(name).or_insert_with(|| Entry::Recovering(Box::new(view)));
        }
        drop(entries);
        self.changes.notify();
    }

    fn is_recovering(&self, name: &PodKey) -> bool {
        matches!(find(&self.entries.lock(), name), Some(Entry::Recovering(_)))
    }

    /// True if each pod of the last survey has its actor, or must not have one.
    pub fn are_all_recovered(&self) -> bool {
        !self.entries.lock().values().any(|entry| matches!(entry, Entry::Recovering(_)))
    }

    /// Waits until the pod is not being recovered any more.
    ///
    /// # Errors
    ///
    /// Fails with [`SupervisorError::Recovering`] if that takes too long.
    pub async fn recovered(&self, name: &PodKey) -> Result<(), SupervisorError> {
        let mut changes = self.changes.subscribe();
        let recovered = changes.wait_for(|_| !self.is_recovering(name));
        let late = |_| SupervisorError::Recovering(name.to_owned());
        tokio::time::timeout(RECOVERED, recovered).await.map(drop).map_err(late)
    }

    pub fn is_unsupervised(&self, name: &PodKey) -> bool {
        matches!(self.entries.lock().get(name), Some(Entry::Unsupervised(..)))
    }

    /// True if the name is in use, so that no recorded pod can take it.
    pub fn is_taken(&self, name: &PodKey) -> bool {
        match self.entries.lock().get(name) {
            Some(Entry::Pod(_) | Entry::Reserved) => true,
            Some(Entry::Unsupervised(..) | Entry::Recovering(_)) | None => false,
        }
    }

    pub fn contains(&self, name: &PodKey) -> bool {
        self.entries.lock().contains_key(name)
    }

    /// Calls `f` with the pod. An adopted container is also found by its ID.
    pub fn with<T>(
        &self,
        name: &PodKey,
        f: impl FnOnce(&PodHandle) -> T,
    ) -> Result<T, SupervisorError> {
        match find(&self.entries.lock(), name) {
            Some(Entry::Pod(handle)) => Ok(f(handle)),
            Some(Entry::Unsupervised(_, reason, _)) => Err(unsupervised_error(name, reason)),
            Some(Entry::Recovering(_)) => Err(SupervisorError::Recovering(name.to_owned())),
            Some(Entry::Reserved) | None => Err(SupervisorError::NotFound(name.to_owned())),
        }
    }

    /// Calls `f` with the pod of exactly this name.
    pub fn with_mut<T>(&self, name: &PodKey, f: impl FnOnce(&mut PodHandle) -> T) -> Option<T> {
        self.entries.lock().get_mut(name).and_then(Entry::pod_mut).map(f)
    }

    /// Calls `f` with each entry. The registry is locked meanwhile.
    pub fn for_each(&self, mut f: impl FnMut(&PodKey, &Entry)) {
        self.entries.lock().iter().for_each(|(name, entry)| f(name, entry));
    }

    /// Returns the keys of the pods of this name in all namespaces.
    pub fn with_name(&self, name: &str) -> Vec<PodKey> {
        self.entries.lock().keys().filter(|key| key.name() == name).cloned().collect()
    }

    /// Returns the spec of the pod of exactly this name.
    pub fn spec(&self, name: &PodKey) -> Option<Arc<PodSpec>> {
        self.entries.lock().get(name).and_then(Entry::pod).map(PodHandle::spec)
    }

    /// Returns the spec of a pod that has an actor, or is being recovered.
    pub fn listed_spec(&self, name: &PodKey) -> Result<Arc<PodSpec>, SupervisorError> {
        match find(&self.entries.lock(), name) {
            Some(Entry::Unsupervised(_, reason, _)) => Err(unsupervised_error(name, reason)),
            entry => {
                let spec = entry.and_then(Entry::spec);
                spec.ok_or_else(|| SupervisorError::NotFound(name.to_owned()))
            }
        }
    }

    pub fn view(&self, name: &PodKey) -> Result<PodView, SupervisorError> {
        if let Some(Entry::Unsupervised(view, ..) | Entry::Recovering(view)) =
            self.entries.lock().get(name)
        {
            return Ok(PodView::clone(view));
        }
        self.with(name, PodHandle::view)
    }

    pub fn views(&self) -> Vec<PodView> {
        let entries = self.entries.lock();
        let views = entries.values().filter_map(|entry| match entry {
            Entry::Pod(handle) => Some(handle.view()),
            Entry::Unsupervised(view, ..) | Entry::Recovering(view) => Some(PodView::clone(view)),
            Entry::Reserved => None,
        });
        views.collect()
    }

    pub fn take_successor(&self, name: &PodKey) -> Option<Successor> {
        self.with_mut(name, PodHandle::take_successor).flatten()
    }

    /// Waits until the pod meets the condition, at most for the timeout.
    pub async fn wait(
        &self,
        name: &PodKey,
        condition: &'static str,
        timeout: Duration,
        mut reached: impl FnMut(&PodView) -> bool,
    ) -> Result<PodView, SupervisorError> {
        let met = async {
            self.recovered(name).await?;
            let mut view = self.with(name, PodHandle::watch_view)?;
            let met = view.wait_for(|view| reached(view)).await.map(|view| view.clone());
            met.map_err(|_| self.view_ended(name))
        };
        let met = tokio::time::timeout(timeout, met).await;
        met.unwrap_or_else(|_| Err(timed_out(name, condition, timeout)))
    }

    /// Returns why a pod's view ended: the pod is deleted, or its actor panicked.
    fn view_ended(&self, name: &PodKey) -> SupervisorError {
        match self.with(name, PodHandle::has_actor) {
            Ok(false) => SupervisorError::Busy(name.to_owned()),
            Ok(true) => SupervisorError::NotFound(name.to_owned()),
            Err(error) => error,
        }
    }

    /// Waits until nothing is left of the pod, at most for the timeout.
    pub async fn wait_gone(&self, name: &PodKey, timeout: Duration) -> Result<(), SupervisorError> {
        let mut changes = self.changes.subscribe();
        let gone = changes.wait_for(|_| !self.contains(name));
        match tokio::time::timeout(timeout, gone).await {
            Ok(_) => Ok(()),
            Err(_) => Err(timed_out(name, "removal", timeout)),
        }
    }

    /// Returns the names of adopted containers that have an actor.
    pub fn adopted_names(&self) -> Vec<PodKey> {
        let is_adopted = |name: &&PodKey| name.is_adopted();
        self.entries.lock().keys().filter(is_adopted).cloned().collect()
    }
}

/// Finds a pod by its key; an adopted container also by its ID, as a pod of `default`, if no other
/// has the same ID.
pub fn find<'a, T>(named: &'a BTreeMap<PodKey, T>, name: &PodKey) -> Option<&'a T> {
    let has_id = |(key, _): &(&PodKey, &T)| {
        ContainerRef::of_pod(key).is_some_and(|container| container.id == name.name())
    };
    named.get(name).or_else(|| {
        if !(name.is_in_default() || name.is_adopted()) {
            return None;
        }
        let mut others = named.iter().filter(has_id);
        others.next().filter(|_| others.next().is_none()).map(|(_, one)| one)
    })
}

fn with_same_ids(entries: &BTreeMap<PodKey, Entry>, name: &PodKey) -> Option<PodKey> {
    let has_ids = |(key, entry): &(&PodKey, &Entry)| {
        key.name() == name.name() && entry.spec().is_some_and(|spec| spec.ids_of_default)
    };
    let is_there = |key: &PodKey| name.is_in_default() && key != name;
    entries.iter().find(has_ids).map(|(key, _)| key.clone()).filter(is_there)
}

/// The reservation of a name while its pod is created. The drop releases the name, however the
/// creation ends.
pub struct Reservation {
    registry: Arc<Registry>,
    name: PodKey,
    keep: bool,
}

impl Reservation {
    fn new(registry: &Arc<Registry>, name: &PodKey) -> Self {
        Self { registry: registry.clone(), name: name.to_owned(), keep: false }
    }

    /// Leaves the entry in the registry, because the name has its pod.
    pub fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.keep {
            self.registry.entries.lock().remove(&self.name);
        }
    }
}
