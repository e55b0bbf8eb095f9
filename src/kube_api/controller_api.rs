//! The writes of the daemon's controllers, which go through the pipeline of clients' writes.

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::Full;
use probelet_kube_wire::discovery::Served;
use probelet_kube_wire::feed::Key;
use probelet_kube_wire::path::{ResourceRequest, Verb};
use probelet_kube_wire::query::Query;
use probelet_kube_wire::status::Status;
use serde_json::{Value, json};

use super::identity::Identity;
use super::writes::{Write, Writes};
use crate::workloads::{Api, Part};

pub struct ControllerApi(Writes);

impl ControllerApi {
    pub fn new(writes: Writes) -> Self {
        Self(writes)
    }

    async fn send(
        &self,
        served: &'static Served,
        (verb, key, part): (Verb, &Key, Part),
        body: &Value,
        by: &str,
    ) -> Result<(), Status> {
        let request = ResourceRequest {
            verb,
            group: served.group.to_owned(),
            version: served.version.to_owned(),
            resource: served.name.to_owned(),
            namespace: Some(key.namespace().to_owned()),
            name: (verb != Verb::Create).then(|| key.name().to_owned()),
            subresource: (part == Part::Status).then(|| "status".to_owned()),
        };
        // A body without a type is JSON.
        let (headers, query) = (HeaderMap::new(), Query::parse("")?);
        let by = &Identity::of_controller(by);
        let write = Write { request: &request, served, query: &query, headers: &headers, by };
        let body = Full::new(Bytes::from(body.to_string()));
        self.0.answer(&write, body).await.map(drop)
    }
}

#[async_trait]
impl Api for ControllerApi {
    async fn create(&self, served: &'static Served, object: Value, by: &str) -> Result<(), Status> {
        let key = key(&object)?;
        self.send(served, (Verb::Create, &key, Part::Object), &object, by).await
    }

    async fn replace(
        &self,
        served: &'static Served,
        object: Value,
        part: Part,
        by: &str,
    ) -> Result<(), Status> {
        let key = key(&object)?;
        self.send(served, (Verb::Update, &key, part), &object, by).await
    }

    async fn delete(
        &self,
        served: &'static Served,
        (key, uid): (&Key, &str),
        foreground: bool,
        by: &str,
    ) -> Result<(), Status> {
        let propagation = if foreground { "Foreground" } else { "Background" };
        let options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions",
            "preconditions": {"uid": uid}, "propagationPolicy": propagation,
        });
        self.send(served, (Verb::Delete, key, Part::Object), &options, by).await
    }
}

fn key(object: &Value) -> Result<Key, Status> {
    Key::of(object).map_err(|error| Status::internal(&error.to_string()))
}
