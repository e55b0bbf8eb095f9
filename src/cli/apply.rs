//! `apply -f`.

use std::time::Duration;

use prost::Message;
use tonic::Status;
use tonic_types::StatusExt;

use super::args::ApplyArgs;
use super::connect::{Client, UNARY, call, deadline_for};
use super::error::{Error, Result};
use super::io::Io;
use super::{manifests, objects};
use crate::manifest::{Positions, Sources};
use crate::{pb, structs};

/// What the daemon takes in one message.
const REQUEST: usize = 4 << 20;

/// One request for all, so that nothing is touched unless all of it is good.
pub(super) async fn apply(client: &Client, args: &ApplyArgs, io: &mut Io<'_>) -> Result<()> {
    let Sources { values, positions, .. } = manifests::read(&args.files)?;
    let object = |object| {
        structs::from_json(object)
            .map_err(|error| Error::Other(format!("a manifest's object: {error}")))
    };
    let objects = values.into_iter().map(object).collect::<Result<_>>()?;
    let request = pb::ApplyPodsRequest { objects, dry_run: args.dry_run };
    let size = request.encoded_len();
    if size > REQUEST {
        let most = REQUEST >> 20;
        let why = format!("{size} bytes in one request: at most {most} MiB, apply them in parts");
        return Err(Error::Other(why));
    }
    let deadline = deadline(client).await?;
    let mut pods = client.pods();
    let answer = match call(request, deadline, |r| pods.apply_pods(r)).await {
        Err(Error::Status(status)) => return Err(placed(&positions, *status, io)?),
        other => other?,
    };
    for warning in &answer.warnings {
        io.warn(&at(&positions, warning))?;
    }
    let mut failed = false;
    for result in &answer.results {
        let name = &result.name;
        if !result.error.is_empty() {
            io.tell(&Error::Other(result.error.clone()))?;
            failed = true;
        } else if args.dry_run {
            io.line(&format!("pod/{name} is good (dry run)"))?;
        } else if result.replaced_fields.is_empty() {
            io.line(&format!("pod/{name} {}", result.result))?;
        } else {
            let fields = result.replaced_fields.join(", ");
            io.line(&format!("pod/{name} {} ({fields})", result.result))?;
        }
    }
    if failed { Err(Error::Told) } else { Ok(()) }
}

/// A pod that is replaced has its grace to go.
async fn deadline(client: &Client) -> Result<Duration> {
    let mut pods = client.pods();
    let all = call(pb::ListPodsRequest {}, UNARY, |r| pods.list_pods(r)).await?;
    let graces = all.pods.iter().filter_map(|pod| {
        let seconds = objects::pod(pod).ok()?.spec?.termination_grace_period_seconds?;
        u64::try_from(seconds).ok().map(Duration::from_secs)
    });
    Ok(deadline_for(graces.max().unwrap_or_default()).saturating_add(UNARY))
}

/// Tells each violation with its place in the files.
fn placed(positions: &Positions, status: Status, io: &mut Io<'_>) -> Result<Error> {
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
        io.tell(&Error::Other(text))?;
    }
    Ok(Error::Told)
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
