//! The way of a write from its body to the kind.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use probelet_kube_wire::discovery::Served;
use probelet_kube_wire::feed::{Key, Stored};
use probelet_kube_wire::negotiate::{PatchType, patch_type};
use probelet_kube_wire::options::{FieldValidation, WriteKind, WriteOptions};
use probelet_kube_wire::patch::Applied;
use probelet_kube_wire::path::{ResourceRequest, Verb};
use probelet_kube_wire::query::Query;
use probelet_kube_wire::schema::Schema;
use probelet_kube_wire::status::{Reason, Status, protocol};
use probelet_kube_wire::strict::{self, Document};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::super::bodies;
use super::super::identity::Identity;
use super::super::namespaces::check_open;
use super::super::times::seconds;
use super::kind::{Change, Kind, Live, Outcome};
use super::locks::{Locked, Locks};
use super::{metadata, patches};
use crate::kube_objects::Store;
use crate::supervisor::now;

/// Writes that may be in progress at once: each may hold a body of 3 MiB.
const WRITES: usize = 32;
/// Writes of the daemon's controllers beside them, so that clients cannot keep them waiting.
const CONTROLLERS: usize = 16;
/// Names that are tried for an object with `generateName`.
const NAMES: usize = 8;
/// Tries of a patch that names no version: the daemon itself may change the object meanwhile, as
/// when a ConfigMap of a pod changes. As in Kubernetes.
const PATCHES: u32 = 5;

/// A request that writes.
#[derive(Clone, Copy)]
pub struct Write<'a> {
    pub request: &'a ResourceRequest,
    pub served: &'static Served,
    pub query: &'a Query,
    pub headers: &'a HeaderMap,
    pub by: &'a Identity,
}

/// The result of a write.
pub struct Written {
    pub code: StatusCode,
    /// An object of the kind, which has other forms too, or another document.
    pub object: Result<Arc<Value>, Value>,
    /// Texts for people, which clients print.
    pub warnings: Vec<String>,
}

impl Written {
    pub fn ok(object: Arc<Value>) -> Self {
        Self { code: StatusCode::OK, object: Ok(object), warnings: Vec::new() }
    }

    pub fn document(document: Value) -> Self {
        Self { code: StatusCode::OK, object: Err(document), warnings: Vec::new() }
    }

    fn of(outcome: Outcome, code: StatusCode, mut warnings: Vec<String>) -> Self {
        warnings.extend(outcome.warnings);
        Self { code, object: Ok(outcome.object), warnings }
    }
}

/// The kinds that are written. Clones share them.
#[derive(Clone)]
pub struct Writes {
    kinds: Arc<[(Stored, Arc<dyn Kind>)]>,
    store: Store,
    locks: Locks,
    slots: Arc<Semaphore>,
    controller_slots: Arc<Semaphore>,
}

/// An object of a request, whose fields are those of its type.
struct Input {
    object: Value,
    warnings: Vec<String>,
}

impl Writes {
    pub fn new(kinds: Vec<(Stored, Arc<dyn Kind>)>, store: Store) -> Self {
        let slots = |number| Arc::new(Semaphore::new(number));
        let (slots, controller_slots) = (slots(WRITES), slots(CONTROLLERS));
        Self { kinds: kinds.into(), store, locks: Locks::default(), slots, controller_slots }
    }

    /// Answers a write. The body is read within a bounded time and size.
    pub async fn answer<B>(&self, write: &Write<'_>, body: B) -> Result<Written, Status>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let (request, stored) = (write.request, Stored::of(write.served));
        let unsupported =
            || Status::method_not_supported(&request.group_resource(), request.verb.as_str());
        let kind = self.kinds.iter().find(|(of, _)| *of == stored);
        let kind = &*kind.ok_or_else(unsupported)?.1;
        // A collection across namespaces is only read.
        if write.served.namespaced && request.namespace.is_none() {
            return Err(protocol::method_not_allowed());
        }
        let slots = match write.by.is_controller() {
            true => &self.controller_slots,
            false => &self.slots,
        };
        let slot = slots.try_acquire();
        let _slot = slot.map_err(|_| Status::too_many_requests("too many writes", 1))?;
        let body = bodies::read(body).await?;
        match request.verb {
            Verb::Create if request.subresource.is_some() => {
                self.create_subresource(kind, write, &body).await
            }
            Verb::Create => self.create(kind, write, &body).await,
            Verb::Update | Verb::Patch if request.subresource.as_deref() == Some("scale") => {
                self.scale(kind, write, &body).await
            }
            Verb::Update => self.update(kind, write, &body).await,
            Verb::Patch => self.patch(kind, write, &body).await,
            Verb::Delete => self.delete(kind, write, optional(write, &body)?).await,
            Verb::DeleteCollection => {
                self.delete_collection(kind, write, optional(write, &body)?).await
            }
            Verb::Get | Verb::List | Verb::Watch => Err(unsupported()),
        }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) async fn lock(&self, write: &Write<'_>, key: &Key) -> Result<Locked, Status> {
        self.locks.lock(Stored::of(write.served), key).await
    }

    async fn create(
        &self,
        kind: &dyn Kind,
        write: &Write<'_>,
        body: &[u8],
    ) -> Result<Written, Status> {
        let options = WriteOptions::parse(write.query, WriteKind::Create)?;
        let document = bodies::document(write.headers, body)?;
        let mut input = Input::of(document, write.served, options.field_validation)?;
        metadata::check_namespace(&mut input.object, write.request)?;
        let name = metadata::text(&input.object, "name").to_owned();
        let prefix = metadata::text(&input.object, "generateName").to_owned();
        if name.is_empty() && prefix.is_empty() {
            return Err(metadata::no_name(write.served));
        }
        for _ in 0..NAMES {
            let name = match name.as_str() {
                "" => metadata::generated_name(&prefix, uuid::Uuid::new_v4().as_bytes()),
                name => name.to_owned(),
            };
            let key = Key::new(write.request.namespace.as_deref().unwrap_or_default(), &*name);
            let _locked = self.lock(write, &key).await?;
            if kind.live(&key).await?.is_none() {
                metadata::set_name(&mut input.object, &name);
                return self.begin(kind, write, &options, (input, Applied::default())).await;
            }
            if !metadata::text(&input.object, "name").is_empty() {
                // As in Kubernetes, the object's own errors come before the conflict of names.
                kind.check_new(&self.prepared(kind, write, input.object)?)?;
                break;
            }
        }
        let name = if name.is_empty() { &prefix } else { &name };
        Err(Status::already_exists(&write.request.group_resource(), name))
    }

    /// Creates the object, which has its name.
    async fn begin(
        &self,
        kind: &dyn Kind,
        write: &Write<'_>,
        options: &WriteOptions,
        (input, applied): (Input, Applied),
    ) -> Result<Written, Status> {
        let Input { object, warnings } = input;
        let object = self.prepared(kind, write, object)?;
        let (dry_run, by) = (options.dry_run, write.by);
        let change = Change { object, applied, subresource: None, dry_run, by };
        let outcome = kind.create(change).await?;
        Ok(Written::of(outcome, StatusCode::CREATED, warnings))
    }

    /// The object of a creation with its defaults and what the server sets; 403 or 404 if its
    /// namespace takes none.
    fn prepared(
        &self,
        kind: &dyn Kind,
        write: &Write<'_>,
        mut object: Value,
    ) -> Result<Value, Status> {
        let resource = write.request.group_resource();
        if let Some(namespace) = &write.request.namespace {
            check_open(&self.store, namespace, &resource, metadata::text(&object, "name"))?;
        }
        let uid = uuid::Uuid::new_v4().to_string();
        metadata::begin(&mut object, uid, seconds(now().wall))?;
        kind.default(&mut object);
        Ok(object)
    }

    async fn update(
        &self,
        kind: &dyn Kind,
        write: &Write<'_>,
        body: &[u8],
    ) -> Result<Written, Status> {
        let options = WriteOptions::parse(write.query, WriteKind::Update)?;
        let document = bodies::document(write.headers, body)?;
        let input = Input::of(document, write.served, options.field_validation)?;
        let key = key(write.request);
        let _locked = self.lock(write, &key).await?;
        let live = self.live(kind, write, &key).await?;
        let applied = live.applied.clone();
        self.replace(kind, write, &options, &live, (input, applied)).await
    }

    async fn live(&self, kind: &dyn Kind, write: &Write<'_>, key: &Key) -> Result<Live, Status> {
        let live = kind.live(key).await?;
        live.ok_or_else(|| Status::not_found(&write.request.group_resource(), key.name()))
    }

    /// Replaces the live object, of which a write of a subresource changes only that part.
    async fn replace(
        &self,
        kind: &dyn Kind,
        write: &Write<'_>,
        options: &WriteOptions,
        live: &Live,
        (input, applied): (Input, Applied),
    ) -> Result<Written, Status> {
        let Input { mut object, warnings } = input;
        metadata::check_namespace(&mut object, write.request)?;
        metadata::check_name(&object, write.request)?;
        metadata::check_version(&object, &live.object, &write.request.group_resource())?;
        let subresource = write.request.subresource.as_deref();
        match subresource {
            None => {
                metadata::keep(&mut object, &live.object);
                copy_part(&live.object, &mut object, "status");
                kind.default(&mut object);
            }
            Some(part) => {
                let mut whole = Value::clone(&live.object);
                copy_part(&object, &mut whole, part);
                if part == "status" {
                    metadata::keep_described(&object, &mut whole);
                }
                object = whole;
            }
        }
        let (dry_run, by) = (options.dry_run, write.by);
        let change = Change { object, applied, subresource, dry_run, by };
        let outcome = kind.update(live, change).await?;
        Ok(Written::of(outcome, StatusCode::OK, warnings))
    }

    async fn patch(
        &self,
        kind: &dyn Kind,
        write: &Write<'_>,
        body: &[u8],
    ) -> Result<Written, Status> {
        let content_type = write.headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let patch = patch_type(content_type)?;
        if patch == PatchType::Apply {
            return self.apply(kind, write, body).await;
        }
        let options = WriteOptions::parse(write.query, WriteKind::Patch)?;
        let document = bodies::json(body)?;
        let key = key(write.request);
        let _locked = self.lock(write, &key).await?;
        let schema = Schema::of(&write.served.api_version(), write.served.kind);
        let version = document.value.pointer("/metadata/resourceVersion");
        let tries = if version.is_some_and(|it| !it.is_null()) { 1 } else { PATCHES };
        for left in (0..tries).rev() {
            let live = self.live(kind, write, &key).await?;
            let value = patches::patched(&live, &document.value, patch, schema)?;
            let document = Document { value, duplicates: document.duplicates.clone() };
            let input = Input::of(document, write.served, options.field_validation)?;
            let applied = live.applied.clone();
            match self.replace(kind, write, &options, &live, (input, applied)).await {
                Err(status) if status.reason() == Reason::Conflict && left > 0 => {}
                done => return done,
            }
        }
        Err(Status::modified(&write.request.group_resource(), key.name()))
    }

    async fn apply(
        &self,
        kind: &dyn Kind,
        write: &Write<'_>,
        body: &[u8],
    ) -> Result<Written, Status> {
        let options = WriteOptions::parse(write.query, WriteKind::Apply)?;
        let document = bodies::json(body).or_else(|_| bodies::yaml(body))?;
        if document.value.pointer("/metadata/managedFields").is_some_and(|it| !it.is_null()) {
            return Err(Status::bad_request("metadata.managedFields must be nil"));
        }
        let config = Input::of(document, write.served, options.field_validation)?;
        let Input { object: mut config, warnings } = config;
        metadata::check_namespace(&mut config, write.request)?;
        metadata::check_name(&config, write.request)?;
        let key = key(write.request);
        let _locked = self.lock(write, &key).await?;
        let schema = Schema::of(&write.served.api_version(), write.served.kind);
        let found = kind.live(&key).await?;
        let new = || Live {
            object: Arc::new(json!({
                "apiVersion": config.get("apiVersion"), "kind": config.get("kind"),
                "metadata": {"name": key.name()},
            })),
            applied: Applied::default(),
        };
        let base = found.clone().unwrap_or_else(new);
        let manager = options.field_manager.as_deref().unwrap_or_default();
        let (object, applied) = patches::applied(&base, &config, manager, options.force, schema)?;
        match found {
            None if write.request.subresource.is_some() => {
                Err(Status::not_found(&write.request.group_resource(), key.name()))
            }
            None => {
                let mut object = object;
                metadata::check_namespace(&mut object, write.request)?;
                let input = Input { object, warnings };
                self.begin(kind, write, &options, (input, applied)).await
            }
            Some(live) => {
                // The version of the applied object is a precondition.
                metadata::check_version(&config, &live.object, &write.request.group_resource())?;
                let input = Input { object, warnings };
                self.replace(kind, write, &options, &live, (input, applied)).await
            }
        }
    }

    async fn create_subresource(
        &self,
        kind: &dyn Kind,
        write: &Write<'_>,
        body: &[u8],
    ) -> Result<Written, Status> {
        let subresource = write.request.subresource.as_deref().unwrap_or_default();
        let body = bodies::document(write.headers, body)?.value;
        let key = key(write.request);
        let _locked = self.lock(write, &key).await?;
        let live = self.live(kind, write, &key).await?;
        let document = kind.create_subresource(&live, subresource, &body, write.by).await?;
        Ok(Written { code: StatusCode::CREATED, ..Written::document(document) })
    }
}

impl Input {
    /// Checks a document against the type of the resource.
    fn of(
        document: Document,
        served: &Served,
        validation: FieldValidation,
    ) -> Result<Self, Status> {
        let Document { value: mut object, duplicates } = document;
        metadata::check_type(&mut object, served)?;
        let api_version = served.api_version();
        let mut unknown = Vec::new();
        // What the server writes is not for clients to set, whatever form it has.
        if let Some(metadata) = metadata::metadata_mut(&mut object) {
            metadata.remove("managedFields");
        }
        if let Some(schema) = Schema::of(&api_version, served.kind) {
            unknown = strict::check(&mut object, schema).map_err(|wrong| {
                strict::cannot_be_handled(&api_version, served.kind, &wrong.to_string())
            })?;
        }
        let of = (api_version.as_str(), served.kind);
        let warnings = strict::judge(&unknown, &duplicates, validation, of)?;
        Ok(Self { object, warnings })
    }
}

fn key(request: &ResourceRequest) -> Key {
    let name = request.name.as_deref().unwrap_or_default();
    Key::new(request.namespace.as_deref().unwrap_or_default(), name)
}

/// The body of a deletion; `None` if it is empty.
fn optional(write: &Write<'_>, body: &[u8]) -> Result<Option<Value>, Status> {
    if body.is_empty() {
        return Ok(None);
    }
    bodies::document(write.headers, body).map(|document| Some(document.value))
}

fn copy_part(from: &Value, to: &mut Value, part: &str) {
    let Some(to) = to.as_object_mut() else { return };
    match from.get(part) {
        Some(value) => to.insert(part.to_owned(), value.clone()),
        None => to.remove(part),
    };
}
