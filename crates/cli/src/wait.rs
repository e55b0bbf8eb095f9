//! `wait`.

use std::time::Duration;

use probelet_text::duration::parse_or_zero;
use tonic::Code;

use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use super::io::Io;
use super::targets::{PodRef, Targets, for_each};
use probelet_api::pb::{self, wait_pod_request::Condition};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `condition=Ready`, `condition=Ready=false`, `delete`, or `restarts=N` (N or more).
    #[arg(long = "for", value_name = "CONDITION", value_parser = condition)]
    condition: Condition,
    /// The longest wait for each pod, up to 1h; 0 checks once.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_or_zero)]
    timeout: Duration,
    #[command(flatten)]
    targets: Targets,
}

fn condition(text: &str) -> std::result::Result<Condition, String> {
    let (kind, value) = text.split_once('=').unwrap_or((text, ""));
    match (kind, value.to_ascii_lowercase().as_str()) {
        ("condition", "ready" | "ready=true") => Ok(Condition::Ready(true)),
        ("condition", "ready=false") => Ok(Condition::Ready(false)),
        ("delete", "") => Ok(Condition::Removed(true)),
        ("restarts", count) => match count.parse() {
            Ok(count) => Ok(Condition::Restarts(count)),
            Err(_) => Err("restarts must be a whole number".to_owned()),
        },
        _ => Err("must be condition=Ready, condition=Ready=false, delete or restarts=N".to_owned()),
    }
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        self.targets.check()
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let wait = async |pod: &PodRef| {
        let request = pb::WaitPodRequest {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            condition: Some(args.condition),
            timeout: prost_types::Duration::try_from(args.timeout).ok(),
        };
        let deadline = args.timeout.saturating_add(UNARY);
        let mut pods = client.pods();
        let name = &pod.name;
        match call(request, deadline, |r| pods.wait_pod(r)).await {
            Ok(_) => Ok(format!("pod/{name} condition met")),
            Err(error) if error.code() == Some(Code::DeadlineExceeded) => {
                let why = format!("timed out waiting for the condition on pods/{name}");
                let hint = format!("`probelet describe pod {name}` says what it waits for");
                Err(Error::Other(why).hint(hint))
            }
            Err(error) => Err(error),
        }
    };
    let pods = args.targets.resolve(client).await?;
    if pods.is_empty() {
        return Err(Error::Other("no matching resources found".to_owned()));
    }
    for_each(client, &pods, &aim(args.condition), io, wait).await
}

/// The condition, as the notice of a wait names it.
fn aim(condition: Condition) -> String {
    match condition {
        Condition::Ready(true) => "to be ready".to_owned(),
        Condition::Ready(false) => "to be not ready".to_owned(),
        Condition::Removed(_) => "to be deleted".to_owned(),
        Condition::Restarts(count) => format!("to reach restarts={count}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_written_as_in_kubectl() {
        for (text, wanted) in [
            ("condition=Ready", Condition::Ready(true)),
            ("condition=ready=true", Condition::Ready(true)),
            ("condition=Ready=False", Condition::Ready(false)),
            ("delete", Condition::Removed(true)),
            ("restarts=2", Condition::Restarts(2)),
        ] {
            assert_eq!(condition(text), Ok(wanted), "{text}");
        }
        for text in ["", "Ready", "condition=", "condition=Initialized", "restarts=-1", "delete=x"]
        {
            assert!(condition(text).is_err(), "{text}");
        }
    }
}
