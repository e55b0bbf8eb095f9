//! The network of a pod that an earlier daemon connected: where it is broken it is made again.

use super::actor::{Actor, now};
use crate::domain::notice::Notice;

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

    fn note_pod(&self, notice: Notice) {
        let (pod, reason) = (&self.spec.name, notice.reason);
        tracing::info!(pod, reason, "{}", notice.message);
        self.tally.noted(&notice);
        self.events.record(&self.spec, "", notice, now().wall);
    }
}
