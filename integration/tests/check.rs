//! `probelet check` on a real host.

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, SOON};
use serde_json::Value;

fn found<'a>(findings: &'a Value, subject: &str) -> Result<&'a Value> {
    let all = findings.as_array().context("no list")?;
    all.iter().find(|one| one["subject"] == subject).with_context(|| format!("no {subject}"))
}

#[test]
fn a_host_is_checked_with_and_without_its_containerd() -> Result<()> {
    let mut host = Host::start()?;
    host.start_daemon()?;
    let address = host.containerd_socket().display().to_string();
    let namespace = host.namespace().to_owned();
    let data = host.path("data").display().to_string();
    let flags = ["check", "--containerd-address", &address, "--containerd-namespace", &namespace];
    let flags = [&flags[..], &["--data-dir", &data, "-o", "json"]].concat();
    let done = host.try_probelet(&flags, "")?;
    ensure!(done.code == Some(0), "{done:?}");
    let findings: Value = serde_json::from_str(&done.stdout)?;
    let containerd = found(&findings, "containerd")?;
    ensure!(containerd["verdict"] == "good", "{containerd}");
    let managed = format!("{namespace}: managed by pid {}, socket", host.daemon_pid()?);
    let owner = found(&findings, "namespace")?["found"].as_str().unwrap_or_default();
    ensure!(owner.starts_with(&managed), "{owner}");
    ensure!(found(&findings, "kernel")?["verdict"] == "good", "{findings:#}");
    ensure!(found(&findings, "records")?["found"] == "none waits to be written", "{findings:#}");
    let clock = found(&findings, "clock")?["found"].as_str().unwrap_or_default();
    ensure!(clock.contains("UTC"), "{clock}");

    // The configuration file is read as by `serve`.
    let file = host.path("check.toml");
    std::fs::write(&file, "containerd-address = \"/nonexistent/c.sock\"\n")?;
    let done = host.try_probelet(["check", "--config", &file.display().to_string()], "")?;
    let line = done.stdout.lines().find(|line| line.contains("containerd    ")).unwrap_or_default();
    ensure!(done.code == Some(1), "{done:?}");
    ensure!(line.starts_with("broken    containerd    /nonexistent/c.sock: "), "{done:?}");
    ensure!(line.ends_with("start containerd, or set --containerd-address"), "{line}");
    std::fs::write(&file, "containerd-adress = 1\n")?;
    let done = host.try_probelet(["check", "--config", &file.display().to_string()], "")?;
    ensure!(done.code == Some(2) && done.stderr.contains("check.toml:1: unknown key"), "{done:?}");
    Ok(())
}

#[test]
fn the_status_has_the_pods_and_the_restarts() -> Result<()> {
    let mut host = Host::start()?;
    host.start_daemon()?;
    host.apply(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - {name: app, \
         image: docker.io/luksa/kubia-unhealthy:latest, imagePullPolicy: Never}\n",
    )?;
    host.wait_status("web", SOON, |status| status["state"]["running"].is_object())?;
    host.probelet(["restart", "web"])?;
    host.wait_status("web", SOON, |status| {
        status["state"]["running"].is_object() && status["restartCount"] == 1
    })?;
    let status: Value = serde_json::from_str(&host.probelet(["status", "-o", "json"])?)?;
    ensure!(status["pods"] == serde_json::json!({"Running": 1}), "{status:#}");
    let restart = &status["restarts"][0];
    ensure!(restart["pod"] == "web" && restart["container"] == "app", "{status:#}");
    ensure!(restart["cause"].as_str().is_some_and(|cause| cause.contains("restart")), "{status:#}");
    for subject in ["brake", "records", "clock", "space"] {
        found(&status["host"], subject)?;
    }
    ensure!(found(&status["host"], "brake")?["found"] == "free, no kill waits", "{status:#}");
    host.kill_containerd()?;
    let done = host.try_probelet(["status"], "")?;
    ensure!(done.code == Some(1) && done.stderr.contains("containerd does not answer"), "{done:?}");
    ensure!(done.stdout.contains("Pods:        1: 1 Running"), "{done:?}");
    Ok(())
}
