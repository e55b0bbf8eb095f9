//! `delete pod` and `delete -f`.

use std::path::PathBuf;
use std::time::Duration;

use probelet_text::duration::parse_seconds;

use super::connect::{Client, call};
use super::error::{Error, Result};
use super::io::Io;
use super::namespace::Namespace;
use super::{grace, manifests, names};
use crate::{manifest, pb};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `pod NAME…` or `pod/NAME…`.
    #[arg(value_name = "pod NAME", required_unless_present = "files")]
    pods: Vec<String>,
    /// Delete the pods that these manifests name.
    #[arg(short, long = "filename", value_name = "FILE|DIR|-", conflicts_with = "pods")]
    files: Vec<PathBuf>,
    /// Seconds from SIGTERM to SIGKILL; by default the pod's own.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    grace_period: Option<Duration>,
    /// Send SIGKILL at once; --grace-period must be 0 if it is given.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    namespace: Namespace,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        if self.force && self.grace_period.is_some_and(|grace| !grace.is_zero()) {
            return Err(Error::Usage("--force goes with no --grace-period but 0".to_owned()));
        }
        if self.files.is_empty() { names::pods(&self.pods).map(drop) } else { Ok(()) }
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let names = match args.files.is_empty() {
        true => {
            let names = names::pods(&args.pods)?.into_iter();
            names.map(|name| (args.namespace.clone(), name)).collect()
        }
        false => in_manifests(&args.files, &args.namespace)?,
    };
    let mut failed = false;
    for (namespace, name) in names {
        if let Err(error) = one(client, (&namespace, &name), args, io).await {
            if matches!(error, Error::ClosedPipe | Error::Output(_)) {
                return Err(error);
            }
            io.report(&error)?;
            failed = true;
        }
    }
    if failed { Err(Error::Reported) } else { Ok(()) }
}

/// The pods that manifests name, each with its namespace.
fn in_manifests(files: &[PathBuf], namespace: &Namespace) -> Result<Vec<(Namespace, String)>> {
    let mut objects = manifests::read(files)?.values;
    namespace.fill_in(&mut objects)?;
    let name = |object: &serde_json::Value| match manifest::pod_key(object) {
        // The daemon stores no ConfigMaps and Secrets.
        Ok(None) => None,
        Ok(Some(pod)) => Some(Ok((Namespace::of(pod.namespace()), pod.name().to_owned()))),
        Err(error) => Some(Err(Error::Object(error))),
    };
    objects.iter().filter_map(name).collect()
}

async fn one(
    client: &Client,
    (namespace, name): (&Namespace, &str),
    args: &Args,
    io: &mut Io<'_>,
) -> Result<()> {
    let given = if args.force { Some(Duration::ZERO) } else { args.grace_period };
    let deadline = grace::deadline(client, namespace, name, given).await?;
    let request = pb::RemovePodRequest {
        namespace: namespace.name(),
        name: name.to_owned(),
        grace_period: grace::message(given),
    };
    let mut pods = client.pods();
    call(request, deadline, |r| pods.remove_pod(r)).await?;
    let how = if args.force { "force deleted" } else { "deleted" };
    let of = namespace.other().map(|name| format!(" from {name} namespace")).unwrap_or_default();
    io.line(&format!("pod \"{name}\" {how}{of}"))
}
