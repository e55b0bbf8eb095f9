//! Logs and termination messages of attempts, and the loggers that write the logs.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::attempt::AttemptId;
use super::interactive_logger::StartedLogger;
use super::log_handover;
use crate::domain::adopt::ContainerRef;
use crate::domain::exit::{LOG_BYTES, LOG_LINES};
use crate::domain::log::{Limits, OwnLimits};
use crate::domain::spec::Streams;
use crate::logs::{self, Order};

/// Folder of the logs of adopted containers, by containerd's namespace.
const ADOPTED: &str = "_adopted";
/// Folder of the logs of pods in other namespaces than `default`.
const NAMESPACES: &str = "_namespaces";
/// The output's destination if no log can be written.
pub const NOWHERE: &str = "file:///dev/null";

#[derive(Debug, Clone)]
pub struct LogFiles {
    folder: PathBuf,
    limits: Limits,
    program: logs::Program,
    /// Folder of the sockets on which loggers are asked to write out their buffers.
    sockets: PathBuf,
    /// Cgroup of loggers that this daemon starts, below each hierarchy's root.
    cgroup: PathBuf,
}

impl LogFiles {
    /// `cgroups` is the parent cgroup of the pods' containers, below each hierarchy's root.
    pub fn new(
        folder: PathBuf,
        limits: Limits,
        (run_dir, data_dir): (&Path, &Path),
        cgroups: &Path,
    ) -> Self {
        let program = logs::Program::new(vec![run_dir.join("bin"), data_dir.join("bin")]);
        let (sockets, cgroup) = (run_dir.join("loggers"), cgroups.join("loggers"));
        Self { folder, limits, program, sockets, cgroup }
    }

    /// Returns the file that receives the attempt's output.
    pub fn path(&self, id: &AttemptId) -> PathBuf {
        let folder = match ContainerRef::of_pod(&id.pod) {
            // No pod's name begins with an underscore.
            Some(container) => self.folder.join(ADOPTED).join(container.namespace),
            None => match id.namespace() {
                Some(namespace) => self.folder.join(NAMESPACES).join(namespace),
                None => self.folder.clone(),
            }
            .join(id.pod.name()),
        };
        folder.join(&id.container).join(format!("{}.log", id.attempt))
    }

    /// Returns the path of an attempt's message beside its log: a link, or the file itself if an
    /// earlier version created it.
    pub fn message_path(&self, id: &AttemptId) -> PathBuf {
        self.path(id).with_extension("message")
    }

    /// Creates the folder of the attempt's log.
    pub async fn make_folder(&self, id: &AttemptId) -> Result<(), String> {
        let path = self.path(id);
        let Some(folder) = path.parent() else { return Ok(()) };
        let failed = |error| format!("log folder {}: {error}", folder.display());
        let folder = folder.to_owned();
        let made = tokio::task::spawn_blocking({
            let folder = folder.clone();
            // The last log of another pod of the namespace may be removed meanwhile, and with it the
            // namespace's folder.
            move || logs::make_folders(&folder).or_else(|_| logs::make_folders(&folder))
        });
        made.await.map_err(io::Error::other).and_then(|made| made).map_err(failed)
    }

    /// Returns the URI by which a shim starts the attempt's logger.
    pub async fn logger(&self, id: &AttemptId, own: OwnLimits) -> Result<String, String> {
        let (program, order) = self.order(id, own, None).await?;
        Ok(order.uri(&program))
    }

    /// Starts the logger of an attempt with an input or a terminal.
    pub async fn start_interactive(
        &self,
        id: &AttemptId,
        own: OwnLimits,
        streams: Streams,
    ) -> Result<StartedLogger, String> {
        let Streams { stdin, stdin_once: once, tty } = streams;
        let streams = logs::attach::Streams { stdin, once, tty, is_over: false };
        let (program, order) = self.order(id, own, Some(streams)).await?;
        let started = StartedLogger::start(&program, &order, streams, &self.cgroup).await;
        started.map_err(|error| format!("logger of the container's streams: {error}"))
    }

    async fn order(
        &self,
        id: &AttemptId,
        own: OwnLimits,
        streams: Option<logs::attach::Streams>,
    ) -> Result<(PathBuf, Order), String> {
        let (program, folder) = (self.program.clone(), self.sockets.clone());
        let made = tokio::task::spawn_blocking(move || {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            program.path()
        });
        let failed = |error: &dyn std::fmt::Display| format!("program of the logger: {error}");
        let program =
            made.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let path = self.path(id);
        let socket = Some(self.socket(&path));
        let Limits { size, files } = self.limits.with(own);
        let limits = logs::format::Limits { size, files };
        Ok((program, Order { path, limits, socket, streams }))
    }

    /// Returns the end of the log, with all that the container has written.
    pub async fn end(&self, id: &AttemptId) -> String {
        let path = self.path(id);
        if let Err(error) = log_handover::hand_over(&self.socket(&path)).await {
            tracing::debug!(%id, %error, "no logger hands the log over");
        }
        let read = tokio::task::spawn_blocking(move || logs::last(&path, LOG_LINES, LOG_BYTES));
        let read = read.await.ok().and_then(Result::ok).unwrap_or_default();
        String::from_utf8_lossy(&read).into_owned()
    }

    /// Removes log and message, and the folders of the container, of the pod and of its namespace
    /// with the last log in them. A file that stays is only logged.
    pub async fn remove(&self, id: &AttemptId) {
        let (log, message) = (self.path(id), self.message_path(id));
        // A killed logger leaves its socket.
        let socket = self.socket(&log);
        let files = [log.clone(), message.clone(), socket.clone()];
        let removed = tokio::task::spawn_blocking(move || {
            let removed = files.iter().map(|file| logs::remove(file)).fold(Ok(()), Result::and);
            removed.and(logs::Fifos::remove(&socket))
        });
        if let Err(error) = removed.await.map_err(io::Error::other).and_then(|removed| removed) {
            tracing::warn!(%id, file = %message.display(), %error, "cannot remove a file");
        }
        let folders = if id.namespace().is_some() { 4 } else { 2 };
        for folder in log.ancestors().skip(1).take(folders) {
            if tokio::fs::remove_dir(folder).await.is_err() {
                break;
            }
        }
    }

    /// Returns the socket of the attempt's logger.
    pub fn socket_of(&self, id: &AttemptId) -> PathBuf {
        self.socket(&self.path(id))
    }

    fn socket(&self, log: &Path) -> PathBuf {
        logs::socket(&self.sockets, log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Incarnation;
    use crate::domain::pod_key::PodKey;

    #[test]
    fn logs_are_by_pod_container_and_attempt() {
        let logs = LogFiles::new(
            "/logs".into(),
            Limits::default(),
            (Path::new("/run/p"), Path::new("/lib/p")),
            Path::new("p"),
        );
        let path = |namespace: &str, pod: &str, container: &str| {
            logs.path(&AttemptId::new(PodKey::named(namespace, pod), container, Incarnation(3)))
        };
        assert_eq!(path("", "web", "app"), Path::new("/logs/web/app/3.log"));
        let adopted = path("", "default/redis", "redis");
        assert_eq!(adopted, Path::new("/logs/_adopted/default/redis/3.log"));
        let other = path("shop", "web", "app");
        assert_eq!(other, Path::new("/logs/_namespaces/shop/web/app/3.log"));
    }
}
