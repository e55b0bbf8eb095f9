//! `wait`.

use std::time::Duration;

use probelet_text::duration::parse;
use tonic::Code;

use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use super::io::Io;
use super::names;
use super::namespace::Namespace;
use crate::pb::{self, wait_pod_request::Condition};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pod: String,
    /// `condition=Ready`, `condition=Ready=false`, `delete`, or `restarts=N` (N or more).
    #[arg(long = "for", value_name = "CONDITION", value_parser = condition)]
    condition: Condition,
    /// The longest wait, up to 1h; 0s checks once.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = timeout)]
    timeout: Duration,
    #[command(flatten)]
    namespace: Namespace,
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

fn timeout(text: &str) -> std::result::Result<Duration, String> {
    if matches!(text, "0" | "0s") { Ok(Duration::ZERO) } else { parse(text) }
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        names::pod(&self.pod).map(drop)
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let name = names::pod(&args.pod)?;
    let request = pb::WaitPodRequest {
        namespace: args.namespace.name(),
        name: name.clone(),
        condition: Some(args.condition),
        timeout: prost_types::Duration::try_from(args.timeout).ok(),
    };
    let deadline = args.timeout.saturating_add(UNARY);
    let mut pods = client.pods();
    match call(request, deadline, |r| pods.wait_pod(r)).await {
        Ok(_) => io.line(&format!("pod/{name} condition met")),
        Err(Error::Status(status)) if status.code() == Code::DeadlineExceeded => {
            Err(Error::Other(format!("timed out waiting for the condition on pods/{name}")))
        }
        Err(error) => Err(error),
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
        let minute = Duration::from_secs(60);
        assert_eq!((timeout("0s"), timeout("1m")), (Ok(Duration::ZERO), Ok(minute)));
    }
}
