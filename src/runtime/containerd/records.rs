//! Container records: one for each attempt, created complete in one call.

use std::collections::HashMap;

use containerd_client::services::v1::container::Runtime as ShimRuntime;
use containerd_client::services::v1::{
    Container, CreateContainerRequest, CreateNamespaceRequest, DeleteContainerRequest,
    GetContainerRequest, ListContainersRequest, Namespace, UpdateContainerRequest,
};
use prost_types::{Any, FieldMask};

use super::client::{Client, DEADLINE, call};
use crate::domain::Incarnation;
use crate::domain::container::Memory;
use crate::domain::spec::PodSpec;
use crate::domain::user::User;
use crate::runtime::record::{self, RecordError};
use crate::runtime::{AttemptId, RuntimeError, StartRequest};
use probelet_oci as oci;

pub(super) const POD: &str = "probelet/pod";
const CONTAINER: &str = "probelet/container";
pub(super) const POD_UID: &str = "probelet/pod-uid";
const ATTEMPT: &str = "probelet/attempt";
const SPEC_TYPE: &str = "types.containerd.io/opencontainers/runtime-spec/1/Spec";
const RUNTIME: &str = "io.containerd.runc.v2";

pub(super) struct NewRecord<'a> {
    pub(super) creation: &'a StartRequest,
    /// The image's name in containerd's store; `None` for a bundle, which has no snapshot either.
    pub(super) image: Option<String>,
    pub(super) spec: Vec<u8>,
}

impl Client {
    /// Creates the record. It names the snapshot before that exists, since the collector keeps what
    /// a record names.
    pub(super) async fn create_record(&self, new: &NewRecord<'_>) -> Result<(), RuntimeError> {
        self.namespace_made.get_or_try_init(|| self.make_namespace()).await?;
        let StartRequest { id, pod, memory, .. } = new.creation;
        let any = record::encode(pod, memory).map_err(internal)?;
        let snapshotted = new.image.is_some();
        let container = Container {
            id: id.to_string(),
            labels: labels(id, &pod.uid),
            image: new.image.clone().unwrap_or_default(),
            runtime: Some(ShimRuntime { name: RUNTIME.to_owned(), options: None }),
            spec: Some(spec_any(&new.spec)),
            snapshotter: if snapshotted { self.snapshotter.to_string() } else { String::new() },
            snapshot_key: if snapshotted { id.to_string() } else { String::new() },
            extensions: HashMap::from([(record::KEY.to_owned(), any)]),
            ..Container::default()
        };
        let request = self.request(CreateContainerRequest { container: Some(container) });
        call("Containers.Create", DEADLINE, self.containers().create(request)).await.map(drop)
    }

    pub(super) async fn make_namespace(&self) -> Result<(), RuntimeError> {
        let namespace = Namespace { name: self.namespace().to_owned(), labels: HashMap::new() };
        let request = self.request(CreateNamespaceRequest { namespace: Some(namespace) });
        match call("Namespaces.Create", DEADLINE, self.namespaces().create(request)).await {
            Ok(_) | Err(RuntimeError::AlreadyExists(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn get_record(&self, id: &str) -> Result<Container, RuntimeError> {
        let request = self.request(GetContainerRequest { id: id.to_owned() });
        let answer = call("Containers.Get", DEADLINE, self.containers().get(request)).await?;
        answer.container.ok_or_else(|| RuntimeError::NotFound(format!("container {id}")))
    }

    /// Lists all containers that name the image, foreign ones too.
    pub(super) async fn containers_from(&self, image: &str) -> Result<Vec<String>, RuntimeError> {
        let request =
            self.request(ListContainersRequest { filters: vec![format!("image=={image:?}")] });
        let answer = call("Containers.List", DEADLINE, self.containers().list(request)).await?;
        Ok(answer.containers.into_iter().map(|container| container.id).collect())
    }

    /// Lists all of probelet's records, sound or not.
    pub(super) async fn list_records(&self) -> Result<Vec<Container>, RuntimeError> {
        let filters = vec![format!("labels.{POD:?}")];
        let request = self.request(ListContainersRequest { filters });
        let mut containers = self.containers();
        // The records are streamed: with the content of their pods' files they exceed the size of a
        // message that containerd sends.
        let listed = async {
            let mut stream = containers.list_stream(request).await?.into_inner();
            let mut all = Vec::new();
            while let Some(message) = stream.message().await? {
                all.extend(message.container);
            }
            Ok(tonic::Response::new(all))
        };
        let mut all = call("Containers.ListStream", DEADLINE, listed).await?;
        all.retain(is_own);
        Ok(all)
    }

    pub(super) async fn remember(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), RuntimeError> {
        self.update_record(id, pod, memory, None).await
    }

    /// Updates the record as `remember` does, with image and spec: when it was created, the image
    /// was missing or another one.
    pub(super) async fn renew(&self, new: &NewRecord<'_>) -> Result<(), RuntimeError> {
        let StartRequest { id, pod, memory, .. } = new.creation;
        self.update_record(id, pod, memory, Some(new)).await
    }

    async fn update_record(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
        new: Option<&NewRecord<'_>>,
    ) -> Result<(), RuntimeError> {
        let any = record::encode(pod, memory).map_err(internal)?;
        self.update(&id.to_string(), any, new).await
    }

    pub(super) async fn write_extension(&self, id: &str, any: Any) -> Result<(), RuntimeError> {
        self.update(id, any, None).await
    }

    async fn update(
        &self,
        id: &str,
        any: Any,
        new: Option<&NewRecord<'_>>,
    ) -> Result<(), RuntimeError> {
        let mut container = Container {
            id: id.to_owned(),
            extensions: HashMap::from([(record::KEY.to_owned(), any)]),
            ..Container::default()
        };
        let mut paths = vec![format!("extensions.{}", record::KEY)];
        if let Some(new) = new {
            container.image = new.image.clone().unwrap_or_default();
            container.spec = Some(spec_any(&new.spec));
            paths.extend(["image".to_owned(), "spec".to_owned()]);
        }
        // The mask keeps all other fields, other extensions too, unchanged.
        let mask = FieldMask { paths };
        let request = self.request(UpdateContainerRequest {
            container: Some(container),
            update_mask: Some(mask),
        });
        call("Containers.Update", DEADLINE, self.containers().update(request)).await.map(drop)
    }

    /// Refuses a record of an earlier pod of the same name: by its label, nothing that belongs to
    /// this pod could be found.
    pub(super) async fn check_owner(&self, creation: &StartRequest) -> Result<(), RuntimeError> {
        let id = creation.id.to_string();
        let record = self.get_record(&id).await?;
        match record.labels.get(POD_UID) {
            Some(uid) if *uid == creation.pod.uid => Ok(()),
            owner => Err(RuntimeError::AlreadyExists(format!(
                "container {id} in containerd belongs to another pod (uid {}): delete it there",
                owner.map_or("unknown", String::as_str)
            ))),
        }
    }

    pub(super) async fn delete_record(&self, id: &str) -> Result<(), RuntimeError> {
        let request = self.request(DeleteContainerRequest { id: id.to_owned() });
        call("Containers.Delete", DEADLINE, self.containers().delete(request)).await
    }
}

/// True if probelet (this daemon or another one) created the record. An image's labels may match
/// too, but no image sets the extension.
pub(super) fn is_own(record: &Container) -> bool {
    record.labels.contains_key(POD)
        && record.extensions.get(record::KEY).is_some_and(record::is_of_own)
}

/// The reason why a record cannot be used.
pub(super) struct Unreadable {
    pub(super) newer: bool,
    pub(super) reason: String,
}

/// Returns the attempt that a record's labels name.
pub(super) fn labelled(container: &Container) -> Result<AttemptId, String> {
    let label =
        |name: &str| container.labels.get(name).cloned().ok_or_else(|| format!("no label {name}"));
    let attempt = label(ATTEMPT)?;
    let number = attempt.parse().map_err(|_| format!("label {ATTEMPT} is {attempt:?}"))?;
    let id =
        AttemptId { pod: label(POD)?, container: label(CONTAINER)?, attempt: Incarnation(number) };
    if id.to_string() != container.id {
        return Err(format!("its labels are those of {id}"));
    }
    Ok(id)
}

/// Returns the state saved in a record.
pub(super) fn remembered(container: &Container) -> Result<(PodSpec, Memory), Unreadable> {
    let none = || Unreadable { newer: false, reason: "no extension".to_owned() };
    let any = container.extensions.get(record::KEY).ok_or_else(none)?;
    let (pod, mut memory) = record::decode(any).map_err(|error| Unreadable {
        newer: matches!(error, RecordError::Newer(_)),
        reason: error.to_string(),
    })?;
    // Older builds did not save the user.
    memory.user = memory.user.take().or_else(|| user_of(container));
    Ok((pod, memory))
}

/// Returns the user in the container's spec.
pub(super) fn user_of(container: &Container) -> Option<User> {
    oci::user_of(&container.spec.as_ref()?.value)
}

fn spec_any(spec: &[u8]) -> Any {
    Any { type_url: SPEC_TYPE.to_owned(), value: spec.to_vec() }
}

fn labels(id: &AttemptId, pod_uid: &str) -> HashMap<String, String> {
    HashMap::from([
        (POD.to_owned(), id.pod.clone()),
        (CONTAINER.to_owned(), id.container.clone()),
        (POD_UID.to_owned(), pod_uid.to_owned()),
        (ATTEMPT.to_owned(), id.attempt.to_string()),
    ])
}

pub(super) fn internal(error: RecordError) -> RuntimeError {
    RuntimeError::Internal(format!("record: {error}"))
}
