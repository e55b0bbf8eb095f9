//! What probelet needs of a container runtime. Each method has a deadline of its own, unless its
//! description says otherwise, and may be aborted at any await.

#![warn(missing_docs)]

mod commands;
mod error;
mod events;
mod images;
mod records;
mod snapshots;
mod tasks;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

pub use commands::{Commands, Exec, ExecStdio};
pub use error::{CallError, Cause, Refusal, Refused};
pub use events::{Event, EventKind};
pub use images::{Content, Image, Images, PullError, Wanted};
pub use records::{Extension, Filter, NewRecord, Record, RecordUpdate, Records, Source};
pub use snapshots::{Mount, Snapshots, View};
pub use tasks::{TaskState, TaskStatus, Tasks};

/// Failed calls since the start of the process, by the call's name and the kind of failure.
pub type FailedCalls = BTreeMap<(&'static str, &'static str), u64>;

/// A container runtime.
#[async_trait]
pub trait Runtime: std::fmt::Debug + Send + Sync + 'static {
    /// Returns the runtime's parts for one of its namespaces, which need not exist yet.
    ///
    /// # Errors
    ///
    /// Fails if the runtime cannot have a namespace of this name.
    fn namespace(&self, name: &str) -> Result<Namespace, CallError>;
    /// Lists the names of all namespaces.
    async fn namespaces(&self) -> Result<Vec<String>, CallError>;
    /// Returns the runtime's version, such as `1.7.24`. It gives up after a second, since it only
    /// informs.
    async fn version(&self) -> Result<String, CallError>;
    /// Checks that the runtime answers. The call is cheap, since it is repeated often.
    async fn ping(&self) -> Result<(), CallError>;
    /// Reports events of all namespaces, the first one being [`EventKind::Live`], until the runtime
    /// goes away or the receiver is dropped. It has no deadline.
    async fn follow(&self, events: mpsc::Sender<Event>) -> Result<(), CallError>;
    /// Sends a hint when the OOM killer has acted in some container, and when such an event may
    /// have been missed. It is only a hint to read the counters. It ends when the receiver is
    /// dropped.
    async fn follow_ooms(&self, hints: mpsc::Sender<()>);
    /// Returns how many calls have failed.
    fn failed_calls(&self) -> FailedCalls;
}

/// The parts of a runtime, for the containers of one namespace.
#[derive(Clone)]
pub struct Namespace {
    /// The namespace's name.
    pub name: Arc<str>,
    /// The containers' records.
    pub records: Arc<dyn Records>,
    /// The containers' tasks.
    pub tasks: Arc<dyn Tasks>,
    /// Commands in running tasks.
    pub commands: Arc<dyn Commands>,
    /// Images of the namespace.
    pub images: Arc<dyn Images>,
    /// Root filesystems and views of images.
    pub snapshots: Arc<dyn Snapshots>,
}

impl std::fmt::Debug for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Namespace({})", self.name)
    }
}
