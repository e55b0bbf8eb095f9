//! Attempts of containers: their names, what a start is made of, and what a daemon finds of them at
//! boot.

use std::sync::Arc;

use super::task_trait::FoundTask;
use crate::domain::Incarnation;
use crate::domain::adopt::ContainerRef;
use crate::domain::container::Memory;
use crate::domain::exit::ExitEvidence;
use crate::domain::ids::{stem, stem_in_namespace};
use crate::domain::pod_key::PodKey;
use crate::domain::spec::{ContainerSpec, PodSpec};

/// One attempt of one container. It is displayed as its id in containerd: `POD_CONTAINER_N` in most
/// cases, `POD_CONTAINER_HASH_N` in another namespace than `default`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttemptId {
    pub pod: PodKey,
    pub container: String,
    pub attempt: Incarnation,
    /// True if the id and the log are those of a pod in `default`, see
    /// [`PodSpec::ids_of_default`].
    pub is_as_in_default: bool,
}

impl AttemptId {
    /// The attempt of a container of this pod.
    pub fn of(pod: &PodSpec, container: impl Into<String>, attempt: Incarnation) -> Self {
        let is_as_in_default = pod.ids_of_default;
        Self { is_as_in_default, ..Self::new(pod.key(), container, attempt) }
    }

    pub fn new(pod: PodKey, container: impl Into<String>, attempt: Incarnation) -> Self {
        Self { pod, container: container.into(), attempt, is_as_in_default: false }
    }

    /// Returns the namespace that ids and logs contain; None if it is `default`, which they
    /// leave out, or if the container is adopted.
    pub fn namespace(&self) -> Option<&str> {
        let is_left_out =
            self.is_as_in_default || self.pod.is_in_default() || self.pod.is_adopted();
        (!is_left_out).then(|| self.pod.namespace())
    }

    /// Returns the pod as the labels name it.
    pub fn labelled_pod(&self) -> PodKey {
        if self.is_as_in_default { PodKey::in_default(self.pod.name()) } else { self.pod.clone() }
    }

    /// Returns the id without the attempt's number.
    pub fn stem(&self) -> String {
        match self.namespace() {
            Some(_) => stem_in_namespace(&self.pod, &self.container),
            None => stem(self.pod.name(), &self.container),
        }
    }
}

impl std::fmt::Display for AttemptId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // An adopted container has one record for all attempts.
        if let Some(place) = ContainerRef::of_pod(&self.pod) {
            f.write_str(&place.id)
        } else {
            write!(f, "{}_{}", self.stem(), self.attempt)
        }
    }
}

/// An attempt's record at boot, before its task is queried.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub id: AttemptId,
    pub pod: PodSpec,
    pub memory: Memory,
    /// True if `memory` comes from a pending record, which could not be written to the record.
    pub pending_record: bool,
}

/// An attempt found in the runtime at boot.
pub struct Found {
    pub id: AttemptId,
    pub pod: PodSpec,
    pub memory: Memory,
    pub task: FoundTask,
    /// The exit evidence of an ended task; empty for others.
    pub evidence: ExitEvidence,
    /// True if `memory` comes from a pending record, which could not be written to the record.
    pub pending_record: bool,
}

/// The state that could not be written to a container's record and was saved for a later daemon.
pub struct PendingRecord {
    pub pod: PodSpec,
    pub container: String,
    pub memory: Memory,
}

/// The records that a daemon finds at boot.
#[derive(Default)]
pub struct Survey {
    pub sound: Vec<Recorded>,
    pub unsound: Vec<Unsound>,
    pub pending_record: Vec<PendingRecord>,
}

/// An attempt that the daemon cannot adopt as it is.
pub struct Unsound {
    /// The attempt as the record's labels name it.
    pub id: AttemptId,
    pub pod_uid: String,
    pub image: String,
    pub flaw: Flaw,
    pub reason: String,
    /// The attempt's task, if it was queried.
    pub task: FoundTask,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// A newer version wrote the record. This daemon must not change it.
    Newer,
    /// The saved state cannot be read.
    Broken,
    /// The task's state could not be read this time.
    Unclear,
}

/// The parts of a new attempt. All are written in the call that creates its record.
#[derive(Debug, Clone)]
pub struct StartRequest {
    pub id: AttemptId,
    pub pod: Arc<PodSpec>,
    /// The container's index in [`PodSpec::all`].
    pub index: usize,
    pub memory: Memory,
}

impl StartRequest {
    pub fn container(&self) -> Option<&ContainerSpec> {
        self.pod.at(self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec::sample;
    use crate::node::attempt_records::{labelled, labels};

    fn id(namespace: &str, ids_of_default: bool) -> AttemptId {
        let namespace = namespace.to_owned();
        let pod = PodSpec { namespace, ids_of_default, ..sample::pod() };
        AttemptId::of(&pod, "app", Incarnation(3))
    }

    #[test]
    fn an_id_has_a_hash_outside_of_the_default_namespace() {
        assert_eq!(id("default", false).to_string(), "web_app_3");
        assert_eq!(id("shop", true).to_string(), "web_app_3");
        let (shop, other) = (id("shop", false).to_string(), id("other", false).to_string());
        assert!(shop.starts_with("web_app_") && shop.ends_with("_3") && shop != other, "{shop}");
    }

    #[test]
    fn labels_name_the_attempt() {
        for (id, namespace) in [
            (id("default", false), Some("default")),
            (id("shop", false), Some("shop")),
            (id("shop", true), None),
        ] {
            let labels = labels(&id, "u");
            assert_eq!(labels.get("probelet/namespace").map(String::as_str), namespace);
            let read = labelled(&id.to_string(), &labels).unwrap();
            assert_eq!((&read.pod, read.attempt), (&id.labelled_pod(), id.attempt));
            assert_eq!(read.to_string(), id.to_string());
        }
        let mut labels = labels(&id("shop", false), "u");
        labels.insert("probelet/namespace".to_owned(), "other".to_owned());
        assert!(labelled(&id("shop", false).to_string(), &labels).is_err());
    }
}
