//! `run`: a pod of one container, from flags.

use std::time::Duration;

use clap::ValueEnum;
use probelet_text::duration::parse;
use serde_json::{Map, Value, json};

use super::attached::Streams;
use super::connect::{Client, START, UNARY, call};
use super::error::{Error, Result};
use super::io::Io;
use super::namespace::Namespace;
use super::targets::PodRef;
use super::{adopt, attach, names, run_foreground};
use probelet_api::pb;
use probelet_manifest as manifest;

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
    /// The restart policy. [default: Always, with --rm Never]
    #[arg(long, value_enum, value_name = "POLICY")]
    restart: Option<Restart>,
    /// An environment variable; may be repeated.
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Labels; may be repeated or separated by commas.
    #[arg(short, long, value_name = "NAME=VALUE", value_delimiter = ',', value_parser = pair)]
    labels: Vec<(String, String)>,
    /// The port that the container listens on; informational.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The time from SIGTERM to SIGKILL.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse)]
    grace: Duration,
    /// Print a manifest of the pod and create nothing; needs no daemon.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "client", value_parser = ["client"])]
    dry_run: Option<String>,
    /// Print the output until the container has ended, then delete the pod; the exit status is the
    /// container's. The restart policy is Never unless --restart is given.
    #[arg(long, conflicts_with = "dry_run")]
    rm: bool,
    /// Give the container an input, and attach to it.
    #[arg(short = 'i', long)]
    stdin: bool,
    /// Give the container a terminal; needs -i.
    #[arg(short = 't', long, requires = "stdin")]
    tty: bool,
    #[command(flatten)]
    keys: attach::Keys,
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

impl Restart {
    fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::OnFailure => "OnFailure",
            Self::Never => "Never",
        }
    }
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

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        names::pod(&self.name).map(drop)
    }

    /// True if only a manifest is printed.
    pub fn is_dry(&self) -> bool {
        self.dry_run.is_some()
    }

    fn restart(&self) -> Restart {
        let default = if self.rm { Restart::Never } else { Restart::Always };
        self.restart.unwrap_or(default)
    }
}

/// Prints a manifest of the pod.
pub fn print_manifest(args: &Args, io: &mut Io<'_>) -> Result<()> {
    let name = names::pod(&args.name)?;
    let mut annotations = Map::new();
    let mut container = json!({ "name": name, "image": args.image });
    let mut set = |field: &str, value: Value| {
        if let Some(fields) = container.as_object_mut() {
            fields.insert(field.to_owned(), value);
        }
    };
    if let Some(policy) = &args.image_pull_policy {
        set("imagePullPolicy", json!(policy));
    }
    if !args.arguments.is_empty() {
        set(if args.command { "command" } else { "args" }, json!(args.arguments));
    }
    if !args.env.is_empty() {
        let env = args.env.iter().map(|(name, value)| json!({ "name": name, "value": value }));
        set("env", env.collect());
    }
    for (field, is_set) in [("stdin", args.stdin), ("stdinOnce", args.stdin), ("tty", args.tty)] {
        if is_set {
            set(field, json!(true));
        }
    }
    if let Some(port) = args.port {
        set("ports", json!([{ "containerPort": port }]));
    }
    let probes = [
        ("livenessProbe", "liveness", &args.liveness),
        ("readinessProbe", "readiness", &args.readiness),
        ("startupProbe", "startup", &args.startup),
    ];
    for (field, kind, url) in probes {
        let Some(url) = url else { continue };
        let (probe, is_tls) = manifest::of_short_form(&format!("--{kind}"), url)?;
        set(field, probe);
        if is_tls {
            annotations.insert(format!("probelet.io/{name}.{kind}.grpcTLS"), json!("true"));
        }
    }
    let labels: Map<_, _> = args.labels.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
    let mut metadata = json!({ "name": name, "namespace": args.namespace.name() });
    for (field, values) in [("labels", labels), ("annotations", annotations)] {
        if let Some(fields) = metadata.as_object_mut().filter(|_| !values.is_empty()) {
            fields.insert(field.to_owned(), Value::Object(values));
        }
    }
    io.yaml(&json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "restartPolicy": args.restart().as_str(),
            "terminationGracePeriodSeconds": args.grace.as_secs(),
            "containers": [container],
        },
    }))
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
        restart_policy: pb::RestartPolicy::from(args.restart()).into(),
        termination_grace_period: prost_types::Duration::try_from(args.grace).ok(),
        stdin: args.stdin,
        stdin_once: args.stdin,
        tty: args.tty,
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
    let pod = PodRef { namespace: args.namespace.name(), name: name.clone() };
    let keys = &args.keys.detach_keys;
    let streams = args.stdin.then_some(Streams { stdin: true, tty: args.tty, keys });
    match (args.rm, streams) {
        (true, streams) => run_foreground::attend_and_delete(client, &pod, streams, io).await,
        (false, Some(streams)) => run_foreground::attend(client, &pod, &streams, io).await,
        (false, None) => io.line(&format!("pod/{name} created")),
    }
}
