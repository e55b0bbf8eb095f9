//! Paused containers can be ended in every way.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, with_host};
use serde_json::{Value, json};

/// A container that would end at once on SIGTERM, with a grace of 1 s.
fn create(host: &Host, name: &str, more: Value) -> Result<()> {
    let mut request = host.busybox(name, "trap 'exit 0' TERM; while :; do sleep 0.1; done")?;
    request["terminationGracePeriod"] = json!("1s");
    request["livenessProbe"] = Value::Null;
    if let (Some(request), Value::Object(more)) = (request.as_object_mut(), more) {
        request.extend(more);
    }
    host.call("probelet.v1.Containers/CreateContainer", &request)?;
    host.wait_status(name, SOON, |status| status["state"]["running"].is_object())?;
    Ok(())
}

fn pause(host: &Host, name: &str) -> Result<()> {
    host.ctr(["task", "pause", &format!("{name}_0")]).map(drop)
}

fn restarted(status: &Value) -> bool {
    status["restartCount"] == 1 && status["state"]["running"].is_object()
}

#[test]
fn a_paused_container_is_ended_by_each_verb_and_by_its_probe() -> Result<()> {
    with_host(|host| {
        let names = ["stop", "kill", "restart", "delete", "now"];
        for name in names {
            create(host, name, json!({}))?;
            pause(host, name)?;
        }
        // The TCP probe of this container fails, because nothing listens on port 9.
        let probe = json!({ "url": "tcp://:9", "period": "1s", "failureThreshold": 3 });
        create(host, "probe", json!({ "livenessProbe": probe }))?;
        pause(host, "probe")?;
        host.probelet(["stop", "stop"])?;
        let status = host.status("stop")?;
        ensure!(status["state"]["terminated"]["exitCode"] == 137, "{status}");
        host.probelet(["kill", "kill", "-s", "KILL"])?;
        host.wait_status("kill", SOON, restarted)?;
        host.probelet(["restart", "restart"])?;
        host.wait_status("restart", SOON, restarted)?;
        host.wait_status("probe", 2 * SOON, restarted)?;
        host.probelet(["delete", "pod", "delete"])?;
        host.probelet(["delete", "pod", "now", "--grace-period", "0"])?;
        for name in ["stop", "kill", "restart", "probe"] {
            host.probelet(["delete", "pod", name, "--grace-period", "0"])?;
        }
        host.expect_nothing_left()
    })
}

#[test]
fn a_paused_container_is_ended_by_its_deadline() -> Result<()> {
    with_host(|host| {
        host.apply(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: late}}\nspec:\n  \
             activeDeadlineSeconds: 4\n  terminationGracePeriodSeconds: 1\n  containers:\n  \
             - name: app\n    image: {IMAGE}\n    \
             imagePullPolicy: Never\n    args: [sleep]\n"
        ))?;
        host.wait_status("late", SOON, |status| status["state"]["running"].is_object())?;
        host.ctr(["task", "pause", "late_app_0"])?;
        let ended = |status: &Value| status["state"]["terminated"].is_object();
        let status = host.wait_status("late", 2 * SOON, ended)?;
        ensure!(status["state"]["terminated"]["exitCode"] == 137, "{status}");
        Ok(())
    })
}

#[test]
fn a_paused_adopted_container_can_be_restarted_and_stopped() -> Result<()> {
    with_host(|host| {
        let labels = ["probelet/liveness=tcp://:8080", "probelet/grace=1"];
        let mut args = vec!["run", "-d"];
        args.extend(labels.iter().flat_map(|label| ["--label", label]));
        args.extend([IMAGE, "web", "/kubia-unhealthy", "serve", "--fail-after", "1000"]);
        host.ctr(args)?;
        let name = format!("{}/web", host.namespace());
        let running = |status: &Value| status["state"]["running"].is_object();
        host.wait_status(&name, SOON, running)?;
        host.ctr(["task", "pause", "web"])?;
        host.probelet(["restart", "web"])?;
        let again = |status: &Value| status["restartCount"] == 1 && running(status);
        host.wait_status(&name, SOON, again)?;
        host.ctr(["task", "pause", "web"])?;
        host.probelet(["stop", "web"])?;
        let ended = |status: &Value| status["state"]["terminated"].is_object();
        host.wait_status(&name, SOON, ended).map(drop)
    })
}
