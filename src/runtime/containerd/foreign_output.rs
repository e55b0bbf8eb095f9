//! The destination of the output of an adopted container's next task.

use std::io;

use containerd_client::services::v1::Container;
use containerd_client::types::v1::Process as TaskState;

use super::Containerd;
use super::client::{Client, missing_is_fine};
use super::start::NOWHERE;
use super::task_outcomes::TaskOutcome;
use crate::domain::adopt::{ContainerRef, LogLabels, Output, Stdio};
use crate::domain::log::OwnLimits;
use crate::logs;
use crate::runtime::{AttemptId, Runtime, RuntimeError, StartRequest};

pub(super) struct Streams {
    pub(super) stdio: Stdio,
    /// Why the output is not logged, if so.
    pub(super) no_log: Option<String>,
    /// Why the output does not go where the owner's labels request it, if so.
    pub(super) refused: Option<String>,
}

impl Containerd {
    /// Deletes the ended task, whose streams the next task may use too.
    pub(super) async fn replace_task(
        &self,
        place: &ContainerRef,
        client: &Client,
        record: &Container,
        creation: &StartRequest,
    ) -> Result<Streams, RuntimeError> {
        let old = match client.get_task(&place.id).await {
            Err(RuntimeError::NotFound(_)) => None,
            state => Some(state?),
        };
        // The labels are read before the deletion: if that failed after it, a second try would not
        // have the old task's streams.
        let labels = log_labels(client, record, creation).await?;
        if let Some(old) = &old {
            self.task_outcomes.note(place, old.pid, TaskOutcome::Deleted);
            missing_is_fine(client.kill_and_delete_task(&place.id).await)?;
        }
        self.streams(place, old.map(stdio).as_ref(), labels, &creation.id).await
    }

    async fn streams(
        &self,
        place: &ContainerRef,
        old: Option<&Stdio>,
        LogLabels { owners, doubted }: LogLabels,
        id: &AttemptId,
    ) -> Result<Streams, RuntimeError> {
        let (file, why) = match &owners {
            None => (None, None),
            Some((_, uri)) => match self.labelled_logs.check(uri).await {
                Ok(file) => (Some(file), None),
                Err(why) => (None, Some(why)),
            },
        };
        let logger = self.logger_of(id, OwnLimits::default()).await;
        let own = logger.as_deref().unwrap_or(NOWHERE);
        let (stdio, output) = Stdio::next(old, file.as_deref(), &doubted, own);
        if output != Output::Ours {
            return Ok(Streams { stdio, no_log: None, refused: None });
        }
        let log = self.log_path(id);
        tracing::info!(%place, log = %log.display(), "its pipes have no reader: output goes to");
        if let Some(folder) = log.parent() {
            let (shown, folder) = (folder.display().to_string(), folder.to_owned());
            let made = tokio::task::spawn_blocking(move || logs::make_folders(&folder)).await;
            made.map_err(io::Error::other).and_then(|made| made).map_err(|error| {
                RuntimeError::StartFailed(format!("log folder {shown}: {error}"))
            })?;
        }
        let refused = owners.zip(why).map(|((label, uri), why)| {
            format!(
                "Label {label} is not followed to {uri}: {why}; output goes to {}",
                log.display()
            )
        });
        Ok(Streams { stdio, no_log: logger.err(), refused })
    }
}

pub(super) fn stdio(task: TaskState) -> Stdio {
    Stdio { stdout: task.stdout, stderr: task.stderr, terminal: task.terminal }
}

async fn log_labels(
    client: &Client,
    record: &Container,
    creation: &StartRequest,
) -> Result<LogLabels, RuntimeError> {
    let image = client.image_labels(record).await?;
    let remembered = creation.pod.adopted().and_then(|adopted| adopted.image_labels.as_ref());
    let labels = record.labels.clone().into_iter().collect();
    Ok(LogLabels::read(&labels, &image, remembered))
}
