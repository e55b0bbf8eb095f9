//! containerd's content store: blobs by digest.

use std::collections::HashMap;

use containerd_client::services::v1::{Info, InfoRequest, ReadContentRequest, UpdateRequest};
use probelet_runtime::CallError;
use prost_types::FieldMask;
use serde::de::DeserializeOwned;
use tonic::Response;

use crate::client::{Client, DEADLINE};

/// Limit for a manifest, an index or a config, in bytes, since they are read whole.
pub const LARGEST_JSON: usize = 4 << 20;

/// The content of one namespace.
#[derive(Debug, Clone)]
pub struct ContentStore {
    client: Client,
}

impl ContentStore {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    pub async fn info(&self, digest: &str) -> Result<Option<Info>, CallError> {
        let request = self.client.request(InfoRequest { digest: digest.to_owned() });
        let mut content = self.client.content();
        match self.client.call("Content.Info", DEADLINE, content.info(request)).await {
            Err(CallError::NotFound(_)) => Ok(None),
            answer => Ok(answer?.info),
        }
    }

    /// Adds labels to a blob.
    pub async fn label(
        &self,
        digest: &str,
        labels: HashMap<String, String>,
    ) -> Result<(), CallError> {
        let paths = labels.keys().map(|key| format!("labels.{key}")).collect();
        let info = Info { digest: digest.to_owned(), labels, ..Info::default() };
        let update_mask = Some(FieldMask { paths });
        let request = self.client.request(UpdateRequest { info: Some(info), update_mask });
        let mut content = self.client.content();
        self.client.call("Content.Update", DEADLINE, content.update(request)).await.map(drop)
    }

    /// Reads a part of a blob. A size of 0 reads nothing.
    pub async fn part(&self, digest: &str, offset: u64, size: u64) -> Result<Vec<u8>, CallError> {
        // For a size of 0, containerd returns everything.
        if size == 0 {
            return Ok(Vec::new());
        }
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let limit = usize::try_from(size).unwrap_or(usize::MAX);
        self.read(digest, number(offset), number(size), limit).await
    }

    /// Reads an image's JSON document, which has at most [`LARGEST_JSON`] bytes.
    pub async fn json<T: DeserializeOwned>(
        &self,
        image: &str,
        digest: &str,
    ) -> Result<T, CallError> {
        let blob = match self.read(digest, 0, 0, LARGEST_JSON).await {
            Err(CallError::NotFound(text)) => {
                return Err(CallError::NoImage(format!("image {image:?} is not complete: {text}")));
            }
            blob => blob?,
        };
        if blob.len() > LARGEST_JSON {
            let text = format!("blob {digest} has more than {LARGEST_JSON} bytes");
            return Err(CallError::BadImage(text));
        }
        serde_json::from_slice(&blob).map_err(|error| {
            CallError::BadImage(format!("image {image:?}: blob {digest}: {error}"))
        })
    }

    /// Reads until the end, or until `limit` is passed.
    async fn read(
        &self,
        digest: &str,
        offset: i64,
        size: i64,
        limit: usize,
    ) -> Result<Vec<u8>, CallError> {
        let digest = digest.to_owned();
        let request = self.client.request(ReadContentRequest { digest, offset, size });
        let mut content = self.client.content();
        let whole = async {
            let mut parts = content.read(request).await?.into_inner();
            let mut blob = Vec::new();
            while blob.len() <= limit
                && let Some(part) = parts.message().await?
            {
                blob.extend_from_slice(&part.data);
            }
            Ok(Response::new(blob))
        };
        self.client.call("Content.Read", DEADLINE, whole).await
    }
}
