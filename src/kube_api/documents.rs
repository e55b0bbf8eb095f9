//! Documents that do not depend on objects: versions, health, discovery, OpenAPI.

use std::sync::OnceLock;

use http::Response;
use probelet_kube_wire::discovery::{Catalog, version};
use probelet_kube_wire::negotiate::{
    Answer, DiscoveryVersion, Endpoint, Form, OPENAPI_PROTOBUF, is_openapi_protobuf,
};
use probelet_kube_wire::path::Request;
use probelet_kube_wire::status::{Status, protocol};
use serde_json::Value;

use super::answer::{self, Body};
use super::host_objects::architecture;

/// The version of Kubernetes whose API is served.
const KUBERNETES: (u32, u32) = (1, 36);
const PLAIN: &str = "text/plain; charset=utf-8";

/// The documents of one catalog.
pub struct Documents<'a> {
    pub catalog: &'a Catalog,
    /// The list of the OpenAPI v3 documents, once it was made.
    pub openapi: &'a OnceLock<Value>,
    /// The address in the legacy discovery documents.
    pub address: &'a str,
    pub accept: Option<&'a str>,
    pub is_pretty: bool,
}

impl Documents<'_> {
    /// Answers a request for a document.
    pub fn answer(&self, request: &Request) -> Result<Response<Body>, Status> {
        match request {
            Request::Root => self.plain(&self.catalog.root()),
            Request::Version => self.plain(&self.version()),
            Request::Health(_, check) => match check.as_deref() {
                None | Some("ping") => Ok(answer::text(PLAIN, "ok")),
                Some(_) => Err(protocol::path_not_found()),
            },
            Request::CoreVersions => self.discovery(Catalog::aggregated_core, || {
                Ok(self.catalog.core_versions(self.address))
            }),
            Request::Groups => {
                self.discovery(Catalog::aggregated_groups, || Ok(self.catalog.groups()))
            }
            Request::Group(name) => self.plain(&self.catalog.group(name)?),
            Request::Resources { group, version } => {
                self.plain(&self.catalog.resources(group, version)?)
            }
            Request::OpenApiV3 => self.plain(self.openapi.get_or_init(|| self.catalog.openapi())),
            Request::OpenApiV3Document { group, version } => {
                self.plain(&self.catalog.openapi_document(group, version)?)
            }
            Request::OpenApiV2 if is_openapi_protobuf(self.accept) => {
                Ok(answer::text(OPENAPI_PROTOBUF, self.catalog.openapi_v2_protobuf()))
            }
            Request::OpenApiV2 => self.plain(&self.catalog.openapi_v2()),
            Request::Metrics | Request::Resource(_) => Err(protocol::path_not_found()),
        }
    }

    fn version(&self) -> Value {
        let (major, minor) = KUBERNETES;
        let git_version = format!("v{major}.{minor}.0+probelet.{}", env!("CARGO_PKG_VERSION"));
        version(major, minor, &git_version, &format!("linux/{}", architecture()))
    }

    fn discovery(
        &self,
        aggregated: impl FnOnce(&Catalog, DiscoveryVersion) -> Value,
        legacy: impl FnOnce() -> Result<Value, Status>,
    ) -> Result<Response<Body>, Status> {
        let answer = Answer::negotiate(self.accept, Endpoint::Discovery)?;
        let document = match answer.form() {
            Form::Aggregated(version) => aggregated(self.catalog, version),
            _ => legacy()?,
        };
        Ok(answer::json(answer.content_type(), &document, self.is_pretty || answer.is_pretty()))
    }

    fn plain(&self, document: &Value) -> Result<Response<Body>, Status> {
        let answer = Answer::negotiate(self.accept, Endpoint::Document)?;
        Ok(answer::json(answer.content_type(), document, self.is_pretty || answer.is_pretty()))
    }
}
