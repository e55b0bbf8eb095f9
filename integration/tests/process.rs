//! Process settings of a manifest, checked from inside the container and in the kernel.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::target::extend;
use probelet_integration::{Host, SOON, eventually, with_host};
use serde_json::{Value, json};

/// A pod whose container runs `script`, prints `END` and sleeps.
fn pod(name: &str, script: &str, container: Value, spec: Value) -> Value {
    let mut app = json!({
        "name": "app", "image": BUSYBOX_IMAGE,
        "command": ["sh", "-c", format!("exec 2>&1\n{script}\necho END\nexec sleep 1000")],
    });
    extend(&mut app, container);
    let mut all = json!({ "terminationGracePeriodSeconds": 0, "containers": [app] });
    extend(&mut all, spec);
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": all })
}

/// Runs `script` in such a container and returns its output.
fn said(host: &Host, script: &str, container: Value, spec: Value) -> Result<String> {
    host.apply(&pod("web", script, container, spec).to_string())?;
    let log = whole_log(host, "web", "app")?;
    host.probelet(["delete", "pod", "web"])?;
    Ok(log)
}

fn whole_log(host: &Host, pod: &str, container: &str) -> Result<String> {
    let mut last = String::new();
    let seen = eventually("the container has printed END", SOON, || {
        last = host.probelet(["logs", pod, "-c", container]).unwrap_or_else(|e| e.to_string());
        last.strip_suffix("END\n").map(str::to_owned)
    });
    let status = || host.status_of(pod, container).map(|status| status.to_string());
    seen.with_context(|| format!("last: {last}; {:?}", status()))
}

/// The value of the line `NAME:\tVALUE` of `/proc/self/status`.
fn line<'a>(text: &'a str, name: &str) -> &'a str {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    lines.next().unwrap_or_default().trim()
}

const STATUS: &str = "cat /proc/self/status";

#[test]
fn users_and_groups_come_from_the_image_and_the_pod() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({ "User": "web" }))?;
        let ids = |text: &str| {
            ["Uid", "Gid", "Groups"].map(|name| {
                let words: Vec<_> = line(text, name).split_whitespace().collect();
                if name == "Groups" { words.join(" ") } else { words[0].to_owned() }
            })
        };
        let plain = said(host, STATUS, json!({}), json!({}))?;
        ensure!(ids(&plain) == ["101", "102", "4 102"], "{plain}");
        let pods = json!({ "securityContext": {
            "runAsUser": 7, "runAsGroup": 8, "fsGroup": 9, "supplementalGroups": [20],
        } });
        let text = said(host, STATUS, json!({}), pods)?;
        ensure!(ids(&text) == ["7", "8", "8 9 20"], "{text}");
        let own = json!({ "securityContext": { "runAsUser": 0 } });
        let text = said(host, STATUS, own, json!({}))?;
        ensure!(ids(&text) == ["0", "0", "0 10"], "{text}");
        host.expect_nothing_left()
    })
}

#[test]
fn run_as_non_root_refuses_root_with_the_kubelets_message() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let security = json!({ "securityContext": { "runAsNonRoot": true } });
        host.apply(&pod("web", "true", security, json!({})).to_string())?;
        let status = host.wait_status("web", SOON, |status| {
            status["state"]["waiting"]["reason"] == "CreateContainerConfigError"
        })?;
        let message = status["state"]["waiting"]["message"].as_str().unwrap_or_default();
        let words = "container has runAsNonRoot and image will run as root (pod: \"web_default(";
        ensure!(message.starts_with(words), "{message}");
        ensure!(host.column("web")? == "CreateContainerConfigError");
        ensure!(status["restartCount"] == 0, "{status}");
        ensure!(host.ctr(["task", "ls", "-q"])?.is_empty());
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn capabilities_privileges_and_system_calls_are_taken_away() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let plain = said(host, STATUS, json!({}), json!({}))?;
        ensure!(line(&plain, "CapBnd") == "00000000a80425fb", "{plain}");
        ensure!((line(&plain, "NoNewPrivs"), line(&plain, "Seccomp")) == ("0", "0"), "{plain}");
        let script = "cat /proc/self/status\ntouch /x\ntouch /tmp/x\ntouch /proc/sys/x\n\
                      touch /etc/hosts 2>&1 && echo WRITABLE\nmkdir /dev/shm/x && echo SHM";
        let restricted = json!({ "securityContext": {
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"], "add": ["NET_BIND_SERVICE"] },
            "seccompProfile": { "type": "RuntimeDefault" },
        } });
        let text = said(host, script, restricted, json!({}))?;
        ensure!(line(&text, "CapBnd") == "0000000000000400", "{text}");
        ensure!((line(&text, "NoNewPrivs"), line(&text, "Seccomp")) == ("1", "2"), "{text}");
        ensure!(text.contains("/x: Read-only file system"), "{text}");
        ensure!(text.contains("SHM") && !text.contains("WRITABLE"), "{text}");

        // The container has the capability, so only the profile forbids or allows the call.
        let mount = "mount -t tmpfs none /tmp && echo MOUNTED";
        let add = json!({ "add": ["SYS_ADMIN"] });
        let admin = json!({ "securityContext": {
            "capabilities": add, "seccompProfile": { "type": "RuntimeDefault" },
        } });
        ensure!(said(host, mount, admin, json!({}))?.contains("MOUNTED"));
        let folder = host.path("seccomp");
        fs::create_dir(&folder)?;
        let profile = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{ "names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95 }],
        });
        fs::write(folder.join("no-mount.json"), profile.to_string())?;
        let own = json!({ "securityContext": {
            "capabilities": add,
            "seccompProfile": { "type": "Localhost", "localhostProfile": "no-mount.json" },
        } });
        let text = said(host, mount, own.clone(), json!({}))?;
        ensure!(text.contains("not supported") && !text.contains("MOUNTED"), "{text}");
        let writable = fs::Permissions::from_mode(0o666);
        fs::set_permissions(folder.join("no-mount.json"), writable)?;
        let refused = host.apply(&pod("web", "true", own, json!({})).to_string());
        let text = format!("{:#}", refused.err().context("taken")?);
        ensure!(text.contains("no-mount.json: is writable by everyone"), "{text}");
        let missing = json!({ "securityContext": {
            "seccompProfile": { "type": "Localhost", "localhostProfile": "none.json" },
        } });
        let refused = host.apply(&pod("web", "true", missing, json!({})).to_string());
        let text = format!("{:#}", refused.err().context("taken")?);
        let field = "spec.containers[0].securityContext.seccompProfile.localhostProfile: cannot \
                     load seccomp profile";
        ensure!(text.contains(field), "{text}");
        host.expect_nothing_left()
    })
}

#[test]
fn a_privileged_container_has_the_hosts_devices_and_others_those_of_the_annotation() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let script = "cat /proc/self/status\nls /dev\ntouch /proc/sys/kernel/x 2>&1";
        let privileged = json!({ "securityContext": { "privileged": true } });
        let text = said(host, script, privileged, json!({}))?;
        let all = fs::read_to_string("/proc/self/status")?;
        ensure!(line(&text, "CapEff") == line(&all, "CapBnd"), "{text}");
        ensure!(text.lines().any(|line| line == "kmsg"), "{text}");
        ensure!(!text.contains("Read-only"), "{text}");

        let script = "ls -l /dev/log-of-kernel\ndd if=/dev/log-of-kernel bs=8192 count=1 2>&1 | \
                      grep -q . && echo READ";
        let mut asking = pod("web", script, json!({}), json!({}));
        asking["metadata"]["annotations"] =
            json!({ "probelet.io/app.devices": "/dev/kmsg:/dev/log-of-kernel:r" });
        host.apply(&asking.to_string())?;
        let text = whole_log(host, "web", "app")?;
        ensure!(text.contains("READ"), "{text}");
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn requests_and_limits_are_in_the_cgroup_and_the_class_in_the_oom_score() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let files = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            "cd /sys/fs/cgroup; cat cpu.weight cpu.max memory.max"
        } else {
            "cd /sys/fs/cgroup; cat cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us \
             memory/memory.limit_in_bytes"
        };
        let script = format!("cat /proc/self/oom_score_adj; {files}");
        let numbers = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let is_v2 = files.contains("memory.max");

        let limits = json!({ "resources": { "limits": { "cpu": "500m", "memory": "64Mi" } } });
        host.apply(&pod("web", &script, limits, json!({})).to_string())?;
        let text = whole_log(host, "web", "app")?;
        // If root may not lower the score, it is the daemon's own.
        let own = fs::read_to_string("/proc/self/oom_score_adj")?;
        ensure!(["-997", own.trim()].contains(&numbers(&text)[0].as_str()), "{text}");
        let shares = if is_v2 { "20" } else { "512" };
        ensure!(numbers(&text)[1..] == [shares, "50000", "100000", "67108864"], "{text}");
        ensure!(host.pod("web")?["status"]["qosClass"] == "Guaranteed");
        ensure!(host.probelet(["describe", "pod", "web"])?.contains("Guaranteed"));
        host.probelet(["delete", "pod", "web"])?;

        let text = said(host, &script, json!({}), json!({}))?;
        let numbers = numbers(&text);
        ensure!(numbers[0] == "1000" && numbers[1] == if is_v2 { "1" } else { "2" }, "{text}");
        host.expect_nothing_left()
    })
}

#[test]
fn host_names_and_resolvers_are_those_of_the_pod() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let spec = json!({
            "hostname": "me", "subdomain": "db", "setHostnameAsFQDN": true,
            "hostAliases": [{ "ip": "10.9.8.7", "hostnames": ["other", "other.lan"] }],
            "dnsPolicy": "None",
            "dnsConfig": {
                "nameservers": ["10.0.0.53"], "searches": ["lan"],
                "options": [{ "name": "ndots", "value": "2" }],
            },
            "securityContext": { "sysctls": [
                { "name": "net.ipv4.ip_unprivileged_port_start", "value": "80" },
                { "name": "kernel.shm_rmid_forced", "value": "1" },
            ] },
        });
        let script = "hostname; cat /etc/hosts /etc/resolv.conf\n\
                      cat /proc/sys/net/ipv4/ip_unprivileged_port_start\n\
                      cat /proc/sys/kernel/shm_rmid_forced";
        let text = said(host, script, json!({}), spec)?;
        ensure!(text.starts_with("me.db.default.svc.cluster.local\n"), "{text}");
        ensure!(text.contains("\n127.0.0.1\tme.db.default.svc.cluster.local\tme\n"), "{text}");
        ensure!(text.contains("\n10.9.8.7\tother\tother.lan\n"), "{text}");
        ensure!(text.contains("\nsearch lan\nnameserver 10.0.0.53\noptions ndots:2\n"), "{text}");
        ensure!(text.ends_with("\n80\n1\n"), "{text}");
        host.expect_nothing_left()
    })
}

#[test]
fn the_hosts_namespaces_are_shared_only_if_requested() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let own = |kind: &str| {
            let link = fs::read_link(format!("/proc/self/ns/{kind}"))?;
            anyhow::Ok(link.display().to_string())
        };
        let script = "for kind in net pid ipc uts mnt; do ls -l /proc/self/ns/$kind; done";
        for (spec, shared) in [
            (json!({}), &[] as &[&str]),
            (json!({ "hostNetwork": true }), &["net", "uts"]),
            (json!({ "hostPID": true }), &["pid"]),
            (json!({ "hostIPC": true }), &["ipc"]),
        ] {
            let text = said(host, script, json!({}), spec.clone())?;
            for kind in ["net", "pid", "ipc", "uts", "mnt"] {
                let is_shared = text.contains(&own(kind)?);
                ensure!(is_shared == shared.contains(&kind), "{spec} {kind}: {text}");
            }
        }
        host.expect_nothing_left()
    })
}

#[test]
fn containers_of_a_pod_share_dev_shm_and_a_restart_keeps_it() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let writes = "[ -e /dev/shm/x ] && echo AGAIN; echo hello > /dev/shm/x";
        let mut pod = pod("web", writes, json!({}), json!({}));
        let reads = "until grep -qs hello /dev/shm/x; do sleep 0.1; done; cat /dev/shm/x; \
                     df /dev/shm; echo END; exec sleep 1000";
        let other = json!({
            "name": "other", "image": BUSYBOX_IMAGE, "command": ["sh", "-c", reads],
        });
        if let Some(all) = pod["spec"]["containers"].as_array_mut() {
            all.push(other);
        }
        host.apply(&pod.to_string())?;
        let text = whole_log(host, "web", "other")?;
        ensure!(text.starts_with("hello\n") && text.contains("65536"), "{text}");
        host.probelet(["restart", "web", "-c", "app"])?;
        eventually("the file exists after a restart", SOON, || {
            let log = host.probelet(["logs", "web", "-c", "app"]).ok()?;
            log.contains("AGAIN").then_some(())
        })?;
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()
    })
}
