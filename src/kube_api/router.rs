//! From a request to its answer.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header::{ACCEPT, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Response};
use probelet_kube_wire::discovery::Catalog;
use probelet_kube_wire::events::served_as;
use probelet_kube_wire::negotiate::{Answer, Endpoint};
use probelet_kube_wire::options::is_pretty;
use probelet_kube_wire::path::{Method, Request, ResourceRequest, Verb};
use probelet_kube_wire::query::Query;
use probelet_kube_wire::status::{Status, protocol};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::access::is_open_to_all;
use super::answer::{self, Body};
use super::bodies;
use super::callers::Callers;
use super::documents::Documents;
use super::identity::{Connection, Identity, authenticate};
use super::logs;
use super::one_way::Kind;
use super::reads::Read;
use super::request_guard::check_site;
use super::reviews;
use super::streams::Streams;
use super::token_requests;
use super::usage::UsageMeter;
use super::writes::{Write, Writes, Written};
use crate::kube_authority::Authority;
use crate::kube_objects::Store;
use crate::service::{Logs, RecoveryGate};
use crate::supervisor::now;

/// Watches that may be open at once.
const WATCHES: usize = 256;
/// The group of measured resources, which are not in the store.
const METRICS: &str = "metrics.k8s.io";
/// The groups whose objects are answered and not kept.
const REVIEWS: [&str; 2] = ["authentication.k8s.io", "authorization.k8s.io"];

/// The API, shared by all connections.
#[derive(Clone)]
pub struct Router {
    authority: Arc<Authority>,
    catalog: Catalog,
    /// `/openapi/v3`, from its first request on: its hashes need all documents.
    openapi: Arc<OnceLock<Value>>,
    store: Store,
    logs: Logs,
    usage: UsageMeter,
    streams: Streams,
    writes: Writes,
    gate: RecoveryGate,
    watches: Arc<Semaphore>,
    callers: Callers,
    /// The address that discovery documents name.
    address: Arc<str>,
    cancel: CancellationToken,
}

impl Router {
    /// `cancel` ends open watches when the daemon stops. Until `gate` opens, objects are not served.
    pub fn new(
        authority: Arc<Authority>,
        store: Store,
        (logs, usage, streams): (Logs, UsageMeter, Streams),
        writes: Writes,
        gate: RecoveryGate,
        address: &str,
        cancel: CancellationToken,
    ) -> Self {
        let (catalog, watches) = (Catalog::default(), Arc::new(Semaphore::new(WATCHES)));
        let address = address.into();
        Self {
            authority,
            catalog,
            openapi: Arc::default(),
            store,
            logs,
            usage,
            streams,
            writes,
            gate,
            watches,
            callers: Callers::default(),
            address,
            cancel,
        }
    }

    /// Answers a request of a connection. A failure is an answer too.
    pub async fn answer<B>(
        &self,
        connection: &Connection,
        request: http::Request<B>,
    ) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let (mut head, body) = request.into_parts();
        let answered = self.try_answer(connection, &mut head, body).await;
        answered.unwrap_or_else(|status| answer::status(&status))
    }

    async fn try_answer<B>(
        &self,
        connection: &Connection,
        head: &mut Parts,
        body: B,
    ) -> Result<Response<Body>, Status>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        check_site(&self.authority, head)?;
        let query = Query::parse(head.uri.query().unwrap_or_default())?;
        let method =
            Method::parse(head.method.as_str()).ok_or_else(protocol::method_not_allowed)?;
        let request = Request::parse(method, head.uri.path(), &query)?;
        let accept = header(&head.headers, ACCEPT.as_str());
        let agent = header(&head.headers, USER_AGENT.as_str()).unwrap_or_default();
        let is_pretty = is_pretty(&query, agent);
        let user = authenticate(&self.authority, connection, &head.headers, now().wall);
        let user = user.and_then(|user| self.check_account(user));
        let Request::Resource(request) = request else {
            if !is_open_to_all(&request) {
                user?.authorize_path(head.method.as_str(), head.uri.path())?;
            }
            let (catalog, address) = (&self.catalog, &*self.address);
            let openapi = &*self.openapi;
            let documents = Documents { catalog, openapi, address, accept, is_pretty };
            return documents.answer(&request);
        };
        let user = user?;
        let _in_progress = self.callers.begin(user.name())?;
        let (method, path) = (head.method.as_str(), head.uri.path());
        let address = connection.address;
        tracing::debug!(user = user.name(), %address, method, path, "a request");
        user.authorize(&request)?;
        let served = self.catalog.allow(&request)?;
        if REVIEWS.contains(&request.group.as_str()) {
            let body = bodies::document(&head.headers, &bodies::read(body).await?)?.value;
            return review(&request, body, &user).map(|review| answer::created(&review));
        }
        if !self.gate.is_open() {
            return Err(Status::unavailable("probelet is recovering what runs", 1));
        }
        if request.subresource.as_deref() == Some("token") {
            let body = bodies::document(&head.headers, &bodies::read(body).await?)?.value;
            let (authority, store) = (&self.authority, &self.store);
            let token = token_requests::answer(authority, store, &request, body, now().wall)?;
            return Ok(answer::created(&token));
        }
        if matches!(request.subresource.as_deref(), Some("exec" | "attach" | "portforward")) {
            return self.streams.open(&request, &query, head, user).await;
        }
        let accept = header(&head.headers, ACCEPT.as_str());
        let read = Read { request: &request, served, query: &query, accept, is_pretty };
        if !matches!(request.verb, Verb::Get | Verb::List | Verb::Watch) {
            let (headers, by) = (&head.headers, &user);
            let write = Write { request: &request, served, query: &query, headers, by };
            return written(&read, self.writes.answer(&write, body).await?);
        }
        let response = self.resource(&request, &read, &user).await?;
        match (request.verb, request.subresource.as_deref()) {
            (Verb::Watch, _) => self.streams.one_way(head, Kind::Watch, response, user),
            (_, Some("log")) => self.streams.one_way(head, Kind::Log, response, user),
            _ => Ok(response),
        }
    }

    async fn resource(
        &self,
        request: &ResourceRequest,
        read: &Read<'_>,
        user: &Identity,
    ) -> Result<Response<Body>, Status> {
        match (request.verb, request.subresource.as_deref()) {
            (Verb::Get | Verb::List, None) if request.group == METRICS => {
                self.measured(request, read).await
            }
            (Verb::Get, None | Some("status")) => read.get(&self.store),
            (Verb::Get, Some("scale")) => read.scale(&self.store),
            (Verb::List, None) => read.list(&self.store),
            (Verb::Watch, None) => {
                let slot = self.watches.clone().try_acquire_owned();
                let slot = slot.map_err(|_| Status::too_many_requests("too many watches", 1))?;
                read.watch(&self.store, slot, user.clone(), self.cancel.clone())
            }
            (Verb::Get, Some("log")) if request.resource == "pods" => {
                logs::read(&self.logs, request, read.query, user.clone()).await
            }
            (verb, _) => {
                Err(Status::method_not_supported(&request.group_resource(), verb.as_str()))
            }
        }
    }
}

impl Router {
    /// 401 if the user is an account that does not exist any more, or its token is bound to an object
    /// that does not.
    fn check_account(&self, user: Identity) -> Result<Identity, Status> {
        match user.account().is_none_or(|it| token_requests::is_current(&self.store, it)) {
            true => Ok(user),
            false => Err(Status::unauthorized()),
        }
    }

    async fn measured(
        &self,
        request: &ResourceRequest,
        read: &Read<'_>,
    ) -> Result<Response<Body>, Status> {
        let items = match request.resource.as_str() {
            "pods" => self.usage.pods().await,
            _ => vec![self.usage.node().await],
        };
        let Some(name) = &request.name else { return read.write_list(items) };
        let has_name = |item: &&Value| {
            let text = |path| item.pointer(path).and_then(Value::as_str);
            text("/metadata/name") == Some(name)
                && text("/metadata/namespace") == request.namespace.as_deref()
        };
        let item = items.iter().find(has_name);
        let item = item.ok_or_else(|| Status::not_found(&request.group_resource(), name))?;
        read.write(item, Answer::negotiate(read.accept, Endpoint::Object)?)
    }
}

/// Answers a review of the user's own rights. Nothing else is created.
fn review(request: &ResourceRequest, body: Value, user: &Identity) -> Result<Value, Status> {
    match request.resource.as_str() {
        "selfsubjectaccessreviews" => reviews::self_subject_access_review(body, user),
        "selfsubjectrulesreviews" => reviews::self_subject_rules_review(body, user),
        "selfsubjectreviews" => Ok(reviews::self_subject_review(body, user)),
        _ => Err(Status::method_not_supported(&request.group_resource(), request.verb.as_str())),
    }
}

/// The answer of a write: the object in the form that the client accepts, or another document.
fn written(read: &Read<'_>, written: Written) -> Result<Response<Body>, Status> {
    let answer = Answer::negotiate(read.accept, Endpoint::Object)?;
    let mut response = match &written.object {
        Ok(object) => read.write(&served_as(read.served, object), answer)?,
        Err(document) => answer::json(answer.content_type(), document, read.is_pretty),
    };
    *response.status_mut() = written.code;
    answer::warn(&mut response, &written.warnings);
    Ok(response)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
