//! A reboot of the host, or a deleted run folder: only the records are left.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, eventually, with_host};
use serde_json::{Value, json};

fn create(host: &Host, name: &str, args: &[&str], policy: &str) -> Result<Value> {
    let request = json!({
        "name": name, "image": IMAGE, "args": args, "start": true, "restartPolicy": policy,
    });
    host.call("probelet.v1.Containers/CreateContainer", &request)
}

fn several(host: &Host) -> Result<String> {
    let container = |name: &str| json!({ "name": name, "image": IMAGE, "args": ["sleep"] });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "several" },
        "spec": {
            "terminationGracePeriodSeconds": 1, "containers": [container("a"), container("b")],
        },
    });
    host.apply(&pod.to_string())
}

fn is_running(status: &Value) -> bool {
    status["state"]["running"].is_object()
}

fn wait_of(host: &Host, container: &str, restarts: u64) -> Result<Value> {
    eventually("a container of several runs", SOON * 2, || {
        let status = host.status_of("several", container).ok()?;
        (is_running(&status) && status["restartCount"].as_u64() >= Some(restarts)).then_some(status)
    })
}

/// The shared namespaces (network, IPC, UTS) of a task.
fn namespaces(host: &Host, task: &str) -> Result<Vec<PathBuf>> {
    let pid = host.task_pid(task)?;
    let of = |kind| Ok(fs::read_link(format!("/proc/{pid}/ns/{kind}"))?);
    ["net", "ipc", "uts"].into_iter().map(of).collect()
}

fn task_of(status: &Value) -> String {
    status["containerID"].as_str().unwrap_or_default().replace("containerd://", "")
}

#[test]
fn what_ran_restarts_after_a_reboot_and_what_had_ended_stays_ended() -> Result<()> {
    with_host(|host| {
        create(host, "always", &["sleep"], "ALWAYS")?;
        create(host, "stopped", &["sleep"], "ALWAYS")?;
        create(host, "never", &["sleep"], "NEVER")?;
        create(host, "finished", &["exit", "3"], "NEVER")?;
        several(host)?;
        for name in ["always", "stopped", "never"] {
            host.wait_status(name, SOON, is_running)?;
        }
        let has_ended = |status: &Value| status["state"]["terminated"].is_object();
        let finished = host.wait_status("finished", SOON, has_ended)?;
        host.probelet(["stop", "stopped", "--grace-period", "0"])?;
        let stopped = host.wait_status("stopped", SOON, has_ended)?;
        wait_of(host, "a", 0)?;
        wait_of(host, "b", 0)?;

        host.crash_node()?;
        host.start_containerd()?;
        host.start_daemon_in_another_boot()?;

        let back =
            |status: &Value| status["restartCount"].as_u64() >= Some(1) && is_running(status);
        let status = host.wait_status("always", SOON * 2, back)?;
        assert_eq!(status["restartCount"], 1, "{status}");
        let last = &status["lastState"]["terminated"];
        assert_eq!(last["reason"], "ContainerStatusUnknown", "{status}");
        assert_eq!(last["containerID"], "containerd://always_0", "{status}");
        let described = host.probelet(["describe", "pod", "always"])?;
        ensure!(described.contains("the node was restarted"), "{described}");
        let never = host.wait_status("never", SOON, has_ended)?;
        assert_eq!(never["state"]["terminated"]["reason"], "ContainerStatusUnknown", "{never}");
        assert_eq!(never["restartCount"], 0, "{never}");
        assert_eq!(host.status("finished")?, finished);
        assert_eq!(host.status("stopped")?, stopped);

        let (a, b) = (wait_of(host, "a", 1)?, wait_of(host, "b", 1)?);
        assert_eq!((&a["restartCount"], &b["restartCount"]), (&json!(1), &json!(1)));
        let shared = namespaces(host, &task_of(&a))?;
        assert_eq!(shared, namespaces(host, &task_of(&b))?);
        for own in fs::read_dir("/proc/self/ns")?.flatten() {
            ensure!(
                !shared.contains(&fs::read_link(own.path())?),
                "{:?} is the host's",
                own.path()
            );
        }
        for name in ["always", "stopped", "never", "finished", "several"] {
            host.probelet(["delete", "pod", name, "--grace-period", "0"])?;
        }
        eventually("nothing is left", SOON, || host.leftovers().ok()?.is_empty().then_some(()))
    })
}

#[test]
fn a_container_joins_its_pods_namespaces_even_if_their_pins_are_lost() -> Result<()> {
    with_host(|host| {
        several(host)?;
        let (a, b) = (wait_of(host, "a", 0)?, wait_of(host, "b", 0)?);
        let shared = namespaces(host, &task_of(&b))?;
        assert_eq!(shared, namespaces(host, &task_of(&a))?);
        host.wipe_run_dir()?;
        host.ctr(["task", "kill", "--signal", "SIGKILL", &task_of(&a)])?;
        let a = wait_of(host, "a", 1)?;
        assert_eq!(namespaces(host, &task_of(&a))?, shared);
        assert_eq!(host.status_of("several", "b")?["restartCount"], 0);
        host.probelet(["delete", "pod", "several", "--grace-period", "0"])?;
        host.expect_nothing_left()
    })
}
