//! The command line. What clap can refuse never reaches a verb.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::duration;
use super::remote_args::RemoteArgs;
use super::serve_args::ServeArgs;

#[derive(Debug, Parser)]
#[command(name = "probelet", version, about, propagate_version = true)]
pub struct Cli {
    /// The daemon's Unix socket.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "PROBELET_SOCKET",
        default_value = "/run/probelet/probelet.sock"
    )]
    pub socket: PathBuf,
    #[command(flatten)]
    pub remote: RemoteArgs,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon.
    Serve(Box<ServeArgs>),
    /// Create pods from manifests, or change or replace those that differ.
    #[command(
        long_about = "Create pods from manifests: Pods, Deployments, StatefulSets and DaemonSets \
                      of one replica, Jobs, with the ConfigMaps and Secrets that they refer to. A \
                      pod that is there already stays unchanged, or is configured without a \
                      restart (probes, policies, graces, labels), or is replaced: stopped by its \
                      own rules, then started anew. Nothing is touched unless all of it is good."
    )]
    Apply(ApplyArgs),
    /// Tell what is wrong with manifests, and what could be better; needs no daemon.
    #[command(
        long_about = "Tell what is wrong with manifests, what of them has no effect here, and what \
                      an experienced operator would advise, each with its line and column. The exit \
                      status is 1 where there is an error. Needs no daemon; whether images are \
                      there, only `apply --dry-run` can tell."
    )]
    Validate(ValidateArgs),
    /// Print a manifest that makes the same pod, here or in a cluster.
    Export(NameArgs),
    /// Create a pod of one container from an image, and start it.
    Run(Box<super::run_image::RunArgs>),
    /// List pods or events.
    Get(GetArgs),
    /// Show what pods use of cores and memory, over one second.
    Top(super::top::TopArgs),
    /// Show a pod in detail, with its events.
    Describe(DescribeArgs),
    /// Print a container's log.
    Logs(LogsArgs),
    /// Stop and forget pods.
    Delete(DeleteArgs),
    /// Stop a container and start its next instance at once.
    Restart(RestartArgs),
    /// Send a signal to a container's init process.
    Kill(KillArgs),
    /// Run a command in a container; its exit status is the verb's.
    Exec(super::exec::ExecArgs),
    /// Run a probe once, now, and tell what it said; nothing follows from it.
    #[command(
        long_about = "Run a probe once, now, and tell what it said. No counter moves and nothing \
                      follows from it. The exit status is 0 for a success (or a warning), else 1."
    )]
    Probe(ProbeArgs),
    /// Let no probe run for a while: nothing is killed, and readiness stays as it is.
    Pause(PauseArgs),
    /// End a pause of the probes early.
    Resume(ResumeArgs),
    /// Want a container running.
    Start(NameArgs),
    /// Want a container stopped.
    Stop(StopArgs),
    /// Look after a container that somebody else made, until `release` or until he deletes it.
    Adopt(super::adopt::AdoptArgs),
    /// Look no longer after a container that somebody else made, and leave it as it is.
    Release(NameArgs),
    /// Pull an image into containerd's store.
    Pull(ImageArgs),
    /// List the images in containerd's store.
    Images(ImagesArgs),
    /// Remove images that nothing is made from.
    Rmi(RemoveImagesArgs),
    /// Wait until a pod is ready, was restarted or is gone.
    Wait(super::wait::WaitArgs),
    /// Print a shell's completion script: `source <(probelet completion bash)`.
    Completion { shell: clap_complete::Shell },
    /// Print the versions of this client and of the daemon.
    Version(VersionArgs),
}

#[derive(Debug, Args)]
pub struct VersionArgs {
    /// The client's only, without a daemon.
    #[arg(long)]
    pub client: bool,
}

#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// A manifest, a folder of them, or - for stdin; may be repeated.
    #[arg(short, long = "filename", value_name = "FILE|DIR|-", required = true)]
    pub files: Vec<PathBuf>,
    /// Check all of it, images too, and touch nothing.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// A manifest, a folder of them, or - for stdin; may be repeated.
    #[arg(short, long = "filename", value_name = "FILE|DIR|-", required = true)]
    pub files: Vec<PathBuf>,
    /// Fail for warnings and advice too.
    #[arg(long)]
    pub strict: bool,
}

#[derive(Debug, Args)]
pub struct GetArgs {
    #[command(flatten)]
    pub resource: ResourceArgs,
    #[arg(short, long, value_enum)]
    pub output: Option<Output>,
    /// Go on printing as things change.
    #[arg(short, long)]
    pub watch: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Wide,
    Json,
    Yaml,
    Name,
}

#[derive(Debug, Args)]
pub struct ResourceArgs {
    /// What, then names: `pods`, `pod NAME`, `pod/NAME`, `events`, `events POD`.
    #[arg(value_name = "TYPE [NAME]", required = true)]
    pub words: Vec<String>,
}

#[derive(Debug, Args)]
pub struct DescribeArgs {
    #[command(flatten)]
    pub resource: ResourceArgs,
    /// And what the container was doing when probes condemned it, of its last three such deaths.
    #[arg(long)]
    pub evidence: bool,
    /// Whose evidence; the first container's if left out.
    #[arg(short, long, value_name = "NAME", requires = "evidence")]
    pub container: Option<String>,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pub pod: String,
    /// May be left out where the pod has one container, its init containers aside.
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
    /// Of the attempt before the newest.
    #[arg(short, long)]
    pub previous: bool,
    /// Go on as the container writes.
    #[arg(short, long)]
    pub follow: bool,
    /// Of all containers of the pod, its init containers first, each line behind its container's
    /// name.
    #[arg(long, conflicts_with = "container")]
    pub all_containers: bool,
    /// Put `[pod/NAME/CONTAINER]` before each line.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub prefix: Option<bool>,
    /// Only lines that are no older: `5s`, `2m`, `3h`.
    #[arg(long, value_name = "DURATION", conflicts_with = "since_time", value_parser = duration::parse)]
    pub since: Option<Duration>,
    /// Only lines from this moment on, in RFC 3339: `2026-11-24T10:00:00Z`.
    #[arg(long, value_name = "TIME")]
    pub since_time: Option<jiff::Timestamp>,
    /// Put each line's time before it.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub timestamps: Option<bool>,
    /// No more bytes than so many.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit_bytes: Option<u64>,
    /// The last lines only; -1 is all.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..=i64::from(u32::MAX)))]
    pub tail: Option<i64>,
}

#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// `pod NAME…` or `pod/NAME…`.
    #[arg(value_name = "pod NAME", required_unless_present = "files")]
    pub words: Vec<String>,
    /// Delete the pods that these manifests name.
    #[arg(short, long = "filename", value_name = "FILE|DIR|-", conflicts_with = "words")]
    pub files: Vec<PathBuf>,
    /// Seconds from SIGTERM to SIGKILL; the pod's own if left out.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub grace_period: Option<Duration>,
    /// SIGKILL at once; goes with no grace period but 0.
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct NameArgs {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "NAME")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct StopArgs {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Seconds from SIGTERM to SIGKILL; the container's own if left out.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub grace_period: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct RestartArgs {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pub pod: String,
    /// May be left out where the pod has one container, its init containers aside.
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
    /// Seconds from SIGTERM to SIGKILL; the container's own if left out.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub grace_period: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct KillArgs {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pub pod: String,
    /// May be left out where the pod has one container, its init containers aside.
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
    /// SIGTERM, TERM or 15.
    #[arg(short, long, default_value = "SIGKILL")]
    pub signal: String,
}

#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pub pod: String,
    /// May be left out where the pod has one container, its init containers aside.
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
    /// If left out, the first of these that the container has.
    #[arg(long, value_enum)]
    pub kind: Option<ProbeKind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProbeKind {
    Liveness,
    Readiness,
    Startup,
}

#[derive(Debug, Args)]
pub struct PauseArgs {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pub pod: String,
    /// How long from now: `90s`, `10m`, `1h30m`.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    pub length: Duration,
    /// All containers of the pod if left out.
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
}

#[derive(Debug, Args)]
pub struct ImageArgs {
    /// `busybox`, `registry.k8s.io/pause:3.9`, `r.io:5000/app@sha256:…`.
    #[arg(value_name = "IMAGE")]
    pub image: String,
}

#[derive(Debug, Args)]
pub struct ImagesArgs {
    /// Only names.
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct RemoveImagesArgs {
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pub pod: String,
    /// All containers of the pod if left out.
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: u32 = text.parse().map_err(|_| "must be a whole number of seconds".to_owned())?;
    Ok(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn clap_is_content() {
        Cli::command().debug_assert();
    }

    #[test]
    fn socket_goes_anywhere() {
        let cli = Cli::parse_from(["probelet", "get", "pods", "--socket", "/x", "-o", "wide"]);
        assert_eq!(cli.socket, PathBuf::from("/x"));
    }
}
