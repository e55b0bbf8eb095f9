//! `onFailure` of a probe: `stop` and `notify`.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::Result;
use probelet_integration::{Host, SOON, eventually, with_host};
use serde_json::Value;

/// A pod whose liveness probe fails, because nothing listens on port 9.
fn manifest(choice: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations:
    probelet.io/app.liveness.onFailure: {choice}
    probelet.io/app.liveness.periodMilliseconds: '200'
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: app
    image: docker.io/luksa/kubia-unhealthy:latest
    args: [sleep]
    livenessProbe:
      tcpSocket: {{port: 9}}
"
    )
}

fn event(host: &Host, start: &str) -> Result<()> {
    let seen = || host.events().ok()?.iter().any(|event| event.starts_with(start)).then_some(());
    eventually(start, SOON, seen)
}

#[test]
fn stop_ends_the_container_until_it_is_started_even_over_a_crash_of_the_daemon() -> Result<()> {
    with_host(|host| {
        host.apply(&manifest("stop"))?;
        let ended = |status: &Value| status["state"]["terminated"].is_object();
        host.wait_status("web", SOON, ended)?;
        event(host, "Normal Killing Container app failed liveness probe, will be stopped")?;
        host.kill_daemon()?;
        host.start_daemon()?;
        let status = host.wait_status("web", SOON, ended)?;
        assert_eq!(status["restartCount"], 0, "{status}");
        let described = host.probelet(["describe", "pod", "web"])?;
        assert!(described.contains("liveness probe failed: "), "{described}");
        let mut lines = described.lines().map(str::trim);
        let choice = lines.find(|line| line.starts_with("On Failure:"));
        assert!(choice.is_some_and(|line| line.ends_with(" stop")), "{described}");
        host.probelet(["start", "web"])?;
        host.wait_status("web", SOON, |status| status["restartCount"] == 1)?;
        Ok(())
    })
}

#[test]
fn notify_reports_and_does_not_end_the_container() -> Result<()> {
    with_host(|host| {
        host.apply(&manifest("notify"))?;
        event(host, "Warning ProbeFailed Container app failed liveness probe, action notify: ")?;
        let status = host.status("web")?;
        assert!(status["state"]["running"].is_object() && status["restartCount"] == 0, "{status}");
        let applied = host.apply(&manifest("restart"))?;
        assert_eq!(applied, "pod/web configured\n");
        host.wait_status("web", SOON, |status| status["restartCount"].as_u64() >= Some(1))?;
        Ok(())
    })
}
