//! At most one daemon manages a containerd namespace, wherever the second one is started from.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};
use probelet_integration::{Done, Host, SOON, bounded, eventually, finish, probelet_bin, signal};
use rustix::process::Signal;

/// Limit for a start that is refused: it waits for the end of the other daemon for 8 s.
const REFUSAL: Duration = Duration::from_secs(30);

/// The arguments of a second daemon that shares nothing with the first but containerd.
fn second(host: &Host, address: &str) -> Vec<String> {
    let path = |name: &str| host.path(name).display().to_string();
    let pairs = [
        ("--socket", path("second.sock")),
        ("--containerd-address", address.to_owned()),
        ("--containerd-namespace", host.namespace().to_owned()),
        ("--run-dir", path("second-run")),
        ("--log-dir", path("second-log")),
        ("--seccomp-dir", path("seccomp")),
        ("--data-dir", path("second-data")),
        ("--cni-conf-dir", path("cni")),
    ];
    let flags = pairs.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
    ["serve".to_owned()].into_iter().chain(flags).collect()
}

fn is_refused(host: &Host, done: &Done) -> Result<()> {
    let holder =
        format!("pid {}, socket {}, since 20", host.daemon_pid()?, host.socket().display());
    let says = format!(
        "error: another daemon manages the containerd namespace {:?} of ",
        host.namespace()
    );
    ensure!(done.code == Some(1), "{done:?}");
    ensure!(done.stderr.contains(&says) && done.stderr.contains(&holder), "{done:?}");
    ensure!(!host.path("second.sock").exists(), "the socket was created");
    Ok(())
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  \
    - {name: app, image: docker.io/luksa/kubia-unhealthy:latest, imagePullPolicy: Never}\n";

#[test]
fn a_second_daemon_is_refused_and_changes_nothing() -> Result<()> {
    let mut host = Host::start()?;
    host.start_daemon()?;
    host.apply(POD)?;
    let running = |status: &serde_json::Value| status["state"]["running"].is_object();
    host.wait_status("web", SOON, running)?;
    let pid = host.task_pid("web_app_0")?;
    let address = host.containerd_socket().display().to_string();
    let done = host.try_probelet(second(&host, &address), "")?;
    is_refused(&host, &done)?;

    // From other mount and network namespaces, by another path to the same socket.
    let elsewhere = host.path("elsewhere.sock");
    std::fs::write(&elsewhere, "")?;
    let script = r#"mount --bind "$0" "$1" && mount -t tmpfs tmpfs /run && shift && exec "$@""#;
    let mut command = bounded("unshare");
    command.args(["--mount", "--net", "sh", "-c", script, &address]);
    command.arg(&elsewhere).arg(probelet_bin());
    command.args(second(&host, &elsewhere.display().to_string()));
    is_refused(&host, &finish(&mut command, "")?)?;

    ensure!(host.task_pid("web_app_0")? == pid, "the container was restarted");
    // Another namespace of the same containerd is free.
    let mut other = second(&host, &address);
    let other_name = format!("{}-other", host.namespace());
    other
        .iter_mut()
        .filter(|value| *value == host.namespace())
        .for_each(|value| value.clone_from(&other_name));
    let mut other = Second::start(&host, &other)?;
    let socket = host.path("second.sock");
    let serves = || answers(&socket.display().to_string()).then_some(());
    eventually("the daemon of another namespace serves", SOON, serves)?;
    other.end()?;
    // The kernel releases the lock of a daemon that is killed.
    host.kill_daemon()?;
    host.start_daemon()?;
    ensure!(host.task_pid("web_app_0")? == pid, "the container was restarted");
    Ok(())
}

#[test]
fn a_start_waits_for_the_daemon_that_ends_and_for_containerd() -> Result<()> {
    let mut host = Host::start()?;
    host.start_daemon()?;
    let address = host.containerd_socket().display().to_string();
    let socket = host.path("second.sock").display().to_string();
    let flags = second(&host, &address);
    let mut next = Second::start(&host, &flags)?;
    let log = || std::fs::read_to_string(host.path("second.log")).unwrap_or_default();
    let waits = || log().contains("waiting for the end of another daemon").then_some(());
    eventually("the second daemon waits", SOON, waits)?;
    signal(host.daemon_pid()?, Signal::TERM)?;
    eventually("the second daemon serves", SOON, || answers(&socket).then_some(()))?;
    next.end()?;

    // A daemon that starts while containerd is away is refused when containerd returns.
    host.kill_daemon().ok();
    host.start_daemon()?;
    host.kill_containerd()?;
    let mut late = Second::start(&host, &flags)?;
    host.start_containerd()?;
    let status = eventually("the late daemon is refused", REFUSAL, || late.0.try_wait().ok()?)?;
    ensure!(status.code() == Some(1), "{status}");
    host.probelet(["get", "pods"])?;
    Ok(())
}

fn answers(socket: &str) -> bool {
    let mut command: Command = bounded(probelet_bin());
    command.args(["--socket", socket, "get", "pods"]);
    finish(&mut command, "").is_ok_and(|done| done.code == Some(0))
}

/// A daemon beside the host's own.
struct Second(Child);

impl Second {
    fn start(host: &Host, flags: &[String]) -> Result<Self> {
        let log = File::options().create(true).append(true).open(host.path("second.log"))?;
        let mut command = Command::new(probelet_bin());
        Ok(Self(
            command
                .args(flags)
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn()?,
        ))
    }

    fn end(&mut self) -> Result<()> {
        signal(self.0.id(), Signal::TERM)?;
        let status = self.0.wait()?;
        ensure!(status.success(), "{status}");
        Ok(())
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
