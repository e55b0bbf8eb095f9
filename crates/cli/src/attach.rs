//! `attach`.

use super::attached::{End, Streams, attach};
use super::connect::Client;
use super::detach_keys::DetachKeys;
use super::error::{Error, Result};
use super::io::Io;
use super::namespace::Namespace;
use super::targets::PodRef;
use super::{names, nearby};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pod: String,
    /// The container; optional if the pod has only one, init containers aside.
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// Pass stdin to the container, whose spec needs `stdin: true`.
    #[arg(short = 'i', long)]
    stdin: bool,
    /// The container has a terminal: put this terminal into raw mode and pass its size on.
    #[arg(short = 't', long)]
    tty: bool,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    namespace: Namespace,
}

#[derive(Debug, clap::Args)]
pub struct Keys {
    /// Keys that leave the container and let it run, with -i and -t.
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    pub detach_keys: DetachKeys,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        names::pod(&self.pod).map(drop)
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let pod = PodRef { namespace: args.namespace.name(), name: names::pod(&args.pod)? };
    let keys = &args.keys.detach_keys;
    let streams = Streams { stdin: args.stdin, tty: args.tty, keys };
    let container = args.container.clone().unwrap_or_default();
    let end = match attach(client, &pod, container, &streams, io).await {
        Err(Error::Status(status)) => {
            let pod = (pod.namespace, pod.name);
            return Err(nearby::explain(client, (&pod.0, &pod.1), (*status).into()).await);
        }
        end => end?,
    };
    match end {
        End::Exit(0) | End::Unknown => Ok(()),
        End::Exit(code) => Err(Error::Command(code)),
        End::Detached => io.note("detached; the container runs on"),
    }
}
