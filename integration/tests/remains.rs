//! Leftovers of a containerd that was killed during a creation do not disturb the next start.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, eventually, now, signal, with_host};
use rustix::process::Signal;
use serde_json::{Value, json};

fn apply(host: &Host, name: &str) -> Result<()> {
    let manifest = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "containers": [{ "name": name, "image": IMAGE, "args": ["sleep"] }] },
    });
    host.apply(&manifest.to_string()).map(drop)
}

fn runs_at_the_first_try(host: &Host, name: &str) -> Result<()> {
    let status = host.wait_status(name, SOON * 2, |status| status["state"]["running"].is_object());
    let status = status?;
    ensure!(status["restartCount"] == 0 && status["lastState"]["terminated"].is_null(), "{status}");
    Ok(())
}

#[test]
fn the_bundle_of_an_interrupted_creation_causes_no_restart() -> Result<()> {
    with_host(|host| {
        let bundles = host.path("state/io.containerd.runtime.v2.task").join(host.namespace());
        let (bundle, hidden) = (bundles.join("web_0"), bundles.join(".web_0"));
        for folder in [&bundle, &hidden] {
            fs::create_dir_all(folder.join("rootfs"))?;
            fs::write(folder.join("config.json"), Value::Null.to_string())?;
        }
        apply(host, "web")?;
        runs_at_the_first_try(host, "web")?;
        ensure!(!hidden.exists(), "{} stays", hidden.display());
        Ok(())
    })
}

/// The process ids of this attempt's shims.
fn shims(host: &Host, id: &str) -> Vec<u32> {
    let socket = host.containerd_socket().display().to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_shim = |pid: &u32| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = line.trim_end_matches('\0').split('\0').collect();
        // The helpers that start and delete a shim end by themselves.
        words.contains(&id)
            && words.contains(&socket.as_str())
            && words[0].contains("containerd-shim")
            && !matches!(words.last(), Some(&("start" | "delete")))
    };
    pids.filter(is_shim).collect()
}

#[test]
fn a_shim_that_hangs_in_a_start_is_ended_after_the_death_of_containerd() -> Result<()> {
    with_host(|host| {
        for round in 0..3 {
            let (name, id) = (format!("web-{round}"), format!("web-{round}_0"));
            let request =
                json!({ "name": &name, "image": IMAGE, "args": ["sleep"], "start": true });
            let (mut call, _) =
                host.spawn_call("probelet.v1.Containers/CreateContainer", &request)?;
            // The loop has no pause, because the moment is short.
            let start = now();
            let stopped = loop {
                match shims(host, &id).first() {
                    Some(shim) => break *shim,
                    None => ensure!(start.elapsed() < SOON, "no shim"),
                }
            };
            signal(stopped, Signal::STOP)?;
            host.kill_containerd()?;
            host.start_containerd()?;
            call.wait()?;
            runs_at_the_first_try(host, &name)?;
            eventually("one shim, and not the one that hung", SOON, || {
                let shims = shims(host, &id);
                (shims.len() == 1 && !shims.contains(&stopped)).then_some(())
            })?;
            host.probelet(["delete", "pod", &name, "--grace-period", "0"])?;
            eventually("no shim", SOON, || shims(host, &id).is_empty().then_some(()))?;
        }
        host.expect_nothing_left()
    })
}

/// The init process of this attempt that waits for `runc start`.
fn waiting_init(host: &Host, id: &str) -> Option<u32> {
    let group = format!("/{}/{id}", host.namespace());
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(|pid: &u32| {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}"));
        let is_ours =
            read("cgroup").is_ok_and(|groups| groups.lines().any(|line| line.ends_with(&group)));
        is_ours && read("comm").is_ok_and(|name| name.starts_with("runc:[2:INIT]"))
    })
}

/// containerd 1.6 shows the task as ended; newer versions drop it when they start.
#[test]
fn a_creation_whose_process_is_killed_before_its_start_causes_no_restart() -> Result<()> {
    with_host(|host| {
        let (hang, waits) = (host.path("hang"), host.path("waits"));
        let script = format!(
            "#!/bin/sh\ncase \" $* \" in *' start '*) echo > {}; while [ -e {} ]; do sleep 0.1; \
             done;; esac\nPATH=${{PATH#*:}} exec runc \"$@\"\n",
            waits.display(),
            hang.display()
        );
        let runc = host.path("bin/runc");
        fs::create_dir_all(host.path("bin"))?;
        fs::write(&runc, script)?;
        fs::set_permissions(&runc, fs::Permissions::from_mode(0o755))?;
        fs::write(&hang, "")?;
        apply(host, "web")?;
        eventually("the start waits", SOON, || waits.exists().then_some(()))?;
        host.kill_daemon()?;
        host.kill_containerd()?;
        let init = waiting_init(host, "web_0").context("nothing waits to be started")?;
        signal(init, Signal::KILL)?;
        fs::remove_file(&hang)?;
        host.start_containerd()?;
        host.start_daemon()?;
        runs_at_the_first_try(host, "web")
    })
}
