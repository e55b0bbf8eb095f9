//! `delete pod` and `delete -f`.

use std::path::PathBuf;
use std::time::Duration;

use probelet_text::duration::parse_or_zero;

use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use super::io::Io;
use super::targets::{PodRef, Targets, for_each};
use super::{grace, manifests};
use probelet_api::pb;
use probelet_manifest as manifest;

/// The grace of `--now`, as in kubectl.
const NOW: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Delete the pods that these manifests name.
    #[arg(
        short,
        long = "filename",
        value_name = "FILE|DIR|-",
        conflicts_with_all = ["names", "selector", "all"]
    )]
    files: Vec<PathBuf>,
    /// Read the folders below a folder of -f too.
    #[arg(short = 'R', long, requires = "files")]
    recursive: bool,
    /// The time from SIGTERM to SIGKILL, such as `10` or `1m30s`; by default the pod's own.
    #[arg(long, value_name = "DURATION", value_parser = parse_or_zero)]
    grace_period: Option<Duration>,
    /// Send SIGKILL a second after SIGTERM.
    #[arg(long, conflicts_with_all = ["grace_period", "force"])]
    now: bool,
    /// Send SIGKILL at once; --grace-period must be 0 if it is given.
    #[arg(long)]
    force: bool,
    /// Whether to return only when nothing is left of the pods.
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        action = clap::ArgAction::Set,
        default_value = "true",
        default_missing_value = "true"
    )]
    wait: bool,
    /// Treat a pod that does not exist as deleted.
    #[arg(long)]
    ignore_not_found: bool,
    #[command(flatten)]
    targets: Targets,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        if self.force && self.grace_period.is_some_and(|grace| !grace.is_zero()) {
            return Err(Error::Usage("--force goes with no --grace-period but 0".to_owned()));
        }
        if self.files.is_empty() { self.targets.check_typed() } else { Ok(()) }
    }

    fn grace(&self) -> Option<Duration> {
        match (self.force, self.now) {
            (true, _) => Some(Duration::ZERO),
            (_, true) => Some(NOW),
            _ => self.grace_period,
        }
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let delete = async |pod: &PodRef| match one(client, pod, args).await {
        Err(error) if args.ignore_not_found && error.is_not_found() => Ok(String::new()),
        other => other,
    };
    if args.files.is_empty() {
        return args.targets.each(client, "to be deleted", io, delete).await;
    }
    for_each(client, &in_manifests(args)?, "to be deleted", io, delete).await
}

/// The pods that manifests name.
fn in_manifests(args: &Args) -> Result<Vec<PodRef>> {
    let mut objects = manifests::read(&args.files, args.recursive)?.values;
    args.targets.fill_in(&mut objects)?;
    let pod = |object: &serde_json::Value| match manifest::pod_key(object) {
        // The daemon stores no ConfigMaps and Secrets.
        Ok(None) => None,
        Ok(Some(pod)) => {
            Some(Ok(PodRef { namespace: pod.namespace().to_owned(), name: pod.name().to_owned() }))
        }
        Err(error) => Some(Err(Error::Object(error))),
    };
    objects.iter().filter_map(pod).collect()
}

async fn one(client: &Client, pod: &PodRef, args: &Args) -> Result<String> {
    let given = args.grace();
    let deadline = if args.wait { grace::deadline(client, pod, given).await? } else { UNARY };
    let request = pb::RemovePodRequest {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        grace_period: grace::message(given),
        no_wait: !args.wait,
    };
    let mut pods = client.pods();
    call(request, deadline, |r| pods.remove_pod(r)).await?;
    let how = match (args.force, args.wait) {
        (true, _) => "force deleted",
        (false, true) => "deleted",
        (false, false) => "is being deleted",
    };
    let of = match pod.namespace.as_str() {
        "" | "default" => String::new(),
        other => format!(" from {other} namespace"),
    };
    Ok(format!("pod \"{}\" {how}{of}", pod.name))
}
