//! Mounts of volumes: subPath, propagation, recursive read only, and over `/dev/shm`.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use probelet_integration::script::{container, log, pod, refused, said};
use probelet_integration::target::extend;
use probelet_integration::{SOON, eventually, with_host};
use serde_json::json;

#[test]
fn sub_paths_are_created_and_cannot_leave_the_volume() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let base = host.path("host");
        fs::create_dir_all(base.join("in"))?;
        symlink("/etc", base.join("out"))?;
        symlink("../../..", base.join("up"))?;
        symlink("in", base.join("well"))?;
        let volumes = json!([{ "name": "h", "hostPath": { "path": base } }]);
        let mount = |sub: &str| json!([{ "name": "h", "mountPath": "/h", "subPath": sub }]);
        for sub in ["out", "up", "out/new", "up/x"] {
            let why = refused(host, mount(sub), volumes.clone())?;
            let words = format!(
                "failed to prepare subPath for volumeMount \"h\" of container \"app\": {sub}: it \
                 leads out of the volume"
            );
            ensure!(why == words, "{why}");
        }
        ensure!(!fs::exists("/etc/new")?);
        said(host, "echo 1 > /h/x", mount("well"), volumes.clone())?;
        said(host, "echo 2 > /h/x", mount("a/b"), volumes.clone())?;
        ensure!(fs::read_to_string(base.join("in/x"))? == "1\n");
        ensure!(fs::read_to_string(base.join("a/b/x"))? == "2\n");
        said(host, "echo 3 > /h", mount("a/b/x"), volumes.clone())?;
        ensure!(fs::read_to_string(base.join("a/b/x"))? == "3\n");

        let mut app = container(
            "app",
            "echo $NAME > /h/name",
            json!([{ "name": "h", "mountPath": "/h", "subPathExpr": "logs/$(NAME)" }]),
        );
        let env = json!([{ "name": "NAME",
            "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }]);
        extend(&mut app, json!({ "env": env }));
        host.apply(&pod(json!([app]), volumes.clone()).to_string())?;
        log(host, "app")?;
        ensure!(fs::read_to_string(base.join("logs/web/name"))? == "web\n");
        host.probelet(["delete", "pod", "web"])?;
        let unknown = json!([{ "name": "h", "mountPath": "/h", "subPathExpr": "$(NONE)" }]);
        let why = refused(host, unknown, volumes)?;
        ensure!(why.ends_with("of container \"app\": missing value for \"NONE\""), "{why}");
        host.expect_nothing_left()?;
        ensure!(base.join("a/b/x").exists());
        Ok(())
    })
}

#[test]
fn mounts_propagate_as_configured() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let volumes = json!([{ "name": "d", "emptyDir": {} }]);
        let mount = |propagation: &str| json!([{ "name": "d", "mountPath": "/d", "mountPropagation": propagation }]);
        let both = pod(json!([container("app", "", mount("Bidirectional"))]), volumes.clone());
        let error = format!("{:#}", host.apply(&both.to_string()).err().context("taken")?);
        ensure!(error.contains("volumeMounts[0].mountPropagation: Forbidden"), "{error}");
        let script = "until [ -e /d/ready1 ] && [ -e /d/ready2 ]; do sleep 0.1; done\n\
                      mkdir /d/in && mount -t tmpfs none /d/in && echo x > /d/in/x; echo > /d/go";
        let mut app = container("app", script, mount("Bidirectional"));
        app["securityContext"] = json!({ "privileged": true });
        let look = |number: u32| {
            format!("echo > /d/ready{number}; until [ -e /d/go ]; do sleep 0.1; done; ls /d/in")
        };
        let all = json!([
            app,
            container("slave", &look(1), mount("HostToContainer")),
            container("private", &look(2), mount("None")),
        ]);
        let all = pod(all, volumes).to_string();
        let data = host.path("data");
        fs::create_dir_all(&data)?;
        let mount = |program: &str, words: &[&str]| {
            let done = Command::new(program).args(words).arg(&data).status()?;
            ensure!(done.success(), "{program} {words:?}");
            Ok(())
        };
        mount("mount", &["--bind", &data.display().to_string()])?;
        mount("mount", &["--make-private"])?;
        host.apply(&all)?;
        eventually("the message has the reason", SOON, || {
            let status = host.status_of("web", "app").ok()?;
            let message = status["state"]["waiting"]["message"].as_str()?.to_owned();
            message.ends_with("but it is not a shared mount").then_some(())
        })?;
        host.probelet(["delete", "pod", "web"])?;
        mount("mount", &["--make-shared"])?;
        host.apply(&all)?;
        ensure!(log(host, "slave")? == "x\n");
        ensure!(log(host, "private")?.is_empty());
        host.probelet(["delete", "pod", "web"])?;
        eventually("the mount in the volume is removed", SOON, || mount("umount", &[]).ok())?;
        host.expect_nothing_left()
    })
}

#[test]
fn mounts_in_a_volume_are_read_only_with_recursive_read_only() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let base = host.path("host");
        let below = base.join("below");
        fs::create_dir_all(&below)?;
        let mount = Command::new("mount").args(["-t", "tmpfs", "none"]).arg(&below).status()?;
        ensure!(mount.success());
        let mounts = json!([
            { "name": "h", "mountPath": "/plain", "readOnly": true },
            { "name": "h", "mountPath": "/all", "readOnly": true, "recursiveReadOnly": "Enabled" },
            { "name": "h", "mountPath": "/maybe", "readOnly": true,
                "recursiveReadOnly": "IfPossible" },
        ]);
        let script = "for at in plain all maybe; do touch /$at/x; touch /$at/below/x; done";
        let text =
            said(host, script, mounts, json!([{ "name": "h", "hostPath": { "path": base } }]))?;
        let failed = |at: &str| format!("touch: /{at}/x: Read-only file system\n");
        let all = ["plain", "all", "all/below", "maybe", "maybe/below"].map(failed).concat();
        ensure!(text == all, "{text}");
        ensure!(Command::new("umount").arg(&below).status()?.success());
        host.expect_nothing_left()
    })
}

#[test]
fn dev_shm_is_shared_by_the_pod_unless_a_volume_is_mounted_there() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let own = json!([{ "name": "m", "mountPath": "/dev/shm" }]);
        let reads = "until [ -e /dev/shm/x ]; do sleep 0.1; done\n\
                     grep -o ' /dev/shm .*size=[0-9]*k' /proc/mounts | grep -o 'size=.*'";
        let writes = "echo > /dev/shm/x; grep -o ' /dev/shm .*size=[0-9]*k' /proc/mounts | grep -o 'size=.*'";
        let all = json!([
            container("app", reads, json!([])),
            container("other", writes, json!([])),
            container("own", writes, own),
        ]);
        let volumes =
            json!([{ "name": "m", "emptyDir": { "medium": "Memory", "sizeLimit": "1Mi" } }]);
        host.apply(&pod(all, volumes).to_string())?;
        ensure!(log(host, "app")? == "size=65536k\n");
        ensure!(log(host, "other")? == "size=65536k\n");
        ensure!(log(host, "own")? == "size=1024k\n");
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()
    })
}
