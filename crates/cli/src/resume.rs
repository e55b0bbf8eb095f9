//! `resume`.

use super::connect::{Client, UNARY, call};
use super::error::Result;
use super::io::Io;
use super::targets::{PodRef, Targets};
use probelet_api::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The container; by default all of the pod.
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    #[command(flatten)]
    targets: Targets,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        self.targets.check()
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let resume = async |pod: &PodRef| {
        resume(client, pod, args.container.as_deref().unwrap_or_default()).await
    };
    args.targets.each(client, "to resume its probes", io, resume).await
}

/// Resumes the probes of a container, or of all containers if its name is empty, and returns what to
/// print.
pub async fn resume(client: &Client, pod: &PodRef, container: &str) -> Result<String> {
    let (namespace, name) = (pod.namespace.clone(), pod.name.clone());
    let request = pb::ResumeProbesRequest { namespace, name, container: container.to_owned() };
    let mut containers = client.containers();
    call(request, UNARY, |r| containers.resume_probes(r)).await?;
    Ok(format!("pod/{} probes resumed", pod.name))
}
