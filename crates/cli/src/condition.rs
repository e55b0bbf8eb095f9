//! `condition`.

use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::Io;
use super::namespace::Namespace;
use super::{names, nearby};
use probelet_api::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pod's name.
    pod: String,
    /// The condition's type and its status: True, False or Unknown.
    #[arg(value_name = "TYPE=STATUS", value_parser = pair)]
    condition: (String, String),
    /// The cause, as one word in CamelCase.
    #[arg(long, default_value = "")]
    reason: String,
    /// A text about the cause for people.
    #[arg(long, default_value = "")]
    message: String,
    #[command(flatten)]
    namespace: Namespace,
}

fn pair(text: &str) -> std::result::Result<(String, String), String> {
    let (kind, status) = text.split_once('=').ok_or("TYPE=STATUS is expected")?;
    Ok((kind.to_owned(), status.to_owned()))
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        names::pod(&self.pod).map(drop)
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let name = names::pod(&args.pod)?;
    let (kind, status) = args.condition.clone();
    let request = pb::SetPodConditionRequest {
        namespace: args.namespace.name(),
        name: name.clone(),
        r#type: kind.clone(),
        status: status.clone(),
        reason: args.reason.clone(),
        message: args.message.clone(),
    };
    let mut pods = client.pods();
    if let Err(error) = call(request, UNARY, |r| pods.set_pod_condition(r)).await {
        return Err(nearby::explain(client, (&args.namespace.name(), &name), error).await);
    }
    io.line(&format!("pod/{name} condition {kind} is {status}"))
}
