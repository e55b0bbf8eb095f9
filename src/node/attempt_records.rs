//! The saved state of attempts: in containers' records, or, if a record could not be written, in a
//! pending record.

use std::collections::BTreeMap;
use std::sync::Arc;

use probelet_runtime::{
    CallError, Filter, Namespace, NewRecord, Record, RecordUpdate, Runtime, Source,
};

use super::attempt::{AttemptId, StartRequest};
use super::error::NodeError;
use super::labels::{NAMESPACE, POD, POD_UID};
use super::pending_records::PendingRecords;
use super::record::{self, RecordError};
use crate::domain::Incarnation;
use crate::domain::adopt::ContainerRef;
use crate::domain::container::Memory;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::PodSpec;
use crate::domain::user::User;
use probelet_oci as oci;

/// Label of a record: the container's name in its pod.
const CONTAINER: &str = "probelet/container";
/// Label of a record: the number of the attempt, from 0.
const ATTEMPT: &str = "probelet/attempt";

#[derive(Debug, Clone)]
pub struct AttemptRecords {
    own: Namespace,
    runtime: Arc<dyn Runtime>,
    pending: PendingRecords,
}

impl AttemptRecords {
    pub fn new(own: Namespace, runtime: Arc<dyn Runtime>, pending: PendingRecords) -> Self {
        Self { own, runtime, pending }
    }

    pub fn pending(&self) -> &PendingRecords {
        &self.pending
    }

    /// Returns the namespace that has the attempt's record.
    pub fn namespace_of(&self, id: &AttemptId) -> Result<Namespace, CallError> {
        match ContainerRef::of_pod(&id.pod) {
            Some(container) => self.runtime.namespace(&container.namespace),
            None => Ok(self.own.clone()),
        }
    }

    /// Creates the record, which names the snapshot. If it exists, returns true and updates it if
    /// `renew` is set: when it was created, the image was missing or another one.
    pub async fn create(
        &self,
        creation: &StartRequest,
        source: Source,
        renew: bool,
    ) -> Result<bool, NodeError> {
        let StartRequest { id, pod, memory, .. } = creation;
        let extension = (record::KEY, record::encode(pod, memory)?);
        let new = NewRecord {
            id: id.to_string(),
            labels: labels(id, &pod.uid),
            source: source.clone(),
            extension: extension.clone(),
        };
        match self.own.records.create(new).await {
            Err(CallError::AlreadyExists(_)) => {}
            created => return Ok(created.map(|()| false)?),
        }
        self.check_owner(creation).await?;
        if renew {
            let update = RecordUpdate { extension, source: Some(source) };
            self.own.records.update(&id.to_string(), update).await?;
        }
        Ok(true)
    }

    /// Refuses a record of an earlier pod of the same name: by its label, nothing that belongs to
    /// this pod could be found.
    async fn check_owner(&self, creation: &StartRequest) -> Result<(), CallError> {
        let id = creation.id.to_string();
        let record = self.get(&id).await?;
        match record.labels.get(POD_UID) {
            Some(uid) if *uid == creation.pod.uid => Ok(()),
            owner => Err(CallError::AlreadyExists(
                format!(
                    "container {id} in containerd belongs to another pod (uid {}): delete it there",
                    owner.map_or("unknown", String::as_str)
                )
                .into(),
            )),
        }
    }

    /// Overwrites the state saved in the record.
    pub async fn remember(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), NodeError> {
        self.pending.renew(id, pod, memory).await?;
        let extension = (record::KEY, record::encode(pod, memory)?);
        let update = RecordUpdate { extension, source: None };
        self.namespace_of(id)?.records.update(&id.to_string(), update).await?;
        self.pending.remove(id).await
    }

    /// Writes to a foreign container's record that it was released under these labels.
    pub async fn release(
        &self,
        container: &ContainerRef,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), NodeError> {
        let extension = (record::KEY, record::encode_released(labels)?);
        let records = self.runtime.namespace(&container.namespace)?.records;
        let update = RecordUpdate { extension, source: None };
        records.update(&container.id, update).await?;
        self.pending.remove_of(container).await
    }

    pub async fn get(&self, id: &str) -> Result<Record, CallError> {
        self.own.records.get(id).await
    }

    /// Lists all of probelet's records, sound or not.
    pub async fn list(&self) -> Result<Vec<Record>, CallError> {
        self.list_own(Filter::Label(POD)).await
    }

    /// Lists the records of one pod.
    pub async fn of_pod(&self, uid: &str) -> Result<Vec<Record>, CallError> {
        self.list_own(Filter::LabelIs(POD_UID, uid)).await
    }

    async fn list_own(&self, filter: Filter<'_>) -> Result<Vec<Record>, CallError> {
        let mut records = self.own.records.list(filter).await?;
        records.retain(is_own);
        Ok(records)
    }

    pub async fn delete(&self, id: &str) -> Result<(), CallError> {
        self.own.records.delete(id).await
    }
}

/// True if probelet (this daemon or another one) created the record. An image's labels may match
/// too, but no image sets the extension.
pub fn is_own(record: &Record) -> bool {
    record.labels.contains_key(POD)
        && record.extensions.get(record::KEY).is_some_and(record::is_of_own)
}

/// The reason why a record cannot be used.
pub struct Unreadable {
    pub(super) is_newer: bool,
    pub(super) reason: String,
}

/// Returns the attempt that the labels of the container `id` name. The pod of an older build, which
/// labelled no namespace, counts as one in `default` until its spec is read ([`of_spec`]).
pub fn labelled(id: &str, labels: &BTreeMap<String, String>) -> Result<AttemptId, String> {
    let label = |name: &str| labels.get(name).cloned().ok_or_else(|| format!("no label {name}"));
    let attempt = label(ATTEMPT)?;
    let number = attempt.parse().map_err(|_| format!("label {ATTEMPT} is {attempt:?}"))?;
    let name = label(POD)?;
    let pod = match labels.get(NAMESPACE) {
        Some(namespace) => PodKey::new(namespace, name),
        None => PodKey::in_default(name),
    };
    let named = AttemptId::new(pod, label(CONTAINER)?, Incarnation(number));
    if named.to_string() != id {
        return Err(format!("its labels are those of {named}"));
    }
    Ok(named)
}

/// Returns the attempt with the namespace of the pod's spec.
pub fn of_spec(id: &AttemptId, pod: &PodSpec) -> AttemptId {
    AttemptId::of(pod, id.container.clone(), id.attempt)
}

/// Returns the state saved in a record.
pub fn remembered(record: &Record) -> Result<(PodSpec, Memory), Unreadable> {
    let none = || Unreadable { is_newer: false, reason: "no extension".to_owned() };
    let extension = record.extensions.get(record::KEY).ok_or_else(none)?;
    let (pod, mut memory) = record::decode(extension).map_err(|error| Unreadable {
        is_newer: matches!(error, RecordError::Newer(_)),
        reason: error.to_string(),
    })?;
    // Older builds did not save the user.
    memory.user = memory.user.take().or_else(|| user_of(record));
    Ok((pod, memory))
}

/// Returns the user in the container's spec.
pub fn user_of(record: &Record) -> Option<User> {
    oci::user_of(&record.spec)
}

/// Returns the labels of an attempt's record.
pub fn labels(id: &AttemptId, pod_uid: &str) -> BTreeMap<String, String> {
    // The pod of an older build, whose ids are those of a pod in `default`, was labelled without it.
    let namespace =
        (!id.is_as_in_default).then(|| (NAMESPACE.to_owned(), id.pod.namespace().to_owned()));
    let others = [
        (POD.to_owned(), id.pod.name().to_owned()),
        (CONTAINER.to_owned(), id.container.clone()),
        (POD_UID.to_owned(), pod_uid.to_owned()),
        (ATTEMPT.to_owned(), id.attempt.to_string()),
    ];
    namespace.into_iter().chain(others).collect()
}
