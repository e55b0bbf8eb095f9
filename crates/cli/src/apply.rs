//! `apply -f`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use prost::Message;
use tonic::Status;
use tonic_types::StatusExt;

use super::connect::{Client, UNARY, call, deadline_for};
use super::error::{Error, Result};
use super::io::Io;
use super::namespace::Namespace;
use super::{manifests, objects};
use probelet_api::{pb, structs};
use probelet_manifest::{Positions, Severity, Sources};

/// Bytes of a message that the daemon accepts.
const REQUEST: usize = 4 << 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A manifest, a folder of manifests, or - for stdin; may be repeated.
    #[arg(short, long = "filename", value_name = "FILE|DIR|-", required = true)]
    files: Vec<PathBuf>,
    /// Read the folders below a folder too.
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Change nothing: `client` only reads the manifests, `server` checks everything, images too.
    #[arg(
        long,
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_value = "none",
        default_missing_value = "server"
    )]
    dry_run: DryRun,
    #[command(flatten)]
    namespace: Namespace,
}

/// What `--dry-run` checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    None,
    Client,
    Server,
}

impl Args {
    /// True if the daemon is not asked.
    pub fn is_for_client_only(&self) -> bool {
        self.dry_run == DryRun::Client
    }
}

/// Reads the manifests and reports what `validate` reports, except advice.
pub fn read_only(args: &Args, io: &mut Io<'_>) -> Result<()> {
    let mut sources = manifests::read(&args.files, args.recursive)?;
    args.namespace.fill_in(&mut sources.values)?;
    let mut failed = false;
    for finding in sources.findings() {
        let text = format!("{}: {}", finding.position, finding.text());
        match finding.severity {
            Severity::Error => {
                io.report(&Error::Other(text))?;
                failed = true;
            }
            Severity::Warning => io.warn(&text)?,
            Severity::Advice => {}
        }
    }
    if failed {
        return Err(Error::Reported);
    }
    for object in &sources.values {
        if let Some(pod) = probelet_manifest::pod_key(object)? {
            io.line(&format!("pod/{} is good (client dry run)", pod.name()))?;
        }
    }
    Ok(())
}

/// Applies all objects in one request, so that nothing changes if one of them is not valid.
pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let Sources { mut values, positions, .. } = manifests::read(&args.files, args.recursive)?;
    args.namespace.fill_in(&mut values)?;
    let objects = values.into_iter().map(structs::from_json);
    let objects = objects.collect::<std::result::Result<_, _>>().map_err(Error::ManifestObject)?;
    let request = pb::ApplyPodsRequest { objects, dry_run: args.dry_run == DryRun::Server };
    let size = request.encoded_len();
    if size > REQUEST {
        let most = REQUEST >> 20;
        let why = format!("{size} bytes in one request: at most {most} MiB, apply them in parts");
        return Err(Error::Other(why));
    }
    let deadline = deadline(client).await?;
    let mut pods = client.pods();
    let answer = match call(request, deadline, |r| pods.apply_pods(r)).await {
        Err(Error::Status(status)) => return Err(report_violations(&positions, *status, io)?),
        other => other?,
    };
    for warning in &answer.warnings {
        io.warn(&at(&positions, warning))?;
    }
    let mut failed = false;
    for result in &answer.results {
        let name = &result.name;
        if !result.error.is_empty() {
            io.report(&Error::Other(result.error.clone()))?;
            failed = true;
        } else if args.dry_run == DryRun::Server {
            io.line(&format!("pod/{name} is good (server dry run)"))?;
        } else if result.replaced_fields.is_empty() {
            io.line(&format!("pod/{name} {}", result.result))?;
        } else {
            let fields = result.replaced_fields.join(", ");
            io.line(&format!("pod/{name} {} ({fields})", result.result))?;
        }
    }
    if failed { Err(Error::Reported) } else { Ok(()) }
}

/// The deadline: a pod that is replaced has its grace period to end.
async fn deadline(client: &Client) -> Result<Duration> {
    let mut pods = client.pods();
    let all = call(pb::ListPodsRequest::default(), UNARY, |r| pods.list_pods(r)).await?;
    let graces = all.pods.iter().filter_map(|pod| {
        let seconds = objects::pod(pod).ok()?.spec?.termination_grace_period_seconds?;
        u64::try_from(seconds).ok().map(Duration::from_secs)
    });
    Ok(deadline_for(graces.max().unwrap_or_default()).saturating_add(UNARY))
}

/// Reports each violation with its position in the files.
fn report_violations(positions: &Positions, status: Status, io: &mut Io<'_>) -> Result<Error> {
    let violations =
        status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    if violations.is_empty() {
        return Ok(Error::Status(Box::new(status)));
    }
    for violation in violations {
        let text = match violation.field.as_str() {
            "" => format!("{}: `probelet validate` prints all", violation.description),
            field => at(positions, &format!("{field}: {}", violation.description)),
        };
        io.report(&Error::Other(text))?;
    }
    Ok(Error::Reported)
}

/// `objects[0].spec: why` → `web.yaml:7:1: spec: why`.
fn at(positions: &Positions, text: &str) -> String {
    let split = || {
        let (index, rest) = text.strip_prefix("objects[")?.split_once("].")?;
        let field = rest.split_once(": ").map_or(rest, |(field, _)| field);
        Some((positions.find(index.parse().ok()?, field), rest))
    };
    match split() {
        Some((position, rest)) => format!("{position}: {rest}"),
        None => text.to_owned(),
    }
}
