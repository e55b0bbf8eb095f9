//! `apply -f`.

use super::args::ApplyArgs;
use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use super::io::Io;
use super::manifests;
use crate::pb::apply_pod_request::Manifest;
use crate::{pb, structs};

/// One bad object does not keep the others from being applied.
pub(super) async fn apply(client: &Client, args: &ApplyArgs, io: &mut Io<'_>) -> Result<()> {
    let mut failed = false;
    for object in manifests::read(&args.files)? {
        if let Err(error) = one(client, object, io).await {
            if matches!(error, Error::ClosedPipe | Error::Output(_)) {
                return Err(error);
            }
            io.tell(&error)?;
            failed = true;
        }
    }
    if failed { Err(Error::Told) } else { Ok(()) }
}

async fn one(client: &Client, object: serde_json::Value, io: &mut Io<'_>) -> Result<()> {
    let object = structs::from_json(object)
        .map_err(|error| Error::Other(format!("a manifest's object: {error}")))?;
    let request = pb::ApplyPodRequest { manifest: Some(Manifest::Object(object)) };
    let mut pods = client.pods();
    let answer = call(request, UNARY, |r| pods.apply_pod(r)).await?;
    for warning in &answer.warnings {
        io.warn(warning)?;
    }
    let name = answer.pod.map(|pod| pod.name).unwrap_or_default();
    io.line(&format!("pod/{name} {}", answer.result))
}
