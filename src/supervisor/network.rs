//! The network of a pod that an earlier daemon connected: it is checked, and set up again if
//! broken.

use super::actor::{Actor, log};
use super::clock::now;
use super::effects::{Done, Effects};
use crate::domain::link::retry_after;
use crate::domain::notice::Notice;
use crate::runtime::RuntimeError;

impl Effects {
    /// Checks the network of a pod that an earlier daemon connected.
    pub(super) fn check_network(&mut self) {
        let (pod, runtime) = (self.pod.clone(), self.runtime.clone());
        self.spawn_for_pod("check network", async move {
            match runtime.check_network(&pod).await {
                Ok(()) => Done::Nothing,
                Err(RuntimeError::Network(why)) => Done::NetworkBroken(why),
                Err(error) => {
                    tracing::warn!(%error, "the network could not be checked");
                    Done::Nothing
                }
            }
        });
    }

    pub(super) fn reconnect(&mut self, failures: u32) {
        let (pod, runtime) = (self.pod.clone(), self.runtime.clone());
        self.spawn_for_pod("reconnect", async move {
            if failures > 0 {
                tokio::time::sleep(retry_after(failures)).await;
            }
            let done = runtime.reconnect(&pod).await;
            Done::Reconnected(failures, done.map_err(|error| error.to_string()))
        });
    }
}

impl Actor {
    pub(super) fn network_broken(&mut self, why: &str) {
        let message = format!("Pod network is not as it was made: {why}");
        self.note_pod(Notice::warning("NetworkBroken", message));
        self.effects.reconnect(0);
    }

    pub(super) fn reconnected(&mut self, failures: u32, done: Result<(), String>) {
        match done {
            Ok(()) => {
                let ips = self.effects.runtime.network(&self.spec).ips.join(", ");
                let message = format!("Pod connected anew: {ips}");
                self.note_pod(Notice::normal("NetworkRepaired", message));
            }
            Err(why) => {
                let message = format!("Failed to connect the pod anew: {why}");
                self.note_pod(Notice::warning("NetworkBroken", message));
                self.effects.reconnect(failures.saturating_add(1));
            }
        }
    }

    pub(super) fn note_pod(&self, notice: Notice) {
        log("", &notice);
        self.counters.noted(&notice);
        self.events.record(&self.spec, "", notice, now().wall);
    }
}
