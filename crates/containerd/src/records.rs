//! Container records.

use async_trait::async_trait;
use containerd_client::services::v1::container::Runtime as ShimRuntime;
use containerd_client::services::v1::{
    Container, CreateContainerRequest, DeleteContainerRequest, GetContainerRequest,
    ListContainersRequest, UpdateContainerRequest,
};
use probelet_runtime::{
    CallError, Extension, Filter, NewRecord, Record, RecordUpdate, Records, Source,
};
use prost_types::{Any, FieldMask};
use std::time::SystemTime;

use crate::client::{Client, DEADLINE};

const SPEC_TYPE: &str = "types.containerd.io/opencontainers/runtime-spec/1/Spec";
const RUNTIME: &str = "io.containerd.runc.v2";

/// The records of one namespace.
#[derive(Debug, Clone)]
pub struct Containers {
    client: Client,
    snapshotter: String,
}

impl Containers {
    pub fn new(client: Client, snapshotter: &str) -> Self {
        Self { client, snapshotter: snapshotter.to_owned() }
    }
}

#[async_trait]
impl Records for Containers {
    /// The record names its snapshot before that exists, since the collector keeps what a record
    /// names.
    async fn create(&self, new: NewRecord) -> Result<(), CallError> {
        self.client.make_namespace().await?;
        let NewRecord { id, labels, source: Source { image, spec }, extension } = new;
        let (snapshotter, snapshot_key) = match &image {
            Some(_) => (self.snapshotter.clone(), id.clone()),
            None => Default::default(),
        };
        let container = Container {
            id,
            labels: labels.into_iter().collect(),
            image: image.unwrap_or_default(),
            runtime: Some(ShimRuntime { name: RUNTIME.to_owned(), options: None }),
            spec: Some(spec_any(spec)),
            snapshotter,
            snapshot_key,
            extensions: [to_any(extension)].into(),
            ..Container::default()
        };
        let request = self.client.request(CreateContainerRequest { container: Some(container) });
        let mut containers = self.client.containers();
        let created = containers.create(request);
        self.client.call("Containers.Create", DEADLINE, created).await.map(drop)
    }

    async fn get(&self, id: &str) -> Result<Record, CallError> {
        let request = self.client.request(GetContainerRequest { id: id.to_owned() });
        let mut containers = self.client.containers();
        let answer = self.client.call("Containers.Get", DEADLINE, containers.get(request)).await?;
        let missing = || CallError::NotFound(format!("container {id}").into());
        answer.container.map(record).ok_or_else(missing)
    }

    /// The records are streamed: with the content of their pods' files they exceed the size of a
    /// message that containerd sends.
    async fn list(&self, filter: Filter<'_>) -> Result<Vec<Record>, CallError> {
        let filters = match filter {
            Filter::All => Vec::new(),
            Filter::Label(key) => vec![format!("labels.{key:?}")],
            Filter::LabelIs(key, value) => vec![format!("labels.{key:?}=={value:?}")],
            Filter::Image(name) => vec![format!("image=={name:?}")],
        };
        let request = self.client.request(ListContainersRequest { filters });
        let mut containers = self.client.containers();
        let listed = async {
            let mut stream = containers.list_stream(request).await?.into_inner();
            let mut all = Vec::new();
            while let Some(message) = stream.message().await? {
                all.extend(message.container.map(record));
            }
            Ok(tonic::Response::new(all))
        };
        self.client.call("Containers.ListStream", DEADLINE, listed).await
    }

    async fn update(&self, id: &str, update: RecordUpdate) -> Result<(), CallError> {
        let mut paths = vec![format!("extensions.{}", update.extension.0)];
        let mut container = Container {
            id: id.to_owned(),
            extensions: [to_any(update.extension)].into(),
            ..Container::default()
        };
        if let Some(Source { image, spec }) = update.source {
            container.image = image.unwrap_or_default();
            container.spec = Some(spec_any(spec));
            paths.extend(["image".to_owned(), "spec".to_owned()]);
        }
        // The mask keeps all other fields, other extensions too, unchanged.
        let update_mask = Some(FieldMask { paths });
        let request = UpdateContainerRequest { container: Some(container), update_mask };
        let (request, mut containers) = (self.client.request(request), self.client.containers());
        let updated = containers.update(request);
        self.client.call("Containers.Update", DEADLINE, updated).await.map(drop)
    }

    async fn delete(&self, id: &str) -> Result<(), CallError> {
        let request = self.client.request(DeleteContainerRequest { id: id.to_owned() });
        let mut containers = self.client.containers();
        self.client.call("Containers.Delete", DEADLINE, containers.delete(request)).await
    }
}

fn record(container: Container) -> Record {
    let extension = |(key, Any { type_url, value })| (key, Extension { type_url, value });
    Record {
        id: container.id,
        labels: container.labels.into_iter().collect(),
        image: container.image,
        snapshotter: container.snapshotter,
        snapshot_key: container.snapshot_key,
        spec: container.spec.map(|spec| spec.value).unwrap_or_default(),
        extensions: container.extensions.into_iter().map(extension).collect(),
        created_at: container.created_at.and_then(|at| SystemTime::try_from(at).ok()),
    }
}

fn to_any((key, Extension { type_url, value }): (&str, Extension)) -> (String, Any) {
    (key.to_owned(), Any { type_url, value })
}

fn spec_any(value: Vec<u8>) -> Any {
    Any { type_url: SPEC_TYPE.to_owned(), value }
}
