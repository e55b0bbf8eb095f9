//! The destination of the output of an adopted container's next task.

use probelet_runtime::Record;

use super::attempt::StartRequest;
use super::error::NodeError;
use super::labelled_logs::LabelledLogs;
use super::log_files::{LogFiles, NOWHERE};
use crate::domain::adopt::{ImageLabels, LogLabels, Output, Stdio};
use crate::domain::log::OwnLimits;

pub struct Streams {
    pub(super) stdio: Stdio,
    /// Why the output is not logged, if so.
    pub(super) no_log: Option<String>,
    /// Why the output does not go where the owner's labels request it, if so.
    pub(super) refused: Option<String>,
}

/// Chooses where output goes.
#[derive(Debug, Clone)]
pub struct OutputChooser {
    logs: LogFiles,
    labelled_logs: LabelledLogs,
}

impl OutputChooser {
    pub fn new(logs: LogFiles, labelled_logs: LabelledLogs) -> Self {
        Self { logs, labelled_logs }
    }

    /// Returns the streams of the next task. `old` has those of the task before, if there was one.
    pub async fn choose(
        &self,
        old: Option<&Stdio>,
        record: &Record,
        image: &ImageLabels,
        creation: &StartRequest,
    ) -> Result<Streams, NodeError> {
        let id = &creation.id;
        let remembered = creation.pod.adopted().and_then(|adopted| adopted.image_labels.as_ref());
        let LogLabels { owners, doubted } = LogLabels::read(&record.labels, image, remembered);
        let (file, why) = match &owners {
            None => (None, None),
            Some((_, uri)) => match self.labelled_logs.check(uri).await {
                Ok(file) => (Some(file), None),
                Err(why) => (None, Some(why)),
            },
        };
        let logger = self.logs.logger(id, OwnLimits::default()).await;
        let own = logger.as_deref().unwrap_or(NOWHERE);
        let (stdio, output) = Stdio::next(old, file.as_deref(), &doubted, own);
        if output != Output::Ours {
            return Ok(Streams { stdio, no_log: None, refused: None });
        }
        let log = self.logs.path(id);
        tracing::info!(%id, log = %log.display(), "its pipes have no reader: output goes to");
        self.logs.make_folder(id).await.map_err(NodeError::start_failed)?;
        let refused = owners.zip(why).map(|((label, uri), why)| {
            format!(
                "Label {label} is not followed to {uri}: {why}; output goes to {}",
                log.display()
            )
        });
        Ok(Streams { stdio, no_log: logger.err(), refused })
    }
}
