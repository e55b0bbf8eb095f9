//! Reports whether the stored objects of the Kubernetes API are complete and can be written, as the
//! health service `kube-store`.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::kube_objects::StoreHealth;

const SERVICE: &str = "kube-store";

/// Reports until `cancel`.
pub async fn report(
    reporter: HealthReporter,
    mut health: watch::Receiver<StoreHealth>,
    cancel: CancellationToken,
) {
    loop {
        let now = health.borrow_and_update().clone();
        if let Some(error) = &now.failed_write {
            tracing::warn!(error, "objects of the Kubernetes API cannot be written");
        }
        let status = match now.is_good() {
            true => ServingStatus::Serving,
            false => ServingStatus::NotServing,
        };
        reporter.set_service_status(SERVICE, status).await;
        tokio::select! {
            () = cancel.cancelled() => return,
            changed = health.changed() => if changed.is_err() { return },
        }
    }
}
