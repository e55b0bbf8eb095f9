//! Get, list and watch of the store's objects.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::Response;
use probelet_kube_wire::discovery::Served;
use probelet_kube_wire::events::served_as;
use probelet_kube_wire::feed::{EventWriter, Key, Selection, Stored, Watch, WatchEvent};
use probelet_kube_wire::negotiate::{Answer, Endpoint, Form};
use probelet_kube_wire::options::{IncludeObject, ListOptions};
use probelet_kube_wire::partial::{partial_list, partial_object};
use probelet_kube_wire::path::ResourceRequest;
use probelet_kube_wire::query::Query;
use probelet_kube_wire::status::Status;
use probelet_kube_wire::table::{TableOptions, Tables};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::answer::{self, Body};
use super::identity::Identity;
use super::times::timestamp;
use crate::kube_objects::Store;
use crate::node::deadline_in;
use crate::supervisor::now;

/// The code of a version that is too old.
const EXPIRED: u16 = 410;
/// The interval of bookmarks on a quiet watch.
const BOOKMARK: Duration = Duration::from_secs(60);
/// A watch without `timeoutSeconds` ends after this time; clients begin it again.
const WATCH: Duration = Duration::from_secs(60 * 60);
/// Events that are written at once.
const BATCH: usize = 64;

/// A read request.
pub struct Read<'a> {
    pub request: &'a ResourceRequest,
    pub served: &'static Served,
    pub query: &'a Query,
    pub accept: Option<&'a str>,
    pub is_pretty: bool,
}

impl Read<'_> {
    fn tables(&self, form: Form) -> Result<Option<Tables>, Status> {
        let Form::Table(version) = form else { return Ok(None) };
        let include = IncludeObject::parse(self.query)?;
        let options = TableOptions { version, include };
        Ok(Some(Tables::of(&self.request.group_resource(), options)))
    }

    /// Answers with one object.
    pub fn get(&self, store: &Store) -> Result<Response<Body>, Status> {
        let answer = Answer::negotiate(self.accept, Endpoint::Object)?;
        let name = self.request.name.as_deref().unwrap_or_default();
        let key = Key::new(self.request.namespace.as_deref().unwrap_or_default(), name);
        let object = store.read(|feed| feed.get(Stored::of(self.served), &key));
        let object =
            object.ok_or_else(|| Status::not_found(&self.request.group_resource(), name))?;
        self.write(&served_as(self.served, &object), answer)
    }

    /// Answers with the Scale of one object, which has no other form.
    pub fn scale(&self, store: &Store) -> Result<Response<Body>, Status> {
        let answer = Answer::negotiate(self.accept, Endpoint::Object)?;
        let resource = self.request.group_resource();
        let name = self.request.name.as_deref().unwrap_or_default();
        let key = Key::new(self.request.namespace.as_deref().unwrap_or_default(), name);
        let object = store.read(|feed| feed.get(Stored::of(self.served), &key));
        let object = object.ok_or_else(|| Status::not_found(&resource, name))?;
        let kind = probelet_workload::Kind::of_resource(self.served.group, self.served.name);
        let scale = kind.and_then(|kind| probelet_workload::scale(kind, &object));
        let scale = scale.ok_or_else(|| Status::method_not_supported(&resource, "get"))?;
        Ok(answer::json(answer.content_type(), &scale, self.is_pretty || answer.is_pretty()))
    }

    /// Answers with one object in the form that the client accepts.
    pub fn write(&self, object: &Value, answer: Answer) -> Result<Response<Body>, Status> {
        let document = match (answer.form(), self.tables(answer.form())?) {
            (_, Some(tables)) => Cow::Owned(tables.object(object, timestamp(now().wall), true)),
            (Form::PartialMetadata(version), _) => Cow::Owned(partial_object(object, version)),
            _ => Cow::Borrowed(object),
        };
        Ok(answer::json(answer.content_type(), &document, self.is_pretty || answer.is_pretty()))
    }

    /// Answers with the selected objects.
    pub fn list(&self, store: &Store) -> Result<Response<Body>, Status> {
        let answer = Answer::negotiate(self.accept, Endpoint::List)?;
        let options = ListOptions::parse(self.query)?;
        let selection = Selection::new(self.served, self.request.namespace.as_deref(), &options)?;
        let page = store.read(|feed| feed.list(&selection, &options))?;
        let (kind, pretty) = (answer.content_type(), self.is_pretty || answer.is_pretty());
        if let Some(tables) = self.tables(answer.form())? {
            let table = tables.list(&page.metadata(), page.items(), timestamp(now().wall));
            return Ok(answer::json(kind, &table, pretty));
        }
        if let Form::PartialMetadata(version) = answer.form() {
            let list = serde_json::to_value(&page);
            let list = list.map_err(|error| Status::internal(&error.to_string()))?;
            return Ok(answer::json(kind, &partial_list(&list, version), pretty));
        }
        match pretty {
            true => Ok(answer::json(kind, &page, pretty)),
            false => Ok(answer::text(kind, page.text())),
        }
    }

    /// Answers with a list of `items`, which are measured for this request.
    pub fn write_list(&self, items: Vec<Value>) -> Result<Response<Body>, Status> {
        let answer = Answer::negotiate(self.accept, Endpoint::List)?;
        let options = ListOptions::parse(self.query)?;
        let is_in = |item: &Value| {
            let namespace = item.pointer("/metadata/namespace").and_then(Value::as_str);
            self.request.namespace.is_none() || namespace == self.request.namespace.as_deref()
        };
        let selected =
            items.into_iter().filter(|item| is_in(item) && options.labels.matches_object(item));
        let list = json!({
            "apiVersion": self.served.api_version(),
            "kind": format!("{}List", self.served.kind),
            "metadata": {},
            "items": selected.collect::<Vec<_>>(),
        });
        let document = match (answer.form(), self.tables(answer.form())?) {
            (_, Some(tables)) => {
                let items = list.get("items").and_then(Value::as_array).into_iter().flatten();
                tables.list(&json!({}), items.map(Cow::Borrowed), timestamp(now().wall))
            }
            (Form::PartialMetadata(version), _) => partial_list(&list, version),
            _ => list,
        };
        Ok(answer::json(answer.content_type(), &document, self.is_pretty || answer.is_pretty()))
    }

    /// Answers with the changes of the selected objects, as they happen.
    pub fn watch(
        &self,
        store: &Store,
        slot: OwnedSemaphorePermit,
        user: Identity,
        cancel: CancellationToken,
    ) -> Result<Response<Body>, Status> {
        let answer = Answer::negotiate(self.accept, Endpoint::Watch)?;
        let options = ListOptions::parse(self.query)?;
        let selection = Selection::new(self.served, self.request.namespace.as_deref(), &options)?;
        // The receiver is older than the watch, so no change is missed.
        let changes = store.changes();
        let include = IncludeObject::parse(self.query)?;
        let watch = match store.read(|feed| feed.watch(selection, &options)) {
            // As in Kubernetes it is an event of the watch: kube-rs lists again after that alone.
            Err(status) if status.code() == EXPIRED => {
                let mut writer = EventWriter::new(self.served, answer.form(), include);
                let event = writer.write(&WatchEvent::error(&status), timestamp(now().wall));
                let line = Bytes::from(format!("{event}\n"));
                return Ok(answer::stream(answer.content_type(), stream::iter([line])));
            }
            watch => watch?,
        };
        let watching = Watching {
            store: store.clone(),
            watch,
            changes,
            writer: EventWriter::new(self.served, answer.form(), include),
            end: deadline_in(options.timeout.unwrap_or(WATCH)),
            bookmark: deadline_in(BOOKMARK),
            user,
            cancel,
            has_ended: false,
            _slot: slot,
        };
        Ok(answer::stream(answer.content_type(), watching.into_stream()))
    }
}

/// One client's watch.
struct Watching {
    store: Store,
    watch: Watch,
    changes: watch::Receiver<u64>,
    writer: EventWriter,
    end: Instant,
    bookmark: Instant,
    user: Identity,
    cancel: CancellationToken,
    has_ended: bool,
    _slot: OwnedSemaphorePermit,
}

impl Watching {
    fn into_stream(self) -> impl Stream<Item = Bytes> + Send {
        stream::unfold(self, |mut this| async { Some((this.next().await?, this)) })
    }

    /// Returns the next lines; `None` when the watch has ended.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.has_ended {
            self.changes.mark_unchanged();
            let events = match self.store.read(|feed| self.watch.next(feed, BATCH)) {
                Ok(events) => events,
                // The client was too slow and lists again.
                Err(status) => {
                    self.has_ended = true;
                    vec![WatchEvent::error(&status)]
                }
            };
            if !events.is_empty() {
                return Some(self.lines(&events));
            }
            tokio::select! {
                () = self.cancel.cancelled() => self.has_ended = true,
                () = self.user.ended() => self.has_ended = true,
                () = sleep_until(self.end) => self.has_ended = true,
                () = sleep_until(self.bookmark) => {
                    self.bookmark = deadline_in(BOOKMARK);
                    if let Some(event) = self.store.read(|feed| self.watch.bookmark(feed)) {
                        return Some(self.lines(&[event]));
                    }
                }
                changed = self.changes.changed() => self.has_ended = changed.is_err(),
            }
        }
        None
    }

    fn lines(&mut self, events: &[WatchEvent]) -> Bytes {
        let now = timestamp(now().wall);
        let mut lines = Vec::new();
        for event in events {
            lines.extend(self.writer.text(event, now).into_bytes());
            lines.push(b'\n');
        }
        lines.into()
    }
}
