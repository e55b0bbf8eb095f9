//! `grpc.health.v1`: the empty service is the daemon, `containerd` whether containerd answers,
//! `manifest-dir` whether the manifest directory can be read, `supervision` whether each pod is
//! supervised, and `POD/CONTAINER` whether that container is ready
//! (`namespaces/NAMESPACE/POD/CONTAINER` in another namespace than `default`).

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::domain::pod_key::PodKey;
use crate::supervisor::Supervisor;

/// The source of the health services of pods and containerd.
#[derive(Clone)]
pub struct HealthReport {
    supervisor: Arc<Supervisor>,
    cancel: CancellationToken,
}

impl HealthReport {
    pub fn new(supervisor: Arc<Supervisor>, cancel: CancellationToken) -> Self {
        Self { supervisor, cancel }
    }

    /// Reports the levels of pods and containerd until the daemon stops.
    pub async fn report(&self, mut reporter: HealthReporter) {
        let (mut changes, mut link) = (self.supervisor.changes(), self.supervisor.link());
        let mut reported = BTreeSet::new();
        loop {
            changes.mark_unchanged();
            // The daemon itself stays serving while containerd is away: a restart of it would not help.
            let up = level(link.borrow_and_update().up);
            reporter.set_service_status("containerd", up).await;
            let supervises_all = self.supervisor.health().supervises_all;
            reporter.set_service_status("supervision", level(supervises_all)).await;
            if let Some(is_read) = self.supervisor.health().reads_manifest_dir {
                reporter.set_service_status("manifest-dir", level(is_read)).await;
            }
            let mut now = BTreeSet::new();
            for view in self.supervisor.list() {
                for status in view.status.all() {
                    let name = service(&view.spec.key(), &status.name);
                    reporter.set_service_status(&name, level(status.serves())).await;
                    now.insert(name);
                }
            }
            for removed in reported.difference(&now) {
                reporter.clear_service_status(removed).await;
            }
            reported = now;
            tokio::select! {
                () = self.cancel.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
                _ = link.changed() => {}
            }
        }
    }
}

/// The name of the service of a container. A pod of another namespace than `default` has a part more
/// than an adopted container, whose name has a slash too.
fn service(pod: &PodKey, container: &str) -> String {
    match pod.is_in_default() || pod.is_adopted() {
        true => format!("{}/{container}", pod.name()),
        false => format!("namespaces/{}/{}/{container}", pod.namespace(), pod.name()),
    }
}

fn level(good: bool) -> ServingStatus {
    if good { ServingStatus::Serving } else { ServingStatus::NotServing }
}
