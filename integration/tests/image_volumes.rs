//! Image volumes.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::outages::unmount_below;
use probelet_integration::registry::{PASSWORD, PrivateRegistry, USER};
use probelet_integration::script::{container, log, pod};
use probelet_integration::{Host, IMAGE, SOON, eventually, with_host};
use serde_json::{Value, json};

/// Another name of the image `kubia-unhealthy`, which has one layer. Busybox has two.
const MODEL: &str = "docker.io/library/model:1";

/// The time for a first back-off of 10 s and the pull after it.
const AFTER_BACK_OFF: Duration = Duration::from_secs(30);

fn model() -> Value {
    json!([{ "name": "model", "image": { "reference": MODEL } }])
}

fn at(path: &str) -> Value {
    json!([{ "name": "model", "mountPath": path }])
}

fn wait_of(host: &Host, container: &str, restarts: u64) -> Result<Value> {
    let mut last = None;
    let seen = eventually("the container runs", SOON * 2, || {
        let status = host.status_of("web", container).ok();
        last = status.clone();
        status.filter(|status| {
            status["state"]["running"].is_object()
                && status["restartCount"].as_u64() >= Some(restarts)
        })
    });
    seen.with_context(|| format!("last: {last:?}"))
}

/// Checks that the container can read the image's program through the volume.
fn reads_the_model(host: &Host, container: &str) -> Result<()> {
    let program = ["exec", "web", "-c", container, "--", "dd", "if=/m/kubia-unhealthy", "bs=4"];
    let read = host.probelet(program.iter().copied().chain(["count=1", "status=none"]))?;
    ensure!(read == "\u{7f}ELF", "{read:?}");
    Ok(())
}

fn with_model(test: impl FnOnce(&mut Host) -> Result<()>) -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        host.ctr(["images", "tag", IMAGE, MODEL])?;
        test(host)
    })
}

/// Removes the image from containerd. Only the view of the pod keeps its content.
fn remove_the_model(host: &Host) -> Result<()> {
    for image in [MODEL, IMAGE] {
        host.ctr(["images", "rm", "--sync", image])?;
    }
    Ok(())
}

fn views(host: &Host) -> Result<usize> {
    Ok(host.leftovers()?.iter().filter(|left| left.contains("probelet-volume-")).count())
}

#[test]
fn files_of_an_image_volume_can_be_read_and_neither_written_nor_executed() -> Result<()> {
    with_model(|host| {
        let script = "ls /m; cat /users/passwd | grep web; cat /passwd | grep root\n\
                      touch /m/x; touch /b/x; touch /users/x\n\
                      /m/kubia-unhealthy; /b/bin/busybox true; echo $?\n\
                      grep -c ' /m .* ro,.*noexec' /proc/mounts";
        let mounts = json!([
            { "name": "model", "mountPath": "/m", "readOnly": false },
            { "name": "busybox", "mountPath": "/b" },
            { "name": "busybox", "mountPath": "/users", "subPath": "etc" },
            { "name": "busybox", "mountPath": "/passwd", "subPathExpr": "etc/passwd" },
        ]);
        let volumes = json!([
            { "name": "model", "image": { "reference": "model:1", "pullPolicy": "Never" } },
            { "name": "busybox", "image": { "reference": BUSYBOX_IMAGE } },
        ]);
        let both = json!([container("app", script, mounts), container("other", "ls /n", at("/n"))]);
        host.apply(&pod(both, volumes).to_string())?;
        let text = log(host, "app")?;
        let expected =
            "kubia-unhealthy\nweb:x:101:102::/srv:/bin/sh\nroot:x:0:0:root:/root:/bin/sh\n";
        ensure!(text.starts_with(expected), "{text}");
        for expected in [
            "touch: /m/x: Read-only file system",
            "touch: /b/x: Read-only file system",
            "touch: /users/x: Read-only file system",
            "sh: /m/kubia-unhealthy: Permission denied",
            "sh: /b/bin/busybox: Permission denied\n126\n1\n",
        ] {
            ensure!(text.contains(expected), "{expected}: {text}");
        }
        ensure!(log(host, "other")? == "kubia-unhealthy\n");
        ensure!(views(host)? == 2, "not one view for each volume: {:?}", host.leftovers()?);

        let described = host.probelet(["describe", "pod", "web"])?;
        ensure!(described.contains("Image (a container image or OCI artifact)"), "{described}");
        let exported = host.probelet(["export", "web"])?;
        ensure!(exported.contains("reference: model:1"), "{exported}");
        let done = host.try_probelet(["rmi", "model:1"], "")?;
        ensure!(done.stderr.contains("is in use by pod web"), "{done:?}");
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()?;
        host.probelet(["rmi", "model:1"])?;

        let missing = json!([{ "name": "model", "mountPath": "/m", "subPath": "none" }]);
        let volumes = json!([{ "name": "model", "image": { "reference": IMAGE } }]);
        host.apply(&pod(json!([container("app", "", missing)]), volumes).to_string())?;
        let status = host.wait_status("web", SOON, |status| {
            status["state"]["waiting"]["reason"] == "CreateContainerConfigError"
        })?;
        let why = status["state"]["waiting"]["message"].as_str().unwrap_or_default();
        ensure!(why.starts_with("failed to prepare subPath for volumeMount \"model\""), "{why}");
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn an_image_that_cannot_be_pulled_delays_only_the_container_that_mounts_it() -> Result<()> {
    let mut host = Host::start()?;
    let config = host.path("config.json").display().to_string();
    host.start_daemon_with(&["--registry-config", &config])?;
    let test = |host: &mut Host| {
        host.busybox_image(&json!({}))?;
        let registry = PrivateRegistry::start(host)?;
        let app = registry.image("app:1");
        let image = json!({ "reference": app, "pullPolicy": "Always" });
        let both = json!([container("app", "ls /m", at("/m")), container("other", "", json!([]))]);
        host.apply(&pod(both, json!([{ "name": "model", "image": image }])).to_string())?;
        wait_of(host, "other", 0)?;
        for reason in ["ErrImagePull", "ImagePullBackOff"] {
            eventually(reason, SOON, || {
                let status = host.status_of("web", "app").ok()?;
                let waiting = &status["state"]["waiting"];
                (waiting["reason"] == reason && waiting["message"].as_str()?.contains("401"))
                    .then_some(())
            })?;
        }
        let login = json!({ "username": USER, "password": PASSWORD });
        let auths = json!({ "auths": { &registry.address: login } });
        fs::write(&config, auths.to_string())?;
        eventually("the pull succeeds", AFTER_BACK_OFF, || log(host, "app").ok())?;
        let events = host.events()?;
        for expected in [
            format!("Normal Pulling Pulling image {app:?}"),
            format!("Warning Failed Failed to pull image {app:?}: "),
            "Warning Failed Error: ErrImagePull".to_owned(),
            format!("Normal BackOff Back-off pulling image {app:?}"),
            format!("Normal Pulled Successfully pulled image {app:?} in "),
        ] {
            ensure!(
                events.iter().any(|event| event.starts_with(&expected)),
                "{expected}: {events:#?}"
            );
        }
        // The pod has its view now, so it needs neither the registry nor the image.
        drop(registry);
        host.ctr(["images", "rm", "--sync", &app])?;
        host.probelet(["restart", "web", "-c", "app"])?;
        wait_of(host, "app", 1)?;
        ensure!(log(host, "app")? == "kubia-unhealthy\n");
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()
    };
    test(&mut host).inspect_err(|_| host.show_logs())
}

#[test]
fn a_view_outlives_the_daemon_containerd_and_a_reboot() -> Result<()> {
    with_model(|host| {
        let both = json!([container("app", "", at("/m")), container("other", "", at("/m"))]);
        host.apply(&pod(both, model()).to_string())?;
        wait_of(host, "app", 0)?;
        wait_of(host, "other", 0)?;
        remove_the_model(host)?;
        host.kill_daemon()?;
        host.kill_containerd()?;
        host.start_containerd()?;
        host.start_daemon()?;
        reads_the_model(host, "app")?;

        // The state as if the daemon had died before it mounted the view.
        host.kill_daemon()?;
        let uid = host_uid(host)?;
        let place = host.path("run/volumes").join(uid).join("volumes/model");
        ensure!(Command::new("umount").arg("--lazy").arg(&place).status()?.success());
        host.ctr(["task", "kill", "--signal", "SIGKILL", "web_app_0"])?;
        host.start_daemon()?;
        wait_of(host, "app", 1)?;
        reads_the_model(host, "app")?;
        reads_the_model(host, "other")?;

        host.crash_node()?;
        host.start_containerd()?;
        host.start_daemon_in_another_boot()?;
        wait_of(host, "app", 2)?;
        wait_of(host, "other", 1)?;
        reads_the_model(host, "app")?;

        // A pod that is deleted before it runs again leaves nothing.
        host.probelet(["stop", "web"])?;
        host.crash_node()?;
        host.start_containerd()?;
        host.start_daemon_in_another_boot()?;
        ensure!(views(host)? == 1);
        host.probelet(["delete", "pod", "web"])?;
        eventually("nothing is left", SOON, || {
            // The run folder itself is a mount of this test.
            let left = host.leftovers().ok()?;
            left.iter().all(|one| one.ends_with("/run")).then_some(())
        })
    })
}

fn host_uid(host: &Host) -> Result<String> {
    let mut pods = fs::read_dir(host.path("data/pods"))?.flatten();
    let uid = pods.next().context("no pod")?.file_name();
    Ok(uid.to_string_lossy().into_owned())
}

#[test]
fn a_removed_view_is_created_again_and_a_view_without_a_pod_is_removed() -> Result<()> {
    with_model(|host| {
        host.apply(&pod(json!([container("app", "", at("/m"))]), model()).to_string())?;
        wait_of(host, "app", 0)?;
        let uid = host_uid(host)?;
        let key = format!("probelet-volume-{uid}-model");
        host.ctr(["snapshots", "rm", &key])?;
        host.probelet(["restart", "web"])?;
        wait_of(host, "app", 1)?;
        reads_the_model(host, "app")?;
        ensure!(views(host)? == 1);

        host.kill_daemon()?;
        for task in ["web_app_0", "web_app_1"] {
            host.ctr(["task", "delete", "--force", task]).ok();
            host.ctr(["containers", "delete", task])?;
        }
        // Only the view itself is left of the pod.
        for folder in [host.path("run/volumes"), host.path("data/pods")] {
            let folder = folder.join(&uid);
            unmount_below(&folder)?;
            fs::remove_dir_all(folder)?;
        }
        host.start_daemon()?;
        host.expect_nothing_left()
    })
}
