//! `grpc.health.v1`: the empty service is the daemon, `POD/CONTAINER` that container's readiness.

use std::collections::BTreeSet;

use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::Api;

impl Api {
    /// Keeps the reporter at the pods' level until the daemon stops.
    pub async fn report_health(&self, mut reporter: HealthReporter) {
        let mut changes = self.supervisor.changes();
        let mut known = BTreeSet::new();
        loop {
            changes.mark_unchanged();
            let mut now = BTreeSet::new();
            for view in self.supervisor.list() {
                for status in view.status.all() {
                    let name = format!("{}/{}", view.spec.name, status.name);
                    let level = if status.ready {
                        ServingStatus::Serving
                    } else {
                        ServingStatus::NotServing
                    };
                    reporter.set_service_status(&name, level).await;
                    now.insert(name);
                }
            }
            for gone in known.difference(&now) {
                reporter.clear_service_status(gone).await;
            }
            known = now;
            tokio::select! {
                () = self.cancel.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }
}
