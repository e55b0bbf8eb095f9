//! Downloads of blobs into containerd's content store, which checks size and digest.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use containerd_client::services::v1::{
    AbortRequest, WriteAction, WriteContentRequest, WriteContentResponse,
};
use oci_spec::image::Descriptor;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use probelet_registry::{Origin, RegistryError};
use probelet_runtime::{CallError, PullError};

use crate::client::{Client, DEADLINE, error};
use crate::content::ContentStore;
use crate::leases::{Lease, Leases};
use crate::refusals::is_locked;

/// Size of a message, in bytes: larger than the registry's, so there are fewer.
const CHUNK: usize = 512 << 10;
/// Deadline of a commit: containerd reads the whole of a large blob again after a resumed write.
const COMMIT: Duration = Duration::from_secs(120);
/// How often a download that stops is resumed before the pull fails.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub struct Blob {
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
}

impl From<&Descriptor> for Blob {
    fn from(descriptor: &Descriptor) -> Self {
        Self {
            media_type: descriptor.media_type().to_string(),
            digest: descriptor.digest().to_string(),
            size: descriptor.size(),
        }
    }
}

/// The digests being downloaded. containerd allows one writer for an ingest, so a second download
/// has a separate ingest: its registry may be faster.
#[derive(Debug, Clone, Default)]
pub struct Ingests(Arc<Mutex<HashSet<String>>>);

struct Ingest {
    name: String,
    digest: String,
    all: Ingests,
}

impl Ingests {
    fn begin(&self, blob: &Blob) -> Ingest {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut name = format!("probelet-{}", blob.digest);
        if !all.insert(name.clone()) {
            name = format!("{name}-{}", uuid::Uuid::new_v4());
            all.insert(name.clone());
        }
        Ingest { name, digest: blob.digest.clone(), all: self.clone() }
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

/// Downloads into the content store of one namespace.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: Client,
    content: ContentStore,
    leases: Leases,
    ingests: Ingests,
}

impl Fetcher {
    pub fn new(client: Client, content: ContentStore, leases: Leases, ingests: Ingests) -> Self {
        Self { client, content, leases, ingests }
    }

    /// Stores a small blob under its digest, if it is missing.
    pub async fn put(
        &self,
        lease: &Lease,
        digest: &str,
        bytes: &[u8],
        labels: HashMap<String, String>,
    ) -> Result<(), PullError> {
        if !self.has(lease, digest).await? {
            let size = bytes.len() as u64;
            let blob = Blob { media_type: String::new(), digest: digest.to_owned(), size };
            let ingest = self.ingests.begin(&blob);
            if let Some(mut writer) = Writer::open(self, lease, &blob, &ingest).await? {
                writer.write(0, bytes).await?;
                writer.commit().await?;
            }
        }
        Ok(self.content.label(digest, labels).await?)
    }

    /// Downloads a blob unless it is present, and resumes an earlier try.
    pub async fn fetch(
        &self,
        origin: &Origin,
        lease: &Lease,
        blob: &Blob,
        report: impl Fn(u64),
    ) -> Result<(), PullError> {
        let ingest = self.ingests.begin(blob);
        let mut reached = 0;
        let mut tries = 0;
        loop {
            if self.has(lease, &blob.digest).await? {
                return Ok(());
            }
            let mut writer = match Writer::open(self, lease, blob, &ingest).await {
                Ok(Some(writer)) => writer,
                Ok(None) => return Ok(()),
                // containerd has not noticed yet that the previous writer is closed.
                Err(CallError::Unavailable(cause)) if is_locked(cause.text()) && tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let before = writer.offset;
            match copy(&mut writer, origin, blob, &report).await {
                Ok(()) => return Ok(()),
                Err(PullError::Registry(RegistryError::Unreachable(reason))) => {
                    // Only tries without progress count as failures in a row.
                    tries = if writer.offset > reached.max(before) { 1 } else { tries + 1 };
                    reached = reached.max(writer.offset);
                    if tries >= TRIES {
                        return Err(PullError::Registry(RegistryError::Unreachable(format!(
                            "{}: {reason}",
                            blob.digest
                        ))));
                    }
                    tracing::debug!(digest = blob.digest, reason, "a blob stopped half-way");
                    drop(writer);
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    drop(writer);
                    // A download with wrong content must not be resumed.
                    self.abort(&ingest).await;
                    return Err(error);
                }
            }
        }
    }

    /// Adds a blob that is present to the lease. Returns whether it is present.
    async fn has(&self, lease: &Lease, digest: &str) -> Result<bool, CallError> {
        if self.content.info(digest).await?.is_none() {
            return Ok(false);
        }
        self.leases.add(lease, "content", digest).await?;
        Ok(true)
    }

    async fn abort(&self, ingest: &Ingest) {
        let request = self.client.request(AbortRequest { r#ref: ingest.name.clone() });
        let mut content = self.client.content();
        let aborted = self.client.call("Content.Abort", DEADLINE, content.abort(request)).await;
        if let Err(error) = CallError::unless_missing(aborted) {
            tracing::warn!(digest = ingest.digest, %error, "a broken download was left behind");
        }
    }
}

async fn copy(
    writer: &mut Writer,
    origin: &Origin,
    blob: &Blob,
    report: &impl Fn(u64),
) -> Result<(), PullError> {
    if writer.offset < blob.size {
        let mut rest = origin.blob(&blob.digest, writer.offset).await?;
        let mut offset = rest.offset;
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let mut ended = false;
        while !ended {
            match rest.next().await {
                Some(Ok(part)) => chunk.extend_from_slice(&part),
                None => ended = true,
                Some(Err(error)) => {
                    // The bytes received before the error are worth keeping.
                    writer.write(offset, &chunk).await?;
                    return Err(error.into());
                }
            }
            if offset + chunk.len() as u64 > blob.size {
                return Err(PullError::Failed(format!(
                    "{}: longer than the {} bytes of its descriptor",
                    blob.digest, blob.size
                )));
            }
            if chunk.len() >= CHUNK || ended {
                writer.write(offset, &chunk).await?;
                offset += chunk.len() as u64;
                chunk.clear();
                report(offset);
            }
        }
        if offset < blob.size {
            return Err(PullError::Failed(format!(
                "{}: truncated: {offset} of {} bytes",
                blob.digest, blob.size
            )));
        }
    }
    writer.commit().await.map_err(|error| match error.into_answer() {
        // containerd reports a digest or size other than expected.
        Ok(text) => PullError::Failed(format!("{}: {text}", blob.digest)),
        Err(other) => other.into(),
    })
}

/// One open ingest.
struct Writer {
    to: mpsc::Sender<WriteContentRequest>,
    answers: Streaming<WriteContentResponse>,
    template: WriteContentRequest,
    /// How many bytes the ingest has already.
    offset: u64,
}

impl Writer {
    /// Returns `None` if the blob is complete by now.
    async fn open(
        fetcher: &Fetcher,
        lease: &Lease,
        blob: &Blob,
        ingest: &Ingest,
    ) -> Result<Option<Self>, CallError> {
        let template = WriteContentRequest {
            action: WriteAction::Stat.into(),
            r#ref: ingest.name.clone(),
            total: i64::try_from(blob.size).unwrap_or(i64::MAX),
            expected: blob.digest.clone(),
            ..WriteContentRequest::default()
        };
        let (to, requests) = mpsc::channel(1);
        // containerd answers nothing, not even headers, before the first request.
        let _ = to.send(template.clone()).await;
        let request = fetcher.leases.request(lease, ReceiverStream::new(requests))?;
        let mut content = fetcher.client.content();
        let answers =
            match fetcher.client.call("Content.Write", DEADLINE, content.write(request)).await {
                Err(CallError::AlreadyExists(_)) => return Ok(None),
                answers => answers?,
            };
        let mut writer = Self { to, answers, template, offset: 0 };
        match writer.answer("Content.Write", DEADLINE).await {
            Err(CallError::AlreadyExists(_)) => Ok(None),
            Err(error) => Err(error),
            Ok(state) => {
                writer.offset = u64::try_from(state.offset).unwrap_or_default();
                Ok(Some(writer))
            }
        }
    }

    async fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), CallError> {
        if data.is_empty() {
            return Ok(());
        }
        let message = WriteContentRequest {
            action: WriteAction::Write.into(),
            offset: i64::try_from(offset).unwrap_or(i64::MAX),
            data: data.to_vec(),
            ..self.template.clone()
        };
        self.send(message, DEADLINE).await?;
        self.offset = offset + data.len() as u64;
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), CallError> {
        let message = WriteContentRequest {
            action: WriteAction::Commit.into(),
            offset: i64::try_from(self.offset).unwrap_or(i64::MAX),
            ..self.template.clone()
        };
        match self.send(message, COMMIT).await {
            Ok(()) | Err(CallError::AlreadyExists(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn send(
        &mut self,
        message: WriteContentRequest,
        deadline: Duration,
    ) -> Result<(), CallError> {
        // If the stream has ended, the answer contains the error.
        let _ = self.to.send(message).await;
        self.answer("Content.Write", deadline).await.map(drop)
    }

    async fn answer(
        &mut self,
        name: &'static str,
        deadline: Duration,
    ) -> Result<WriteContentResponse, CallError> {
        match tokio::time::timeout(deadline, self.answers.message()).await {
            Ok(Ok(Some(answer))) => Ok(answer),
            Ok(Ok(None)) => Err(CallError::Unavailable(format!("{name} ended early").into())),
            Ok(Err(status)) => Err(error(name, deadline, status)),
            Err(_) => Err(CallError::Timeout { call: name, seconds: deadline.as_secs() }),
        }
    }
}
