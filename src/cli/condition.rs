//! `condition`.

use clap::Args;

use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::Io;
use super::names;
use crate::pb;

#[derive(Debug, Args)]
pub struct ConditionArgs {
    /// The pod's name.
    pub pod: String,
    /// The condition's type and its status: True, False or Unknown.
    #[arg(value_name = "TYPE=STATUS", value_parser = pair)]
    pub condition: (String, String),
    /// One word for the cause.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// A text for people.
    #[arg(long, default_value = "")]
    pub message: String,
}

fn pair(text: &str) -> std::result::Result<(String, String), String> {
    let (kind, status) = text.split_once('=').ok_or("TYPE=STATUS is expected")?;
    Ok((kind.to_owned(), status.to_owned()))
}

pub(super) async fn condition(
    client: &Client,
    args: &ConditionArgs,
    io: &mut Io<'_>,
) -> Result<()> {
    let name = names::pod(&args.pod)?;
    let (kind, status) = args.condition.clone();
    let request = pb::SetPodConditionRequest {
        name: name.clone(),
        r#type: kind.clone(),
        status: status.clone(),
        reason: args.reason.clone(),
        message: args.message.clone(),
    };
    let mut pods = client.pods();
    call(request, UNARY, |r| pods.set_pod_condition(r)).await?;
    io.line(&format!("pod/{name} condition {kind} is {status}"))
}
