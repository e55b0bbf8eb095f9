//! A proxy harms the daemon's calls to containerd, or a process behind them hangs. No container is
//! harmed, none waits for the calls of another one, and all recover.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use probelet_integration::proxy::{Fault, Plan, Proxy};
use probelet_integration::{Host, IMAGE, SOON, eventually, shim_of, signal};
use rustix::process::Signal;
use serde_json::{Value, json};

/// The longest time until a container runs whose call had no answer: the deadline of calls that run
/// runc, and the pauses before the next tries.
const RECOVERED: Duration = Duration::from_secs(120);
/// Calls with a deadline of 10 s, of which a restart needs several.
const SHORT_CALLS: [&str; 5] =
    ["Tasks/Delete", "Tasks/Get", "Containers/Update", "Snapshots/Prepare", "Snapshots/Remove"];

/// A container that is probed over HTTP and that nothing is aimed at, and what existed beside it.
struct Witness {
    daemon: u32,
    pid: u32,
    existing: BTreeSet<String>,
}

impl Witness {
    fn start(host: &Host) -> Result<Self> {
        let probe = json!({ "httpGet": { "port": 8080 }, "period": "0.2s" });
        let request = json!({
            "name": "witness", "image": IMAGE, "args": ["serve", "--fail-after", "100000000"],
            "start": true, "livenessProbe": probe, "readinessProbe": probe,
        });
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        host.wait_status("witness", SOON, |status| status["ready"] == true)?;
        let (daemon, pid) = (host.daemon_pid()?, host.task_pid("witness_0")?);
        Ok(Self { daemon, pid, existing: host.leftovers()?.into_iter().collect() })
    }

    /// The container is the same process and stayed ready, and nothing more exists than before.
    fn is_unharmed(&self, host: &Host) -> Result<()> {
        ensure!(host.daemon_pid()? == self.daemon, "another daemon runs");
        ensure!(host.task_pid("witness_0")? == self.pid, "another process runs");
        let status = host.status("witness")?;
        ensure!(status["ready"] == true && status["restartCount"] == 0, "{status}");
        let failed = |event: &String| event.contains("robe failed") && event.contains("witness");
        let failed: Vec<_> = host.events()?.into_iter().filter(failed).collect();
        ensure!(failed.is_empty(), "{failed:?}");
        let mut left = Vec::new();
        let gone = eventually("nothing is left", SOON * 2, || {
            let now: BTreeSet<_> = host.leftovers().ok()?.into_iter().collect();
            left = now.difference(&self.existing).cloned().collect();
            left.is_empty().then_some(())
        });
        gone.with_context(|| format!("left: {left:#?}"))
    }
}

/// A host with a proxy before containerd.
fn with_proxy(test: impl FnOnce(&mut Host) -> Result<()>) -> Result<()> {
    let mut host = Host::start()?;
    host.put_proxy()?;
    host.start_daemon()?;
    test(&mut host).inspect_err(|_| host.show_logs())
}

fn proxy(host: &Host) -> Result<&Proxy> {
    host.proxy().context("no proxy")
}

fn is_running(status: &Value) -> bool {
    status["state"]["running"].is_object()
}

fn create(host: &Host, name: &str, args: &[&str]) -> Result<()> {
    let request = json!({
        "name": name, "image": IMAGE, "args": args, "start": true,
        "backoff": { "base": "0.1s", "cap": "0.1s" }, "terminationGracePeriod": "0s",
    });
    host.call("probelet.v1.Containers/CreateContainer", &request)?;
    host.wait_status(name, SOON, |status| is_running(status) || status["restartCount"] != 0)?;
    Ok(())
}

fn delete(host: &Host, name: &str) -> Result<()> {
    host.probelet(["delete", "pod", name, "--grace-period", "0"]).map(drop)
}

fn restarts(host: &Host, name: &str) -> Option<u64> {
    host.status(name).ok()?["restartCount"].as_u64()
}

/// Runs a command of the client in the background, since it may wait for a call that is harmed.
fn spawn(host: &Host, words: &[&str]) -> Result<std::process::Child> {
    let mut command = probelet_integration::bounded(probelet_integration::probelet_bin());
    command.arg("--socket").arg(host.socket()).args(words);
    let log = fs::File::options().create(true).append(true).open(host.path("client.log"))?;
    command.stdin(std::process::Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command.spawn()?)
}

/// While one container hangs, others are restarted, created, used and deleted.
fn others_go_on(host: &Host) -> Result<()> {
    let before = restarts(host, "loop").context("no loop")?;
    eventually("another container restarts", SOON, || {
        (restarts(host, "loop")? > before + 2).then_some(())
    })?;
    create(host, "new", &["sleep"])?;
    let said = host.probelet(["exec", "new", "--", "/kubia-unhealthy", "exit", "0"])?;
    ensure!(said.is_empty(), "{said}");
    delete(host, "new")
}

/// All the others are unharmed, and nothing of the victim is left.
fn all_is_well(host: &Host, witness: &Witness) -> Result<()> {
    host.wait_status("victim", RECOVERED, |status| {
        is_running(status) && status["restartCount"] == 1
    })?;
    for name in ["victim", "loop"] {
        delete(host, name)?;
    }
    witness.is_unharmed(host)
}

#[test]
fn each_fault_of_the_calls_passes_without_harm() -> Result<()> {
    with_proxy(|host| {
        let witness = Witness::start(host)?;
        for fault in [
            Fault::Delay(Duration::from_millis(800)),
            Fault::Refuse,
            Fault::Cut,
            Fault::Reorder,
            Fault::Garble,
            Fault::Truncate,
        ] {
            let begun = || -> Result<()> {
                create(host, "victim", &["sleep"])?;
                let calls = ["Create", "Start", "Delete", "Update", "Prepare", "Remove", "Kill"];
                proxy(host)?.harm(Plan { percent: 60, seed: 5, ..Plan::of(fault, &calls) });
                let mut restart = spawn(host, &["restart", "victim"])?;
                let mut other = spawn(host, &["run", "other", "--image", IMAGE, "--", "sleep"])?;
                eventually("calls are harmed", SOON, || {
                    (proxy(host).ok()?.harmed() > 0).then_some(())
                })?;
                let harmed = proxy(host)?.heal();
                println!("{fault:?}: {harmed:?}");
                restart.wait()?;
                other.wait()?;
                host.wait_status("victim", RECOVERED, is_running)?;
                delete(host, "victim")?;
                // Its creation may have failed.
                let _ = delete(host, "other");
                witness.is_unharmed(host)
            };
            begun().with_context(|| format!("{fault:?}"))?;
        }
        Ok(())
    })
}

#[test]
fn calls_of_one_container_that_are_never_answered_delay_no_other() -> Result<()> {
    for fault in [Fault::SwallowCall, Fault::SwallowAnswer] {
        with_proxy(|host| {
            let witness = Witness::start(host)?;
            create(host, "loop", &["exit", "0", "300"])?;
            create(host, "victim", &["sleep"])?;
            proxy(host)?.harm(Plan::of(fault, &SHORT_CALLS).about("victim"));
            let mut restart = spawn(host, &["restart", "victim"])?;
            eventually("a call is harmed", SOON, || {
                (proxy(host).ok()?.harmed() > 0).then_some(())
            })?;
            others_go_on(host)?;
            proxy(host)?.heal();
            restart.wait()?;
            all_is_well(host, &witness)
        })
        .with_context(|| format!("{fault:?}"))?;
    }
    Ok(())
}

#[test]
fn a_shim_that_hangs_delays_no_other_container() -> Result<()> {
    with_proxy(|host| {
        let witness = Witness::start(host)?;
        create(host, "loop", &["exit", "0", "300"])?;
        create(host, "victim", &["sleep"])?;
        let shim = shim_of(host.task_pid("victim_0")?)?;
        signal(shim, Signal::STOP)?;
        let mut restart = spawn(host, &["restart", "victim"])?;
        let others = others_go_on(host);
        signal(shim, Signal::CONT)?;
        restart.wait()?;
        others?;
        all_is_well(host, &witness)
    })
}

/// A runc that hangs in a creation of `victim` as long as a file exists.
fn put_runc(host: &Host) -> Result<[PathBuf; 2]> {
    let [hangs, waits, runc] = ["hangs", "waits", "bin/runc"].map(|name| host.path(name));
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' create '*victim_*) echo > {waits}; while [ -e {hangs} ]; \
         do sleep 0.1; done;; esac\nPATH=${{PATH#*:}} exec runc \"$@\"\n",
        waits = waits.display(),
        hangs = hangs.display(),
    );
    fs::create_dir_all(host.path("bin"))?;
    fs::write(&runc, script)?;
    fs::set_permissions(&runc, Permissions::from_mode(0o755))?;
    Ok([hangs, waits])
}

#[test]
fn a_runc_that_hangs_delays_no_other_container() -> Result<()> {
    with_proxy(|host| {
        let [hangs, waits] = put_runc(host)?;
        let witness = Witness::start(host)?;
        create(host, "loop", &["exit", "0", "300"])?;
        create(host, "victim", &["sleep"])?;
        fs::remove_file(&waits)?;
        fs::write(&hangs, "")?;
        let mut restart = spawn(host, &["restart", "victim"])?;
        eventually("runc hangs", SOON, || waits.exists().then_some(()))?;
        let others = others_go_on(host);
        fs::remove_file(&hangs)?;
        restart.wait()?;
        others?;
        all_is_well(host, &witness)
    })
}

#[test]
fn a_containerd_that_hangs_past_every_deadline_harms_no_container() -> Result<()> {
    with_proxy(|host| {
        let witness = Witness::start(host)?;
        create(host, "loop", &["exit", "0", "300"])?;
        create(host, "victim", &["sleep"])?;
        let containerd = host.containerd_pid();
        signal(containerd, Signal::STOP)?;
        let mut restart = spawn(host, &["restart", "victim"])?;
        let timed_out = eventually("a deadline passes and the daemon answers", SOON * 3, || {
            let log = fs::read_to_string(host.path("probelet.log")).ok()?;
            host.probelet(["get", "pods"]).ok()?;
            log.contains("took longer than").then_some(())
        });
        signal(containerd, Signal::CONT)?;
        restart.wait()?;
        timed_out?;
        all_is_well(host, &witness)
    })
}
