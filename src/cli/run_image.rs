//! `run`: a pod of one container, from flags.

use std::time::Duration;

use clap::ValueEnum;
use probelet_text::duration::parse;

use super::connect::{Client, START, UNARY, call};
use super::error::{Error, Result};
use super::io::Io;
use super::namespace::Namespace;
use super::{adopt, names};
use crate::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The name of the pod and of its container.
    #[arg(value_name = "NAME")]
    name: String,
    /// The image of the container.
    #[arg(long, value_name = "IMAGE")]
    image: String,
    /// When to pull the image: Always, IfNotPresent or Never, as in Kubernetes.
    #[arg(long, value_name = "POLICY")]
    image_pull_policy: Option<String>,
    /// The liveness probe, whose failure restarts the container: `http://:8080/healthz`,
    /// `tcp://:5432`, `grpc://:9000`, `exec:cat /tmp/healthy`.
    #[arg(long, value_name = "PROBE")]
    liveness: Option<String>,
    /// The readiness probe; the container is ready while it succeeds.
    #[arg(long, value_name = "PROBE")]
    readiness: Option<String>,
    /// The startup probe; the other probes wait until it has succeeded.
    #[arg(long, value_name = "PROBE")]
    startup: Option<String>,
    /// The restart policy.
    #[arg(long, value_enum, value_name = "POLICY", default_value = "Always")]
    restart: Restart,
    /// An environment variable; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Labels; may be repeated or separated by commas.
    #[arg(short, long, value_name = "NAME=VALUE", value_delimiter = ',', value_parser = pair)]
    labels: Vec<(String, String)>,
    /// The port that the container listens on; informational.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// The time from SIGTERM to SIGKILL.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse)]
    grace: Duration,
    /// Use the arguments as the command, in place of the image's ENTRYPOINT and CMD.
    #[arg(long, requires = "arguments")]
    command: bool,
    /// The arguments, in place of the image's CMD.
    #[arg(value_name = "ARG", last = true)]
    arguments: Vec<String>,
    #[command(flatten)]
    namespace: Namespace,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum Restart {
    Always,
    OnFailure,
    Never,
}

impl From<Restart> for pb::RestartPolicy {
    fn from(restart: Restart) -> Self {
        match restart {
            Restart::Always => Self::Always,
            Restart::OnFailure => Self::OnFailure,
            Restart::Never => Self::Never,
        }
    }
}

fn pair(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let name = names::pod(&args.name)?;
    let given = args.arguments.clone();
    let (command, arguments) = if args.command { (given, Vec::new()) } else { (Vec::new(), given) };
    let port = args.port.map(|port| pb::ContainerPort {
        container_port: port.into(),
        ..pb::ContainerPort::default()
    });
    let request = pb::CreateContainerRequest {
        namespace: args.namespace.name(),
        name: name.clone(),
        source: Some(pb::create_container_request::Source::Image(args.image.clone())),
        image_pull_policy: args.image_pull_policy.clone().unwrap_or_default(),
        command,
        args: arguments,
        env: args.env.iter().cloned().map(|(name, value)| pb::EnvVar { name, value }).collect(),
        ports: port.into_iter().collect(),
        labels: args.labels.iter().cloned().collect(),
        liveness_probe: adopt::probe(args.liveness.as_ref()),
        readiness_probe: adopt::probe(args.readiness.as_ref()),
        startup_probe: adopt::probe(args.startup.as_ref()),
        restart_policy: pb::RestartPolicy::from(args.restart).into(),
        termination_grace_period: prost_types::Duration::try_from(args.grace).ok(),
        start: true,
        ..pb::CreateContainerRequest::default()
    };
    let mut pods = client.pods();
    let existing = pb::GetPodRequest { namespace: args.namespace.name(), name: name.clone() };
    match call(existing, UNARY, |r| pods.get_pod(r)).await {
        // The daemon accepts a creation that changes nothing.
        Ok(_) => return Err(Error::Other(format!("pods {name:?} already exists"))),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error),
    }
    let mut containers = client.containers();
    call(request, START, |r| containers.create_container(r)).await?;
    io.line(&format!("pod/{name} created"))
}
