//! The values of one scrape.

use std::sync::Arc;
use std::time::SystemTime;

use probelet_runtime::Runtime;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;

use super::containers::ContainerMetrics;
use super::host::HostMetrics;
use super::page::Page;
use crate::connections::Slots;
use crate::process::own;
use crate::supervisor::{Counts, PodView, Supervisor};

/// The sources of the values.
#[derive(Clone)]
pub struct Sources {
    pub supervisor: Arc<Supervisor>,
    pub started: SystemTime,
    /// The slots of callers' connections and calls.
    pub slots: Vec<Slots>,
    /// The container runtime, which counts its failed calls.
    pub runtime: Arc<dyn Runtime>,
}

#[derive(Debug)]
pub struct Snapshot {
    pub host: HostMetrics,
    pub pods: Vec<PodView>,
    pub counts: Counts,
}

impl Sources {
    /// The page, in OpenMetrics' text format.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let host = HostMetrics {
            started: self.started,
            usage: own::usage(),
            brake: self.supervisor.brake(),
            reachable: self.supervisor.link().borrow().up,
            failed_calls: self.runtime.failed_calls(),
            slots: self.slots.iter().map(Slots::usage).collect(),
        };
        let (pods, counts) = (self.supervisor.list(), self.supervisor.counters().counts());
        Snapshot { host, pods, counts }.render()
    }
}

impl Snapshot {
    pub fn render(self) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, &registry)?;
        Ok(page)
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder) -> std::fmt::Result {
        let mut page = Page::new(encoder);
        self.host.write(&self.counts, &mut page)?;
        ContainerMetrics::new(&self.pods, &self.counts).write(&mut page)
    }
}
