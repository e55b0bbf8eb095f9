//! Leases, which protect the content of a pull until its image refers to it, and for a day after a
//! failure.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use containerd_client::services::v1::leases_client::LeasesClient;
use containerd_client::services::v1::{AddResourceRequest, CreateRequest, DeleteRequest, Resource};
use jiff::{SignedDuration, Timestamp};
use tonic::Request;
use tonic::transport::Channel;

use super::super::client::{Client, DEADLINE, call, missing_is_fine};
use crate::runtime::RuntimeError;

/// Lifetime of a lease that is never deleted, since the daemon may end before.
const EXPIRY: SignedDuration = SignedDuration::from_hours(24);

/// The newest lease of each image. The lease of a failed pull is deleted after the next pull, which
/// so can resume it.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Leases(Arc<Mutex<HashMap<String, String>>>);

#[derive(Debug, Clone)]
pub(super) struct Lease {
    pub(super) id: String,
    /// The lease of an earlier pull.
    old: Option<String>,
}

impl Client {
    fn leases_client(&self) -> LeasesClient<Channel> {
        LeasesClient::new(self.channel())
    }

    pub(super) async fn take_lease(
        &self,
        image: &str,
        now: SystemTime,
    ) -> Result<Lease, RuntimeError> {
        let id = format!("probelet-pull-{}", uuid::Uuid::new_v4());
        let expiry = Timestamp::try_from(now)
            .and_then(|now| now.checked_add(EXPIRY))
            .map_err(|error| RuntimeError::Internal(format!("clock: {error}")))?;
        let labels = HashMap::from([("containerd.io/gc.expire".to_owned(), expiry.to_string())]);
        let request = self.request(CreateRequest { id: id.clone(), labels });
        call("Leases.Create", DEADLINE, self.leases_client().create(request)).await?;
        let mut leases = self.leases.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = leases.insert(image.to_owned(), id.clone());
        Ok(Lease { id, old })
    }

    /// Deletes the leases, since the image refers to all of their content now.
    pub(super) async fn drop_lease(&self, image: &str, lease: Lease) {
        self.leases.0.lock().unwrap_or_else(PoisonError::into_inner).remove(image);
        for id in lease.old.into_iter().chain([lease.id]) {
            let request = self.request(DeleteRequest { id, sync: false });
            let mut leases = self.leases_client();
            let deleted = call("Leases.Delete", DEADLINE, leases.delete(request)).await;
            if let Err(error) = missing_is_fine(deleted) {
                tracing::warn!(%error, "a lease was left to expire");
            }
        }
    }

    pub(super) async fn hold(
        &self,
        lease: &Lease,
        kind: &str,
        id: &str,
    ) -> Result<(), RuntimeError> {
        let resource = Resource { id: id.to_owned(), r#type: kind.to_owned() };
        let request =
            self.request(AddResourceRequest { id: lease.id.clone(), resource: Some(resource) });
        call("Leases.AddResource", DEADLINE, self.leases_client().add_resource(request)).await?;
        Ok(())
    }

    pub(super) fn leased<T>(&self, lease: &Lease, message: T) -> Result<Request<T>, RuntimeError> {
        let mut request = self.request(message);
        let id = lease.id.parse().map_err(|error| RuntimeError::Internal(format!("{error}")))?;
        request.metadata_mut().insert("containerd-lease", id);
        Ok(request)
    }
}
