//! `logs`.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use probelet_text::duration::parse;
use tokio_stream::{StreamExt, StreamMap};
use tonic::Streaming;

use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use super::io::Io;
use super::namespace::Namespace;
use super::{names, objects};
use crate::pb;

/// Bytes of a line that are collected before a part of it is printed.
const LONGEST: usize = 64 * 1024;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pod: String,
    /// The container; optional if the pod has only one, init containers aside.
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// Print the log of the previous attempt.
    #[arg(short, long)]
    previous: bool,
    /// Keep printing as the container writes.
    #[arg(short, long)]
    follow: bool,
    /// Print the logs of all containers of the pod, init containers first, each line prefixed with
    /// its container's name.
    #[arg(long, conflicts_with = "container")]
    all_containers: bool,
    /// Prefix each line with `[pod/NAME/CONTAINER]`.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    prefix: Option<bool>,
    /// Print only lines newer than this: `5s`, `2m`, `3h`.
    #[arg(long, value_name = "DURATION", conflicts_with = "since_time", value_parser = parse)]
    since: Option<Duration>,
    /// Print only lines since this time, in RFC 3339: `2026-11-24T10:00:00Z`.
    #[arg(long, value_name = "TIME")]
    since_time: Option<jiff::Timestamp>,
    /// Prefix each line with its time.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    timestamps: Option<bool>,
    /// Print at most this many bytes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit_bytes: Option<u64>,
    /// Print only this many lines from the end; -1 prints all.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..=i64::from(u32::MAX)))]
    tail: Option<i64>,
    #[command(flatten)]
    namespace: Namespace,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        names::pod(&self.pod).map(drop)
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let pod = names::pod(&args.pod)?;
    if !args.all_containers {
        let container = args.container.clone().unwrap_or_default();
        let chunks = open(client, args, &pod, &container).await?;
        let container = match args.prefix {
            Some(true) if container.is_empty() => only(client, args, &pod).await?,
            _ => container,
        };
        return print(StreamMap::from_iter([(container, chunks)]), args, &pod, false, io).await;
    }
    let (mut together, mut failed) = (StreamMap::new(), false);
    for container in containers(client, args, &pod).await? {
        match open(client, args, &pod, &container).await {
            Ok(chunks) if args.follow => drop(together.insert(container, chunks)),
            Ok(chunks) => {
                print(StreamMap::from_iter([(container, chunks)]), args, &pod, true, io).await?;
            }
            // The logs of the other containers are printed also if one cannot be read.
            Err(error) => {
                io.report(&error)?;
                failed = true;
            }
        }
    }
    print(together, args, &pod, true, io).await?;
    if failed { Err(Error::Reported) } else { Ok(()) }
}

async fn open(
    client: &Client,
    args: &Args,
    pod: &str,
    container: &str,
) -> Result<Streaming<pb::LogChunk>> {
    let request = pb::GetLogsRequest {
        namespace: args.namespace.name(),
        name: pod.to_owned(),
        container: container.to_owned(),
        previous: args.previous,
        follow: args.follow,
        // kubectl's -1 means all lines.
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
    args: &Args,
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
            // The other logs continue.
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

/// Prefixes whole lines, so that lines of several containers are not mixed. Without a prefix all bytes
/// are passed on at once.
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
async fn containers(client: &Client, args: &Args, pod: &str) -> Result<Vec<String>> {
    Ok(spec(client, args, pod)
        .await?
        .into_iter()
        .flat_map(|(init, rest)| [init, rest].concat())
        .collect())
}

async fn only(client: &Client, args: &Args, pod: &str) -> Result<String> {
    let containers = spec(client, args, pod).await?.map(|(_, containers)| containers);
    Ok(containers.unwrap_or_default().into_iter().next().unwrap_or_default())
}

async fn spec(
    client: &Client,
    args: &Args,
    pod: &str,
) -> Result<Option<(Vec<String>, Vec<String>)>> {
    let mut pods = client.pods();
    let request = pb::GetPodRequest { namespace: args.namespace.name(), name: pod.to_owned() };
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
