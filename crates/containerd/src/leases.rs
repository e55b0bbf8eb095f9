//! Leases, which protect the content of a pull until its image refers to it, and for a day after a
//! failure.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use containerd_client::services::v1::leases_client::LeasesClient;
use containerd_client::services::v1::{AddResourceRequest, CreateRequest, DeleteRequest, Resource};
use jiff::{SignedDuration, Timestamp};
use probelet_runtime::CallError;
use tonic::Request;
use tonic::transport::Channel;

use crate::client::{Client, DEADLINE};

/// Lifetime of a lease that is never deleted, since the daemon may end before.
const EXPIRY: SignedDuration = SignedDuration::from_hours(24);

/// The newest lease of each image. The lease of a failed pull is deleted after the next pull, which
/// so can resume it.
pub type Newest = Arc<Mutex<HashMap<String, String>>>;

/// The lease of one pull.
#[derive(Debug, Clone)]
pub struct Lease {
    id: String,
    /// The lease of an earlier pull.
    old: Option<String>,
}

/// The leases of one namespace.
#[derive(Debug, Clone)]
pub struct Leases {
    client: Client,
    newest: Newest,
}

impl Leases {
    pub fn new(client: Client, newest: Newest) -> Self {
        Self { client, newest }
    }

    fn calls(&self) -> LeasesClient<Channel> {
        LeasesClient::new(self.client.channel())
    }

    /// Creates a lease for the pull of an image.
    pub async fn create(&self, image: &str, now: SystemTime) -> Result<Lease, CallError> {
        let Lease { id, .. } = self.create_single(now).await?;
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let old = newest.insert(image.to_owned(), id.clone());
        Ok(Lease { id, old })
    }

    /// Creates a lease that no later one continues.
    pub async fn create_single(&self, now: SystemTime) -> Result<Lease, CallError> {
        let id = format!("probelet-pull-{}", uuid::Uuid::new_v4());
        let expiry = Timestamp::try_from(now)
            .and_then(|now| now.checked_add(EXPIRY))
            .map_err(|error| CallError::failed(format!("clock: {error}")))?;
        let labels = HashMap::from([("containerd.io/gc.expire".to_owned(), expiry.to_string())]);
        let request = self.client.request(CreateRequest { id: id.clone(), labels });
        let mut calls = self.calls();
        self.client.call("Leases.Create", DEADLINE, calls.create(request)).await?;
        Ok(Lease { id, old: None })
    }

    /// Deletes the leases, since the image refers to all of their content now.
    pub async fn delete(&self, image: &str, lease: Lease) {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).remove(image);
        self.delete_single(image, lease).await;
    }

    /// Deletes a lease of [`Self::create_single`].
    pub async fn delete_single(&self, image: &str, lease: Lease) {
        for id in lease.old.into_iter().chain([lease.id]) {
            let request = self.client.request(DeleteRequest { id, sync: false });
            let mut calls = self.calls();
            let deleted = self.client.call("Leases.Delete", DEADLINE, calls.delete(request)).await;
            if let Err(error) = CallError::unless_missing(deleted) {
                tracing::warn!(image, %error, "a lease was left to expire");
            }
        }
    }

    /// Adds a resource to the lease.
    pub async fn add(&self, lease: &Lease, kind: &str, id: &str) -> Result<(), CallError> {
        let resource = Some(Resource { id: id.to_owned(), r#type: kind.to_owned() });
        let request = self.client.request(AddResourceRequest { id: lease.id.clone(), resource });
        let mut calls = self.calls();
        let added = calls.add_resource(request);
        self.client.call("Leases.AddResource", DEADLINE, added).await.map(drop)
    }

    /// Returns a request whose new resources the lease protects.
    pub fn request<T>(&self, lease: &Lease, message: T) -> Result<Request<T>, CallError> {
        let mut request = self.client.request(message);
        let id = lease.id.parse().map_err(|error| CallError::failed(format!("{error}")))?;
        request.metadata_mut().insert("containerd-lease", id);
        Ok(request)
    }
}
