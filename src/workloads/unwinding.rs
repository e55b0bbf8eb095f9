//! The end of an object that waits for its dependents.

use std::sync::Arc;

use probelet_kube_wire::discovery::Served;
use probelet_kube_wire::feed::Stored;
use probelet_kube_wire::status::{Reason, Status};
use probelet_workload::{Deletion, Kind, released};
use serde_json::Value;

use super::api::{Api, Part};
use super::dependent::Dependent;
use super::ownership::Unwound;
use super::queue::Done;
use super::recorder::Recorder;
use crate::kube_objects::Store;

/// Deletes the dependents of an object, or releases them, and lets the object go when none is left.
pub struct Unwinding {
    pub api: Arc<dyn Api>,
    pub recorder: Arc<Recorder>,
    pub store: Store,
    pub of: Unwound,
    /// The dependents, each with whether another owner keeps it.
    pub dependents: Vec<(&'static Served, Dependent, bool)>,
}

impl Unwinding {
    pub async fn run(self) -> Done {
        let mut waits = false;
        let mut failed = false;
        for (served, dependent, is_kept) in &self.dependents {
            let done = match self.of.deletion {
                Deletion::Foreground if !is_kept => {
                    let reference = dependent.reference(self.uid());
                    waits |= reference.is_some_and(|it| it.blocks);
                    self.delete(served, dependent).await
                }
                _ => self.release(served, dependent).await,
            };
            if let Err(status) = done.or_else(found) {
                failed = true;
                // What another writer or too many writes prevented is tried again without an event.
                if !matches!(status.reason(), Reason::Conflict | Reason::TooManyRequests) {
                    let message = format!("Error deleting: {}", status.message());
                    self.recorder.warning(&self.of.object, "FailedDelete", message).await;
                }
            }
        }
        if waits || failed {
            return Done { failed, next: None };
        }
        let object = self.of.deletion.finished(&self.of.object);
        let finished = self.api.replace(self.of.served, object, Part::Object, &self.by()).await;
        Done { failed: finished.or_else(found).is_err(), next: None }
    }

    async fn delete(&self, served: &'static Served, of: &Dependent) -> Result<(), Status> {
        if of.deleting {
            return Ok(());
        }
        let foreground = Kind::of_resource(served.group, served.name).is_some();
        self.api.delete(served, (&of.key, &of.uid), foreground, &self.by()).await
    }

    /// Removes the references to this object from a dependent.
    async fn release(&self, served: &'static Served, of: &Dependent) -> Result<(), Status> {
        let stored = Stored::of(served);
        let Some(live) = self.store.read(|feed| feed.get(stored, &of.key)) else { return Ok(()) };
        let free = released(&live, self.uid());
        if free == *live {
            return Ok(());
        }
        self.api.replace(served, free, Part::Object, &self.by()).await
    }

    fn text(&self, pointer: &str) -> &str {
        self.of.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// The object as the cause of what a write ends.
    fn by(&self) -> String {
        format!("{}/{}", self.text("/kind").to_lowercase(), self.of.key.name())
    }
}

/// An object that does not exist any more needs nothing.
fn found(status: Status) -> Result<(), Status> {
    if status.code() == 404 { Ok(()) } else { Err(status) }
}
