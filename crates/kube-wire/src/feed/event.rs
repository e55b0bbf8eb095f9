//! The events of a watch, and how they are written.

use std::sync::Arc;

use serde_json::{Value, json};

use super::object::Object;
use crate::discovery::Served;
use crate::events;
use crate::negotiate::Form;
use crate::options::IncludeObject;
use crate::partial::partial_object;
use crate::status::{GroupResource, Status};
use crate::table::{TableOptions, Tables};
use crate::time::Timestamp;

/// Marks the bookmark behind the state, which `kubectl wait` and informers wait for.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// The object is new to the client.
    Added,
    /// The object changed.
    Modified,
    /// The object was deleted, or is not selected any more.
    Deleted,
    /// Only the version moved.
    Bookmark,
    /// The watch ends with a `Status`.
    Error,
}

impl EventKind {
    /// The value of `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
            Self::Bookmark => "BOOKMARK",
            Self::Error => "ERROR",
        }
    }
}

/// One event of a watch.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchEvent {
    kind: EventKind,
    object: Arc<Object>,
}

impl WatchEvent {
    pub(super) fn added(object: Arc<Object>) -> Self {
        Self { kind: EventKind::Added, object }
    }

    pub(super) fn modified(object: Arc<Object>) -> Self {
        Self { kind: EventKind::Modified, object }
    }

    pub(super) fn deleted(object: Arc<Object>) -> Self {
        Self { kind: EventKind::Deleted, object }
    }

    pub(super) fn bookmark(served: &Served, version: u64) -> Self {
        let object = json!({
            "kind": served.kind, "apiVersion": served.api_version(),
            "metadata": {"resourceVersion": version.to_string(), "creationTimestamp": null},
        });
        Self { kind: EventKind::Bookmark, object: Arc::new(Object::unversioned(&object)) }
    }

    pub(super) fn initial_end(served: &Served, version: u64) -> Self {
        let object = json!({
            "kind": served.kind, "apiVersion": served.api_version(),
            "metadata": {
                "resourceVersion": version.to_string(), "creationTimestamp": null,
                "annotations": {INITIAL_EVENTS_END: "true"},
            },
        });
        Self { kind: EventKind::Bookmark, object: Arc::new(Object::unversioned(&object)) }
    }

    /// The last event of a watch that fails.
    pub fn error(status: &Status) -> Self {
        Self { kind: EventKind::Error, object: Arc::new(Object::unversioned(&status.to_value())) }
    }

    /// What happened.
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// The object, or the `Status` of an error.
    pub fn object(&self) -> Value {
        self.object.value()
    }
}

/// Writes the events of one watch in the form that the client accepts.
#[derive(Debug)]
pub struct EventWriter {
    form: Form,
    served: &'static Served,
    tables: Option<Tables>,
    headers: bool,
}

impl EventWriter {
    /// A writer for one watch.
    pub fn new(served: &'static Served, form: Form, include: IncludeObject) -> Self {
        let tables = match form {
            Form::Table(version) => {
                let resource = GroupResource::new(served.group, served.name);
                Some(Tables::of(&resource, TableOptions { version, include }))
            }
            _ => None,
        };
        Self { form, served, tables, headers: true }
    }

    /// The event as it is sent, without the line break behind it. Only the first Table has headers.
    pub fn text(&mut self, event: &WatchEvent, now: Timestamp) -> String {
        let is_stored = events::is_stored_form(self.served);
        match (event.kind, self.form) {
            (_, Form::Plain) if is_stored => {
                format!(
                    "{{\"type\":\"{}\",\"object\":{}}}",
                    event.kind.as_str(),
                    event.object.text()
                )
            }
            _ => self.write(event, now).to_string(),
        }
    }

    /// The event as a tree of values.
    pub fn write(&mut self, event: &WatchEvent, now: Timestamp) -> Value {
        let is_object = !matches!(event.kind, EventKind::Error | EventKind::Bookmark);
        let object = event.object();
        let object = match is_object {
            true => events::into_served(self.served, object),
            false => object,
        };
        let object = match (event.kind, self.form, &self.tables) {
            (EventKind::Error, _, _) => object,
            (_, Form::Table(_), Some(tables)) => {
                let table = tables.object(&object, now, self.headers);
                self.headers = false;
                table
            }
            (_, Form::PartialMetadata(version), _) => partial_object(&object, version),
            _ => object,
        };
        json!({"type": event.kind.as_str(), "object": object})
    }
}
