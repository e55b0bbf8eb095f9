//! Deletes objects whose owners do not exist any more.

use probelet_kube_wire::discovery::Served;

use super::api::Api;
use super::dependent::Dependent;
use super::queue::Done;

/// The name of the collector in causes.
const BY: &str = "garbage-collector";

/// Deletes a dependent.
pub async fn collect(api: &dyn Api, served: &'static Served, dependent: &Dependent) -> Done {
    let Dependent { key, uid, .. } = dependent;
    match api.delete(served, (key, uid), false, BY).await {
        Err(status) if status.code() != 404 => {
            let (object, error) = (key.name(), status.message());
            tracing::warn!(
                resource = served.name,
                object,
                error,
                "an object without an owner stays"
            );
            Done { failed: true, next: None }
        }
        _ => Done::default(),
    }
}
