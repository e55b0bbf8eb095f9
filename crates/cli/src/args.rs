//! The verbs of the client. The arguments of a verb are in the module of the verb.

use clap::Subcommand;

use super::{
    adopt, apply, attach, condition, copy, delete, describe, diff, exec, explain, export, get,
    images, kill, kubeconfig, logs, pause, port_forward, probe, pull, release, remove_images,
    restart, resume, run_image, start, status, stop, top, validate, version, wait,
};

#[allow(missing_docs, reason = "clap would print a doc comment as the program's description")]
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create pods from manifests, or change or replace those that differ.
    #[command(
        long_about = "Create pods from manifests: Pods, Deployments, StatefulSets and DaemonSets \
                      of one replica, Jobs, with the ConfigMaps and Secrets that they refer to. A \
                      pod that exists stays unchanged, is configured without a restart (probes, \
                      policies, graces, labels), or is replaced: stopped by its own rules, then \
                      started again. Nothing is changed if any object is invalid."
    )]
    Apply(apply::Args),
    /// Print what `apply` of manifests would change, as `diff -u`.
    #[command(
        long_about = "Print what `apply` of manifests would change: each pod as `export` prints it, compared \
                      with the manifest by the host's `diff -u`. The exit status is 0 without a \
                      difference, 1 with one, and 2 if the manifests are not valid."
    )]
    Diff(diff::Args),
    /// Explain a field of a pod, or the annotations that are settings; needs no daemon.
    Explain(explain::Args),
    /// Check manifests for errors and advice; needs no daemon.
    #[command(
        long_about = "Check manifests: report errors, fields that have no effect here, and advice, each \
                      with its line and column. The exit status is 1 if there is an error. Needs no \
                      daemon; only `apply --dry-run` can check whether images exist."
    )]
    Validate(validate::Args),
    /// Print a manifest that creates the same pod, here or in a cluster.
    Export(export::Args),
    /// Create a pod of one container from an image, and start it.
    Run(Box<run_image::Args>),
    /// List pods or events.
    Get(get::Args),
    /// Follow containers, their probes and their CPU and memory use on the whole terminal, or print once.
    #[command(
        long_about = "Follow containers on the whole terminal: state and reason, restarts, CPU and memory \
                      use, the latencies of each probe as bars, the last failure. Keys describe a pod, \
                      follow a log, show evidence, restart a container and pause its probes; `?` lists \
                      them. NO_COLOR is honoured. With --once, --containers, or if stdin or stdout is no \
                      terminal, a table of CPU and memory use is printed, measured over one second."
    )]
    Top(top::Args),
    /// Show a pod in detail, with its events.
    Describe(describe::Args),
    /// Print a container's log.
    Logs(logs::Args),
    /// Stop and delete pods.
    Delete(delete::Args),
    /// Stop a container and start its next instance at once.
    Restart(restart::Args),
    /// Send a signal to a container's init process.
    Kill(kill::Args),
    /// Run a command in a container and exit with its status.
    Exec(exec::Args),
    /// Connect to the streams of a running container and exit with its status.
    #[command(
        long_about = "Connect to the streams of a running container and exit with its status: `probelet attach \
                      -it shell`. A container has an input or a terminal if its spec has `stdin: true` or `tty: \
                      true`; of any other container the output is shown from now on. The container runs on \
                      when this command ends, and the keys of --detach-keys leave it."
    )]
    Attach(attach::Args),
    /// Copy files and folders between this host and a container, whose image needs `tar`.
    #[command(
        long_about = "Copy files and folders between this host and a container: `probelet cp web:/etc/app \
                      ./app`, `probelet cp ./app.conf web:/etc/app/`. A folder that exists takes the copy \
                      with its name; any other path is the name of the copy. As kubectl does it, `tar` runs \
                      in the container, so its image needs one. Of what comes from a container, links and \
                      special files are left out with a warning."
    )]
    Cp(copy::Args),
    /// Forward ports of this host to ports of a pod, also those on its loopback.
    PortForward(port_forward::Args),
    /// Run a probe once, now, and print its result, without any effect on the container.
    #[command(
        long_about = "Run a probe once, now, and print its result. No counter changes and the container \
                      is not restarted. The exit status is 0 for a success or a warning, else 1."
    )]
    Probe(probe::Args),
    /// Pause a pod's probes for a while: no kill by a probe, and readiness stays as it is.
    Pause(pause::Args),
    /// Resume paused probes.
    Resume(resume::Args),
    /// Set a condition of a pod, such as one of its readiness gates.
    Condition(condition::Args),
    /// Start a stopped container or pod.
    Start(start::Args),
    /// Stop a container or pod and keep it stopped.
    Stop(stop::Args),
    /// Probe and restart a container that another client created, until `release` or its deletion.
    Adopt(adopt::Args),
    /// Stop managing an adopted container and leave it as it is.
    Release(release::Args),
    /// Pull an image into containerd's store.
    Pull(pull::Args),
    /// List the images in containerd's store.
    Images(images::Args),
    /// Remove images that no container uses.
    Rmi(remove_images::Args),
    /// Wait until a pod is ready, restarted or deleted.
    Wait(wait::Args),
    /// Print a kubeconfig file for kubectl and other clients of the Kubernetes API.
    #[command(
        long_about = "Print a kubeconfig file for kubectl and other clients of the Kubernetes API that \
                      `serve --kube-api` serves: `probelet kubeconfig > ~/.kube/config`. It has a \
                      new credential, of which the daemon keeps no copy. `revoke` ends it early."
    )]
    Kubeconfig(kubeconfig::Args),
    /// Show the daemon, its pods by status, and what restarted in the last hour.
    #[command(
        long_about = "Show the versions of the daemon, of containerd and of the kernel, the pods by status, \
                      those that are not ready, kills that wait for the brake, and what restarted in \
                      the last hour and why. The exit status is 1 if the daemon or containerd does \
                      not answer."
    )]
    Status(status::Args),
    /// Print the versions of this client and of the daemon.
    Version(version::Args),
}
