//! `diff -f`: what `apply` would change, by the host's diff.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use super::io::Io;
use super::manifests;
use super::namespace::Namespace;
use probelet_api::{pb, structs};
use probelet_manifest::{Sources, batch, export, pod_key};

/// Bytes of the output of diff that are printed.
const LONGEST: usize = 16 << 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A manifest, a folder of manifests, or - for stdin; may be repeated.
    #[arg(short, long = "filename", value_name = "FILE|DIR|-", required = true)]
    files: Vec<PathBuf>,
    /// Read the folders below a folder too.
    #[arg(short = 'R', long)]
    recursive: bool,
    #[command(flatten)]
    namespace: Namespace,
}

/// Compares each pod as `export` prints it with the pod that the manifests describe, printed alike.
/// The exit status is 1 if they differ, as kubectl's.
pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let Sources { mut values, positions, .. } = manifests::read(&args.files, args.recursive)?;
    args.namespace.fill_in(&mut values)?;
    let batch = batch(&values, String::new);
    if !batch.errors.is_empty() {
        for (index, error) in &batch.errors {
            let position = positions.find(*index, &error.field);
            io.report(&Error::Other(format!("{position}: {error}")))?;
        }
        // 1 says that there are differences.
        return Err(Error::Usage("the manifests are not valid".to_owned()));
    }
    let mut differs = false;
    for (index, pod) in &batch.pods {
        let wanted = export(pod).map_err(Error::Other)?.objects;
        let key = values.get(*index).map(pod_key).transpose()?.flatten();
        let Some(key) = key else { continue };
        let live = live(client, key.namespace(), key.name()).await?;
        let title = format!("pod/{}", key.name());
        differs |= compare(&title, &yaml(live)?, &yaml(wanted)?, io)?;
    }
    if differs { Err(Error::Reported) } else { Ok(()) }
}

/// The objects of the pod that exists; none if it does not.
async fn live(client: &Client, namespace: &str, name: &str) -> Result<Vec<Value>> {
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    let mut pods = client.pods();
    match call(pb::ExportPodRequest { namespace, name }, UNARY, |r| pods.export_pod(r)).await {
        Ok(answer) => Ok(answer.objects.into_iter().map(structs::to_json).collect()),
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// All objects as one text, with the keys of each in one order.
fn yaml(objects: Vec<Value>) -> Result<String> {
    let mut text = String::new();
    for object in objects {
        if !text.is_empty() {
            text.push_str("---\n");
        }
        text.push_str(&serde_norway::to_string(&object).map_err(Error::Yaml)?);
    }
    Ok(text)
}

/// Prints the differences; true if there are any. The texts are files in memory: nothing of a pod is
/// left on a disk.
fn compare(title: &str, live: &str, wanted: &str, io: &mut Io<'_>) -> Result<bool> {
    if live == wanted {
        return Ok(false);
    }
    let (live, wanted) = (in_memory(live)?, in_memory(wanted)?);
    let path = |file: &File| format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    let mut diff = Command::new("diff");
    diff.args([
        "-u",
        "--label",
        &format!("{title} (running)"),
        "--label",
        &format!("{title} (manifest)"),
    ]);
    let output = diff.args([path(&live), path(&wanted)]).output();
    let output = output.map_err(|error| Error::Other(format!("cannot run diff: {error}")))?;
    let text = output.stdout.get(..LONGEST).unwrap_or(&output.stdout);
    for line in String::from_utf8_lossy(text).lines() {
        io.line(line)?;
    }
    match output.status.code() {
        Some(0 | 1) => Ok(true),
        _ => Err(Error::Other(format!("diff: {}", String::from_utf8_lossy(&output.stderr).trim()))),
    }
}

fn in_memory(text: &str) -> Result<File> {
    let file = rustix::fs::memfd_create("probelet-diff", rustix::fs::MemfdFlags::CLOEXEC);
    let mut file = File::from(file.map_err(std::io::Error::from)?);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}
