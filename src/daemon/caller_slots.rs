//! The slots of all listeners.

use super::acceptor;
use crate::connections::{Limits, Slots};
use crate::{kube_api, metrics};

/// The slots of connections that are being opened, of open connections, and of calls.
pub struct CallerSlots {
    unix: [Slots; 2],
    tls: [Slots; 2],
    kube: [Slots; 2],
    metrics: Slots,
    calls: Slots,
}

impl CallerSlots {
    /// `descriptors` is the number of descriptors that the daemon may open.
    pub fn new(descriptors: u64) -> Self {
        let slots = |name, limits: Limits| Slots::new(name, limits.within(descriptors));
        let (openings, connections) = (acceptor::OPENINGS, acceptor::CONNECTIONS);
        Self {
            unix: [slots("unix-opening", openings), slots("unix", connections)],
            tls: [slots("tcp-opening", openings), slots("tcp", connections)],
            kube: [slots("kube-opening", kube_api::OPENINGS), slots("kube", kube_api::CONNECTIONS)],
            metrics: slots("metrics", metrics::CONNECTIONS),
            calls: slots("calls", acceptor::CALLS),
        }
    }

    pub fn all(&self) -> Vec<Slots> {
        let listeners = [&self.unix, &self.tls, &self.kube].into_iter().flatten();
        listeners.chain([&self.metrics, &self.calls]).cloned().collect()
    }

    /// The slots of connections that are being opened, then those of open connections.
    pub fn unix(&self) -> [Slots; 2] {
        self.unix.clone()
    }

    pub fn tls(&self) -> [Slots; 2] {
        self.tls.clone()
    }

    pub fn kube(&self) -> [Slots; 2] {
        self.kube.clone()
    }

    pub fn metrics(&self) -> Slots {
        self.metrics.clone()
    }

    pub fn calls(&self) -> Slots {
        self.calls.clone()
    }
}
