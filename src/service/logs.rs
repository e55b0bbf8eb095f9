//! Reading a container's log back: whole, its last lines, or as it grows.

use std::path::PathBuf;
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio::sync::mpsc;
use tonic::{Response, Status};

use super::error::status_of;
use super::{Api, Streaming, convert};
use crate::domain::Incarnation;
use crate::domain::status::ContainerState;
use crate::pb;
use crate::runtime::AttemptId;

const CHUNK: usize = 16 * 1024;
/// How often a followed log is looked at for more.
const POLL: Duration = Duration::from_millis(200);

pub(super) async fn read(
    api: &Api,
    request: pb::GetLogsRequest,
) -> Result<Response<Streaming<pb::LogChunk>>, Status> {
    let id = attempt_of(api, &request)?;
    let path = api.supervisor.log_path(&id);
    let mut file = File::open(&path).await.map_err(|error| no_log(api, &id, &error))?;
    if let Some(lines) = request.tail {
        let at = tail(&mut file, lines).await.map_err(broken)?;
        file.seek(SeekFrom::Start(at)).await.map_err(broken)?;
    }
    Ok(Response::new(api.stream(move |api, sender| async move {
        copy(&api, file, path, id, request.follow, &sender).await;
    })))
}

fn attempt_of(api: &Api, request: &pb::GetLogsRequest) -> Result<AttemptId, Status> {
    let view = api.supervisor.get(&request.name).map_err(status_of)?;
    let status = convert::status_of_container(&view, &request.container).map_err(status_of)?;
    let attempt = match (request.previous, status.attempt.0.checked_sub(1)) {
        (false, _) => status.attempt,
        (true, Some(previous)) => Incarnation(previous),
        (true, None) => {
            let (pod, container) = (&view.spec.name, &status.name);
            return Err(Status::not_found(format!(
                "previous terminated container {container:?} in pod {pod:?} not found"
            )));
        }
    };
    Ok(AttemptId { pod: view.spec.name.clone(), container: status.name.clone(), attempt })
}

/// In kubectl's words where that is why.
fn no_log(api: &Api, id: &AttemptId, error: &std::io::Error) -> Status {
    let (pod, container) = (&id.pod, &id.container);
    let view = api.supervisor.get(pod).ok();
    match view.as_ref().and_then(|view| Some(&view.status.of(container)?.state)) {
        Some(ContainerState::Waiting { reason, .. }) => Status::failed_precondition(format!(
            "container {container:?} in pod {pod:?} is waiting to start: {reason}"
        )),
        _ => Status::not_found(format!("no log of {id}: {error}")),
    }
}

async fn copy(
    api: &Api,
    mut file: File,
    path: PathBuf,
    id: AttemptId,
    follow: bool,
    sender: &mpsc::Sender<Result<pb::LogChunk, Status>>,
) {
    loop {
        let ended = !follow || !is_running(api, &id);
        let mut data = vec![0; CHUNK];
        let sent = match file.read(&mut data).await {
            // Only an attempt that had ended before the read has nothing more to say.
            Ok(0) if ended => return,
            Ok(0) => {
                tokio::time::sleep(POLL).await;
                continue;
            }
            Ok(length) => {
                data.truncate(length);
                sender.send(Ok(pb::LogChunk { data })).await
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "log not readable");
                sender.send(Err(broken(error))).await
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

fn is_running(api: &Api, id: &AttemptId) -> bool {
    api.supervisor.get(&id.pod).is_ok_and(|view| {
        let mut statuses = view.status.all();
        statuses.any(|s| s.name == id.container && s.attempt == id.attempt && s.pid.is_some())
    })
}

/// Where the last `lines` lines begin, read backwards.
async fn tail(file: &mut File, lines: u32) -> std::io::Result<u64> {
    let mut end = file.metadata().await?.len();
    // A final newline ends the last line; it does not begin another one.
    let mut left = u64::from(lines) + 1;
    let mut is_last_byte = true;
    while end > 0 {
        let start = end.saturating_sub(CHUNK as u64);
        let mut data = vec![0; usize::try_from(end - start).unwrap_or(CHUNK)];
        file.seek(SeekFrom::Start(start)).await?;
        file.read_exact(&mut data).await?;
        for (at, byte) in data.iter().enumerate().rev() {
            if is_last_byte && *byte != b'\n' {
                left -= 1;
            }
            is_last_byte = false;
            if *byte == b'\n' {
                left = left.saturating_sub(1);
                if left == 0 {
                    return Ok(start + at as u64 + 1);
                }
            }
        }
        end = start;
    }
    Ok(0)
}

fn broken(error: std::io::Error) -> Status {
    Status::internal(format!("log not readable: {error}"))
}
