//! `logs`.

use k8s_openapi::api::core::v1::Pod;
use tokio_stream::{StreamExt, StreamMap};
use tonic::Streaming;

use super::args::LogsArgs;
use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use super::io::Io;
use super::{names, objects};
use crate::pb;

/// What of a line is held back to be printed in one go.
const LONGEST: usize = 64 * 1024;

pub(super) async fn logs(client: &Client, args: &LogsArgs, io: &mut Io<'_>) -> Result<()> {
    let pod = names::pod(&args.pod)?;
    if !args.all_containers {
        let container = args.container.clone().unwrap_or_default();
        let chunks = open(client, args, &pod, &container).await?;
        let container = match args.prefix {
            Some(true) if container.is_empty() => only(client, &pod).await?,
            _ => container,
        };
        return print(StreamMap::from_iter([(container, chunks)]), args, &pod, false, io).await;
    }
    let (mut together, mut failed) = (StreamMap::new(), false);
    for container in containers(client, &pod).await? {
        match open(client, args, &pod, &container).await {
            Ok(chunks) if args.follow => drop(together.insert(container, chunks)),
            Ok(chunks) => {
                print(StreamMap::from_iter([(container, chunks)]), args, &pod, true, io).await?;
            }
            // One that waits to start is no reason to keep the others' from who asks.
            Err(error) => {
                io.tell(&error)?;
                failed = true;
            }
        }
    }
    print(together, args, &pod, true, io).await?;
    if failed { Err(Error::Told) } else { Ok(()) }
}

async fn open(
    client: &Client,
    args: &LogsArgs,
    pod: &str,
    container: &str,
) -> Result<Streaming<pb::LogChunk>> {
    let request = pb::GetLogsRequest {
        name: pod.to_owned(),
        container: container.to_owned(),
        previous: args.previous,
        follow: args.follow,
        // -1 is kubectl's word for all.
        tail: args.tail.and_then(|n| u32::try_from(n).ok()),
        since: args.since.and_then(|since| since.try_into().ok()),
        since_time: args.since_time.map(|time| prost_types::Timestamp {
            seconds: time.as_second(),
            nanos: time.subsec_nanosecond(),
        }),
        timestamps: args.timestamps.unwrap_or_default(),
        limit_bytes: args.limit_bytes,
    };
    Ok(client.containers().get_logs(request).await?.into_inner())
}

async fn print(
    mut logs: StreamMap<String, Streaming<pb::LogChunk>>,
    args: &LogsArgs,
    pod: &str,
    are_many: bool,
    io: &mut Io<'_>,
) -> Result<()> {
    let has_prefix = args.prefix.unwrap_or(are_many);
    let mut printers: Vec<(String, Lines)> = Vec::new();
    for container in logs.keys() {
        let prefix = has_prefix.then(|| format!("[pod/{pod}/{container}] "));
        printers.push((container.clone(), Lines::new(prefix)));
    }
    let mut failure = None;
    while let Some((container, chunk)) = logs.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            // The others' go on.
            Err(status) => {
                failure = Some(Error::from(status));
                continue;
            }
        };
        if chunk.missing_files > 0 {
            let files = chunk.missing_files;
            io.warn(&format!(
                "{container}: {files} rotated files were removed before they were read"
            ))?;
        }
        if let Some((_, lines)) = printers.iter_mut().find(|(name, _)| *name == container) {
            io.raw(lines.push(&chunk.data))?;
        }
    }
    for (_, lines) in &mut printers {
        io.raw(lines.finish())?;
    }
    failure.map_or(Ok(()), Err)
}

/// Prefixes whole lines, so that those of several containers do not run into each other. Without
/// a prefix all goes through as it comes.
struct Lines {
    prefix: Option<String>,
    pending: Vec<u8>,
    is_within: bool,
    out: Vec<u8>,
}

impl Lines {
    fn new(prefix: Option<String>) -> Self {
        Self { prefix, pending: Vec::new(), is_within: false, out: Vec::new() }
    }

    fn push(&mut self, bytes: &[u8]) -> &[u8] {
        self.out.clear();
        if self.prefix.is_none() {
            self.out.extend_from_slice(bytes);
            return &self.out;
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.pending.len() > LONGEST {
                self.emit();
            }
        }
        &self.out
    }

    fn finish(&mut self) -> &[u8] {
        self.out.clear();
        if !self.pending.is_empty() {
            self.emit();
        }
        &self.out
    }

    fn emit(&mut self) {
        if !self.is_within {
            self.out.extend(self.prefix.iter().flat_map(|prefix| prefix.bytes()));
        }
        self.is_within = !self.pending.ends_with(b"\n");
        self.out.append(&mut self.pending);
    }
}

/// Init containers first, as kubectl has them.
async fn containers(client: &Client, pod: &str) -> Result<Vec<String>> {
    Ok(spec(client, pod)
        .await?
        .into_iter()
        .flat_map(|(init, rest)| [init, rest].concat())
        .collect())
}

async fn only(client: &Client, pod: &str) -> Result<String> {
    let containers = spec(client, pod).await?.map(|(_, containers)| containers);
    Ok(containers.unwrap_or_default().into_iter().next().unwrap_or_default())
}

async fn spec(client: &Client, pod: &str) -> Result<Option<(Vec<String>, Vec<String>)>> {
    let mut pods = client.pods();
    let request = pb::GetPodRequest { name: pod.to_owned() };
    let pod: Pod = objects::pod(&call(request, UNARY, |request| pods.get_pod(request)).await?)?;
    Ok(pod.spec.map(|spec| {
        let init = spec.init_containers.unwrap_or_default();
        let names = |containers: Vec<k8s_openapi::api::core::v1::Container>| {
            containers.into_iter().map(|container| container.name).collect()
        };
        (names(init), names(spec.containers))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(prefix: Option<&str>, chunks: &[&str]) -> String {
        let (mut lines, mut out) = (Lines::new(prefix.map(str::to_owned)), Vec::new());
        for chunk in chunks {
            out.extend_from_slice(lines.push(chunk.as_bytes()));
        }
        out.extend_from_slice(lines.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_line_has_its_prefix_once_however_it_comes() {
        let chunks = ["a\nb", "c", "\n", "\nend"];
        assert_eq!(printed(Some("> "), &chunks), "> a\n> bc\n> \n> end");
        assert_eq!(printed(None, &chunks), chunks.concat());
        let long = "x".repeat(LONGEST);
        let long = [long.as_str(), long.as_str(), "x\n", "y\n"];
        assert_eq!(printed(Some("> "), &long), format!("> {}> y\n", long[..3].concat()));
    }
}
