//! `logs`.

use std::time::Duration;

use probelet_text::duration::parse;
use tokio_stream::{StreamExt, StreamMap};
use tonic::Streaming;

use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use super::io::Io;
use super::targets::{PodRef, Targets};
use super::{nearby, objects};
use probelet_api::pb;

/// Bytes of a line that are collected before a part of it is printed.
const LONGEST: usize = 64 * 1024;
/// The logs that are followed at a time. The daemon serves 200 calls of a connection.
const FOLLOWED: usize = 100;
/// The lines of each log that are printed of pods chosen by labels, as in kubectl.
const TAIL: u32 = 10;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The container; optional if the pod has only one, init containers aside.
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// Print the log of the previous attempt.
    #[arg(short, long)]
    previous: bool,
    /// Keep printing as the container writes.
    #[arg(short, long)]
    follow: bool,
    /// Print the logs of all containers of the pod, init containers first.
    #[arg(long, conflicts_with = "container")]
    all_containers: bool,
    /// Prefix each line with `[pod/NAME/CONTAINER]`, which is the default if there are several logs.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    prefix: Option<bool>,
    /// Print only lines newer than this: `5s`, `2m`, `3h`.
    #[arg(long, value_name = "DURATION", conflicts_with = "since_time", value_parser = parse)]
    since: Option<Duration>,
    /// Print only lines since this time, in RFC 3339: `2026-11-24T10:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since_time: Option<jiff::Timestamp>,
    /// Prefix each line with its time.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    timestamps: Option<bool>,
    /// Print at most this many bytes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit_bytes: Option<u64>,
    /// Print only this many lines from the end; -1 prints all. The default is 10 with -l, else all.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..=i64::from(u32::MAX)))]
    tail: Option<i64>,
    #[command(flatten)]
    targets: Targets,
}

fn time(text: &str) -> std::result::Result<jiff::Timestamp, String> {
    text.parse().map_err(|_| "must be a time such as 2026-11-24T10:00:00Z".to_owned())
}

/// A log: of a pod's container. The container may be empty if the pod has only one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Source {
    pod: PodRef,
    container: String,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        self.targets.check()
    }

    /// kubectl's -1 means all lines.
    fn tail(&self) -> Option<u32> {
        match self.tail {
            Some(lines) => u32::try_from(lines).ok(),
            None => self.targets.has_selector().then_some(TAIL),
        }
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let pods = args.targets.resolve(client).await?;
    if pods.is_empty() {
        return args.targets.none_found(io);
    }
    let (mut sources, mut failed) = (Vec::new(), false);
    for pod in &pods {
        match sources_of(client, args, pod).await {
            Ok(of_pod) => sources.extend(of_pod),
            Err(error) if pods.len() == 1 => return Err(error),
            Err(error) => {
                io.report(&error)?;
                failed = true;
            }
        }
    }
    if args.follow && sources.len() > FOLLOWED {
        let why = format!("{} logs: at most {FOLLOWED} are followed at a time", sources.len());
        return Err(Error::Usage(why));
    }
    let are_many = sources.len() > 1 || args.all_containers;
    let mut together = StreamMap::new();
    for source in sources {
        match open(client, args, &source).await {
            Ok(chunks) if args.follow => drop(together.insert(source, chunks)),
            Ok(chunks) => {
                print(StreamMap::from_iter([(source, chunks)]), args, are_many, io).await?;
            }
            Err(error) if !are_many => return Err(error),
            // The other logs are printed also if one cannot be read.
            Err(error) => {
                io.report(&error)?;
                failed = true;
            }
        }
    }
    print(together, args, are_many, io).await?;
    if failed { Err(Error::Reported) } else { Ok(()) }
}

/// The logs of a pod. Its containers are read only if their names are needed.
async fn sources_of(client: &Client, args: &Args, pod: &PodRef) -> Result<Vec<Source>> {
    let source = |container| Source { pod: pod.clone(), container };
    if let Some(container) = &args.container {
        return Ok(vec![source(container.clone())]);
    }
    let is_named = args.prefix == Some(true) || args.targets.may_be_many();
    if !args.all_containers && !is_named {
        return Ok(vec![source(String::new())]);
    }
    let (init, regular) = containers(client, pod).await?;
    if args.all_containers {
        return Ok([init, regular].concat().into_iter().map(source).collect());
    }
    match <[String; 1]>::try_from(regular) {
        Ok([only]) => Ok(vec![source(only)]),
        // The daemon's answer lists them.
        Err(_) => Ok(vec![source(String::new())]),
    }
}

async fn open(client: &Client, args: &Args, source: &Source) -> Result<Streaming<pb::LogChunk>> {
    let Source { pod, container } = source.clone();
    let request = pb::GetLogsRequest {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        container,
        previous: args.previous,
        follow: args.follow,
        tail: args.tail(),
        since: args.since.and_then(|since| since.try_into().ok()),
        since_time: args.since_time.map(|time| prost_types::Timestamp {
            seconds: time.as_second(),
            nanos: time.subsec_nanosecond(),
        }),
        timestamps: args.timestamps.unwrap_or_default(),
        limit_bytes: args.limit_bytes,
    };
    match client.containers().get_logs(request).await {
        Ok(answer) => Ok(answer.into_inner()),
        Err(status) => {
            Err(nearby::explain(client, (&pod.namespace, &pod.name), status.into()).await)
        }
    }
}

async fn print(
    mut logs: StreamMap<Source, Streaming<pb::LogChunk>>,
    args: &Args,
    are_many: bool,
    io: &mut Io<'_>,
) -> Result<()> {
    let has_prefix = args.prefix.unwrap_or(are_many);
    let mut printers: Vec<(Source, Lines)> = Vec::new();
    for source in logs.keys() {
        let (pod, container) = (&source.pod.name, &source.container);
        let prefix = has_prefix.then(|| format!("[pod/{pod}/{container}] "));
        printers.push((source.clone(), Lines::new(prefix)));
    }
    let mut failure = None;
    while let Some((source, chunk)) = logs.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            // The other logs continue.
            Err(status) => {
                failure = Some(Error::from(status));
                continue;
            }
        };
        if chunk.missing_files > 0 {
            let (files, pod) = (chunk.missing_files, &source.pod.name);
            io.warn(&format!("{pod}: {files} rotated files were removed before they were read"))?;
        }
        if let Some((_, lines)) = printers.iter_mut().find(|(of, _)| *of == source) {
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

/// The names of the init containers and of the regular ones.
async fn containers(client: &Client, pod: &PodRef) -> Result<(Vec<String>, Vec<String>)> {
    let mut pods = client.pods();
    let (namespace, name) = (pod.namespace.clone(), pod.name.clone());
    let request = pb::GetPodRequest { namespace, name };
    let read = match call(request, UNARY, |request| pods.get_pod(request)).await {
        Ok(read) => read,
        Err(error) => {
            return Err(nearby::explain(client, (&pod.namespace, &pod.name), error).await);
        }
    };
    let spec = objects::pod(&read)?.spec.unwrap_or_default();
    let names = |containers: Vec<k8s_openapi::api::core::v1::Container>| {
        containers.into_iter().map(|container| container.name).collect()
    };
    Ok((names(spec.init_containers.unwrap_or_default()), names(spec.containers)))
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
