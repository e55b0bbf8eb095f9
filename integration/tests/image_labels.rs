//! Labels of an image have no effect on adopted containers, and log URIs in labels are restricted.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::{Host, SOON, eventually, with_host};
use serde_json::{Value, json};

const LOOP: &str = "while true; do echo line; sleep 0.1; done";

/// `ctr run -d` of the busybox image as container `web`.
fn run(host: &Host, flags: &[&str]) -> Result<()> {
    let command = [BUSYBOX_IMAGE, "web", "sh", "-c", LOOP];
    let args: Vec<_> =
        ["run", "-d"].into_iter().chain(flags.iter().copied()).chain(command).collect();
    host.ctr(args).map(drop)
}

fn name(host: &Host) -> String {
    format!("{}/web", host.namespace())
}

fn event(host: &Host, words: &[&str]) -> Result<()> {
    eventually(&words.join(" … "), SOON, || {
        let events = host.events().ok()?;
        events.iter().any(|event| words.iter().all(|word| event.contains(word))).then_some(())
    })
}

fn wait_restarted(host: &Host, restarts: u64) -> Result<Value> {
    let healed = |status: &Value| {
        status["restartCount"].as_u64() >= Some(restarts) && status["state"]["running"].is_object()
    };
    host.wait_status(&name(host), SOON * 2, healed)
}

/// Labels of an image that tries to run a program as root of the host.
fn hostile(host: &Host) -> Value {
    let proof = host.path("proof").display().to_string();
    let uri = format!("binary:///bin/touch?{proof}=");
    json!({ "Labels": {
        "probelet/restart": "always", "probelet/liveness": "exec:false", "probelet/pod": "web",
        "nerdctl/log-uri": uri, "containerd.io/restart.loguri": format!("file://{proof}"),
    } })
}

#[test]
fn labels_of_an_image_neither_adopt_the_container_nor_choose_its_log() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&hostile(host))?;
        run(host, &[])?;
        event(host, &["ImageLabelsIgnored", "probelet/liveness", "probelet/restart"])?;
        assert!(host.status(&name(host)).is_err(), "its image's labels were followed");

        // They have no effect either if an operator adopts the container.
        host.probelet(["adopt", &name(host), "--grace", "1s"])?;
        host.probelet(["kill", "web"])?;
        wait_restarted(host, 1)?;
        eventually("its log", SOON, || {
            host.probelet(["logs", "web"]).ok()?.contains("line\n").then_some(())
        })?;
        host.probelet(["release", &name(host)])?;
        ensure!(!host.path("proof").exists(), "the host ran or wrote what the image says");

        // A label that a person adds counts.
        host.ctr(["containers", "label", "web", "probelet/restart=on-failure"])?;
        host.wait_status(&name(host), SOON, |status| status["state"]["running"].is_object())?;
        let pod = host.pod(&name(host))?;
        ensure!(pod["spec"]["restartPolicy"] == "OnFailure", "{pod}");
        ensure!(pod["spec"]["containers"][0]["livenessProbe"].is_null(), "{pod}");
        // The image may be removed: the result of the comparison is kept with the adoption.
        host.ctr(["image", "rm", BUSYBOX_IMAGE])?;
        host.kill_daemon()?;
        host.start_daemon()?;
        ensure!(host.status(&name(host))?["state"]["running"].is_object());
        Ok(())
    })
}

#[test]
fn labels_that_cannot_be_compared_do_not_count() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({ "Labels": { "probelet/restart": "always" } }))?;
        host.kill_daemon()?;
        run(host, &[])?;
        // The image's name now stands for an image with the same layers, without the label.
        host.busybox_image(&json!({}))?;
        host.start_daemon()?;
        let waits = |status: &Value| status["state"]["waiting"]["reason"] == "ImageUnknown";
        let status = host.wait_status(&name(host), SOON, waits)?;
        let message = status["state"]["waiting"]["message"].to_string();
        ensure!(message.contains("is another one since"), "{message}");
        host.ctr(["image", "rm", BUSYBOX_IMAGE])?;
        host.ctr(["containers", "label", "web", "other=changed"])?;
        event(host, &["Warning ImageUnknown", "not in containerd's store"])?;
        host.ctr(["tasks", "kill", "--signal", "SIGKILL", "web"])?;
        eventually("its task can be deleted", SOON, || host.ctr(["tasks", "rm", "web"]).ok())?;
        ensure!(host.task_pid("web").is_err(), "the container was restarted");
        Ok(())
    })
}

#[test]
fn a_log_uri_in_a_label_may_only_name_a_file_below_an_allowed_folder() -> Result<()> {
    let mut host = Host::start()?;
    let (allowed, other) = (host.path("logs"), host.path("other"));
    for folder in [&allowed, &other] {
        fs::create_dir(folder)?;
    }
    host.start_daemon_with(&["--adopted-log-dirs", &allowed.display().to_string()])?;
    host.busybox_image(&json!({}))?;
    let uri = |uri: String| format!("containerd.io/restart.loguri={uri}");
    let good = allowed.join("web.log");
    let label = uri(format!("file://{}", good.display()));
    run(&host, &["--label", "probelet/restart=always", "--label", &label])?;
    wait_restarted(&host, 0)?;
    host.probelet(["kill", "web"])?;
    wait_restarted(&host, 1)?;
    eventually("the file is written", SOON, || {
        fs::read_to_string(&good).ok()?.contains("line\n").then_some(())
    })?;
    let logs = host.try_probelet(["logs", "web"], "")?;
    let expected = format!("its output goes to file://{}", good.display());
    ensure!(logs.code == Some(1) && logs.stderr.contains(&expected), "{logs:?}");
    ensure!(logs.stderr.contains("container \"web\""), "{logs:?}");

    let proof = host.path("proof");
    std::os::unix::fs::symlink(&proof, allowed.join("link.log"))?;
    let bad = [
        format!("binary:///bin/touch?{}=", proof.display()),
        format!("file://{}", other.join("web.log").display()),
        format!("file://{}/%2e%2e/proof", allowed.display()),
        format!("file://{}/../proof", allowed.display()),
        format!("file://{}/link.log", allowed.display()),
    ];
    for (bad, restarts) in bad.into_iter().zip(2..) {
        host.ctr(["containers", "label", "web", &uri(bad)])?;
        host.probelet(["restart", "web", "--grace-period", "0"])?;
        wait_restarted(&host, restarts)?;
    }
    ensure!(!proof.exists() && !other.join("web.log").exists(), "a label was followed");
    Ok(())
}

#[test]
fn a_refused_log_uri_is_reported() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let proof = host.path("proof");
        let label = format!("nerdctl/log-uri=binary:///bin/touch?{}=", proof.display());
        run(host, &["--label", "probelet/restart=always", "--label", &label])?;
        wait_restarted(host, 0)?;
        let logs = host.try_probelet(["logs", "web"], "")?;
        ensure!(logs.stderr.contains("for whoever started it to read"), "{logs:?}");
        host.probelet(["kill", "web"])?;
        wait_restarted(host, 1)?;
        event(host, &["Warning LogRefused", "only file:// is taken from a label"])?;
        ensure!(!proof.exists(), "a label was run");
        eventually("its log", SOON, || {
            host.probelet(["logs", "web"]).ok()?.contains("line\n").then_some(())
        })?;
        let refused = host.try_probelet(["adopt", "nobody/nothing"], "")?;
        let expected = "container \"nothing\" not found in containerd's namespace \"nobody\"";
        ensure!(refused.stderr.contains(expected), "{refused:?}");
        Ok(())
    })
}

#[test]
fn evidence_of_an_adopted_container_is_stored_and_leaves_out_the_probes_command() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        // The probe's command spins until its timeout.
        let probe = r#"probelet/liveness={"exec":{"command":["sh","-c","while true; do true; done"]},"periodSeconds":1,"timeoutSeconds":2,"failureThreshold":2}"#;
        run(host, &["--label", probe, "--label", "probelet/grace=1"])?;
        wait_restarted(host, 1)?;
        let shown = host.probelet(["describe", "pod", &name(host), "--evidence"])?;
        let (_, evidence) = shown.split_once("\nEvidence:").context("no section")?;
        ensure!(!evidence.trim_start().starts_with("<none>"), "{shown}");
        ensure!(!evidence.contains("spinning") && !evidence.contains("runc:["), "{evidence}");
        let folder = host.path("log/_adopted").join(host.namespace()).join("web");
        ensure!(folder.join("0.evidence.json").exists());
        // The evidence is removed with the adoption.
        host.probelet(["release", &name(host)])?;
        ensure!(!folder.join("0.evidence.json").exists());
        Ok(())
    })
}
