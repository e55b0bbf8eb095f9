//! `grpc.health.v1`: the empty service is the daemon, `containerd` whether that answers it,
//! `manifest-dir` whether that can be read, `supervision` whether each pod is supervised, and `POD/CONTAINER` that container's readiness.

use std::collections::BTreeSet;

use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::Api;

impl Api {
    /// Keeps the reporter at the levels of pods and containerd until the daemon stops.
    pub async fn report_health(&self, mut reporter: HealthReporter) {
        let (mut changes, mut link) = (self.supervisor.changes(), self.supervisor.link());
        let mut known = BTreeSet::new();
        loop {
            changes.mark_unchanged();
            // While it is away the daemon has all the more to do: to restart that helps nobody.
            let up = level(link.borrow_and_update().up);
            reporter.set_service_status("containerd", up).await;
            let supervises_all = self.supervisor.supervises_all();
            reporter.set_service_status("supervision", level(supervises_all)).await;
            if let Some(is_read) = self.supervisor.reads_manifest_dir() {
                reporter.set_service_status("manifest-dir", level(is_read)).await;
            }
            let mut now = BTreeSet::new();
            for view in self.supervisor.list() {
                for status in view.status.all() {
                    let name = format!("{}/{}", view.spec.name, status.name);
                    reporter.set_service_status(&name, level(status.ready)).await;
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
                _ = link.changed() => {}
            }
        }
    }
}

fn level(good: bool) -> ServingStatus {
    if good { ServingStatus::Serving } else { ServingStatus::NotServing }
}
