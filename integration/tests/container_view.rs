//! Defaults that a container finds in its file system and network.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::script::{container, log, pod, said};
use probelet_integration::{Host, SOON, eventually, with_host};
use serde_json::{Value, json};

fn config_map(name: &str, data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data })
}

fn apply(host: &Host, objects: &[Value]) -> Result<()> {
    let texts: Vec<_> = objects.iter().map(Value::to_string).collect();
    host.apply(&texts.join("\n---\n")).map(drop)
}

#[test]
fn volumes_below_files_are_mounted_at_any_depth() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys" },
            "stringData": { "key": "secret" },
        });
        let volumes = json!([
            { "name": "config", "configMap": { "name": "config", "items": [
                { "key": "a", "path": "a" }, { "key": "a", "path": "deep/a" },
            ] } },
            { "name": "secret", "secret": { "secretName": "keys" } },
            { "name": "labels", "downwardAPI": { "items": [
                { "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } },
            ] } },
            { "name": "all", "projected": { "sources": [{ "configMap": { "name": "config" } }] } },
            { "name": "disk", "emptyDir": {} },
            { "name": "fixed", "emptyDir": { "medium": "Memory" } },
        ]);
        let mounts = json!([
            { "name": "config", "mountPath": "/c" },
            { "name": "secret", "mountPath": "/c/one/two" },
            { "name": "labels", "mountPath": "/c/one/two/three" },
            { "name": "disk", "mountPath": "/c/one/two/three/four" },
            // In a folder of the volume's content.
            { "name": "disk", "mountPath": "/c/deep/disk", "subPath": "sub" },
            { "name": "all", "mountPath": "/p" },
            // A file at a path that does not exist.
            { "name": "config", "mountPath": "/p/only", "subPath": "a" },
            // A subfolder of the volume.
            { "name": "config", "mountPath": "/part", "subPath": "deep" },
            { "name": "disk", "mountPath": "/part/disk" },
            { "name": "fixed", "mountPath": "/m", "readOnly": true },
            { "name": "disk", "mountPath": "/m/in/it" },
        ]);
        let script = "for f in /c/a /c/deep/a /c/one/two/key /c/one/two/three/labels /p/only \
                      /part/a; do cat $f; echo; done; echo x > /c/one/two/three/four/x\n\
                      echo y > /c/deep/disk/y; ls /part/disk /m/in/it";
        let mut app = container("app", script, mounts);
        app["terminationMessagePath"] = json!("/p/why");
        let object = pod(json!([app]), volumes);
        apply(host, &[config_map("config", json!({ "a": "text" })), secret, object])?;
        let expected = "text\ntext\nsecret\na=\"b\"\ntext\ntext\n\
                        /m/in/it:\nsub\nx\n\n/part/disk:\nsub\nx\n";
        let text = log(host, "app")?;
        ensure!(text == expected, "{text}");
        // A restart mounts the same content.
        let uid = host.pod("web")?["metadata"]["uid"].as_str().context("no uid")?.to_owned();
        host.probelet(["restart", "web"])?;
        eventually("the output is the same", SOON, || {
            (log(host, "app").ok()? == expected).then_some(())
        })?;
        ensure!(host.path("data/pods").join(uid).join("volumes/disk/sub/y").exists());
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn a_change_of_labels_keeps_the_mounts_of_a_running_container() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let field = json!({ "fieldPath": "metadata.labels" });
        let volumes = json!([
            { "name": "labels", "downwardAPI": { "items": [
                { "path": "labels", "fieldRef": field }, { "path": "in/labels", "fieldRef": field },
            ] } },
            { "name": "disk", "emptyDir": {} },
        ]);
        let mounts = json!([
            { "name": "labels", "mountPath": "/l" },
            { "name": "disk", "mountPath": "/l/in/disk" },
            { "name": "disk", "mountPath": "/l/disk" },
        ]);
        let mut all = pod(json!([container("app", "echo x > /l/disk/x", mounts)]), volumes);
        host.apply(&all.to_string())?;
        log(host, "app")?;
        let shows = || host.probelet(["exec", "web", "--", "ls", "/l/in/disk", "/l/disk"]);
        let before = shows()?;
        ensure!(before == "/l/disk:\nx\n\n/l/in/disk:\nx\n", "{before}");
        all["metadata"]["labels"]["a"] = json!("c");
        ensure!(host.apply(&all.to_string())?.contains("configured"));
        ensure!(shows()? == before);
        ensure!(host.status("web")?["restartCount"] == 0);
        Ok(())
    })
}

#[test]
fn a_volume_of_an_image_is_writable_and_has_the_images_content() -> Result<()> {
    with_host(|host| {
        host.busybox_image(
            &json!({ "Volumes": { "/etc": {}, "/none/there": {}, "/tmp": {}, "/mine": {} } }),
        )?;
        let script = "stat -c '%a %u' /etc /none/there; grep -c . /etc/passwd /etc/group\n\
                      echo x > /etc/x && echo y > /none/there/y && echo wrote; ls /mine\n\
                      touch /y 2>/dev/null && echo WRITABLE; cat /etc/hosts > /dev/null && echo hosts";
        let mounts = json!([{ "name": "mine", "mountPath": "/mine" }]);
        let mut app = container("app", script, mounts);
        app["securityContext"] = json!({ "readOnlyRootFilesystem": true });
        let volumes = json!([{ "name": "mine", "emptyDir": {} }]);
        host.apply(&pod(json!([app]), volumes).to_string())?;
        let expected = "755 0\n755 0\n/etc/passwd:2\n/etc/group:4\nwrote\nhosts\n";
        ensure!(log(host, "app")? == expected, "{}", log(host, "app")?);
        // Each attempt has its own copy, as it has its own root filesystem.
        host.probelet(["restart", "web"])?;
        host.wait_status("web", SOON, |status| status["restartCount"] == 1)?;
        ensure!(log(host, "app")? == expected);
        let uid = host.pod("web")?["metadata"]["uid"].as_str().context("no uid")?.to_owned();
        let folder = host.path("data/pods").join(uid).join("image-volumes/app");
        ensure!(fs::read_to_string(folder.join("1/0/x"))? == "x\n");
        for restarts in 2..4 {
            host.probelet(["restart", "web"])?;
            host.wait_status("web", SOON, |status| status["restartCount"] == restarts)?;
        }
        let kept = || fs::read_dir(&folder).map(Iterator::count).unwrap_or_default();
        eventually("the copies of old attempts are removed", SOON, || (kept() <= 2).then_some(()))?;
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn a_volume_path_of_an_image_cannot_leave_the_image() -> Result<()> {
    with_host(|host| {
        // `..` in a path is resolved within the image.
        let volumes = json!({ "/bin/../../../etc": {}, "/dev/../srv": {} });
        host.busybox_image(&json!({ "Volumes": volumes }))?;
        let text = said(host, "grep -c . /etc/passwd; ls /srv", json!([]), json!([]))?;
        ensure!(text == "2\n", "{text}");
        host.busybox_image(&json!({ "Volumes": { "/bin/busybox": {} } }))?;
        let app = json!({ "name": "app", "image": BUSYBOX_IMAGE, "command": ["true"] });
        host.apply(&pod(json!([app]), json!([])).to_string())?;
        let status = host.wait_status("web", SOON, |status| {
            status["state"]["waiting"]["reason"] == "CreateContainerConfigError"
        })?;
        let why = status["state"]["waiting"]["message"].as_str().unwrap_or_default();
        ensure!(why == "the image's volume \"/bin/busybox\": is no folder in the image", "{why}");
        Ok(())
    })
}

#[test]
fn low_ports_need_no_privilege_in_a_network_namespace_of_the_pod() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let script = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start\n\
                      cat /proc/sys/net/ipv4/ping_group_range";
        let before = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")?;
        let own = said(host, script, json!([]), json!([]))?;
        ensure!(own == "0\n0\t2147483647\n", "{own}");
        let mut several = pod(
            json!([container("app", script, json!([])), container("b", "", json!([]))]),
            json!([]),
        );
        let name = "net.ipv4.ip_unprivileged_port_start";
        several["spec"]["securityContext"] =
            json!({ "sysctls": [{ "name": name, "value": "100" }] });
        host.apply(&several.to_string())?;
        ensure!(log(host, "app")? == "100\n0\t2147483647\n");
        host.probelet(["delete", "pod", "web"])?;
        let mut of_host = pod(json!([container("app", script, json!([]))]), json!([]));
        of_host["spec"]["hostNetwork"] = json!(true);
        host.apply(&of_host.to_string())?;
        let seen = log(host, "app")?;
        ensure!(seen.starts_with(&before), "{seen}");
        ensure!(fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")? == before);
        Ok(())
    })
}

#[test]
fn an_oci_spec_without_namespaces_is_reported_and_leaves_no_mounts() -> Result<()> {
    with_host(|host| {
        let mounts = || {
            let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
            let at = host.path("busybox-bare").display().to_string();
            table.lines().filter(|line| line.contains(&at)).count()
        };
        let mut request = host.busybox("bare", "exec sleep 1000")?;
        if let Some(spec) = request["ociSpec"].as_object_mut() {
            // A host name needs a UTS namespace.
            spec.remove("linux");
            spec.remove("hostname");
        }
        let made = host.call("probelet.v1.Containers/CreateContainer", &request)?;
        let warning = made["warnings"][0].as_str().unwrap_or_default();
        ensure!(warning.contains("the host's own namespaces: pid, network, ipc, uts"), "{made}");
        let event = format!("Warning HostNamespaces {warning}");
        eventually("the event", SOON, || host.events().ok()?.contains(&event).then_some(()))?;
        host.task_pid("bare_0")?;
        ensure!(mounts() == 0, "mounted on the host");
        host.call("probelet.v1.Containers/RemoveContainer", &json!({ "name": "bare" }))?;
        ensure!(mounts() == 0, "left on the host");
        host.expect_nothing_left()
    })
}
