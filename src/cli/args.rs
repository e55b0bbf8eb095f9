//! The command line. What clap can refuse never reaches a verb.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::duration;
use super::remote_args::RemoteArgs;
use super::serve_args::ServeArgs;
use crate::domain::time::MAX_LENGTH;

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
                      pod that exists stays unchanged, is configured without a restart (probes, \
                      policies, graces, labels), or is replaced: stopped by its own rules, then \
                      started again. Nothing is changed if any object is invalid."
    )]
    Apply(ApplyArgs),
    /// Check manifests for errors and advice; needs no daemon.
    #[command(
        long_about = "Check manifests: report errors, fields that have no effect here, and advice, each \
                      with its line and column. The exit status is 1 if there is an error. Needs no \
                      daemon; only `apply --dry-run` can check whether images exist."
    )]
    Validate(ValidateArgs),
    /// Print a manifest that creates the same pod, here or in a cluster.
    Export(NameArgs),
    /// Create a pod of one container from an image, and start it.
    Run(Box<super::run_image::RunArgs>),
    /// List pods or events.
    Get(GetArgs),
    /// Show the CPU and memory use of pods, measured over one second.
    Top(super::top::TopArgs),
    /// Show a pod in detail, with its events.
    Describe(DescribeArgs),
    /// Print a container's log.
    Logs(LogsArgs),
    /// Stop and delete pods.
    Delete(DeleteArgs),
    /// Stop a container and start its next instance at once.
    Restart(RestartArgs),
    /// Send a signal to a container's init process.
    Kill(KillArgs),
    /// Run a command in a container and exit with its status.
    Exec(super::exec::ExecArgs),
    /// Run a probe once, now, and print its result, without any effect on the container.
    #[command(
        long_about = "Run a probe once, now, and print its result. No counter changes and the container \
                      is not restarted. The exit status is 0 for a success or a warning, else 1."
    )]
    Probe(ProbeArgs),
    /// Pause a pod's probes for a while: no kill by a probe, and readiness stays as it is.
    Pause(PauseArgs),
    /// Resume paused probes.
    Resume(ResumeArgs),
    /// Set a condition of a pod, such as one of its readiness gates.
    Condition(super::condition::ConditionArgs),
    /// Start a stopped container or pod.
    Start(NameArgs),
    /// Stop a container or pod and keep it stopped.
    Stop(StopArgs),
    /// Probe and restart a container that another client created, until `release` or its deletion.
    Adopt(super::adopt::AdoptArgs),
    /// Stop managing an adopted container and leave it as it is.
    Release(NameArgs),
    /// Pull an image into containerd's store.
    Pull(ImageArgs),
    /// List the images in containerd's store.
    Images(ImagesArgs),
    /// Remove images that no container uses.
    Rmi(RemoveImagesArgs),
    /// Wait until a pod is ready, restarted or deleted.
    Wait(super::wait::WaitArgs),
    /// Print a shell's completion script: `source <(probelet completion bash)`.
    Completion { shell: clap_complete::Shell },
    /// Print the versions of this client and of the daemon.
    Version(VersionArgs),
}

#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Print only the client's version; needs no daemon.
    #[arg(long)]
    pub client: bool,
}

#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// A manifest, a folder of manifests, or - for stdin; may be repeated.
    #[arg(short, long = "filename", value_name = "FILE|DIR|-", required = true)]
    pub files: Vec<PathBuf>,
    /// Check everything, images too, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// A manifest, a folder of manifests, or - for stdin; may be repeated.
    #[arg(short, long = "filename", value_name = "FILE|DIR|-", required = true)]
    pub files: Vec<PathBuf>,
    /// Exit with 1 for warnings and advice too.
    #[arg(long)]
    pub strict: bool,
}

#[derive(Debug, Args)]
pub struct GetArgs {
    #[command(flatten)]
    pub resource: ResourceArgs,
    /// The output format.
    #[arg(short, long, value_enum)]
    pub output: Option<Output>,
    /// Keep printing changes.
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
    /// The kind, then names: `pods`, `pod NAME`, `pod/NAME`, `events`, `events POD`.
    #[arg(value_name = "TYPE [NAME]", required = true)]
    pub words: Vec<String>,
}

#[derive(Debug, Args)]
pub struct DescribeArgs {
    #[command(flatten)]
    pub resource: ResourceArgs,
    /// Also show what the container was doing when probes failed it, for its last three such exits.
    #[arg(long)]
    pub evidence: bool,
    /// The container whose evidence is shown; by default the first.
    #[arg(short, long, value_name = "NAME", requires = "evidence")]
    pub container: Option<String>,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pub pod: String,
    /// The container; optional if the pod has only one, init containers aside.
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
    /// Print the log of the previous attempt.
    #[arg(short, long)]
    pub previous: bool,
    /// Keep printing as the container writes.
    #[arg(short, long)]
    pub follow: bool,
    /// Print the logs of all containers of the pod, init containers first, each line prefixed with
    /// its container's name.
    #[arg(long, conflicts_with = "container")]
    pub all_containers: bool,
    /// Prefix each line with `[pod/NAME/CONTAINER]`.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub prefix: Option<bool>,
    /// Print only lines newer than this: `5s`, `2m`, `3h`.
    #[arg(long, value_name = "DURATION", conflicts_with = "since_time", value_parser = duration::parse)]
    pub since: Option<Duration>,
    /// Print only lines since this time, in RFC 3339: `2026-11-24T10:00:00Z`.
    #[arg(long, value_name = "TIME")]
    pub since_time: Option<jiff::Timestamp>,
    /// Prefix each line with its time.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub timestamps: Option<bool>,
    /// Print at most this many bytes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit_bytes: Option<u64>,
    /// Print only this many lines from the end; -1 prints all.
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
    /// Seconds from SIGTERM to SIGKILL; by default the pod's own.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub grace_period: Option<Duration>,
    /// Send SIGKILL at once; --grace-period must be 0 if it is given.
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
    /// Seconds from SIGTERM to SIGKILL; by default the container's own.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub grace_period: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct RestartArgs {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pub pod: String,
    /// The container; optional if the pod has only one, init containers aside.
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
    /// Seconds from SIGTERM to SIGKILL; by default the container's own.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub grace_period: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct KillArgs {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pub pod: String,
    /// The container; optional if the pod has only one, init containers aside.
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
    /// The signal by name or number: SIGTERM, TERM or 15.
    #[arg(short, long, default_value = "SIGKILL")]
    pub signal: String,
}

#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pub pod: String,
    /// The container; optional if the pod has only one, init containers aside.
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
    /// The probe's kind; by default the first of these that the container has.
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
    /// The length of the pause from now: `90s`, `10m`, `1h30m`.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    pub length: Duration,
    /// The container; by default all of the pod.
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
    /// Print only names.
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct RemoveImagesArgs {
    /// The images to remove.
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pub pod: String,
    /// The container; by default all of the pod.
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map(Duration::from_secs);
    let most = MAX_LENGTH.as_secs();
    let why = || format!("must be a whole number of seconds, at most {most}");
    seconds.ok().filter(|seconds| *seconds <= MAX_LENGTH).ok_or_else(why)
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
