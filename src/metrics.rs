//! What Prometheus is told: read from what is known anyway when it asks, so that no actor waits.

mod containers;
mod host;
mod page;
mod server;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::SystemTime;

use prometheus_client::registry::Registry;

use crate::connections::{self, Slots};
use crate::domain::brake::Gauge;
use crate::process::own::{self, Usage};
use crate::runtime::containerd::{FailedCalls, failed_calls};
use crate::supervisor::{Counts, PodView, Supervisor};

pub use server::{CONNECTIONS, bind, serve};

/// Where everything is known.
#[derive(Clone)]
pub struct Sources {
    pub supervisor: Arc<Supervisor>,
    pub started: SystemTime,
    /// Of callers' connections and calls.
    pub slots: Vec<Slots>,
}

/// All that one scrape tells.
#[derive(Debug)]
struct Snapshot {
    started: SystemTime,
    usage: Usage,
    pods: Vec<PodView>,
    counts: Counts,
    brake: Option<Gauge>,
    reachable: bool,
    failed_calls: FailedCalls,
    slots: Vec<connections::Usage>,
}

impl Sources {
    /// The page, in OpenMetrics' text format.
    fn render(&self) -> Result<String, std::fmt::Error> {
        let snapshot = Snapshot {
            started: self.started,
            usage: own::usage(),
            pods: self.supervisor.list(),
            counts: self.supervisor.counters().counts(),
            brake: self.supervisor.brake(),
            reachable: self.supervisor.link().borrow().up,
            failed_calls: failed_calls(),
            slots: self.slots.iter().map(Slots::usage).collect(),
        };
        render(snapshot)
    }
}

fn render(snapshot: Snapshot) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(snapshot));
    let mut page = String::new();
    prometheus_client::encoding::text::encode(&mut page, &registry)?;
    Ok(page)
}
