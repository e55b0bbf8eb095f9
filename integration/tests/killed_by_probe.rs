//! Restarts after a probe's kill, by a restart rule and after a failed postStart hook, in
//! containers that exit on SIGTERM as servers do.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Result, ensure};
use probelet_integration::{Host, SOON, eventually, with_host};
use serde_json::{Value, json};

const CREATE: &str = "probelet.v1.Containers/CreateContainer";

/// A script that exits with this code on SIGTERM.
fn server(code: u8) -> String {
    format!("trap 'exit {code}' TERM; while :; do sleep 0.1; done")
}

fn failing(mut request: Value, policy: &str) -> Value {
    request["restartPolicy"] = json!(policy);
    let exec = json!({"command": ["sh", "-c", "exit 1"]});
    request["livenessProbe"] = json!({"exec": exec, "period": "0.2s", "failureThreshold": 2});
    request
}

/// A host without the brake, which might hold kills while other tests keep the machine busy.
fn with_unbraked_host(test: impl FnOnce(&mut Host) -> Result<()>) -> Result<()> {
    let mut host = Host::start()?;
    host.start_daemon_with(&["--no-brake"])?;
    test(&mut host).inspect_err(|_| host.show_logs())
}

fn phase(host: &Host, pod: &str) -> Result<Value> {
    Ok(host.pod(pod)?["status"]["phase"].clone())
}

fn restarted(status: &Value) -> bool {
    status["restartCount"].as_u64() >= Some(1)
}

#[test]
fn a_kill_by_a_probe_restarts_under_on_failure_and_by_rules_under_never() -> Result<()> {
    with_unbraked_host(|host| {
        let polite = failing(host.busybox("polite", &server(0))?, "ON_FAILURE");
        host.call(CREATE, &polite)?;
        let mut ruled = failing(host.busybox("ruled", &server(143))?, "NEVER");
        ruled["restartPolicyRules"] = json!([{"operator": "In", "exitCodes": [137, 143]}]);
        host.call(CREATE, &ruled)?;
        let other = failing(host.busybox("other", &server(7))?, "NEVER");
        host.call(CREATE, &other)?;
        for (name, code) in [("polite", 0), ("ruled", 143)] {
            let status = host.wait_status(name, SOON, restarted)?;
            // The container may have been killed again meanwhile, with the same exit code.
            ensure!(status["lastState"]["terminated"]["exitCode"] == code, "{status}");
            ensure!(phase(host, name)? == "Running");
        }
        let ended = |status: &Value| status["state"]["terminated"]["exitCode"] == 7;
        host.wait_status("other", SOON, ended)?;
        ensure!(phase(host, "other")? == "Failed");
        Ok(())
    })
}

#[test]
fn the_reason_of_a_kill_outlives_the_daemon() -> Result<()> {
    with_unbraked_host(|host| {
        // The container exits when the test creates a file, after the daemon's death.
        let script = "trap 'while [ ! -e /tmp/go ]; do sleep 0.1; done; exit 0' TERM; \
                      while :; do sleep 0.1; done";
        let request = failing(host.busybox("app", script)?, "ON_FAILURE");
        host.call(CREATE, &request)?;
        let killing =
            || host.events().ok()?.iter().any(|e| e.contains("will be restarted")).then_some(());
        eventually("the kill", SOON, killing)?;
        host.kill_daemon()?;
        let rootfs = request["rootfs"].as_str().unwrap_or_default();
        std::fs::write(format!("{rootfs}/tmp/go"), "")?;
        host.start_daemon()?;
        let status = host.wait_status("app", SOON, restarted)?;
        ensure!(status["lastState"]["terminated"]["exitCode"] == 0, "{status}");
        Ok(())
    })
}

#[test]
fn a_restart_is_not_counted_before_its_instance() -> Result<()> {
    with_host(|host| {
        let mut request = host.busybox("app", "sleep 0.3; exit 3")?;
        request["backoff"] = json!({"base": "0.2s", "cap": "0.2s", "reset": "600s"});
        host.call(CREATE, &request)?;
        eventually("five restarts", SOON, || {
            let status = host.status("app").ok()?;
            // The state is of the instance that the count gives.
            let waits = status["state"]["waiting"]["reason"].as_str().unwrap_or_default();
            assert!(
                waits != "ContainerCreating" || status["lastState"]["terminated"].is_null(),
                "{status}"
            );
            let count = status["restartCount"].as_u64()?;
            let newest = if status["state"]["running"].is_object() {
                Some(count)
            } else {
                attempt(&status["state"])
            };
            assert!(newest.is_none_or(|newest| newest == count), "{status}");
            (count >= 5).then_some(())
        })
    })
}

/// The attempt number of a terminated state, from its container id.
fn attempt(state: &Value) -> Option<u64> {
    let id = state["terminated"]["containerID"].as_str()?;
    id.rsplit_once('_')?.1.parse().ok()
}

#[test]
fn a_container_whose_post_start_hook_failed_is_never_ready() -> Result<()> {
    with_host(|host| {
        let mut request = host.busybox("app", "trap '' TERM; while :; do sleep 0.1; done")?;
        let hook = "while [ ! -e /tmp/go ]; do sleep 0.1; done; exit 3";
        request["lifecycle"] = json!({"postStart": {"exec": {"command": ["sh", "-c", hook]}}});
        request["terminationGracePeriod"] = json!("10s");
        request["restartPolicy"] = json!("NEVER");
        host.call(CREATE, &request)?;
        let waits = |reason: &'static str| {
            move |status: &Value| status["state"]["waiting"]["reason"] == reason
        };
        let status = host.wait_status("app", SOON, waits("ContainerCreating"))?;
        ensure!(status["ready"] == false && status["started"] == false, "{status}");
        ensure!(phase(host, "app")? == "Pending");
        let rootfs = request["rootfs"].as_str().unwrap_or_default();
        std::fs::write(format!("{rootfs}/tmp/go"), "")?;
        // The container runs on for its grace of 10 s and must not be ready in that time.
        let status = host.wait_status("app", SOON, |status| {
            assert!(status["ready"] != true && status["started"] != true, "{status}");
            status["state"]["waiting"]["reason"] == "PostStartHookError"
        })?;
        ensure!(status["ready"] == false && status["restartCount"] == 0, "{status}");
        ensure!(phase(host, "app")? == "Pending");
        host.probelet(["delete", "pod", "app", "--grace-period", "0"]).map(drop)
    })
}

#[test]
fn a_pod_that_a_rule_restarts_has_not_failed() -> Result<()> {
    with_host(|host| {
        let mut request = host.busybox("app", "exit 42")?;
        request["restartPolicy"] = json!("NEVER");
        request["restartPolicyRules"] = json!([{"operator": "In", "exitCodes": [42]}]);
        host.call(CREATE, &request)?;
        host.wait_status("app", SOON, |status| {
            let phase = phase(host, "app").unwrap_or_default();
            assert!(phase != "Failed", "{status}");
            status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        })?;
        ensure!(phase(host, "app")? == "Running");
        Ok(())
    })
}
