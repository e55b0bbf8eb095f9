//! `delete pod` and `delete -f`.

use std::time::Duration;

use super::args::DeleteArgs;
use super::connect::{Client, call};
use super::error::{Error, Result};
use super::io::Io;
use super::{grace, manifests, names};
use crate::{manifest, pb};

pub(super) async fn delete(client: &Client, args: &DeleteArgs, io: &mut Io<'_>) -> Result<()> {
    let names = match args.files.is_empty() {
        true => names::pods(&args.words)?,
        false => named_by(args)?,
    };
    let mut failed = false;
    for name in names {
        if let Err(error) = one(client, &name, args, io).await {
            if matches!(error, Error::ClosedPipe | Error::Output(_)) {
                return Err(error);
            }
            io.tell(&error)?;
            failed = true;
        }
    }
    if failed { Err(Error::Told) } else { Ok(()) }
}

fn named_by(args: &DeleteArgs) -> Result<Vec<String>> {
    let objects = manifests::read(&args.files)?.values;
    let name = |object: &serde_json::Value| match manifest::pod_name(object) {
        // ConfigMaps and Secrets are kept nowhere.
        Ok(None) => None,
        Ok(Some(name)) => Some(Ok(name)),
        Err(error) => Some(Err(Error::Other(error.to_string()))),
    };
    objects.iter().filter_map(name).collect()
}

async fn one(client: &Client, name: &str, args: &DeleteArgs, io: &mut Io<'_>) -> Result<()> {
    let given = if args.force { Some(Duration::ZERO) } else { args.grace_period };
    let deadline = grace::deadline(client, name, given).await?;
    let request =
        pb::RemovePodRequest { name: name.to_owned(), grace_period: grace::message(given) };
    let mut pods = client.pods();
    call(request, deadline, |r| pods.remove_pod(r)).await?;
    let how = if args.force { "force deleted" } else { "deleted" };
    io.line(&format!("pod \"{name}\" {how}"))
}
