//! Volumes: emptyDir, hostPath, and files from ConfigMaps, Secrets and the downward API.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result, ensure};
use probelet_integration::script::{container, log, pod, refused, said};
use probelet_integration::{Host, SOON, eventually, with_host};
use serde_json::json;

#[test]
fn an_empty_dir_is_shared_outlives_restarts_and_is_removed_with_the_pod() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let mount = |name: &str| json!([{ "name": name, "mountPath": "/data" }]);
        let writes = "[ -e /data/x ] && echo AGAIN; echo hello > /data/x; mkdir -p /data/a/b/c\n\
                      ln -sf / /data/root; stat -c %a /data";
        let reads = "until [ -e /data/x ]; do sleep 0.1; done; cat /data/x";
        let both = json!([
            container("app", writes, mount("disk")),
            container("other", reads, mount("disk")),
        ]);
        let all = pod(both, json!([{ "name": "disk", "emptyDir": {} }]));
        host.apply(&all.to_string())?;
        ensure!(log(host, "other")? == "hello\n");
        ensure!(log(host, "app")? == "777\n");
        let again = |host: &Host| {
            eventually("the file still exists", SOON, || {
                log(host, "app").ok().filter(|log| log.starts_with("AGAIN\n"))
            })
        };
        host.probelet(["restart", "web", "-c", "app"])?;
        again(host)?;
        // The content outlives the daemon too.
        host.kill_daemon()?;
        host.start_daemon()?;
        let uid = host.pod("web")?["metadata"]["uid"].as_str().context("no uid")?.to_owned();
        let folder = host.path("data/pods").join(&uid);
        ensure!(folder.join("volumes/disk/x").exists());
        ensure!(fs::metadata(&folder)?.mode() & 0o777 == 0o700);
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()?;
        ensure!(fs::metadata("/")?.is_dir());
        Ok(())
    })
}

#[test]
fn a_memory_volume_is_a_tmpfs_with_a_limit() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let script = "dd if=/dev/zero of=/m/x bs=64k count=64; grep ' /m ' /proc/mounts";
        let volumes =
            json!([{ "name": "m", "emptyDir": { "medium": "Memory", "sizeLimit": "1Mi" } }]);
        let text = said(host, script, json!([{ "name": "m", "mountPath": "/m" }]), volumes)?;
        ensure!(text.contains("No space left on device"), "{text}");
        ensure!(text.contains("tmpfs /m tmpfs rw") && text.contains("size=1024k"), "{text}");
        host.expect_nothing_left()
    })
}

#[test]
fn a_pod_whose_empty_dir_exceeds_its_limit_is_evicted() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let volumes = json!([{ "name": "d", "emptyDir": { "sizeLimit": "1Mi" } }]);
        let fills = "mkdir -p /d/a/b; dd if=/dev/zero of=/d/a/b/x bs=64k count=32";
        let all = json!([
            container("app", fills, json!([{ "name": "d", "mountPath": "/d" }])),
            container("other", "", json!([])),
        ]);
        let all = pod(all, volumes).to_string();
        host.apply(&all)?;
        log(host, "app")?;
        let why = "Usage of EmptyDir volume \"d\" exceeds the limit \"1Mi\".";
        let status = eventually("the pod has failed", SOON * 2, || {
            let status = host.pod("web").ok()?["status"].clone();
            (status["phase"] == "Failed").then_some(status)
        })?;
        ensure!(status["reason"] == "Evicted" && status["message"] == why, "{status}");
        let events = host.events()?;
        ensure!(events.contains(&format!("Warning Evicted {why}")), "{events:#?}");
        let described = host.probelet(["describe", "pod", "web"])?;
        ensure!(described.contains(&format!("evicted: {why}")), "{described}");

        // The failure is final, over a restart of the daemon too.
        host.kill_daemon()?;
        host.start_daemon()?;
        let started = host.try_probelet(["start", "web"], "")?;
        ensure!(started.stderr.contains("has failed for good (Evicted)"), "{started:?}");
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn host_paths_are_checked_with_the_kubelets_messages_and_never_removed() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let base = host.path("host");
        fs::create_dir(&base)?;
        fs::write(base.join("file"), "text\n")?;
        let at = |name: &str| base.join(name).display().to_string();
        let volume = |name: &str, kind: &str| json!([{ "name": "h", "hostPath": { "path": at(name), "type": kind } }]);
        let mount = json!([{ "name": "h", "mountPath": "/h" }]);
        for (name, kind, what) in [
            ("file", "Directory", "a directory"),
            ("file", "DirectoryOrCreate", "a directory"),
            ("none", "Directory", "a directory"),
            ("none", "File", "a file"),
            (".", "FileOrCreate", "a file"),
            ("file", "Socket", "a socket file"),
            ("file", "CharDevice", "a character device"),
            ("file", "BlockDevice", "a block device"),
        ] {
            let why = refused(host, mount.clone(), volume(name, kind))?;
            let words = format!(
                "MountVolume.SetUp failed for volume \"h\" : hostPath type check failed: {} is \
                 not {what}",
                at(name)
            );
            ensure!(why == words, "{kind}: {why}");
        }
        for (name, kind) in [("new", "DirectoryOrCreate"), ("unset", ""), (".", "Directory")] {
            said(host, "echo x > /h/written", mount.clone(), volume(name, kind))?;
            ensure!(fs::read_to_string(base.join(name).join("written"))? == "x\n", "{kind}");
        }
        for (name, kind) in [("made", "FileOrCreate"), ("file", "File")] {
            said(host, "echo y > /h", mount.clone(), volume(name, kind))?;
            ensure!(fs::read_to_string(base.join(name))? == "y\n", "{kind}");
        }
        let null =
            json!([{ "name": "h", "hostPath": { "path": "/dev/null", "type": "CharDevice" } }]);
        ensure!(said(host, "[ -c /h ] && echo DEVICE", mount.clone(), null)? == "DEVICE\n");
        let read_only = json!([{ "name": "h", "mountPath": "/h", "readOnly": true }]);
        let text = said(host, "touch /h/x", read_only, volume(".", "Directory"))?;
        ensure!(text.contains("Read-only file system"), "{text}");
        host.expect_nothing_left()?;
        ensure!(fs::read_to_string(base.join("file"))? == "y\n", "the host's file was changed");
        ensure!(base.join("new/written").exists());
        Ok(())
    })
}

const OBJECTS: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: config}
data: {one: "first\n", two: "second\n"}
binaryData: {raw: /wA=}
---
apiVersion: v1
kind: Secret
metadata: {name: hidden}
stringData: {password: "hunter2\n"}
---
"#;

#[test]
fn files_have_their_content_and_modes_and_follow_changes() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let volumes = json!([
            { "name": "config", "configMap": { "name": "config", "defaultMode": 0o640 } },
            { "name": "secret", "secret": { "secretName": "hidden" } },
            { "name": "none", "configMap": { "name": "nowhere", "optional": true } },
            { "name": "all", "projected": { "defaultMode": 0o400, "sources": [
                { "configMap": { "name": "config",
                    "items": [{ "key": "one", "path": "sub/1", "mode": 0o444 }] } },
                { "secret": { "name": "hidden" } },
                { "downwardAPI": { "items": [
                    { "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } },
                    { "path": "name", "fieldRef": { "fieldPath": "metadata.name" } },
                ] } },
            ] } },
        ]);
        let mounts = json!([
            { "name": "config", "mountPath": "/c" }, { "name": "secret", "mountPath": "/s" },
            { "name": "none", "mountPath": "/n" }, { "name": "all", "mountPath": "/all" },
            { "name": "config", "mountPath": "/etc/one.conf", "subPath": "one" },
        ]);
        let script = "cat /c/one /c/two /s/password /all/sub/1 /etc/one.conf; cat /all/labels; echo\n\
                      cat /all/name; echo; ls /n; od -An -tx1 /c/raw; readlink /c/one\n\
                      stat -Lc %a /c/one /s/password /all/sub/1 /all/name\n\
                      touch /c/x";
        let app = container("app", script, mounts);
        let all = |objects: &str, label: &str| {
            let mut pod = pod(json!([app]), volumes.clone());
            pod["metadata"]["labels"]["a"] = json!(label);
            format!("{objects}{pod}")
        };
        host.apply(&all(OBJECTS, "b"))?;
        let text = log(host, "app")?;
        let expected = "first\nsecond\nhunter2\nfirst\nfirst\na=\"b\"\nweb\n ff 00\n..data/one\n\
                        640\n644\n444\n400\n";
        ensure!(text.starts_with(expected), "{text}");
        ensure!(text.contains("touch: /c/x: Read-only file system"), "{text}");

        // The files change without a restart, as in Kubernetes.
        let changed = OBJECTS.replace("first", "other").replace("two:", "three:");
        let applied = host.apply(&all(&changed, "c"))?;
        ensure!(applied.contains("configured"), "{applied}");
        let pid = host.task_pid("web_app_0")?;
        let file = |path: &str| fs::read_to_string(format!("/proc/{pid}/root{path}"));
        eventually("the files have the new content", SOON, || {
            let new = file("/c/one").ok()? == "other\n" && file("/all/labels").ok()? == "a=\"c\"";
            let sub = file("/all/sub/1").ok()? == "other\n";
            (new && sub && file("/c/three").is_ok() && file("/c/two").is_err()).then_some(())
        })?;
        ensure!(host.status("web")?["restartCount"] == 0);
        let shown = host.probelet(["get", "pod", "web", "-o", "yaml"])?;
        ensure!(!shown.contains("hunter2") && shown.contains("secretName: hidden"), "{shown}");
        let exported = host.probelet(["export", "web"])?;
        ensure!(exported.contains("three") && exported.contains("raw: /wA="), "{exported}");

        // A daemon in another boot can delete the pod, although nothing of it is mounted for it.
        host.kill_daemon()?;
        host.start_daemon_in_another_boot()?;
        host.probelet(["delete", "pod", "web"])?;
        let missing = OBJECTS.replace("name: config", "name: other");
        let error = format!("{:#}", host.apply(&all(&missing, "b")).err().context("taken")?);
        ensure!(error.contains("spec.volumes[0].configMap.name: Not found: \"config\""), "{error}");
        host.expect_nothing_left()
    })
}

#[test]
fn volumes_belong_to_the_group_of_the_pod() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let volumes = json!([
            { "name": "disk", "emptyDir": {} }, { "name": "memory", "emptyDir": { "medium": "Memory" } },
            { "name": "config", "configMap": { "name": "config", "defaultMode": 0o400 } },
        ]);
        let mounts = json!([
            { "name": "disk", "mountPath": "/d" }, { "name": "memory", "mountPath": "/m" },
            { "name": "config", "mountPath": "/c" },
        ]);
        let script = "echo x > /d/x; echo x > /m/x; cat /c/one; stat -Lc '%a %g' /d /m /c/one\n\
                      stat -c '%u %g' /d/x /m/x";
        let mut all = pod(json!([container("app", script, mounts)]), volumes);
        all["spec"]["securityContext"] = json!({ "runAsUser": 7, "runAsGroup": 8, "fsGroup": 99 });
        host.apply(&format!("{OBJECTS}{all}"))?;
        let text = log(host, "app")?;
        let expected = "first\n2777 99\n3777 99\n440 99\n7 99\n7 99\n";
        ensure!(text == expected, "{text}");
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn volumes_without_a_record_are_removed_at_the_start_and_those_of_other_daemons_are_not()
-> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let precious = host.path("precious");
        fs::create_dir(&precious)?;
        fs::write(precious.join("file"), "")?;
        let volumes = json!([
            { "name": "d", "emptyDir": {} }, { "name": "m", "emptyDir": { "medium": "Memory" } },
            { "name": "h", "hostPath": { "path": precious } },
        ]);
        let mounts = json!([
            { "name": "d", "mountPath": "/d" }, { "name": "m", "mountPath": "/m" },
            { "name": "h", "mountPath": "/h", "subPath": "." },
        ]);
        let script = "mkdir -p /d/1/2/3/4; touch /d/1/2/3/4/x /d/1/y /m/x";
        host.apply(&pod(json!([container("app", script, mounts)]), volumes).to_string())?;
        log(host, "app")?;
        host.kill_daemon()?;
        host.ctr(["task", "delete", "--force", "web_app_0"])?;
        host.ctr(["containers", "delete", "web_app_0"])?;
        let strange = host.path("data/pods/strange");
        fs::create_dir_all(&strange)?;
        fs::write(strange.join("owner"), "/another.sock probelet\n")?;
        host.start_daemon()?;
        ensure!(strange.join("owner").exists(), "the volumes of another daemon were removed");
        ensure!(precious.join("file").exists());
        fs::remove_dir_all(strange)?;
        host.expect_nothing_left()
    })
}
